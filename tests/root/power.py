# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A disk whose power is cut: an ext4 of its own, which is shut down as if the power had gone (`FS_IOC_SHUTDOWN` without writing its log
back). What the kernel had not written yet is lost, and the next mount replays the journal. As root, who may do so.
"""

import contextlib
import fcntl
import os
import random
import signal
import struct
import subprocess
import time

from root.loop import mount_loop
from session import SessionTest, run, wait_until

# _IOR('X', 125, __u32), and to lose what is in the log as well.
SHUTDOWN, WITHOUT_LOG = 0x8004587D, struct.pack("I", 2)
ROUNDS = int(os.environ.get("HAULOUT_POWER_ROUNDS") or 6)


class PowerTest(SessionTest):
    """Tests with such a disk, mounted at `self.disk`, and a store on it."""

    images = ()

    def setUp(self):
        super().setUp()
        folder = self.temporary_folder()
        self.device, self.disk = folder / "device", folder / "disk"
        self.disk.mkdir()
        # Others than root find their things on the disk, too.
        folder.chmod(0o755)
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
        """Those that have to do with this disk."""
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

    def cut(self, runs=None):
        """The power goes, and comes back; of what runs by then (the first process of a session) nothing does any more."""
        folder = os.open(self.disk, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(folder, SHUTDOWN, WITHOUT_LOG)
        os.close(folder)
        if runs and runs.poll() is None:
            os.killpg(runs.pid, signal.SIGKILL)
        self.end_all()
        self.unmount()
        self.mount()

    def time(self, *command):
        """How long a command takes that ends well, in seconds."""
        began = time.monotonic()
        self.check(0, *command)
        return time.monotonic() - began

    def cut_at(self, moment, *command):
        """Cuts the power that many seconds after a command has begun; its exit status, None of one that had not ended."""
        process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moment)
        done = process.poll()
        self.cut(process)
        process.wait()
        return done

    @contextlib.contextmanager
    def moment(self, whole, **what):
        """A moment of what takes `whole` seconds, and a subtest for what is cut at it."""
        moment = random.uniform(0, whole * 1.1)
        with self.subTest(moment=f"{moment:.3f} of {whole:.3f} s", **what):
            yield moment

    def words(self, *arguments):
        return ["haulout", "--root", self.disk / "store", "--runroot", self.run_folder, *arguments]

    def here(self, *arguments, status=0):
        """Runs haulout with its store on that disk."""
        return self.check(status, *self.words(*arguments))
