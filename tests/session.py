# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A person's session, for tests: running haulout, podman and terminals, and what the kernel says is left of them.

A test is a method of a `SessionTest`. It has the images that its class names, no container when it begins, and fails
when it leaves something behind: a process, a mount, a scope, a folder.
"""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
import unittest
from pathlib import Path

REGISTRY = "localhost:5000"
BUSYBOX = f"{REGISTRY}/busybox:latest"

# Made by tests/host. There the person's own folders are the tests'; on a desktop they are somebody's.
ON_TEST_HOST = Path("/etc/haulout-test-host").exists()
REGISTRIES_CONF = f'[[registry]]\nlocation = "{REGISTRY}"\ninsecure = true\n'


def environment():
    """What every command gets. On a desktop, folders apart from those that the person uses."""
    env = dict(os.environ)
    if ON_TEST_HOST:
        return env
    home = Path.home() / ".cache/haulout-tests"
    runtime = Path(env["XDG_RUNTIME_DIR"]) / "haulout-tests"
    runtime.mkdir(mode=0o700, exist_ok=True)
    (home / "config/containers").mkdir(parents=True, exist_ok=True)
    (home / "config/containers/registries.conf").write_text(REGISTRIES_CONF)
    env.setdefault("DBUS_SESSION_BUS_ADDRESS", f"unix:path={env['XDG_RUNTIME_DIR']}/bus")
    env.update(XDG_DATA_HOME=str(home / "data"), XDG_CONFIG_HOME=str(home / "config"), XDG_RUNTIME_DIR=str(runtime))
    return env


ENVIRONMENT = environment()
if os.geteuid() == 0:
    DATA, RUNTIME, MANAGER = Path("/var/lib/containers/haulout"), Path("/run/haulout"), ["systemctl"]
else:
    DATA = Path(ENVIRONMENT.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "containers/haulout"
    RUNTIME, MANAGER = Path(ENVIRONMENT["XDG_RUNTIME_DIR"]) / "haulout", ["systemctl", "--user"]


def run(*command, stdin="", env=None, timeout=60, cwd=None):
    """Runs a command to its end: a CompletedProcess with text, however it ended."""
    return subprocess.run(
        [str(word) for word in command],
        input=stdin,
        env=ENVIRONMENT | (env or {}),
        timeout=timeout,
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def wait_until(condition, what, seconds=20):
    """Waits until `condition()` is true, and returns what it gave. `what` is said when it never is; a function is asked then."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not so: {what() if callable(what) else what}")
        time.sleep(0.02)


class Process:
    """A process as /proc shows it. Only what everybody may read, since a container's belong to other ids."""

    def __init__(self, pid):
        self.pid = pid
        self.folder = Path("/proc", str(pid))
        self.name = (self.folder / "comm").read_text().strip()
        self.command = (self.folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
        self.cgroup = (self.folder / "cgroup").read_text().rpartition("0::")[2].strip()
        # The name of the program is in parentheses and may contain anything.
        fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
        self.state, self.parent, self.start_time = fields[0], int(fields[1]), int(fields[19])

    def __repr__(self):
        return f"process {self.pid} ({' '.join(self.command) or self.name}) in {self.cgroup}"

    def is_alive(self):
        try:
            return Process(self.pid).start_time == self.start_time and self.state != "Z"
        except (OSError, ValueError):
            return False

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)


def processes(name=None):
    """All processes that live, or those of a program."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                process = Process(int(folder.name))
            except (OSError, ValueError):
                continue
            if process.state != "Z" and name in (None, process.name):
                found.append(process)
    return found


def anchor():
    """The process that holds the user namespace, or None."""
    try:
        pid = int((RUNTIME / "anchor").read_text().split()[0])
        return Process(pid)
    except (OSError, ValueError, IndexError):
        return None


def mounts(pid="self"):
    """The mount points that a process sees."""
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        return [line.split()[4] for line in file]


def scopes():
    """The scopes of containers that the service manager has."""
    command = [*MANAGER, "list-units", "--all", "--plain", "--no-legend", "haulout-*.scope"]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return [line.split()[0] for line in listed.splitlines() if not line.startswith("haulout-anchor")]


def leftovers():
    """What containers have left behind, in words: nothing when there is none."""
    found = []
    holder = anchor()
    for process in processes():
        ours = process.name.startswith(("haulout-monitor", "pasta", "crun"))
        if (ours or re.search(r"/haulout-[0-9a-f]{12,}", process.cgroup)) and not (holder and process.pid == holder.pid):
            found.append(repr(process))
    found += [f"scope {scope}" for scope in scopes()]
    for pid in ["self"] + ([holder.pid] if holder else []):
        try:
            found += [f"mount {point} in {pid}" for point in mounts(pid) if point.startswith((str(DATA), str(RUNTIME)))]
        except PermissionError:
            pass
    for pattern in ("containers/*", "layers/.staging*"):
        found += [f"folder {path}" for path in DATA.glob(pattern)]
    for pattern in ("containers/*", "crun/*"):
        # crun keeps compiled seccomp profiles in .cache: one a profile, not one a container.
        found += [f"folder {path}" for path in RUNTIME.glob(pattern) if path.name != ".cache"]
    return found


def forget_everything():
    """Ends every process of Haulout's and deletes all that it keeps, without asking it."""
    for scope in [*scopes(), "haulout-anchor-*.scope"]:
        subprocess.run([*MANAGER, "kill", "--signal=KILL", scope], capture_output=True, check=False)
    for process in processes():
        if process.name.startswith("haulout"):
            try:
                process.kill()
            except (PermissionError, ProcessLookupError):
                pass
    # Files of mapped ids can only be deleted in a user namespace with those ids; Podman's will do.
    subprocess.run(["podman", "unshare", "rm", "-rf", str(DATA)], capture_output=True, check=False)
    shutil.rmtree(RUNTIME, ignore_errors=True)


class Terminal:
    """A program in a terminal of its own, as in a window: what it prints is read, what is typed is sent."""

    def __init__(self, *command, env=None, rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.output = ""
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=slave, stdout=slave, stderr=slave,
            env=ENVIRONMENT | {"TERM": "xterm"} | (env or {}),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        """What comes within that time, at most one piece; nothing when there is none, or no more."""
        if not select.select([self.master], [], [], seconds)[0]:
            return ""
        try:
            piece = os.read(self.master, 65536).decode(errors="replace")
        except OSError:  # EIO: the other side is closed
            return ""
        self.output += piece
        return piece

    def expect(self, pattern, seconds=20):
        """Reads until the pattern is found in what came since the last time; its match."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.output)
            if match:
                self.output = self.output[match.end():]
                return match
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} never came; this did: {self.output!r}")
            if not self.read(0.1) and self.process.poll() is not None and not self.read(0.1):
                end = 0

    def wait(self, seconds=20):
        """The exit status, after reading what is left."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        while self.read(0.05):
            pass
        return self.process.wait(timeout=0)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


class SessionTest(unittest.TestCase):
    """Tests in a session: see the module."""

    # What is pulled before the first test of the class, if it is not there.
    images = (BUSYBOX,)
    # Says all of a difference, not its beginning.
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        for image in cls.images:
            if run("haulout", "image", "exists", image).returncode != 0:
                pulled = run("haulout", "pull", "--quiet", image)
                if pulled.returncode != 0:
                    raise AssertionError(f"haulout pull {image}: {pulled.stderr}")

    def setUp(self):
        self.addCleanup(self._leave_nothing)

    def _leave_nothing(self):
        removed = run("haulout", "rm", "--all", "--force", "--time", "0")
        # A process that was killed takes a moment to go.
        end = time.monotonic() + 5
        while (left := leftovers()) and time.monotonic() < end:
            time.sleep(0.05)
        if left or removed.returncode != 0:
            forget_everything()
            self.fail("\n".join(["left behind:", *left, removed.stderr]))

    def haulout(self, *arguments, status=0, **options):
        """Runs haulout, which must exit with `status` (None: any). Gives stdout, stderr and returncode."""
        return self.check(status, "haulout", *arguments, **options)

    def podman(self, *arguments, status=0, **options):
        """The same with Podman."""
        return self.check(status, "podman", *arguments, **options)

    def check(self, status, *command, **options):
        done = run(*command, **options)
        if status is not None and done.returncode != status:
            words = " ".join(map(str, command))
            self.fail(f"{words}: exit status {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
        return done

    def inspect(self, name, *arguments):
        """What `haulout inspect` says of one container or image."""
        return json.loads(self.haulout("inspect", *arguments, name).stdout)[0]

    def spawn(self, *command, env=None, **options):
        """Starts a command, and kills it at the end of the test if it still runs. Text through pipes."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen([str(word) for word in command], env=ENVIRONMENT | (env or {}), **options)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def terminal(self, *command, **options):
        """Starts a command in a terminal of its own."""
        terminal = Terminal(*command, **options)
        self.addCleanup(terminal.close)
        return terminal

    def temporary_folder(self):
        """A folder that is gone after the test, also what other ids own in it."""
        folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, check=True, text=True).stdout.strip())
        self.addCleanup(subprocess.run, ["podman", "unshare", "rm", "-rf", str(folder)], capture_output=True, check=False)
        return folder
