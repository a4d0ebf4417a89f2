# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A disk that is full, has no inodes left, is over its quota or turns read-only: what makes room works, what needs some says so, and
nothing is lost. As root, who may mount one that is small."""

import os
import subprocess
import time
import unittest
from pathlib import Path

from root.loop import mount_loop
from session import BUSYBOX, SessionTest, run, wait_until

# Ends when it is asked to, with a status of its own.
FOR_EVER = ["sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"]


class Disk(SessionTest):
    """A store on a disk of its own."""

    images = ()

    def setUp(self):
        super().setUp()
        self.disk = self.temporary_folder()
        self.mount()
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(self.disk)], check=False)
        self.addCleanup(self.here, "rm", "--all", "--force", "--time", "0", status=None)
        self.here("pull", "--quiet", BUSYBOX)

    def mount(self):
        self.check(0, "mount", "-t", "tmpfs", "-o", "size=24M", "small", self.disk)

    def here(self, *arguments, **options):
        """Runs haulout with its store on that disk."""
        return self.haulout("--root", self.disk / "store", *arguments, **options)

    def state(self, name):
        return self.here("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name).stdout.strip()

    def run_one(self, name, *options):
        self.here("run", "--detach", "--name", name, "--network", "none", *options, BUSYBOX, *FOR_EVER)
        wait_until(lambda: self.here("logs", name).stdout == "ready\n", "it is ready")


class Exhausted:
    """What holds whatever it is that there is no more of. `fill` takes the rest of it, `empty` gives it back."""

    # What needs some for files, and whether the rows of a database do.
    files = (["run", "--rm", BUSYBOX, "true"], ["volume", "create", "v"])
    for_rows_too = True

    def test_what_needs_some_says_that_there_is_none_and_leaves_nothing(self):
        self.fill()
        for command in (["create", BUSYBOX], ["tag", BUSYBOX, "other"], *self.files):
            done = self.here(*command, status=125 if command in self.files or self.for_rows_too else 0)
            if done.returncode:
                self.assertIn(self.words, done.stderr.lower(), command)
        self.here("rm", "--all")
        self.assertEqual(self.here("ps", "--all", "--quiet").stdout, "")
        self.empty()
        self.assertEqual(self.here("volume", "ls", "--quiet").stdout, "")
        self.assertEqual(self.here("run", "--rm", "--network", "none", BUSYBOX, "echo", "room").stdout, "room\n")

    def test_what_runs_is_looked_at_stopped_and_removed(self):
        self.run_one("c")
        self.run_one("gone", "--rm")
        self.fill()
        self.assertEqual(self.here("exec", "c", "echo", "hi").stdout, "hi\n")
        self.assertEqual(self.here("ps", "--format", "{{.Names}}").stdout.split(), ["c", "gone"])
        self.here("stop", "c")
        self.assertEqual(self.state("c"), "exited 3")
        self.assertEqual(self.here("wait", "c").stdout, "3\n")
        self.here("stop", "gone")
        wait_until(lambda: self.here("container", "exists", "gone", status=None).returncode == 1, "it was removed when it ended")
        self.here("rm", "c")
        self.assertEqual(self.here("ps", "--all", "--quiet").stdout, "")

    def test_images_containers_and_volumes_are_removed_when_others_have_filled_it(self):
        for name in ("one", "two", "three"):
            self.here("create", "--name", name, "--volume", f"{name}:/v", BUSYBOX)
        self.here("tag", BUSYBOX, "other")
        self.fill()
        self.here("rmi", "other")
        self.here("rm", "one")
        self.here("rm", "two")
        self.here("container", "prune", "--force")
        self.here("rm", "--force", "three")
        self.here("volume", "rm", "one")
        self.here("volume", "prune", "--force")
        self.here("rmi", BUSYBOX)
        self.here("system", "prune", "--force", "--all", "--volumes")
        self.assertEqual(self.here("images", "--quiet").stdout, "")
        self.assertEqual(self.here("volume", "ls", "--quiet").stdout, "")


@unittest.skipUnless(os.geteuid() == 0, "only as root")
class NoInodes(Exhausted, Disk):
    """Room enough, and no inode for one more file."""

    words = "no space left on device"
    for_rows_too = False

    def mount(self):
        self.check(0, "mount", "-t", "tmpfs", "-o", "size=64M,nr_inodes=1500", "small", self.disk)

    def fill(self):
        (self.disk / "filler").mkdir()
        try:
            for number in range(2000):
                (self.disk / "filler" / str(number)).touch()
        except OSError:
            return
        self.fail("there were inodes enough")

    def empty(self):
        self.check(0, "rm", "-rf", self.disk / "filler")


@unittest.skipUnless(os.geteuid() == 0, "only as root")
class Quota(Exhausted, Disk):
    """A folder that may not become larger, on a disk that has room. btrfs's quotas, which hold for root too."""

    words = "quota"

    def mount(self):
        image = self.temporary_folder() / "image"
        with open(image, "wb") as file:
            file.truncate(512 << 20)
        self.check(0, "mkfs.btrfs", "--quiet", image)
        mount_loop(image, self.disk)
        self.check(0, "btrfs", "quota", "enable", self.disk)
        self.check(0, "btrfs", "subvolume", "create", self.disk / "store")
        self.check(0, "btrfs", "qgroup", "limit", "48M", self.disk / "store")

    def fill(self):
        with open(self.disk / "store/filler", "wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(os.urandom(size))
                        os.fsync(file.fileno())
                except OSError:
                    pass
        # The many small files of a database and of folders take what a large one could not have.
        try:
            for number in range(100_000):
                (self.disk / "store" / f"filler-{number}").write_bytes(os.urandom(2000))
        except OSError:
            return
        self.fail("the quota does not hold")

    def empty(self):
        for path in (self.disk / "store").glob("filler*"):
            path.unlink()
        os.sync()


@unittest.skipUnless(os.geteuid() == 0, "only as root")
class FullDisk(Exhausted, Disk):
    """No room."""

    words = "no space left on device"

    def fill(self):
        """Writes until there is no room left."""
        with open(self.disk / "filler", "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def empty(self):
        os.unlink(self.disk / "filler")

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

    def test_a_log_on_a_full_disk_is_whole_when_there_is_room_again_or_says_what_is_missing(self):
        count = 'i=0; while :; do i=$((i + 1)); echo "line $i"; usleep 5000; done'
        self.here("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sh", "-c", count)
        wait_until(lambda: self.here("logs", "c").stdout, "it says something")
        self.fill()
        seen = len(self.here("logs", "c").stdout.splitlines())
        time.sleep(0.5)
        self.empty()
        wait_until(lambda: len(self.here("logs", "c").stdout.splitlines()) > seen + 50, "it goes on")
        lines = self.here("logs", "c").stdout.splitlines()
        self.assertEqual(lines, [f"line {number}" for number in range(1, len(lines) + 1)])

    def test_an_image_that_does_not_fit_leaves_what_there_was(self):
        self.here("rmi", BUSYBOX)
        before = os.statvfs(self.disk).f_bavail
        with open(self.disk / "filler", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, (before - 300) * os.statvfs(self.disk).f_frsize)
        left = os.statvfs(self.disk).f_bavail
        self.assertIn(self.words, self.here("pull", "--quiet", BUSYBOX, status=125).stderr.lower())
        wait_until(lambda: os.statvfs(self.disk).f_bavail >= left - 100, "what had come is gone")
        os.unlink(self.disk / "filler")
        self.here("pull", "--quiet", BUSYBOX)


@unittest.skipUnless(os.geteuid() == 0, "only as root")
class Temporary(Disk):
    """Room on the disk, and none in memory: where temporary files go, or where containers run."""

    def setUp(self):
        super().setUp()
        self.small = self.temporary_folder()
        self.check(0, "mount", "-t", "tmpfs", "-o", "size=1M", "small", self.small)
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(self.small)], check=False)

    def fill(self):
        with open(self.small / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 12))
            except OSError:
                pass

    def test_images_and_containers_do_not_go_through_a_folder_for_temporary_files(self):
        haulout = f"haulout --root {self.disk}/store"
        self.here("create", "--name", "c", BUSYBOX, "true")
        self.fill()
        for script in (
            f"{haulout} save {BUSYBOX} | {haulout} load",
            f"{haulout} save --format oci-archive {BUSYBOX} | gzip | {haulout} load",
            f"tar c -C /etc hostname | {haulout} import - imported:1",
            f"{haulout} commit --quiet c committed:1 && {haulout} run --rm --network none committed:1 true",
            f"{haulout} export c | tar t && {haulout} cp c:/etc/passwd - | tar t",
            f"{haulout} rmi imported:1 committed:1",
        ):
            done = run("bash", "-o", "pipefail", "-c", script, env={"TMPDIR": str(self.small)})
            self.assertEqual(done.returncode, 0, f"{script}\n{done.stderr}")
        # Units are tried in one before they are installed.
        unit = self.temporary_folder() / "small-test.container"
        unit.write_text(f"[Container]\nImage={BUSYBOX}\n")
        refused = self.haulout("quadlet", "install", unit, status=125, env={"TMPDIR": str(self.small)})
        self.assertIn("no space left on device", refused.stderr.lower())
        self.assertFalse(Path("/etc/containers/systemd/small-test.container").exists())
        self.assertEqual([path.name for path in self.small.iterdir()], ["filler"])

    def test_where_containers_run_without_room_they_are_looked_at_and_stopped(self):
        def there(*words, **options):
            return self.here("--runroot", self.small / "run", *words, **options)

        self.addCleanup(there, "rm", "--all", "--force", "--time", "0", status=None)
        there("create", "--name", "n", "--network", "none", BUSYBOX, "true")
        for name, options in (("c", ()), ("gone", ("--rm",))):
            there("run", "--detach", "--name", name, "--network", "none", *options, BUSYBOX, *FOR_EVER)
            wait_until(lambda: there("logs", name).stdout == "ready\n", "it is ready")
        self.fill()
        self.assertEqual(there("ps", "--format", "{{.Names}}").stdout.split(), ["c", "gone"])
        there("pause", "c")
        there("unpause", "c")
        there("cp", "/etc/hostname", "c:/copied")
        there("commit", "--quiet", "c", "committed:1")
        # What needs a file says where.
        for words in (["start", "n"], ["init", "n"], ["exec", "c", "true"], ["exec", "--detach", "c", "true"], ["run", "--rm", "--network", "none", BUSYBOX, "true"]):
            said = there(*words, status=125).stderr
            self.assertRegex(said, rf"(?i)in {self.small}/.*no space left on device", words)
        there("stop", "c", "gone")
        self.assertEqual(there("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "c").stdout, "exited 3\n")
        there("rm", "c")
        self.assertEqual(there("ps", "--all", "--format", "{{.Names}}").stdout, "n\n")
        self.assertEqual([path.name for path in (self.small / "run").glob("**/containers/*")], [])
        os.unlink(self.small / "filler")
        there("start", "--attach", "n")

    def test_what_cannot_be_noted_as_paused_goes_on(self):
        def there(*words, **options):
            return self.here("--runroot", self.small / "run", *words, **options)

        self.addCleanup(there, "rm", "--all", "--force", "--time", "0", status=None)
        there("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, *FOR_EVER)
        wait_until(lambda: there("logs", "c").stdout == "ready\n", "it is ready")
        # What else it needs a file for is there then.
        there("pause", "c")
        there("unpause", "c")
        has = os.statvfs(self.small)
        self.check(0, "mount", "-o", f"remount,nr_inodes={has.f_files - has.f_ffree}", self.small)
        self.assertIn("no space left on device", there("pause", "c", status=125).stderr.lower())
        self.assertEqual(there("inspect", "--format", "{{.State.Status}}", "c").stdout, "running\n")
        there("stop", "c")
        self.assertEqual(there("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "c").stdout, "exited 3\n")


@unittest.skipUnless(os.geteuid() == 0, "only as root")
class ReadOnly(Disk):
    """A disk with an error, which the kernel lets nobody write to any more (`errors=remount-ro`), until it was checked."""

    words = "read-only file system"

    def mount(self):
        self.image = self.temporary_folder() / "image"
        with open(self.image, "wb") as file:
            file.truncate(256 << 20)
        self.check(0, "mkfs.ext4", "-q", self.image)
        self.mount_again()

    def mount_again(self):
        self.device = mount_loop(self.image, self.disk, "loop,errors=remount-ro")

    def turn_read_only(self):
        os.sync()
        Path(f"/sys/fs/ext4/{self.device}/trigger_fs_error").write_text("1")
        self.assertIn("emergency_ro", run("grep", f" {self.disk} ", "/proc/mounts").stdout)

    def repair(self):
        """As whoever starts the machine anew does; nothing runs then."""
        wait_until(lambda: run("umount", self.disk).returncode == 0, "it is unmounted")
        wait_until(lambda: not run("losetup", "--associated", self.image).stdout, "nobody has the device")
        self.assertIn(run("fsck.ext4", "-p", "-f", self.image).returncode, (0, 1))
        self.mount_again()

    def test_what_runs_goes_on_and_is_stopped_and_nothing_is_lost(self):
        self.run_one("stopped")
        self.run_one("killed")
        self.run_one("gone", "--rm")
        self.here("run", "--detach", "--name", "ended", "--network", "none", BUSYBOX, "sh", "-c", "sleep 2; exit 7")
        self.here("create", "--name", "made", "--volume", "v:/v", BUSYBOX, "true")
        self.turn_read_only()
        # What only looks works.
        names = self.here("ps", "--all", "--format", "{{.Names}}").stdout.split()
        self.assertEqual(sorted(names), ["ended", "gone", "killed", "made", "stopped"])
        self.assertEqual(self.here("logs", "stopped").stdout, "ready\n")
        self.assertEqual(self.here("exec", "stopped", "echo", "hi").stdout, "hi\n")
        for command in (["images"], ["top", "stopped"], ["stats", "--no-stream"], ["volume", "ls"], ["system", "df"], ["info"], ["diff", "stopped"]):
            self.here(*command)
        # What would change something says why it cannot.
        for command in (["create", BUSYBOX], ["run", "--rm", BUSYBOX, "true"], ["rename", "made", "other"], ["start", "made"], ["rm", "made"],
                        ["rm", "--force", "killed"], ["container", "prune", "--force"], ["rmi", "--force", BUSYBOX], ["tag", BUSYBOX, "other"],
                        ["volume", "create"], ["volume", "rm", "v"], ["commit", "--quiet", "stopped", "mine"], ["system", "prune", "--force"]):
            said = self.here(*command, status=None)
            if said.returncode:
                self.assertIn(self.words, said.stderr.lower(), command)
            else:
                self.assertIn(command[1], ("prune", "--force"), command)
        # What ends is known to have, with its status.
        self.here("stop", "stopped")
        self.here("kill", "--signal", "KILL", "killed")
        self.assertIn("has stopped, and cannot be removed: ", self.here("stop", "gone").stderr)
        wait_until(lambda: self.state("killed") == "exited 137", lambda: self.state("killed"))
        self.assertEqual(self.state("stopped"), "exited 3")
        self.assertEqual(self.here("wait", "stopped", "killed").stdout, "3\n137\n")
        wait_until(lambda: self.state("ended") == "exited 7", lambda: self.state("ended"))
        self.assertEqual(self.here("ps", "--quiet").stdout, "")
        self.repair()
        self.assertEqual(self.state("stopped"), "exited 3")
        self.assertEqual(self.state("killed"), "exited 137")
        self.assertEqual(self.state("ended"), "exited 7")
        self.assertEqual(self.state("made"), "created 0")
        # None waits for the disk any longer.
        self.here("ps", "--all")
        self.assertEqual(list(Path("/run/haulout/ended").glob("*")), [])
        self.assertEqual(self.here("logs", "killed").stdout, "ready\n")
        self.here("start", "stopped")
        self.here("stop", "stopped")
        self.here("rm", "--all")
        self.here("volume", "prune", "--force")
        self.here("system", "check")
        self.assertEqual(self.here("run", "--rm", "--network", "none", BUSYBOX, "echo", "well").stdout, "well\n")


__all__ = ["FullDisk", "NoInodes", "Quota", "ReadOnly"]

if __name__ == "__main__":
    unittest.main()
