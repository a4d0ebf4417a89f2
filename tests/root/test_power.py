# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The power goes: what was acknowledged is there afterwards, and of what was half done nothing is seen.

The store is on a disk of its own whose power is cut: see power.py.
"""

import os
import unittest

from root.power import ROUNDS, PowerTest
from session import BUSYBOX, wait_until


@unittest.skipUnless(os.geteuid() == 0, "only as root")
class PowerCut(PowerTest):
    """See the module."""

    def is_sound(self):
        """Nothing in the store is damaged, and it can be worked with; then what is not recorded is gone."""
        done = self.here("system", "check", status=None)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.here("pull", "--quiet", BUSYBOX)
        self.assertEqual(self.here("run", "--rm", "--network", "none", BUSYBOX, "echo", "lives").stdout, "lives\n")
        self.here("system", "check")
        layers = self.disk / "store/haulout/layers"
        rubbish = lambda: [name for name in os.listdir(layers) if name.startswith((".staging-", ".garbage-"))]
        wait_until(lambda: not rubbish(), rubbish)

    def test_what_nobody_has_synced_is_lost(self):
        """That the power really goes."""
        (self.disk / "synced").write_text("here")
        os.sync()
        (self.disk / "new").write_text("lost")
        self.cut()
        self.assertEqual((self.disk / "synced").read_text(), "here")
        self.assertFalse((self.disk / "new").exists() and (self.disk / "new").read_text() == "lost")

    def test_what_was_acknowledged_is_there_afterwards(self):
        self.here("pull", "--quiet", BUSYBOX)
        self.cut()
        self.assertIn(BUSYBOX.split(":")[0], self.here("images").stdout)
        self.here("create", "--name", "made", "--volume", "data:/data", BUSYBOX, "true")
        self.cut()
        self.assertEqual(self.here("ps", "--all", "--format", "{{.Names}} {{.State}}").stdout, "made created\n")
        self.assertEqual(self.here("volume", "ls", "--quiet").stdout, "data\n")
        self.here("volume", "create", "--label", "a=b", "named")
        self.cut()
        self.assertEqual(self.here("volume", "inspect", "--format", "{{.Labels}}", "named").stdout, "map[a:b]\n")
        self.here("run", "--name", "ran", "--network", "none", BUSYBOX, "sh", "-c", "echo hi >/file; exit 7", status=7)
        self.here("commit", "--quiet", "ran", "mine")
        self.cut()
        self.assertEqual(self.here("inspect", "--format", "{{.State.ExitCode}} {{.State.Status}}", "ran").stdout, "7 exited\n")
        self.assertEqual(self.here("run", "--rm", "--network", "none", "mine", "cat", "/file").stdout, "hi\n")
        self.here("tag", "mine", "other")
        self.cut()
        self.here("image", "exists", "other")
        self.here("rm", "made")
        self.here("rmi", "mine")
        self.cut()
        self.assertEqual(self.here("ps", "--all", "--format", "{{.Names}}").stdout, "ran\n")
        self.here("image", "exists", "mine", status=1)
        self.here("secret", "create", "hidden", self.device.parent / "word", status=125)
        (self.device.parent / "word").write_text("word")
        self.here("secret", "create", "hidden", self.device.parent / "word")
        self.cut()
        self.assertEqual(self.here("secret", "inspect", "--showsecret", "--format", "{{.SecretData}}", "hidden").stdout, "word\n")
        self.is_sound()

    def cut_in_the_middle(self, before, *command):
        """Cuts the power at random moments of a command, each time after `before`, and looks at what is left."""
        for name in before:
            self.here(*name)
        whole = self.time(*self.words(*command))
        self.undo()
        for number in range(ROUNDS):
            with self.moment(whole, command=command, round=number) as moment:
                for name in before:
                    self.here(*name)
                if self.cut_at(moment, *self.words(*command)) == 0:
                    self.look_for_the_outcome()
                self.is_sound()
            self.undo()

    def undo(self):
        self.here("rm", "--all", "--force", "--time", "0")
        self.here("rmi", "--all", "--force")
        self.here("volume", "prune", "--force")

    def look_for_the_outcome(self):
        """What the command that ended well had to leave."""
        self.assertNotEqual(self.here("images", "--quiet").stdout, "")

    def test_a_pull_in_whose_midst_the_power_goes_is_there_whole_or_not_at_all(self):
        self.cut_in_the_middle([], "pull", "--quiet", BUSYBOX)

    def test_a_commit_in_whose_midst_the_power_goes_is_there_whole_or_not_at_all(self):
        changes = "mkdir /new; for i in $(seq 200); do echo $i >/new/$i; done; rm /bin/wget"
        before = [
            ["pull", "--quiet", BUSYBOX],
            ["run", "--name", "c", "--network", "none", BUSYBOX, "sh", "-c", changes],
        ]
        self.cut_in_the_middle(before, "commit", "--quiet", "c", "mine")

    def test_a_create_and_a_run_in_whose_midst_the_power_goes_leave_a_container_that_works_or_none(self):
        before = [["pull", "--quiet", BUSYBOX]]
        self.cut_in_the_middle(before, "create", "--name", "c", "--volume", "data:/data", BUSYBOX, "true")
        self.cut_in_the_middle(before, "run", "--name", "c", "--network", "none", BUSYBOX, "true")
        self.cut_in_the_middle(before, "run", "--rm", "--name", "c", "--network", "none", BUSYBOX, "true")

    def test_of_what_was_to_go_when_it_ends_the_volumes_stay_and_nothing_else(self):
        self.here("pull", "--quiet", BUSYBOX)

        def start():
            # Known by this folder, as all that ends with the power.
            script = ("sh", "-c", "echo hi >/data/file; sync; sleep 100; true", self.disk.parent)
            self.here("run", "--rm", "--detach", "--network", "none", "--volume", "data:/data", BUSYBOX, *script)

        start()
        file = self.disk / "store/haulout/volumes/data/_data/file"
        wait_until(lambda: file.exists() and file.read_text(), "it has written its file")
        os.sync()
        self.cut()
        self.assertEqual(self.here("volume", "ls", "--quiet").stdout, "data\n")
        self.assertEqual(file.read_text(), "hi\n")
        for synced in (True, False):
            start()
            if synced:
                os.sync()
            self.cut()
            self.is_sound()
        # Those whose records were lost are found by their folders.
        self.here("rm", "--all", "--force", "--time", "0")
        wait_until(lambda: not os.listdir(self.disk / "store/haulout/containers"), "nothing is left")
        self.assertEqual(self.here("volume", "ls", "--quiet").stdout, "data\n")
        self.assertEqual(file.read_text(), "hi\n")

    def test_a_removal_in_whose_midst_the_power_goes_has_removed_all_or_nothing(self):
        before = [["pull", "--quiet", BUSYBOX], ["tag", BUSYBOX, "other"]]
        self.look_for_the_outcome = lambda: self.here("image", "exists", "other", status=1)
        self.cut_in_the_middle(before, "rmi", "--all", "--force")


if __name__ == "__main__":
    unittest.main()
