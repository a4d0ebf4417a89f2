# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Every system call that changes something, killed at or failed once (strace's injection).

A system call is counted in each process and thread by itself, so one round strikes everybody who gets that far: the command,
its zygote, the child of a step, the monitor. Whoever was struck where, the next command works, and nothing is left behind.

By default a small sample of the moments is tried, another one each time; HAULOUT_FAULTS_ROUNDS=1000000 tries them all.
"""

import os
import random
import re
import subprocess

from session import BUSYBOX, ENVIRONMENT, SessionTest, leftovers, wait_until

SEED = int(os.environ.get("HAULOUT_FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = int(os.environ.get("HAULOUT_FAULTS_ROUNDS") or 5)
# HAULOUT_FAULTS_ERRORS=EDQUOT,EROFS tries others.
ERRORS = (os.environ.get("HAULOUT_FAULTS_ERRORS") or "ENOSPC,EIO").split(",")

# What changes a file, a mount or a process. Between two of them nothing changes, and so no moment is another one.
CHANGES = (
    "open,openat,creat,write,pwrite64,writev,sendmsg,sendto,rename,renameat,renameat2,mkdir,mkdirat,mknodat,symlinkat,link,linkat,unlink,"
    "unlinkat,rmdir,fsync,fdatasync,syncfs,ftruncate,fallocate,fchmod,fchmodat,chmod,fchown,fchownat,lchown,chown,utimensat,"
    "setxattr,lsetxattr,fsetxattr,mount,fsmount,fsconfig,move_mount,umount2,setns,unshare,clone,clone3,vfork,fork,execve,flock"
)
# What a disk can refuse. Not write(2), by which threads also wake one another: a disk that is really full has a test of its own.
WRITES = (
    "openat,pwrite64,writev,rename,renameat,renameat2,mkdir,mkdirat,mknodat,symlinkat,link,linkat,unlinkat,unlink,fsync,"
    "fdatasync,syncfs,ftruncate,fallocate,fchmod,fchmodat,fchown,fchownat,utimensat,setxattr,lsetxattr,fsetxattr"
)


def strace(calls, injection, command, output=os.devnull):
    """Runs a command, and everybody whom it starts, under strace; None when it hangs."""
    # Not with --seccomp-bpf, under which strace 6.13 forgets to send the signal.
    words = ["strace", "-f", "-qqq", "-o", output, "-e", f"trace={calls}"]
    if injection:
        words += ["-e", f"inject={calls}:{injection}"]
    return subprocess.run(
        [*words, *command], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=120, check=False,
    )


class Struck(SessionTest):
    """A command that is struck at each of its moments, and what a user does next."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        # The anchor is there: making it takes programs that are set-user-ID, and those cannot be traced.
        self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true")

    def moments(self, calls, command, prepare):
        """How often each process of the command makes such calls at most: a sample of the numbers up to that."""
        prepare()
        log = self.temporary_folder() / "log"
        done = strace(calls, None, command, log)
        self.assertEqual(done.returncode, 0, done.stderr)
        counts = {}
        for line in log.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +\w+\(", line)
            if match:
                counts[match[1]] = counts.get(match[1], 0) + 1
        most = max(counts.values())
        return sorted(self.random.sample(range(1, most + 1), min(ROUNDS, most)))

    def strike(self, calls, fault, command, prepare, mend):
        """Strikes `command` at a sample of moments. `prepare` makes it possible; `mend` does what a user would do next.
        Answers whether any of them made it fail."""
        struck, moments = False, self.moments(calls, command, prepare)
        if "HAULOUT_FAULTS_ROUNDS" in os.environ:
            print(f"        {len(moments)} moments, {fault}: {' '.join(map(str, command))}", flush=True)
        for moment in moments:
            with self.subTest(fault=fault, moment=moment, command=" ".join(map(str, command)), seed=SEED):
                prepare()
                done = strace(calls, f"{fault}:when={moment}", command)
                if done.returncode not in (0, -9, 137):
                    self.assertRegex(done.stderr, r"\S", "it failed and said nothing")
                self.assertNotIn("panicked", done.stderr)
                struck = struck or done.returncode != 0
                mend()
                well = self.haulout("run", "--rm", "--network", "none", BUSYBOX, "echo", "well")
                self.assertEqual(well.stdout, "well\n")
                wait_until(lambda: not leftovers(), lambda: f"nothing left behind: {leftovers()}", seconds=10)

        return struck

    def faults(self, command, prepare, mend):
        struck = self.strike(CHANGES, "signal=KILL", command, prepare, mend)
        for error in ERRORS:
            # What is only tidied up, or is written elsewhere when it cannot be here, fails nobody.
            struck |= self.strike(WRITES, f"error={error}", command, prepare, mend)
        self.assertTrue(struck, f"nothing ever hurt {command}")
