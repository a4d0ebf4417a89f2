# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`system check` of stores that were broken in many ways: what is damaged is named, repaired or removed, and then there is nothing wrong."""

import sqlite3
import unittest

from session import BUSYBOX, DATA, SessionTest


class BrokenStore(SessionTest):
    """See the module. Each way leaves a store that works."""

    def setUp(self):
        super().setUp()
        self.haulout("create", "--name", "c", "--volume", "vol:/d", BUSYBOX, "true")
        self.haulout("run", "--name", "r", "--network", "none", BUSYBOX, "true")
        self.addCleanup(self.haulout, "pull", "--quiet", BUSYBOX)
        self.addCleanup(self.haulout, "volume", "rm", "--force", "vol", status=None)
        self.layer = next(folder for folder in (DATA / "layers").iterdir() if len(folder.name) == 64)

    def unshare(self, *command):
        self.check(0, "podman", "unshare", "sh", "-c", *command)

    def sql(self, statement):
        with sqlite3.connect(DATA / "state.db") as database:
            database.execute(statement)
        database.close()

    def finds(self, kinds, words, flags=()):
        """What a check says is damaged, before and after it is repaired."""
        found = self.haulout("system", "check", *flags, status=125)
        self.assertIn("damage detected in local storage", found.stderr)
        damaged = {line.split()[1] for line in found.stdout.splitlines() if line.startswith("Damaged ")}
        self.assertEqual(damaged, kinds, found.stdout)
        self.assertIn(words, found.stdout)
        self.haulout("system", "check", "--repair", "--force")
        self.assertEqual(self.haulout("system", "check").stdout, "")
        self.haulout("ps", "--all")

    def test_a_layer_that_is_gone(self):
        self.unshare(f"rm -rf {self.layer}")
        self.finds({"layer", "image", "container"}, "no such file or directory", ["--quick"])

    def test_a_file_of_a_layer_that_is_gone(self):
        self.unshare(f"rm {self.layer}/diff/etc/passwd")
        self.assertEqual(self.haulout("system", "check", "--quick").stdout, "")
        self.finds({"layer", "image", "container"}, 'reading "etc/passwd" of the layer')

    def test_a_file_of_a_layer_that_is_longer(self):
        self.unshare(f"echo x >>{self.layer}/diff/bin/busybox")
        self.finds({"layer", "image", "container"}, "bytes long and was")

    def test_a_file_of_a_layer_that_is_other(self):
        self.unshare(f"printf x | dd of={self.layer}/diff/bin/busybox bs=1 seek=99999 conv=notrunc")
        self.finds({"layer", "image", "container"}, "the layer was changed in the store")

    def test_what_was_kept_of_a_layer_that_is_gone_or_cut(self):
        self.unshare(f": >{self.layer}/parts")
        self.finds({"layer", "image", "container"}, "/parts: ")

    def test_a_configuration_that_is_other(self):
        self.sql("UPDATE images SET config = x'7b7d'")
        self.finds({"image", "container"}, "its configuration is not what its id says", ["--quick"])

    def test_a_volume_whose_folder_is_gone(self):
        self.unshare(f"rm -rf {DATA}/volumes/vol")
        self.finds({"volume"}, "volume vol: stat ", ["--quick"])
        self.assertEqual(self.haulout("volume", "ls", "--quiet").stdout, "vol\n")

    def test_a_volume_that_is_not_recorded(self):
        self.sql("DELETE FROM volumes")
        self.finds({"container"}, "volume vol: no such volume", ["--quick"])

    def test_a_record_that_cannot_be_read(self):
        self.sql("UPDATE containers SET record = '{' WHERE name = 'c'")
        self.finds({"container"}, "the database holds something that is not ours", ["--quick"])
        self.assertEqual(self.haulout("ps", "--all", "--format", "{{.Names}}").stdout, "r\n")

    def test_a_last_run_that_cannot_be_read_hides_nothing(self):
        for folder in (DATA / "containers").iterdir():
            if (folder / "last-run").exists():
                (folder / "last-run").write_bytes(bytes(200))
        out = self.haulout("ps", "--all", "--format", "{{.Names}} {{.State}}").stdout
        self.assertEqual(sorted(out.splitlines()), ["c created", "r exited"])
        self.haulout("start", "r")

    def test_a_folder_that_nobody_knows_is_no_damage_and_goes(self):
        stray = DATA / "layers" / ("1" * 64)
        stray.mkdir()
        self.assertEqual(self.haulout("system", "check").stdout, "")
        self.haulout("tag", BUSYBOX, "other")
        self.haulout("pull", "--quiet", BUSYBOX)
        self.haulout("commit", "--quiet", "r", "made")
        self.haulout("rmi", "made", "other")
        self.assertFalse(stray.exists())

    def test_a_database_that_is_none_is_said_to_be(self):
        database = DATA / "state.db"
        kept = {path: path.read_bytes() for path in DATA.glob("state.db*")}
        try:
            for path in kept:
                path.unlink()
            database.write_bytes(b"x" * 5000)
            stderr = self.haulout("system", "check", status=125).stderr
            self.assertIn(f"opening the database {database}: ", stderr)
        finally:
            for path, content in kept.items():
                path.write_bytes(content)


if __name__ == "__main__":
    unittest.main()
