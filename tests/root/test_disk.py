# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A disk that is full: what makes room works, what needs some says so. As root, who may mount one that is small."""

import os
import subprocess
import unittest

from session import BUSYBOX, SessionTest, wait_until

FULL = "no space left on device"


@unittest.skipUnless(os.geteuid() == 0, "only as root")
class FullDisk(SessionTest):
    """See the module."""

    images = ()

    def setUp(self):
        super().setUp()
        self.disk = self.temporary_folder()
        self.check(0, "mount", "-t", "tmpfs", "-o", "size=24M", "small", self.disk)
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(self.disk)], check=False)
        self.addCleanup(self.here, "rm", "--all", "--force", "--time", "0", status=None)
        self.here("pull", "--quiet", BUSYBOX)

    def here(self, *arguments, **options):
        """Runs haulout with its store on that disk."""
        return self.haulout("--root", self.disk / "store", *arguments, **options)

    def fill(self):
        """Writes until there is no room left."""
        with open(self.disk / "filler", "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def test_what_needs_room_says_that_there_is_none_and_leaves_nothing(self):
        self.fill()
        for command in (["create", BUSYBOX], ["run", "--rm", BUSYBOX, "true"], ["tag", BUSYBOX, "other"]):
            self.assertIn(FULL, self.here(*command, status=125).stderr.lower())
        self.assertEqual(self.here("ps", "--all", "--quiet").stdout, "")

    def test_what_runs_is_stopped_and_removed_and_then_there_is_room_again(self):
        writes = ["sh", "-c", "dd if=/dev/zero of=/file bs=64k; echo full; sleep 100000"]
        self.here("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, *writes)
        wait_until(lambda: os.statvfs(self.disk).f_bavail == 0, "the disk is full")
        self.assertEqual(self.here("exec", "c", "echo", "hi").stdout, "hi\n")
        self.here("create", "--name", "another", BUSYBOX, status=125)
        self.here("stop", "--time", "0", "c")
        self.assertEqual(self.here("inspect", "--format", "{{.State.ExitCode}}", "c").stdout, "137\n")
        self.here("rm", "c")
        self.assertEqual(self.here("run", "--rm", "--network", "none", BUSYBOX, "echo", "room").stdout, "room\n")

    def test_images_and_containers_are_removed_when_others_have_filled_it(self):
        for name in ("one", "two"):
            self.here("create", "--name", name, BUSYBOX)
        self.fill()
        self.here("rm", "one")
        self.here("rm", "two")
        self.here("rmi", BUSYBOX)
        self.assertEqual(self.here("images", "--quiet").stdout, "")

    def test_an_image_that_does_not_fit_leaves_what_there_was(self):
        self.here("rmi", BUSYBOX)
        before = os.statvfs(self.disk).f_bavail
        with open(self.disk / "filler", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, (before - 300) * os.statvfs(self.disk).f_frsize)
        left = os.statvfs(self.disk).f_bavail
        self.assertIn(FULL, self.here("pull", "--quiet", BUSYBOX, status=125).stderr.lower())
        wait_until(lambda: os.statvfs(self.disk).f_bavail >= left - 100, "what had come is gone")
        os.unlink(self.disk / "filler")
        self.here("pull", "--quiet", BUSYBOX)


if __name__ == "__main__":
    unittest.main()
