# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What storage.conf says of how things are stored: drivers, mounts, places, owners. Each in a store of its own, beside Podman's."""

import io
import os
import select
import shutil
import signal
import tarfile
import unittest

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import Process, mounts, processes, wait_until

# Called as fuse-overlayfs is; it writes down what with.
MOUNT_PROGRAM = """#!/bin/sh
echo "$2" >>{log}
exec mount -t overlay overlay -o "$2,userxattr" "$3"
"""
CHANGE = "echo hi >/new; echo x >>/etc/passwd; rm /bin/vi; mkdir -p /opt/a; ln -s b /opt/a/l; chmod 700 /tmp"


class StoreTest(PeerTest):
    """Tests in stores of their own, which each program has below one folder."""

    images = ()

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.stores = []
        self.addCleanup(self._forget)

    def _forget(self):
        for name in self.stores:
            for program in ("podman", "haulout"):
                run(program, "--root", self.folder / program / name, "--runroot", self.folder / program / "run", "rm", "-aft0")
            run("podman", "unshare", "rm", "-rf", self.folder / "podman" / name)
            run("haulout", "unshare", "rm", "-rf", self.folder / "haulout" / name)
        run("haulout", "unshare", "rm", "-rf", self.folder / "images")

    def line(self, program, store, *words):
        if store not in self.stores:
            self.stores.append(store)
        place = self.folder / program
        return [program, "--root", place / store, "--runroot", place / "run", *words]

    def pair(self, store, *words, env=None):
        """A command through both, each in its store; `{program}` in a word is its name."""
        done = []
        for program in ("podman", "haulout"):
            line = self.line(program, store, *[str(word).replace("{program}", program) for word in words])
            done.append(run(*line, env=env))
        return done

    def alike(self, store, *words, env=None, stderr=True, in_order=True):
        podman, haulout = self.pair(store, *words, env=env)
        with self.subTest(words=words):
            self.assertEqual(haulout.returncode, podman.returncode, f"{podman.stderr}\n{haulout.stderr}")
            said = [normal(done.stdout) if in_order else sorted(done.stdout.splitlines()) for done in (podman, haulout)]
            self.assertEqual(said[1], said[0])
            if stderr:
                self.assertEqual(normal(haulout.stderr), normal(podman.stderr))
        return haulout.stdout

    def ours(self, store, *words, status=0, env=None):
        done = run(*self.line("haulout", store, *words), env=env)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def fill(self, store, *options):
        self.pair(store, *options, "pull", "--quiet", "--tls-verify=false", BUSYBOX)


class Vfs(StoreTest):
    DRIVER = ("--storage-driver", "vfs")

    def test_a_container_lives_on_a_copy_of_its_own(self):
        self.fill("v", *self.DRIVER)
        vfs = self.DRIVER
        self.alike("v", *vfs, "run", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", CHANGE, stderr=False)
        self.alike("v", *vfs, "diff", "one", in_order=False)
        self.alike("v", *vfs, "inspect", "one", "--format", "{{json .GraphDriver}} {{.Driver}}")
        self.alike("v", *vfs, "image", "inspect", BUSYBOX, "--format", "{{json .GraphDriver}}")
        self.alike("v", *vfs, "info", "--format", "{{.Store.GraphDriverName}}")
        # Another one has none of it, the first has it still, and without the word for it too.
        self.alike("v", *vfs, "run", "--rm", "--network", "none", BUSYBOX, "sh", "-c", "ls /new /bin/vi", stderr=False)
        look = "cat /new; tail -n 1 /etc/passwd; ls /bin/vi; stat -c %a /tmp; mount | grep ' / ' | grep -c overlay"
        self.alike("v", *vfs, "commit", "--quiet", "one", "localhost/changed", stderr=False)
        self.alike("v", *vfs, "run", "--rm", "--network", "none", "localhost/changed", "sh", "-c", look, stderr=False)
        self.alike("v", *vfs, "diff", "localhost/changed", BUSYBOX, in_order=False)
        self.assertEqual(self.ours("v", "cp", "one:/new", "-").returncode, 0)
        exported = run(*self.line("haulout", "v", "export", "one", "-o", self.folder / "t.tar"))
        self.assertEqual(exported.returncode, 0, exported.stderr)
        names = tarfile.open(self.folder / "t.tar").getnames()
        self.assertIn("new", names)
        self.assertNotIn("bin/vi", names)
        size = self.ours("v", "ps", "--all", "--size", "--format", "{{.Size}}").stdout
        self.assertRegex(size, r"^\d{3}B \(virtual")
        # What was made for the commit is gone.
        place = next((self.folder / "haulout/v/haulout/containers").iterdir())
        self.assertEqual(sorted(one.name for one in place.iterdir() if one.is_dir()), ["files", "merged"])

    def test_other_ids_and_a_stop_and_a_start(self):
        self.fill("v", *self.DRIVER)
        run_ = ("run", "--network", "none", "--userns", "keep-id", "--rm", BUSYBOX, "sh", "-c", "stat -c %u:%g /bin/sh /etc; id -u")
        self.alike("v", *self.DRIVER, *run_, stderr=False)
        self.ours("v", "run", "--detach", "--name", "two", "--network", "none", BUSYBOX, "top")
        self.ours("v", "exec", "two", "touch", "/there")
        self.ours("v", "stop", "--time", "0", "two")
        self.ours("v", "start", "two")
        self.ours("v", "exec", "two", "ls", "/there")
        self.ours("v", "rm", "--force", "--time", "0", "two")

    def test_a_store_keeps_its_driver(self):
        self.fill("v", *self.DRIVER)
        self.fill("o")
        for store, other in (("v", "overlay"), ("o", "vfs")):
            self.alike(store, "--storage-driver", other, "ps")
            podman, haulout = self.pair(store, "ps", env={"STORAGE_DRIVER": other})
            self.assertEqual((podman.returncode, haulout.returncode), (0, 0))
            said = f'User-selected graph driver \\"{other}\\" overwritten by graph driver'
            self.assertIn(said, podman.stderr)
            self.assertIn(said, haulout.stderr)
        self.assertEqual(self.ours("v", "info", "--format", "{{.Store.GraphDriverName}}").stdout, "vfs\n")

    def test_a_file_may_ask_for_it(self):
        conf = self.folder / "storage.conf"
        conf.write_text(f'[storage]\ndriver = "vfs"\nrootless_storage_path = "{self.folder}/g"\n')
        env = {"CONTAINERS_STORAGE_CONF": str(conf)}
        done = run("haulout", "info", "--format", "{{.Store.GraphDriverName}}", env=env)
        self.assertEqual((done.stdout, done.stderr), ("vfs\n", ""))

    def test_options_that_it_has_not_are_refused(self):
        for option in ("overlay.mountopt=nodev", "vfs.mountopt=nodev", "size=3", "vfs.ignore_chown_errors=true"):
            self.alike("v", *self.DRIVER, "--storage-opt", option, "ps", "--noheading")


class Overlay(StoreTest):
    def test_options_of_the_mount_are_the_kernels(self):
        self.fill("o")
        show = ("run", "--rm", "--network", "none", BUSYBOX, "sh", "-c", "grep ' / ' /proc/mounts | grep -o -w -e noatime -e relatime -e xino=off -e volatile")
        for options in ("nodev", "nodev,metacopy=on", "noatime", "index=off,volatile", "xino=off"):
            self.alike("o", "--storage-opt", f"overlay.mountopt={options}", *show)
        podman, haulout = self.pair("o", "--storage-opt", "overlay.mountopt=bogus=1", *show)
        self.assertNotEqual((podman.returncode, haulout.returncode), (0, 0))
        self.assertIn("bogus", haulout.stderr)
        mount = ("mount", "x")
        self.ours("o", "create", "--name", "x", "--network", "none", BUSYBOX)
        line = self.line("haulout", "o", "--storage-opt", "overlay.mountopt=nodev,nosuid,noexec", *mount)
        text = run("haulout", "unshare", "sh", "-c", f"{' '.join(map(str, line))}; grep merged /proc/self/mountinfo").stdout
        self.assertIn("rw,nosuid,nodev,noexec,relatime", text)

    def test_what_nobody_would_miss_is_synced_when_that_is_said(self):
        self.fill("o")
        conf = self.folder / "storage.conf"
        show = ("run", "--rm", "--network", "none", BUSYBOX, "grep", "-c", "fsync=volatile", "/proc/mounts")
        for value, count in (("false", "1\n"), ("true", "0\n")):
            conf.write_text(f"[storage]\ndriver = 'overlay'\nrootless_storage_path = '{self.folder}/haulout/o'\n[storage.options]\ndisable-volatile = {value}\n")
            done = run("haulout", *show, env={"CONTAINERS_STORAGE_CONF": str(conf)})
            self.assertEqual(done.stdout, count, done.stderr)

    def test_a_program_mounts_instead_of_the_kernel(self):
        log, program = self.folder / "log", self.folder / "program"
        program.write_text(MOUNT_PROGRAM.format(log=log))
        program.chmod(0o755)
        option = ("--storage-opt", f"overlay.mount_program={program}", "--storage-opt", "overlay.mountopt=nodev,xino=off")
        self.fill("m")
        self.alike("m", *option, "run", "--rm", "--network", "none", BUSYBOX, "sh", "-c", "echo x >/y; cat /y")
        podman, haulout = log.read_text().splitlines()
        keys = [[word.split("=")[0] for word in line.split(",")] for line in (podman, haulout)]
        self.assertEqual(sorted(keys[0]), sorted(keys[1]))
        self.ours("m", *option, "run", "--name", "left", "--network", "none", BUSYBOX, "touch", "/z")
        self.ours("m", *option, "cp", "left:/z", "-")
        program.write_text("#!/bin/sh\necho no such luck >&2; exit 3\n")
        done = self.ours("m", *option, "run", "--rm", "--network", "none", BUSYBOX, "true", status=125)
        self.assertIn("no such luck", done.stderr)
        self.assertIn(f"{program}, the mount_program of storage.conf", done.stderr)

    @unittest.skipUnless(os.access("/dev/fuse", os.W_OK) and shutil.which("fuse-overlayfs"), "needs /dev/fuse and fuse-overlayfs")
    def test_fuse_overlayfs_mounts_and_leaves_nothing_behind(self):
        option = ("--storage-opt", f"overlay.mount_program={shutil.which('fuse-overlayfs')}")

        def mounting():
            return [process for process in processes("fuse-overlayfs") if str(self.folder) in " ".join(process.command)]

        def ended(what):
            wait_until(lambda: not mounting(), lambda: f"{what} left {mounting()}", 5)

        self.fill("f", *option)
        change = "echo hi >/new; ln /new /new2; rm /bin/vi; rm -r /home; mkdir -p /home/a; touch /home/a/b; chown 7:8 /home/a; chmod 700 /tmp; mkfifo /p"
        volumes = ("-v", "/volume", "-v", "/etc:/bound:ro")
        self.alike("f", *option, "run", "--name", "one", "--network", "none", *volumes, BUSYBOX, "sh", "-c", "touch /volume/file; mount | grep ' / ' | cut -d' ' -f1,5; " + change)
        ended("a run")
        changed = self.ours("f", *option, "diff", "one").stdout
        self.assertNotIn(".wh.", changed)
        for line in ("A /new", "D /bin/vi", "A /home/a", "C /tmp"):
            self.assertIn(line, changed.splitlines())
        self.ours("f", *option, "cp", "one:/new", "-")
        ended("a copy")
        exported = self.folder / "t.tar"
        self.ours("f", *option, "export", "one", "-o", exported)
        names = tarfile.open(exported).getnames()
        self.assertIn("home/a/b", names)
        self.assertEqual([name for name in names if ".wh." in name or name in ("bin/vi", "home/guest", "volume/file", "bound/passwd")], [])
        ended("an export")
        # Nobody reads it, and then it is cancelled or killed; what it had of the container is given back.
        for words, number in ((("export", "one"), signal.SIGINT), (("export", "one"), signal.SIGKILL), (("cp", "one:/bin", "-"), signal.SIGKILL)):
            half = self.spawn(*self.line("haulout", "f", *option, *words))
            wait_until(mounting, f"{words} mounts")
            select.select([half.stdout], [], [], 20)
            half.send_signal(number)
            ended(f"{words} that was killed by {number}")
            half.stdout.close()
            half.wait()
        self.ours("f", *option, "cp", "/etc/hostname", "one:/copied")
        self.assertIn("A /copied", self.ours("f", *option, "diff", "one").stdout.splitlines())
        ended("a copy into it")
        self.alike("f", *option, "cp", "/etc/hostname", "one:/copied")
        # Nor does one take away what somebody has mounted to look at, however it ends.
        line = " ".join(map(str, self.line("haulout", "f", *option)))
        look = f"p=$({line} mount one); for do in 'cp one:/new -' 'cp /nope one:/' 'cp one:/nope /tmp' 'export one'; do {line} $do; ls $p/bin/sh >&2; done; {line} umount one"
        looked = run(*self.line("haulout", "f", "unshare"), "sh", "-c", look)
        self.assertEqual((looked.returncode, looked.stderr.count("/merged/bin/sh\n")), (0, 4), looked.stderr)
        ended("looking at it")
        # What is committed is the same for whoever mounts it.
        self.alike("f", *option, "commit", "--quiet", "one", "localhost/changed", stderr=False)
        look = "cat /new; ls /bin/vi /home/*; stat -c '%n %u:%g %a %F' /home/a /tmp /p"
        for words in (option, ()):
            self.alike("f", *words, "run", "--rm", "--network", "none", "localhost/changed", "sh", "-c", look)
        for mode in ("keep-id", "auto"):
            self.alike("f", *option, "run", "--rm", "--network", "none", "--userns", mode, BUSYBOX, "sh", "-c", "id -u; stat -c %u /bin/sh; touch /tmp/x")
        ended("runs")
        # One that runs, and one whose monitor is killed.
        self.ours("f", *option, "run", "--detach", "--name", "two", "--network", "none", BUSYBOX, "sleep", "100")
        self.assertEqual(len(mounting()), 1)
        self.ours("f", *option, "exec", "two", "touch", "/there")
        self.ours("f", *option, "stop", "--time", "0", "two")
        ended("a stop")
        self.ours("f", *option, "start", "two")
        self.ours("f", *option, "exec", "two", "ls", "/there")
        monitor = Process(int(self.ours("f", *option, "inspect", "--format", "{{.State.ConmonPid}}", "two").stdout))
        monitor.kill()
        wait_until(lambda: not monitor.is_alive(), "it has ended")
        self.ours("f", *option, "start", "two")
        self.assertEqual(len(mounting()), 1)
        self.ours("f", *option, "exec", "two", "ls", "/there")
        self.ours("f", *option, "rm", "--all", "--force", "--time", "0")
        ended("a removal")
        self.ours("f", *option, "rmi", "--all")
        place = self.folder / "haulout/f/haulout"
        self.assertEqual([path for name in ("containers", "layers") for path in (place / name).iterdir() if not path.name.startswith(".")], [])
        self.assertEqual([point for point in mounts() if point.startswith(str(self.folder))], [])

    def test_owners_that_there_are_not_become_root_where_that_is_said(self):
        archive, other = self.folder / "files.tar", tarfile.TarInfo("file")
        other.uid = other.gid = 2_000_000_000
        with tarfile.open(archive, "w") as tar:
            tar.addfile(other, io.BytesIO())
            link = tarfile.TarInfo("link")
            link.uid, link.type, link.linkname = 2_000_000_000, tarfile.SYMTYPE, "file"
            tar.addfile(link)
        for value, status in (("false", 125), ("true", 0)):
            option = ("--storage-opt", f"overlay.ignore_chown_errors={value}")
            podman, haulout = self.pair("c", *option, "import", "--quiet", archive, "localhost/foreign")
            self.assertEqual((podman.returncode, haulout.returncode), (status, status), haulout.stderr)
        self.assertIn("potentially insufficient UIDs or GIDs", self.ours("d", "import", "-q", archive, "x", status=125).stderr)
        mount = "type=image,src=localhost/foreign,dst=/m"
        self.ours("c", "pull", "--quiet", "--tls-verify=false", BUSYBOX)
        look = ("run", "--rm", "--network", "none", "--mount", mount, BUSYBOX, "stat", "-c", "%u:%g", "/m/file", "/m/link")
        self.assertEqual(self.ours("c", *look).stdout, "0:0\n0:0\n")
        # The layer is still what it was, to the byte.
        self.ours("c", "save", "--quiet", "--output", self.folder / "saved.tar", "localhost/foreign")

    def test_modes_that_are_to_be_masked_are_told_of(self):
        done = self.ours("o", "--storage-opt", "overlay.force_mask=700", "images")
        self.assertEqual(done.stderr.count("overlay.force_mask"), 1)


class Places(StoreTest):
    def test_images_are_in_a_place_of_their_own_and_found_there_ever_after(self):
        images = self.folder / "images"
        option = ("--imagestore", images)
        self.ours("i", *option, "pull", "--quiet", "--tls-verify=false", BUSYBOX)
        layers = next(images.glob("haulout-*")) / "layers"
        self.assertEqual(len(list(layers.glob("[0-9a-f]*"))), 1)
        self.assertTrue((self.folder / "haulout/i/haulout/layers").is_symlink())
        for words in (option, ()):
            self.assertEqual(self.ours("i", *words, "images", "--quiet").stdout.count("\n"), 1)
            self.ours("i", *words, "run", "--rm", "--network", "none", BUSYBOX, "ls", "/bin/sh")
            self.ours("i", *words, "run", "--rm", "--network", "none", "--userns", "keep-id", BUSYBOX, "ls", "/bin/sh")
        # Another store with the same one does not take it for garbage.
        self.ours("j", *option, "pull", "--quiet", "--tls-verify=false", BUSYBOX)
        self.ours("j", *option, "rmi", "--all")
        self.ours("i", "run", "--rm", "--network", "none", BUSYBOX, "ls", "/bin/sh")
        self.ours("i", "rmi", "--all")
        self.assertEqual(list(layers.glob("[0-9a-f]*")), [])
        self.assertIn("must be another folder than graphroot", self.ours("k", "--imagestore", self.folder / "haulout/k", "ps", status=125).stderr)

    def test_transient_containers_go_with_what_does_not_survive_a_reboot(self):
        self.ours("t", "pull", "--quiet", "--tls-verify=false", BUSYBOX)
        self.ours("t", "create", "--name", "stays", "--network", "none", BUSYBOX)
        transient = ("--transient-store",)
        self.ours("t", *transient, "run", "--name", "goes", "--network", "none", BUSYBOX, "true")
        self.assertEqual(self.ours("t", *transient, "info", "--format", "{{.Store.TransientStore}}").stdout, "true\n")
        self.assertEqual(sorted(self.ours("t", "ps", "-a", "--format", "{{.Names}}").stdout.split()), ["goes", "stays"])
        grep = ("grep", "-c", "fsync=volatile", "/proc/mounts")
        self.assertEqual(self.ours("t", *transient, "run", "--network", "none", BUSYBOX, *grep).stdout, "1\n")
        # Volumes that nobody named go with the containers that they were made for, unless one that stays has them too.
        volumes = ("volume", "ls", "--format", "{{.Name}} {{.Anonymous}}")
        files = self.folder / "haulout/t/haulout/volumes"
        self.ours("t", *transient, "run", "--name", "filled", "--network", "none", "-v", "named:/n", "-v", "/a", BUSYBOX, "sh", "-c", "chown 7 /a; touch /a/f /n/f")
        self.ours("t", *transient, "run", "--name", "lender", "--network", "none", "-v", "/b", BUSYBOX, "touch", "/b/f")
        self.ours("t", *transient, "run", "--name", "removed", "--network", "none", "-v", "/c", BUSYBOX, "touch", "/c/f")
        self.ours("t", *transient, "rm", "removed")
        lent = self.ours("t", "inspect", "--format", "{{range .Mounts}}{{.Name}}{{end}}", "lender").stdout.strip()
        self.ours("t", "create", "--name", "borrower", "--network", "none", "--volumes-from", "lender", BUSYBOX)
        self.assertEqual(len(self.ours("t", *volumes).stdout.splitlines()), 4)
        # A reboot, or the last session's end.
        shutil.rmtree(self.folder / "haulout/run/haulout")
        self.assertEqual(sorted(self.ours("t", "ps", "-a", "--format", "{{.Names}}").stdout.split()), ["borrower", "stays"])
        self.assertEqual(sorted(self.ours("t", *volumes).stdout.splitlines()), sorted([f"{lent} true", "named false"]))
        self.ours("t", "rm", "borrower")
        self.assertEqual(sorted(path.name for path in files.iterdir() if not path.name.startswith(".")), sorted([lent, "named"]))
        self.ours("t", *transient, "run", "--name", "goes", "--network", "none", BUSYBOX, "true")
        self.assertEqual(len(self.ours("t", "ps", "-a", "--quiet").stdout.split()), 2)
