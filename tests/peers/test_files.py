# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A container's files: cp, diff and export as Podman has them."""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import wait_until

SLEEP = [BUSYBOX, "sleep", "1000"]
SHOW = "cd /; for f in $(find d dd ddd f g rel tmp lnk dang nowhere home etc/f 2>/dev/null | sort); do stat -c '%n %a %u:%g %F' $f; done"


class Files(PeerTest):
    def setUp(self):
        super().setUp()
        self.folder = {}
        for program in ("podman", "haulout"):
            folder = Path(tempfile.mkdtemp(prefix="files-"))
            self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
            (folder / "d/sub").mkdir(parents=True)
            (folder / "f").write_text("hello\n")
            (folder / "f").chmod(0o640)
            (folder / "a:b").write_text("odd\n")
            (folder / "d/a").write_text("a\n")
            (folder / "d/sub/b").write_text("b\n")
            (folder / "d/l").symlink_to("a")
            os.link(folder / "d/a", folder / "d/hard")
            self.folder[program] = folder

    def containers(self, *names, flags=()):
        for program in ("podman", "haulout"):
            for name in names:
                run(program, "run", "--detach", "--name", name, "--network", "none", *flags, *SLEEP)

    def alike(self, line, **options):
        """Runs a command through both, each in its own folder."""
        podman, haulout = (run(program, *line.split(), cwd=self.folder[program], **options) for program in ("podman", "haulout"))
        with self.subTest(command=line):
            self.assertEqual(haulout.returncode, podman.returncode, f"{podman.stderr}\n{haulout.stderr}")
            self.assertEqual(normal(haulout.stdout), normal(podman.stdout))
            self.assertEqual(normal(haulout.stderr), normal(podman.stderr))

    def shown(self, program):
        """What is in a folder on the host."""
        found = {}
        folder = self.folder[program]
        for path in sorted(folder.rglob("*")):
            stat = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
            found[str(path.relative_to(folder))] = (oct(stat.st_mode), stat.st_uid, content, int(path.is_file() and stat.st_mtime))
        return found

    def test_into_a_running_container(self):
        self.containers("one")
        for line in [
            "cp", "cp f", "cp f g", "cp f one", "cp f nope:/x", "cp f one:/", "cp f one:/g", "cp f one:/nodir/x", "cp f one:/nodir/", "cp d one:/",
            "cp d one:/dd", "cp d/. one:/dd", "cp d one:/dd", "cp d/. one:/ddd", "cp nosuch one:/", "cp f one:", "cp d one:/f", "cp f one:/dd",
            "cp --overwrite f one:/dd", "cp zz:x one:/", "cp ./a:b one:/", "cp q:b one:/", "cp f one:rel",
        ]:
            self.alike(line)
        self.same("exec", "one", "sh", "-c", SHOW)
        self.same("exec", "one", "sh", "-c", "cat /f /g /dd/sub/b; test /dd/a -ef /dd/hard && echo same; readlink /dd/l")

    def test_out_of_a_running_container(self):
        self.containers("one")
        self.same("exec", "one", "sh", "-c", "mkdir -p /dd/sub; echo x > /dd/x; echo y > /dd/sub/y; ln -s x /dd/l; chmod 600 /dd/x; echo f > /f; mkfifo /fifo")
        for line in [
            "cp one:/f .", "cp one:/f out", "cp one:/dd outd", "cp one:/dd outd", "cp one:/dd/. outd2", "cp one:/nosuch .", "cp one:/f nodir/x",
            "cp one:/f nodir/", "cp one:/dd f", "cp one:fff x", "cp one:/etc/passwd pw",
        ]:
            self.alike(line)
        podman, haulout = self.shown("podman"), self.shown("haulout")
        # The times are those of each container's own files.
        timeless = {name: {path: entry[:3] for path, entry in shown.items()} for name, shown in (("podman", podman), ("haulout", haulout))}
        self.assertEqual(timeless["haulout"], timeless["podman"])

    def test_links_lead_nowhere_but_in_the_container(self):
        self.containers("one")
        self.same("exec", "one", "sh", "-c", "ln -s /etc/passwd /lnk; ln -s /etc /lnkd; ln -s /nowhere /dang; ln -s ../../../../etc/group /out")
        for line in ["cp one:/lnk lnk", "cp one:/dang dang", "cp f one:/lnkd", "cp f one:/dang", "cp one:/out outx"]:
            self.alike(line)
        self.same("exec", "one", "sh", "-c", "cat /etc/f /nowhere; readlink /lnk /dang")
        for program in ("podman", "haulout"):
            self.assertIn("www-data:x:33:", (self.folder[program] / "outx").read_text())

    def test_a_stopped_container_and_its_volumes(self):
        for program in ("podman", "haulout"):
            run(program, "create", "--name", "two", "--network", "none", "-v", f"vol-{program}:/vol", "-v", f"{self.folder[program]}/d:/bind", BUSYBOX, "ls", "-ln", "/x", "/vol")
            self.addCleanup(run, program, "volume", "rm", "-f", f"vol-{program}")
        for line in ["cp f two:/x", "cp f two:/vol", "cp f two:/bind/new", "cp two:/x back", "cp two:/vol/f back2", "cp two:/nosuch ."]:
            self.alike(line)
        for program in ("podman", "haulout"):
            self.assertEqual((self.folder[program] / "d/new").read_text(), "hello\n")
            self.assertEqual((self.folder[program] / "back2").read_text(), "hello\n")
        podman, haulout = self.both("start", "-a", "two")
        self.assertEqual(haulout.returncode, podman.returncode)
        self.assertIn("1 0        0                6", haulout.stdout)

    def test_owners(self):
        self.containers("one", flags=["-u", "1000", "-w", "/home/guest"])
        for line in ["cp f one:rel", "cp -a=false f one:rel2", "cp d one:.", "cp one:rel back"]:
            self.alike(line)
        self.same("exec", "one", "sh", "-c", "stat -c '%n %a %u:%g' rel rel2 d d/a")
        self.assertEqual((self.folder["haulout"] / "back").stat().st_uid, os.getuid())

    def test_tars_in_and_out(self):
        self.containers("one", "two")
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(self.folder["haulout"] / "d", "d")
        for program in ("podman", "haulout"):
            for target, status in [("one:/tmp", 0), ("one:/etc/passwd", 125), ("one:/nosuch", 125)]:
                done = subprocess.run([program, "cp", "-", target], input=archive.getvalue(), capture_output=True)
                self.assertEqual(done.returncode, status, done.stderr)
        self.same("exec", "one", "sh", "-c", "cd /tmp; find . | sort; cat d/a; test d/a -ef d/hard && echo same")
        self.alike("cp - one:/tmp", stdin="")
        self.alike("cp - one:/tmp", stdin="x\n")
        names = {}
        for program in ("podman", "haulout"):
            for path in ("/tmp/d", "/etc/passwd"):
                done = subprocess.run([program, "cp", f"one:{path}", "-"], capture_output=True)
                with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
                    names.setdefault(program, []).append(sorted((member.name, member.type, member.uid) for member in tar))
        self.assertEqual(names["haulout"][1], names["podman"][1])
        self.assertEqual([entry[0] for entry in names["haulout"][0]], [entry[0] for entry in names["podman"][0]])
        self.alike("cp one:/tmp/d two:/tmp")
        self.same("exec", "two", "find", "/tmp/d/sub")

    def test_within_one_container(self):
        # Podman often waits for ever.
        made = "mkdir -p /a/s; echo f > /a/f; echo g > /a/s/g; ln /a/f /a/hard"
        show = "cd /; find a b c -type f | sort | xargs head; test /c/f -ef /c/hard && echo same; cat /etc/hosts"
        shown = {}
        for name in ("running", "stopped"):
            self.haulout("run", "--detach", "--name", name, "--network=none", "--hostname=h", BUSYBOX, "sh", "-c", f"{made}; touch /made; sleep 1000")
            wait_until(lambda name=name: run("haulout", "exec", name, "test", "-e", "/made").returncode == 0, "the files")
            if name == "stopped":
                self.haulout("stop", "--time=0", name)
            for source, target in (
                ("/a/f", "/b"), ("/a", "/c"), ("/a/f", "/a/f"), ("/a/.", "/a"), ("/a", "/"), ("/etc/hosts", "/etc/hosts"), ("/a/s", "/a/s"),
                ("/a", "/a/s"), ("/a", "/a/new"), ("/a/.", "/a/new/all"),
            ):
                self.haulout("cp", f"{name}:{source}", f"{name}:{target}")
            self.haulout("cp", f"{name}:/nosuch", f"{name}:/b", status=125)
            self.haulout("start", name)
            shown[name] = self.haulout("exec", name, "sh", "-c", show).stdout
        self.assertEqual(shown["stopped"].replace("stopped", "running"), shown["running"])
        self.assertIn("==> a/s/a/f <==\nf\n", shown["running"])
        self.assertIn("==> a/new/all/s/a/s/g <==\ng\n", shown["running"])
        self.assertNotIn("a/s/a/s/a", shown["running"])
        self.assertNotIn("new/new", shown["running"])
        self.assertIn("localhost", shown["running"])

    def test_what_is_mounted_on_a_file_gets_another_content(self):
        self.containers("one")
        self.haulout("cp", self.folder["haulout"] / "f", "one:/etc/hosts")
        self.assertEqual(self.haulout("exec", "one", "cat", "/etc/hosts").stdout, "hello\n")

    def test_a_hostile_tar_writes_nothing_outside(self):
        self.containers("one")
        self.same("exec", "one", "ln", "-s", "/etc", "/tmp/link")
        for name in ("../../../tmp/escaped", "link/../../escaped"):
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.addfile(tarfile.TarInfo(name))
            done = subprocess.run(["haulout", "cp", "-", "one:/tmp"], input=archive.getvalue(), capture_output=True)
            self.assertEqual(done.returncode, 125)
            self.assertIn(name, done.stderr.decode())
        self.assertFalse(Path("/tmp/escaped").exists())

    def test_diff(self):
        self.containers("one")
        self.same("diff", "one")
        self.same("exec", "one", "sh", "-c", "echo x > /new; rm /bin/vi; chmod 600 /etc/passwd; mkdir /d; touch /d/a; rm -r /home")
        for line in ["diff", "diff one", "diff --format json one", "diff --format {{.}} one", "container diff one", "diff nope", "container diff nope", "diff -l"]:
            self.same(*line.split(), normal=lambda text: sorted(normal(text).replace(",", "").splitlines()))
        self.same("stop", "-t0", "one")
        self.same("diff", "one", normal=lambda text: sorted(normal(text).splitlines()))
        self.same("start", "one")
        self.same("exec", "one", "sh", "-c", "rm -r /var/www; mkdir /var/www; touch /var/www/n")
        self.same("diff", "one", normal=lambda text: sorted(normal(text).splitlines()))

    def test_two_roots_are_compared_whatever_they_were_made_on(self):
        self.containers("one")
        self.containers("two")
        self.same("exec", "one", "sh", "-c", "mkdir -p /q/r; echo 1 >/q/a; echo 2 >/q/r/b; ln -s a /q/l; rm /etc/passwd")
        self.same("exec", "two", "sh", "-c", "mkdir /q; echo 3 >/q/n; echo 22 >/q/a; chmod 700 /etc; rm -r /bin")
        for program in ("podman", "haulout"):
            run(program, "commit", "-q", "one", "localhost/compared:1")
            self.addCleanup(run, program, "rmi", "--force", "localhost/compared:1")
        for line in ("one two", "two one", "one compared:1", "compared:1 two", "one one", "one nope", "a b c", f"two {BUSYBOX}",
                     "--format json one two"):
            self.same("diff", *line.split(), normal=lambda text: sorted(normal(text).replace(",", "").splitlines()))
        for line in ("one two", "one nope", f"one {BUSYBOX}", "a b c"):
            self.same("container", "diff", *line.split(), normal=lambda text: sorted(normal(text).splitlines()))
        self.same("image", "diff", BUSYBOX, "compared:1", normal=lambda text: sorted(normal(text).splitlines()))

    def test_export(self):
        self.containers("one", flags=["-v", "/etc:/x"])
        self.same("exec", "one", "sh", "-c", "echo x > /new; ln /new /hard; rm /bin/vi; mkfifo /fi; ln -s x /lnk")
        for line in ["export", "export nope", "export one two", "export -o /nonexist/x one"]:
            self.same(*line.split())
        for state in ("running", "stopped"):
            found = {}
            for program in ("podman", "haulout"):
                done = subprocess.run([program, "export", "one"], capture_output=True, check=True)
                with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
                    # What the runtime makes for mounts is each one's own.
                    found[program] = {
                        (member.name, member.type, member.uid, member.gid, member.linkname)
                        for member in tar
                        if not member.name.startswith(("run", "etc/resolv", "etc/hosts", "etc/hostname", "x", "dev", "sys", "proc", "new", "hard"))
                    }
                    self.assertEqual(tar.extractfile("hard").read(), b"x\n")
                    self.assertTrue(tar.getmember("new").islnk())
            with self.subTest(state=state):
                self.assertEqual(found["haulout"], found["podman"])
            self.same("stop", "-t0", "one")
