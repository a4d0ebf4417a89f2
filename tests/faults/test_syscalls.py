# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What makes and removes containers, and what carries files, struck at every system call (struck.py)."""

import os
import tarfile

from faults.struck import Struck, strace
from session import BUSYBOX, DATA, REGISTRY, SessionTest, run


class Syscalls(Struck):
    """What makes and removes containers, and what fetches images."""

    def test_run_is_recovered_from(self):
        command = ["haulout", "run", "--rm", "--name", "victim", "--network", "none", BUSYBOX, "true"]
        remove = ["haulout", "rm", "--force", "--time", "0", "--ignore", "victim"]
        self.faults(command, lambda: None, lambda: self.check(0, *remove))

    def test_rm_is_recovered_from(self):
        def prepare():
            self.haulout("create", "--name", "victim", "--network", "none", BUSYBOX, "true")
            self.haulout("start", "--attach", "victim")

        command = ["haulout", "rm", "--force", "--time", "0", "victim"]
        self.faults(command, prepare, lambda: self.check(0, *command[:-1], "--ignore", "victim"))

    def test_pull_is_recovered_from(self):
        def prepare():
            run("haulout", "rmi", "--force", BUSYBOX)

        def mend():
            self.haulout("pull", "--quiet", BUSYBOX)
            listed = self.haulout("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
            self.assertEqual(listed.count(BUSYBOX), 1)

        self.faults(["haulout", "pull", "--quiet", BUSYBOX], prepare, mend)


class SyscallsOfFiles(Struck):
    """What carries files: archives, registries, volumes, containers."""

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.haulout("tag", BUSYBOX, "localhost/kept")
        self.addCleanup(run, "haulout", "rmi", "localhost/kept")
        (self.folder / "etc").mkdir()
        (self.folder / "etc/greeting").write_text("hello\n")
        self.tree = self.folder / "tree.tar"
        with tarfile.open(self.tree, "w") as tar:
            tar.add(self.folder / "etc", "etc")

    def assert_nothing_beside(self, folder, *names):
        """In a folder of the user's there is what shall be there, and nothing that was on its way."""
        self.assertEqual(sorted(path.name for path in folder.iterdir()), sorted(names))

    def test_push_is_recovered_from(self):
        command = ["haulout", "push", "--quiet", BUSYBOX, f"{REGISTRY}/struck:latest"]

        def mend():
            self.check(0, *command)
            self.haulout("rmi", "--force", f"{REGISTRY}/struck")
            self.haulout("pull", "--quiet", f"{REGISTRY}/struck")
            self.assertEqual(self.id_of(f"{REGISTRY}/struck"), self.id_of(BUSYBOX))
            self.haulout("rmi", f"{REGISTRY}/struck")

        self.faults(command, lambda: None, mend)

    def id_of(self, image):
        return self.haulout("image", "inspect", "--format", "{{.Id}}", image).stdout

    def test_save_is_recovered_from(self):
        place = self.folder / "saved"
        place.mkdir()
        command = ["haulout", "save", "--quiet", "--output", place / "archive", "localhost/kept"]

        def prepare():
            (place / "archive").unlink(missing_ok=True)

        def mend():
            prepare()
            self.check(0, *command)
            self.assert_nothing_beside(place, "archive")
            self.haulout("load", "--quiet", "--input", place / "archive")

        self.faults(command, prepare, mend)

    def test_save_as_a_folder_is_recovered_from(self):
        place = self.folder / "saved"
        command = ["haulout", "save", "--quiet", "--format", "oci-dir", "--output", place, "localhost/kept"]

        def prepare():
            run("rm", "-rf", place)

        def mend():
            prepare()
            self.check(0, *command)
            self.assert_nothing_beside(place, "blobs", "index.json", "oci-layout")
            self.haulout("pull", "--quiet", f"oci:{place}")
            run("haulout", "untag", f"localhost{place}:latest", f"localhost{place}:latest")

        self.faults(command, prepare, mend)

    def test_load_is_recovered_from(self):
        self.haulout("import", "--quiet", self.tree, "localhost/tree")
        archive = self.folder / "archive"
        self.haulout("save", "--quiet", "--output", archive, "localhost/tree")
        command = ["haulout", "load", "--quiet", "--input", archive]

        def mend():
            self.check(0, *command)
            self.assertEqual(self.haulout("images", "--quiet", "localhost/tree").stdout.count("\n"), 1)
            # Its files are whole.
            self.haulout("save", "--quiet", "--output", self.folder / "again", "localhost/tree")
            (self.folder / "again").unlink()
            self.haulout("rmi", "localhost/tree")

        self.faults(command, lambda: self.haulout("rmi", "--force", "localhost/tree"), mend)

    def test_import_is_recovered_from(self):
        command = ["haulout", "import", "--quiet", self.tree, "localhost/tree"]

        def mend():
            self.check(0, *command)
            self.haulout("save", "--quiet", "--output", self.folder / "again", "localhost/tree")
            (self.folder / "again").unlink()
            self.haulout("rmi", "localhost/tree")
            self.assertEqual(list((DATA / "layers").glob(".[!l]*")), [])

        self.faults(command, lambda: self.haulout("rmi", "--force", "localhost/tree"), mend)

    def test_cp_is_recovered_from(self):
        command = ["haulout", "cp", self.folder / "etc/greeting", "victim:/etc/greeting"]

        def prepare():
            self.haulout("rm", "--force", "--ignore", "victim")
            self.haulout("create", "--name", "victim", "--network", "none", BUSYBOX, "cat", "/etc/greeting")

        def mend():
            self.check(0, *command)
            self.assertEqual(self.haulout("start", "--attach", "victim").stdout, "hello\n")
            self.haulout("rm", "victim")

        self.faults(command, prepare, mend)

    def test_cp_to_a_running_container_is_recovered_from(self):
        command = ["haulout", "cp", self.folder / "etc", "victim:/copied"]

        def prepare():
            self.haulout("rm", "--force", "--time", "0", "--ignore", "victim")
            self.haulout("run", "--detach", "--name", "victim", "--network", "none", BUSYBOX, "sleep", "100000")

        def mend():
            self.haulout("exec", "victim", "rm", "-rf", "/copied")
            self.check(0, *command)
            self.assertEqual(self.haulout("exec", "victim", "cat", "/copied/greeting").stdout, "hello\n")
            self.haulout("rm", "--force", "--time", "0", "victim")

        self.faults(command, prepare, mend)

    def test_cp_from_a_container_is_recovered_from(self):
        place = self.folder / "place"
        command = ["haulout", "cp", "victim:/etc/passwd", place / "copied"]

        def prepare():
            place.mkdir(exist_ok=True)
            (place / "copied").unlink(missing_ok=True)
            self.haulout("rm", "--force", "--ignore", "victim")
            self.haulout("create", "--name", "victim", "--network", "none", BUSYBOX, "cat", "/etc/passwd")

        def mend():
            self.check(0, *command)
            self.assertEqual(self.haulout("start", "--attach", "victim").stdout, (place / "copied").read_text())
            self.assert_nothing_beside(place, "copied")
            self.haulout("rm", "victim")

        self.faults(command, prepare, mend)

    def test_rename_is_recovered_from(self):
        def prepare():
            self.haulout("rm", "--force", "--ignore", "victim", "other")
            self.haulout("create", "--name", "victim", "--network", "none", BUSYBOX, "true")

        def mend():
            names = self.haulout("ps", "--all", "--format", "{{.Names}}").stdout.split()
            self.assertIn(names, (["victim"], ["other"]))
            if names == ["victim"]:
                self.haulout("rename", "victim", "other")
            self.haulout("start", "--attach", "other")
            self.haulout("rm", "other")

        self.faults(["haulout", "rename", "victim", "other"], prepare, mend)

    def assert_volumes_are_known(self):
        listed = self.haulout("volume", "ls", "--quiet").stdout.split()
        self.assertEqual(sorted(path.name for path in (DATA / "volumes").glob("[!.]*")), sorted(listed))

    def test_volume_create_is_recovered_from(self):
        def mend():
            self.haulout("volume", "create", "--ignore", "victim")
            self.haulout("run", "--rm", "--network", "none", "--volume", "victim:/v", BUSYBOX, "touch", "/v/file")
            self.haulout("volume", "rm", "victim")
            self.assert_volumes_are_known()

        self.faults(["haulout", "volume", "create", "victim"], lambda: self.remove_volume(), mend)

    def remove_volume(self):
        if run("haulout", "volume", "exists", "victim").returncode == 0:
            self.haulout("volume", "rm", "victim")

    def test_volume_import_is_recovered_from(self):
        command = ["haulout", "volume", "import", "victim", self.tree]

        def prepare():
            self.remove_volume()
            self.haulout("volume", "create", "victim")

        def mend():
            self.check(0, *command)
            done = self.haulout("run", "--rm", "--network", "none", "--volume", "victim:/v", BUSYBOX, "cat", "/v/etc/greeting")
            self.assertEqual(done.stdout, "hello\n")
            self.haulout("volume", "rm", "victim")
            self.assert_volumes_are_known()

        self.faults(command, prepare, mend)

    def test_volume_export_is_recovered_from(self):
        place = self.folder / "place"
        place.mkdir()
        command = ["haulout", "volume", "export", "--output", place / "tar", "victim"]

        def prepare():
            (place / "tar").unlink(missing_ok=True)
            self.remove_volume()
            self.haulout("volume", "create", "victim")
            self.haulout("volume", "import", "victim", self.tree)

        def mend():
            self.check(0, *command)
            with tarfile.open(place / "tar") as tar:
                self.assertIn("etc/greeting", [name.removeprefix("./") for name in tar.getnames()])
            self.assert_nothing_beside(place, "tar")
            self.haulout("volume", "rm", "victim")
            self.assert_volumes_are_known()

        self.faults(command, prepare, mend)

    def test_volume_prune_is_recovered_from(self):
        command = ["haulout", "volume", "prune", "--force"]

        def prepare():
            for name in ("victim", "other"):
                self.haulout("volume", "create", "--ignore", name)
                self.haulout("volume", "import", name, self.tree)

        def mend():
            self.check(0, *command)
            self.assertEqual(self.haulout("volume", "ls", "--quiet").stdout, "")
            self.assertEqual([path for path in (DATA / "volumes").glob("*") if path.name != ".lock"], [])

        self.faults(command, prepare, mend)

    def test_volume_rm_is_recovered_from(self):
        def prepare():
            self.remove_volume()
            self.haulout("volume", "create", "victim")
            self.haulout("volume", "import", "victim", self.tree)

        def mend():
            self.remove_volume()
            # What was being removed goes with the next one.
            self.haulout("volume", "create", "another")
            self.haulout("volume", "rm", "another")
            self.assert_volumes_are_known()
            self.assertEqual(list((DATA / "volumes").glob(".removing*")), [])

        self.faults(["haulout", "volume", "rm", "victim"], prepare, mend)

    def test_secret_create_is_recovered_from(self):
        (self.folder / "hidden").write_text("hush")

        def prepare():
            if run("haulout", "secret", "exists", "victim").returncode == 0:
                self.haulout("secret", "rm", "victim")

        def mend():
            prepare()
            self.haulout("secret", "create", "victim", self.folder / "hidden")
            done = self.haulout("run", "--rm", "--network", "none", "--secret", "victim", BUSYBOX, "cat", "/run/secrets/victim")
            self.assertEqual(done.stdout, "hush")
            self.haulout("secret", "rm", "victim")
            self.assertEqual(list((DATA / "secrets").glob("[!.]*")), [])

        self.faults(["haulout", "secret", "create", "victim", self.folder / "hidden"], prepare, mend)


class WithoutMetacopy(SessionTest):
    """A kernel or a file system that cannot have an image's files with other owners without their contents: they are copied."""

    def test_files_are_copied_for_another_map_of_ids(self):
        for path in (DATA / "mapped").glob("*"):
            run("podman", "unshare", "rm", "-rf", path)
        # Overlay's attributes are the first that are set.
        options = ["--network", "none", "--uidmap", "0:1:1000", "--gidmap", "0:1:1000"]
        words = "stat -c %u:%g:%a /bin/busybox /tmp; sha256sum /bin/busybox; find / -xdev | wc -l; touch /bin/new && echo written"
        command = ["haulout", "run", "--rm", *options, BUSYBOX, "sh", "-c", words]
        self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true")
        copied = strace("fsetxattr", "error=EOPNOTSUPP", command)
        self.assertEqual(copied.returncode, 0, copied.stderr)
        self.assertEqual([path.name for path in (DATA / "mapped").glob("*/[cm]*")], ["copy"])
        # The same files and owners as where nothing is copied, and as without a map.
        again = self.check(0, *command)
        self.assertEqual(again.stdout, copied.stdout)
        plain = self.haulout("run", "--rm", "--network", "none", BUSYBOX, "sh", "-c", words)
        self.assertEqual(plain.stdout, copied.stdout)
        for path in (DATA / "mapped").glob("*"):
            run("podman", "unshare", "rm", "-rf", path)
        self.assertEqual(self.check(0, *command).stdout, copied.stdout)

    def test_a_copy_that_was_cut_short_is_made_again(self):
        for path in (DATA / "mapped").glob("*"):
            run("podman", "unshare", "rm", "-rf", path)
        command = ["haulout", "run", "--rm", "--network", "none", "--uidmap", "0:1:500", "--gidmap", "0:1:500", BUSYBOX, "cat", "/etc/passwd"]
        self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true")
        words = ["strace", "-f", "-qqq", "-o", os.devnull, "-e", "trace=fsetxattr,copy_file_range,symlinkat"]
        words += ["-e", "inject=fsetxattr:error=EOPNOTSUPP", "-e", "inject=symlinkat:signal=KILL:when=40"]
        run(*words, *command)
        run("haulout", "rm", "--all", "--force")
        done = self.check(0, *command)
        self.assertIn("root:x:0:0:", done.stdout)
        self.assertEqual(list((DATA / "mapped").glob("*/staging")), [])
