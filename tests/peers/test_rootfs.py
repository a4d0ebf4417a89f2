# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A container whose root is a folder (`--rootfs`) is as Podman has it."""

import json
import shutil
import tarfile

from peers.peers import BUSYBOX, PeerTest, normal, run


class Rootfs(PeerTest):
    def setUp(self):
        super().setUp()
        folder = self.temporary_folder()
        archive = folder / "busybox.tar"
        run("podman", "create", "--name", "whole", BUSYBOX)
        run("podman", "export", "whole", "-o", archive)
        run("podman", "rm", "whole")
        self.roots = {}
        for program in ("podman", "haulout"):
            self.roots[program] = folder / program
            with tarfile.open(archive) as tar:
                tar.extractall(self.roots[program], filter="tar")

    def alike(self, verb, *words, normal=normal, stderr=True):
        """The same through both, each with a folder of its own in the place of ROOT."""
        ended = {}
        for program, root in self.roots.items():
            mine = [word.replace("ROOT", str(root)) for word in words]
            done = run(program, verb, *mine)
            text = done.stdout + (done.stderr if stderr else "")
            ended[program] = (done.returncode, normal(text.replace(str(root), "ROOT")))
        with self.subTest(words=words):
            self.assertEqual(ended["haulout"], ended["podman"])
        return ended["haulout"]

    def test_what_it_changes_is_changed_there(self):
        self.alike("run", "--rm", "--rootfs", "ROOT", "sh", "-c", "id; pwd; echo x > /made; ls /")
        for root in self.roots.values():
            self.assertEqual((root / "made").read_text(), "x\n")
            self.assertEqual((root / "made").stat().st_uid, root.stat().st_uid)
        self.alike("run", "--rm", "--rootfs=true", "ROOT", "ls", "/made")
        self.alike("run", "--rm", "--read-only", "--rootfs", "ROOT", "touch", "/other")
        self.alike("run", "--rm", "--init", "--rootfs", "ROOT", "ls", "/run")
        self.alike("run", "--rm", "--user", "12345", "--rootfs", "ROOT", "sh", "-c", "id; tail -1 /etc/passwd")
        for mode in ("keep-id", "nomap"):
            self.alike("run", "--rm", f"--userns={mode}", "--rootfs", "ROOT", "sh", "-c", "id; stat -c %u /etc /bin")

    def test_what_it_changes_over_the_folder_goes_with_it(self):
        for program, root in self.roots.items():
            run(program, "create", "--name", "c", "--rootfs", f"{root}:O", "sh", "-c", "ls /over; touch /over; ls /over")
        for said in ("No such file", "/over\n/over"):
            self.assertIn(said, self.alike("start", "-a", "c")[1])
        for root in self.roots.values():
            self.assertFalse((root / "over").exists())
            self.assertFalse((root / "etc/mtab").is_symlink())
        self.assertIn("/over", self.haulout("diff", "c").stdout)

    def test_a_folder_that_is_none_is_refused_in_the_same_words(self):
        for root in ["/nowhere", "nowhere:O", "ROOT:foo", "ROOT:", "ROOT:O,idmap", "localhost:5000/busybox", ""]:
            self.alike("create", "--rootfs", root, "true")
        self.alike("run", "--rmi", "--rootfs", "ROOT", "true")
        self.alike("run", "--rm", "--rootfs")
        self.alike("run", "--rm", "--rootfs", "ROOT", "nosuch")
        self.alike("run", "--rm", "-w", "/nosuch", "--rootfs", "ROOT", "pwd", stderr=False)
        self.assertIn("not a directory", self.haulout("create", "--rootfs", "/etc/passwd", "true", status=125).stderr)
        self.assertIn("idmap", self.haulout("create", "--rootfs", f"{self.roots['haulout']}:idmap", "true", status=125).stderr)
        self.assertEqual(self.haulout("ps", "-aq").stdout, "")

    def test_it_is_known_by_no_image(self):
        for program, root in self.roots.items():
            run(program, "create", "--name", "c", "--entrypoint", '["echo"]', "--rootfs", root, "hello")
        self.alike("start", "-a", "c")
        self.alike("ps", "-a", normal=lambda text: normal(text).split()[9:12])
        keys = "{{.Image}}|{{.ImageName}}|{{.ImageDigest}}|{{.Rootfs}}|{{.Config.Image}}|{{.Path}}|{{.Args}}|{{.Config.Entrypoint}}"
        self.alike("inspect", "c", "--format", keys)
        listed = {}
        for program in self.roots:
            listed[program] = json.loads(run(program, "ps", "-a", "--format", "json").stdout)[0]
        for key in ("Image", "ImageID", "Command"):
            self.assertEqual(listed["haulout"][key], listed["podman"][key])
        self.alike("commit", "c", "x")
        self.alike("diff", "c")
        self.same("ps", "-aq", "--filter", "ancestor=busybox")
        self.same("container", "clone", "c", "d", normal=lambda text: "")
        self.same("rm", "c", "d", normal=lambda text: sorted(text.split()))
        self.assertTrue(all((root / "bin/sh").exists() for root in self.roots.values()))
        self.haulout("rmi", BUSYBOX)
        self.haulout("pull", "-q", BUSYBOX)

    def test_it_is_copied_from_and_to_and_packed(self):
        root = self.roots["haulout"]
        self.haulout("run", "-d", "--name", "c", "--rootfs", root, "sleep", "100")
        self.assertEqual(self.haulout("exec", "c", "hostname").returncode, 0)
        file = self.temporary_folder() / "file"
        file.write_text("text\n")
        self.haulout("cp", file, "c:/running")
        self.haulout("stop", "-t", "0", "c")
        self.haulout("cp", file, "c:/stopped")
        self.assertEqual([(root / name).read_text() for name in ("running", "stopped")], ["text\n"] * 2)
        packed = self.temporary_folder() / "packed.tar"
        self.haulout("export", "c", "-o", packed)
        with tarfile.open(packed) as tar:
            self.assertIn("stopped", tar.getnames())
        self.haulout("restart", "-t", "0", "c")
        self.haulout("stop", "-t", "0", "c")
        shutil.move(root, f"{root}.gone")
        failed = self.haulout("start", "c", status=125).stderr
        self.assertIn(f"opening its root filesystem {root}: no such file or directory", failed)
        self.haulout("rm", "c")
