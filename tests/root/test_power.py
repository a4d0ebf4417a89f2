# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The power goes: what was acknowledged is there afterwards, and of what was half done nothing is seen.

The store is on an ext4 of its own, which is shut down as if the power had gone (`FS_IOC_SHUTDOWN` without writing its log back): what
the kernel had not written yet is lost, and the next mount replays the journal. As root, who may do so.
"""

import fcntl
import os
import random
import signal
import struct
import subprocess
import time
import unittest

from root.loop import mount_loop
from session import BUSYBOX, SessionTest, run, wait_until

# _IOR('X', 125, __u32), and to lose what is in the log as well.
SHUTDOWN, WITHOUT_LOG = 0x8004587D, struct.pack("I", 2)
ROUNDS = int(os.environ.get("HAULOUT_POWER_ROUNDS") or 6)


@unittest.skipUnless(os.geteuid() == 0, "only as root")
class PowerCut(SessionTest):
    """See the module."""

    images = ()

    def setUp(self):
        super().setUp()
        folder = self.temporary_folder()
        self.device, self.disk = folder / "device", folder / "disk"
        self.disk.mkdir()
        with open(self.device, "wb") as file:
            file.truncate(256 << 20)
        self.check(0, "mkfs.ext4", "-q", self.device)
        self.mount()
        self.addCleanup(self.unmount)
        self.addCleanup(self.end_all)
        # What is where the power keeps nothing anyway.
        self.run_folder = folder / "run"

    def mount(self):
        mount_loop(self.device, self.disk)

    def unmount(self):
        # Who still had it is ending. As long as a mount of one that ends holds the file system it is the one that was shut down, and
        # would be what is mounted next.
        wait_until(lambda: run("umount", self.disk).returncode == 0, "it is unmounted")
        wait_until(lambda: not run("losetup", "--associated", self.device).stdout, "nobody has the device")

    def end_all(self):
        """Nothing runs after a power cut."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_until(lambda: not self.processes(), "all have ended")
        subprocess.run(["umount", "--lazy", str(self.run_folder)], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", str(self.run_folder)], check=True)

    def processes(self):
        """Those that have to do with this store."""
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = open(f"/proc/{entry.name}/cmdline", "rb").read()
                except OSError:
                    continue
                if str(self.disk.parent).encode() in words:
                    found.append(int(entry.name))
        return found

    def cut(self):
        """The power goes, and comes back."""
        folder = os.open(self.disk, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(folder, SHUTDOWN, WITHOUT_LOG)
        os.close(folder)
        self.end_all()
        self.unmount()
        self.mount()

    def words(self, *arguments):
        return ["haulout", "--root", self.disk / "store", "--runroot", self.run_folder, *arguments]

    def here(self, *arguments, status=0):
        """Runs haulout with its store on that disk."""
        return self.check(status, *self.words(*arguments))

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
        began = time.monotonic()
        self.here(*command)
        whole = time.monotonic() - began
        self.undo()
        for number in range(ROUNDS):
            moment = random.uniform(0, whole * 1.1)
            with self.subTest(command=command, moment=f"{moment:.3f} of {whole:.3f} s, round {number}"):
                for name in before:
                    self.here(*name)
                process = subprocess.Popen(
                    [str(word) for word in self.words(*command)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                time.sleep(moment)
                done = process.poll()
                self.cut()
                process.wait()
                if done == 0:
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

    def test_a_removal_in_whose_midst_the_power_goes_has_removed_all_or_nothing(self):
        before = [["pull", "--quiet", BUSYBOX], ["tag", BUSYBOX, "other"]]
        self.look_for_the_outcome = lambda: self.here("image", "exists", "other", status=1)
        self.cut_in_the_middle(before, "rmi", "--all", "--force")


if __name__ == "__main__":
    unittest.main()
