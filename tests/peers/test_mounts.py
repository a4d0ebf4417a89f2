# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is mounted in a container is seen by it as with Podman, and `volume` keeps its volumes as Podman does."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, normal, run

# What is seen of a mount: its place, its options, its type, its owner and mode.
SEE = r"""
for place in "$@"; do
  grep " $place " /proc/self/mountinfo | cut -d' ' -f5,6 ; stat -c '%n %u:%g %a %F' "$place"
done
"""


class Mounts(PeerTest):
    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "volume", "rm", "--all", "--force")
            here = self.folder / program
            (here / "folder").mkdir(parents=True)
            (here / "folder/file").write_text("text\n")
            os.symlink("/etc", here / "folder/out")

    def test_fields_of_a_mount_may_have_quotes(self):
        for mount in [
            '"type=tmpfs","dst=/x,y"', 'type=tmpfs,"dst=/x ""q"""', 'type=bind,"src=/nope/a,b",dst=/x', 'type=bind,"src=/etc,dst=/x',
            'type=bind,src="/etc",dst=/x', 'type=tmpfs,"dst=/x"y',
        ]:
            self.same("run", "--rm", "--mount", mount, BUSYBOX, "ls", "/")

    def test_a_volume_is_made_with_the_options_of_its_mount(self):
        options = "volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m"
        self.same("run", "--rm", "--mount", f"type=volume,src=small,dst=/x,{options}", BUSYBOX, "df", "-k", "/x")
        # The one that is there stays as it is.
        self.same("run", "--rm", "--mount", "type=volume,src=small,dst=/x,volume-opt=o=size=2m", BUSYBOX, "df", "-k", "/x")
        self.same("volume", "inspect", "small", "--format", "{{.Options.type}} {{.Options.o}}")
        self.same("run", "--rm", "--mount", f"type=volume,dst=/x,{options}", BUSYBOX, "df", "-k", "/x")
        self.same("create", "--mount", "type=volume,src=wrong,dst=/x,volume-opt=foo=bar", BUSYBOX, stderr=False)

    def test_two_mounts_that_are_the_same_are_one(self):
        for flags in [
            "-v /tmp:/y -v /tmp:/y", "-v /tmp:/y -v /tmp:/y:ro", "-v one:/y -v one:/y:ro", "-v one:/y:ro -v one:/y", "-v one:/y -v two:/y",
            "--mount type=volume,src=one,dst=/y -v one:/y", "--mount type=bind,src=/tmp,dst=/y -v /tmp:/y", "--tmpfs /y --mount type=tmpfs,dst=/y",
        ]:
            self.same("run", "--rm", *flags.split(), BUSYBOX, "sh", "-c", "grep -c ' /y ' /proc/self/mountinfo; test -w /y")

    def test_a_part_of_an_image_can_be_written_for_one_run(self):
        mount = f"type=image,src={BUSYBOX},dst=/x,subpath=/etc,rw=true"
        self.same("run", "--rm", "--mount", mount, BUSYBOX, "sh", "-c", "echo a > /x/new; cat /x/new; ls /x")
        self.same("run", "--rm", "--mount", mount, BUSYBOX, "ls", "/x")
        self.same("run", "--rm", "--mount", "type=volume,src=one,dst=/x,subpath=/nope", BUSYBOX, "true", stderr=False)

    def alike(self, *words, places=("/x",), script=SEE, **options):
        """Runs a container through both, each with a folder of its own in the place of FOLDER; what it prints is the same."""
        outputs = []
        for program in ("podman", "haulout"):
            mine = [word.replace("FOLDER", str(self.folder / program / "folder")) for word in words]
            done = run(program, "run", "--rm", *mine, BUSYBOX, "sh", "-c", script, "sh", *places, **options)
            text = (done.stdout + done.stderr).replace(str(self.folder / program), "")
            outputs.append((done.returncode, normal(text)))
        with self.subTest(words=words):
            self.assertEqual(outputs[1], outputs[0])
        return outputs[1][1]

    def test_a_bind_mount_has_the_options_that_were_asked_for(self):
        for options in ["", ":ro", ":z", ":Z,rslave", ":rshared", ":rbind", ":noexec,nosuid,nodev", ":U"]:
            self.alike("-v", f"FOLDER:/x{options}")
        self.alike("-v", "FOLDER/file:/x:ro")
        for words in ["ro=true", "bind-propagation=rslave", "bind-nonrecursive", "relabel=private", "readonly=false"]:
            self.alike("--mount", f"type=bind,src=FOLDER,dst=/x,{words}")

    def test_u_gives_the_files_to_the_containers_user(self):
        see = "stat -c '%n %u:%g' /x /x/file /x/out"
        self.alike("-u", "5:6", "-v", "FOLDER:/x:U", script=see)
        self.alike("-u", "7", "--mount", "type=bind,src=FOLDER,dst=/x,chown=true", script=see)
        self.alike("-u", "5:6", "-v", "named:/x:U", script="stat -c '%n %u:%g' /x")

    def test_what_is_written_over_a_folder_goes_with_the_container(self):
        self.alike("-v", "FOLDER:/x:O", script="echo new > /x/file; echo > /x/other; cat /x/file; ls /x")
        for program in ("podman", "haulout"):
            self.assertEqual((self.folder / program / "folder/file").read_text(), "text\n")
            self.assertFalse((self.folder / program / "folder/other").exists())
        self.haulout("create", "--name", "c", "-v", f"{self.folder}/haulout/folder:/x:O", BUSYBOX, "sh", "-c", "ls /x; touch /x/new")
        for _ in range(2):
            self.assertEqual(self.haulout("start", "-a", "c").stdout, "file\nout\n")
        upper, work = self.folder / "upper", self.folder / "work"
        upper.mkdir()
        work.mkdir()
        over = f"{self.folder}/haulout/folder:/x:O,upperdir={upper},workdir={work}"
        self.haulout("run", "--rm", "-v", over, BUSYBOX, "touch", "/x/kept")
        self.assertTrue((upper / "kept").exists())

    def test_other_file_systems_are_mounted_alike(self):
        for words in [
            "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700",
            "type=tmpfs,dst=/etc,notmpcopyup",
            "type=tmpfs,dst=/x,ro",
            "type=ramfs,dst=/x",
            "type=devpts,dst=/x,mode=620,max=3",
            f"type=image,src={BUSYBOX},dst=/x",
            f"type=image,src={BUSYBOX},dst=/x,rw=true",
        ]:
            self.alike("--mount", words, script="grep -E ' (/x|/etc) ' /proc/self/mountinfo | cut -d' ' -f5,6 | sed 's/,relatime//; s/^\\(.x\\) r[wo]$/\\1/'; ls -d /x/* /etc; touch /x/y 2>&1")
        self.alike("--mount", "type=glob,src=FOLDER/f*,dst=/x", script="ls /x; cat /x/file")
        self.alike("--tmpfs", "/x:U", "-u", "5:6", script="stat -c %u:%g /x")

    def test_a_part_of_a_volume_is_mounted_and_no_link_leads_out_of_it(self):
        for program in ("podman", "haulout"):
            run(program, "run", "--rm", "-v", "v:/v", BUSYBOX, "sh", "-c", "mkdir -p /v/a/b; echo x > /v/a/f; ln -s /etc /v/out; ln -s a /v/in")
        for part in ["a", "/a/b", "in"]:
            self.alike("--mount", f"type=volume,src=v,dst=/x,subpath={part}", script="ls /x")
        # The link leads to the volume's own /etc, which is not there.
        escaped = self.haulout("run", "--rm", "--mount", "type=volume,src=v,dst=/x,subpath=out", BUSYBOX, "ls", "/x", status=127)
        self.assertIn("mounting out of ", escaped.stderr)

    def test_volumes_are_made_filled_shared_and_removed_alike(self):
        for program in ("podman", "haulout"):
            run(program, "run", "--rm", "-v", "kept:/etc", BUSYBOX, "sh", "-c", "echo x > /etc/new")
        self.alike("-v", "kept:/x", script="ls /x; cat /x/new")
        self.alike("-v", "empty:/etc:nocopy", script="ls /etc")
        for program in ("podman", "haulout"):
            run(program, "create", "--name", "c", "-v", "kept:/a:ro", "-v", "/b", "-v", f"{self.folder}:/c", BUSYBOX, "true")
        self.same("volume", "rm", "kept")
        self.same("volume", "ls", "--filter", "dangling=false", normal=lambda text: sorted(normal(text).split("\n")))
        for program in ("podman", "haulout"):
            run(program, "start", "-a", "c")
        self.alike("--volumes-from", "c", script=SEE, places=("/a", "/b"))
        self.alike("--volumes-from", "c:ro", script="touch /b/x 2>&1; ls /a/new")
        self.same("rm", "c", stderr=False, normal=lambda text: "")
        self.assertEqual(len(self.haulout("volume", "ls", "-q").stdout.split()), 3)
        self.haulout("create", "--name", "d", "-v", "/b", BUSYBOX, "true")
        self.haulout("rm", "-v", "d")
        self.haulout("run", "--rm", "-v", "/b", BUSYBOX, "true")
        self.assertEqual(len(self.haulout("volume", "ls", "-q").stdout.split()), 3)
        self.same("volume", "prune", "--force", normal=lambda text: len(text.split()))
        self.assertEqual(self.haulout("volume", "ls").stdout, "")

    def test_a_volume_that_others_still_have_outlives_its_container(self):
        self.haulout("create", "--name", "c", "-v", "/b", BUSYBOX, "true")
        self.haulout("create", "--name", "d", "--volumes-from", "c", BUSYBOX, "ls", "/b")
        self.haulout("rm", "-v", "c")
        self.haulout("start", "-a", "d")
        self.assertEqual(len(self.haulout("volume", "ls", "-q").stdout.split()), 1)

    def test_options_of_the_driver_are_taken_alike(self):
        for program in ("podman", "haulout"):
            run(program, "volume", "create", "own", "--opt", "o=uid=5,gid=6")
            run(program, "volume", "create", "here", "--opt", "type=none", "--opt", "o=bind", "--opt", f"device={self.folder}/{program}/folder")
            run(program, "volume", "create", "memory", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,mode=711")
        self.alike("-v", "own:/x", script="stat -c %u:%g /x")
        self.alike("-v", "here:/x", script="cat /x/file")
        self.alike("-v", "memory:/x", script="stat -c %a /x; grep ' /x ' /proc/self/mountinfo | grep -o size=1024k; df /x | tail -1 | cut -c 1-5")

    def test_a_volume_is_none_before_it_is_its_owner_s(self):
        failed = self.haulout("volume", "create", "far", "--opt", "o=uid=2000000000", status=125)
        self.assertIn("giving ", failed.stderr)
        self.assertEqual(self.haulout("volume", "ls", "--quiet").stdout, "")
        self.haulout("volume", "create", "far", "--opt", "o=uid=5")

    def test_the_verbs_of_volumes_say_the_same(self):
        for line in [
            "create a --label x=y --opt type=tmpfs --opt device=tmpfs --opt o=size=1m",
            "create a",
            "create --ignore a",
            "create a!b",
            "create --driver foo b",
            "create --opt foo=bar b",
            "create --opt o=uid=x b",
            "create a b",
            "create --label =x",
            "create b",
            "ls",
            "ls -n",
            "ls -q --filter name=^a",
            "ls --filter label=x",
            "ls --filter label!=x",
            "ls --filter foo=bar",
            "ls --filter opt=type",
            "ls --format {{.Name}}|{{.Driver}}|{{.Labels}}|{{.Options}}|{{.Scope}}|{{.MountCount}}",
            "inspect nope",
            "inspect",
            "inspect -a a",
            "inspect --format {{.Name}} a b",
            "exists a",
            "exists nope",
            "exists",
            "rm",
            "rm nope",
            "rm -f nope",
            "rm -a x",
            "rm -t 3 a",
            "mount a",
            "mount",
            "unmount nope",
            "reload",
            "rm a b",
            "foo",
        ]:
            self.same("volume", *line.split())
        self.same("volume", "prune", stdin="n\n")
        self.same("volume", "--help", normal=lambda text: text.split("\n")[0])

    def test_inspect_shows_mounts_alike(self):
        def seen(program, *words):
            mine = [word.replace("FOLDER", str(self.folder / program / "folder")) for word in words]
            run(program, "create", "--name", "c", *mine, BUSYBOX, "true")
            config = json.loads(run(program, "inspect", "c").stdout)[0]
            run(program, "rm", "-f", "-t", "0", "-v", "c")
            host = config["HostConfig"]
            text = json.dumps([config["Mounts"], host["Binds"], host["Tmpfs"], host["VolumesFrom"]], sort_keys=True)
            text = text.replace(str(self.folder / program), "").replace("containers/haulout/volumes", "containers/storage/volumes")
            return normal(text)

        for words in [
            ["-v", "FOLDER:/x:U,z,noexec"],
            ["-v", "v:/x:nocopy"],
            ["-v", "v:/x:ro,U"],
            ["-v", "FOLDER:/x:ro,rslave"],
            ["-v", "/x"],
            ["--mount", "type=bind,src=FOLDER,dst=/x,bind-nonrecursive"],
            ["--mount", "type=bind,src=FOLDER,dst=/x,ro=true,relabel=shared"],
            ["--mount", "type=volume,src=v,dst=/x,subpath=/a,readonly"],
            ["--mount", f"type=image,src={BUSYBOX},dst=/x,rw=true"],
            ["--mount", "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700"],
            ["--mount", "type=ramfs,dst=/x"],
            ["--mount", "type=devpts,dst=/x,uid=5,mode=620,max=3"],
        ]:
            with self.subTest(words=words):
                self.assertEqual(seen("haulout", *words), seen("podman", *words))

    def test_what_makes_no_sense_is_refused_alike(self):
        for line in [
            "-v /tmp:/x:z,Z",
            "-v /tmp:/x:O,ro",
            "-v /tmp:/x:O,upperdir=/tmp",
            "-v /tmp:/x:copy,nocopy",
            "-v foo/bar:/x",
            "--mount foo",
            "--mount type=foo",
            "--mount src=vv,dst=/x",
            "--mount type=bind,src=/tmp",
            "--mount type=bind,src=/nope,dst=/x",
            "--mount type=bind,src=/tmp,dst=x",
            "--mount type=bind,src=/tmp,dst=/x,foo",
            "--mount type=bind,src=/tmp,dst=/x,ro,rw",
            "--mount type=bind,src=/tmp,dst=/x,bind-propagation=foo",
            "--mount type=bind,src=/tmp,dst=/x,relabel=foo",
            "--mount type=bind,src=/tmp,dst=/x,chown=maybe",
            "--mount type=bind,src=/tmp,dst=/x,tmpfs-size=3",
            "--mount type=volume,src=vv,dst=/x,volume-label=a",
            "--mount type=volume,src=v!v,dst=/x",
            "--mount type=tmpfs,src=/a,dst=/x",
            "--mount type=tmpfs,dst=/x,size=q",
            "--mount type=tmpfs",
            "--mount type=ramfs,dst=/x,notmpcopyup",
            "--mount type=image,dst=/x",
            f"--mount type=image,src={BUSYBOX},dst=/x,ro",
            "--mount type=glob,src=/nope*,dst=/x",
            "--mount type=tmpfs,dst=/x --mount type=tmpfs,dst=/x",
            "--mount type=tmpfs,dst=/x -v /tmp:/x",
            "--volumes-from nope",
            "--volumes-from nope:foo",
            "--volumes-from nope:ro,rw",
            "--image-volume foo",
        ]:
            self.same("create", *line.split(), BUSYBOX, "true")

    def test_an_images_volumes_are_what_image_volume_says(self):
        image = BUSYBOX.split("/")[0] + "/volume:1"
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "rmi", "--force", image)
        self.addCleanup(run, "buildah", "rm", "volume-maker")
        for words in [
            ["from", "--quiet", "--pull-never", "--name", "volume-maker", BUSYBOX],
            ["config", "--volume", "/etc", "volume-maker"],
            ["commit", "--quiet", "volume-maker", image],
            ["push", "--quiet", "--tls-verify=false", image],
        ]:
            self.check(0, "buildah", *words)
        for mode in ["", "anonymous", "tmpfs", "ignore"]:
            outputs = []
            for program in ("podman", "haulout"):
                done = run(program, "run", "-q", "--rm", f"--image-volume={mode}" if mode else "--rm", image, "sh", "-c", "grep ' /etc ' /proc/self/mountinfo | sed 's/.* - //' | cut -d' ' -f1; ls /etc/passwd")
                outputs.append((done.returncode, done.stdout, done.stderr))
            with self.subTest(mode=mode):
                self.assertEqual(outputs[1], outputs[0])

    def test_the_files_of_a_volume_go_out_and_in_as_a_tar(self):
        seen = {}
        for program in ("podman", "haulout"):
            archive = str(self.folder / f"{program}.tar")
            run(program, "volume", "create", "one")
            run(program, "volume", "create", "other")
            make = "cd /x; echo a > a; mkdir -m 750 d; ln a d/hard; ln -s ../a d/out; chown 5:6 a; touch stays"
            run(program, "run", "--rm", "-v", "one:/x", BUSYBOX, "sh", "-c", make)
            run(program, "run", "--rm", "-v", "other:/x", BUSYBOX, "sh", "-c", "echo old > /x/a; touch /x/mine")
            done = [run(program, "volume", "export", "one", "-o", archive), run(program, "volume", "import", "other", archive)]
            look = "cd /x; find . | sort | xargs stat -c '%n %u:%g %a %F %h' ; cat a; readlink d/out"
            done.append(run(program, "run", "--rm", "-v", "other:/x", BUSYBOX, "sh", "-c", look))
            for words in [
                ("export",),
                ("export", "nope"),
                ("export", "one", "-o", "/nonexistent/x"),
                ("import",),
                ("import", "one"),
                ("import", "nope", archive),
                ("import", "one", "missing.tar"),
            ]:
                done.append(run(program, "volume", *words))
            seen[program] = [(one.returncode, one.stdout, normal(one.stderr)) for one in done]
        self.assertEqual(seen["haulout"], seen["podman"])

    def test_two_tars_for_one_volume_wait_for_one_another(self):
        path = self.folder / "many.tar"
        with tarfile.open(path, "w") as archive:
            for number in range(2000):
                archive.addfile(tarfile.TarInfo(f"file-{number}"))
        self.haulout("volume", "create", "v")
        words = ("haulout", "volume", "import", "v", str(path))
        four = [self.spawn(*words, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        self.assertEqual([(one.communicate()[1], one.returncode) for one in four], [("", 0)] * 4)

    def test_a_tar_for_a_volume_that_leads_out_of_it_is_refused_and_writes_nothing_there(self):
        outside = self.folder / "outside"
        outside.mkdir()
        self.haulout("volume", "create", "v")
        for name, link in [("../up", None), ("link/in", str(outside)), ("link/../../up", None)]:
            path = self.folder / "evil.tar"
            with tarfile.open(path, "w") as archive:
                if link:
                    info = tarfile.TarInfo("link")
                    info.type, info.linkname = tarfile.SYMTYPE, link
                    archive.addfile(info)
                archive.addfile(tarfile.TarInfo(name))
            run("haulout", "volume", "import", "v", str(path))
            self.assertEqual(list(outside.iterdir()), [], name)
            mountpoint = Path(self.haulout("volume", "inspect", "--format", "{{.Mountpoint}}", "v").stdout.strip())
            self.assertFalse((mountpoint.parent / "up").exists())
        # What was refused filled nothing: the first container's image does still.
        self.haulout("volume", "create", "fresh")
        self.haulout("volume", "import", "fresh", "/etc/passwd", status=125)
        self.assertEqual(self.haulout("volume", "inspect", "--format", "{{.NeedsCopyUp}}", "fresh").stdout, "true\n")
        self.assertIn("leads out", self.haulout("volume", "import", "v", str(path), status=125).stderr)
        self.assertIn("tar", self.haulout("volume", "import", "v", "/etc/passwd", status=125).stderr)
        self.haulout("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "t")
        self.assertIn("tmpfs mount", self.haulout("volume", "export", "t", "-o", str(path), status=125).stderr)

    def test_the_words_of_a_mount_are_taken_and_refused_alike(self):
        for words in [
            "z", "Z", "no-dereference", "idmap", "relabel=shared,relabel=private", "nodev,dev", "suid,nosuid", "nocopy", "U=false",
        ]:
            self.alike("--mount", f"type=bind,src=FOLDER,dst=/x,{words}")
        for words in [
            "ramfs,dst=/x,tmpfs-size=1m", "ramfs,dst=/x,tmpfs-mode=700", "tmpfs,dst=/x,noswap", "tmpfs,dst=/x,ro,rw", "glob,dst=/x",
            "tmpfs,dst=/x,tmpfs-size=1m,tmpfs-size=2m", "tmpfs,dst=/x,tmpfs-mode=700,tmpfs-mode=711", 
            f"image,src={BUSYBOX},dst=/x,subpath=etc", f"image,src={BUSYBOX},dst=/x,rw=x", "artifact,src=x,dst=/x",
        ]:
            self.alike("--mount", f"type={words}")
        for words in ["ro,z,Z", "noexec,exec", "suid,nosuid", "norecursive"]:
            self.alike("-v", f"FOLDER:/x:{words}")

    def test_nothing_can_be_written_where_nothing_is_to_be(self):
        see = "grep -E ' (/dev|/dev/shm|/run|/tmp) ' /proc/self/mountinfo | cut -d' ' -f5,6 | sort; touch /dev/x /dev/shm/x 2>&1"
        self.alike("--read-only", script=see)
        self.alike("--read-only", "--read-only-tmpfs=false", script=see)
        self.alike("--ipc", "none", "--shm-size", "1m", script="true")
        self.alike("--ipc", "host", "--shm-size", "1m", script="true")
