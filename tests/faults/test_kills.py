# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`kill -9` of the command, its zygote, the anchor and monitors at random moments of pull, run and rm.

Each round starts a command, kills somebody some time later, and asserts what must be so whoever was killed when: the next
command works, a container that ran before still runs and takes exec, and nothing is left behind.
"""

import os
import random
import subprocess
import time
import unittest

from session import BUSYBOX, ENVIRONMENT, RUNTIME, SessionTest, anchor, leftovers, processes, run, wait_until

# The moments come from a seed, which a failure names: HAULOUT_FAULTS_SEED=… repeats them as far as a machine can.
SEED = int(os.environ.get("HAULOUT_FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = int(os.environ.get("HAULOUT_FAULTS_ROUNDS") or 34)
VICTIMS = ("command", "zygote", "anchor", "all of them")


def kill(process):
    try:
        process.kill()
    except (ProcessLookupError, PermissionError):
        pass


def children_of(pid):
    """The processes of Haulout that `pid` started: the zygote, and what it forked."""
    everyone = [process for process in processes() if process.name.startswith("haulout")]
    found, parents = [], {pid}
    while True:
        more = [process for process in everyone if process.parent in parents and process.pid not in parents]
        if not more:
            return found
        found += more
        parents |= {process.pid for process in more}


def strike(victim, command):
    """Kills the victim; those that are not there (yet) are spared."""
    family = [] if victim in ("command", "anchor") else children_of(command.pid)
    if victim in ("command", "all of them") and command.poll() is None:
        command.kill()
    for process in family:
        # The monitor of a container that runs is nobody's step: its own tests kill it.
        if process.name != "haulout-monitor":
            kill(process)
    holder = anchor()
    if victim in ("anchor", "all of them") and holder:
        kill(holder)


class Killed(SessionTest):
    """See the module."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.haulout("run", "--detach", "--name", "bystander", "--network", "none", BUSYBOX, "sleep", "100000")

    def assert_well(self, story):
        """The next command works, the bystander lives, and nothing else is left."""
        left = []

        def nothing_left():
            left[:] = self.left_but_bystander()
            return not left

        try:
            self.assertEqual(self.haulout("run", "--rm", "--network", "none", BUSYBOX, "echo", "well").stdout, "well\n")
            self.assertEqual(self.haulout("exec", "bystander", "echo", "alive").stdout, "alive\n")
            self.assertEqual(self.haulout("ps", "--format", "{{.Names}}").stdout, "bystander\n")
            wait_until(nothing_left, "nothing left behind", seconds=10)
        except AssertionError as error:
            raise AssertionError("\n".join([f"{story}, seed {SEED}: {error}", "left behind:", *left])) from error

    def left_but_bystander(self):
        """What is there that is not the bystander's."""
        listed = run("haulout", "ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}}").stdout.split("\n")
        bystander = next((line.split()[0] for line in listed if line.endswith(" bystander")), "none")
        return [what for what in leftovers() if bystander not in what and bystander[:12] not in what]

    def rounds(self, span, start):
        """So many rounds: `start` gives a command that runs; it is struck within `span` seconds."""
        for number in range(ROUNDS):
            victim = VICTIMS[number % len(VICTIMS)]
            delay = self.random.uniform(0, span)
            words = start()
            command = subprocess.Popen(
                words, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            time.sleep(delay)
            strike(victim, command)
            try:
                command.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                command.kill()
                command.communicate()
                self.fail(f"{' '.join(words)} hangs, {victim} killed after {delay * 1e3:.1f} ms, seed {SEED}")
            yield f"round {number}: {' '.join(words)}, {victim} killed after {delay * 1e3:.1f} ms"

    def test_during_run_leaves_nothing_and_hurts_nobody(self):
        def start():
            return ["haulout", "run", "--rm", "--name", "victim", "--network", "none", BUSYBOX, "true"]

        for story in self.rounds(0.08, start):
            # Killed before it could remove what it made: that is listed, and can be removed.
            run("haulout", "rm", "--force", "--time", "0", "--ignore", "victim")
            self.assert_well(story)

    def test_during_a_detached_run_keeps_what_started(self):
        def start():
            return ["haulout", "run", "--detach", "--name", "victim", BUSYBOX, "sleep", "100000"]

        for story in self.rounds(0.12, start):
            listed = self.haulout("ps", "--all", "--format", "{{.Names}} {{.State}}").stdout.splitlines()
            state = dict(line.split() for line in listed).get("victim")
            # Whatever it is said to be, it is.
            if state == "running":
                self.assertEqual(self.haulout("exec", "victim", "echo", "here").stdout, "here\n", story)
                self.haulout("stop", "--time", "0", "victim")
            if state is not None:
                self.haulout("rm", "--force", "--time", "0", "victim")
            self.assert_well(story)

    def test_during_rm_removes_it_all_the_next_time(self):
        def start():
            if run("haulout", "container", "exists", "victim").returncode != 0:
                self.haulout("run", "--detach", "--name", "victim", "--network", "none", BUSYBOX, "sleep", "100000")
            return ["haulout", "rm", "--force", "--time", "0", "victim"]

        for story in self.rounds(0.08, start):
            self.haulout("rm", "--force", "--time", "0", "--ignore", "victim")
            self.assertNotEqual(self.haulout("container", "exists", "victim", status=None).returncode, 0, story)
            self.assert_well(story)

    def test_during_pull_leaves_the_image_whole_or_not_at_all(self):
        self.haulout("tag", BUSYBOX, "kept")

        def start():
            # Without its last name the layers go too, and are pulled again.
            self.haulout("rm", "--force", "--time", "0", "bystander")
            self.haulout("rmi", "--force", "kept", BUSYBOX, status=None)
            return ["haulout", "pull", "--quiet", BUSYBOX]

        for story in self.rounds(0.15, start):
            if run("haulout", "image", "exists", BUSYBOX).returncode != 0:
                self.haulout("pull", "--quiet", BUSYBOX)
            self.haulout("run", "--detach", "--name", "bystander", "--network", "none", BUSYBOX, "sleep", "100000")
            self.assert_well(story)


class AnchorGone(SessionTest):
    """Containers born under an anchor that was killed."""

    def test_they_run_on_and_take_every_command_under_a_new_one(self):
        self.haulout("run", "--detach", "--name", "old", BUSYBOX, "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done")
        before = anchor()
        kill(before)
        wait_until(lambda: not before.is_alive(), "the anchor is dead")
        self.haulout("run", "--detach", "--name", "new", BUSYBOX, "sleep", "100000")
        self.assertNotEqual(anchor().pid, before.pid)
        self.assertEqual(self.haulout("exec", "old", "cat", "/etc/hostname", status=None).returncode, 0)
        self.assertEqual(self.haulout("exec", "--user", "guest", "old", "id", "-u").stdout, "1000\n")
        pid = self.inspect("old")["State"]["Pid"]
        self.assertIn("root:", run("haulout", "unshare", "cat", f"/proc/{pid}/root/etc/passwd").stdout)
        self.haulout("stop", "old")
        self.assertEqual(self.inspect("old")["State"]["ExitCode"], 3)
        self.haulout("start", "old")
        self.haulout("rm", "--force", "--time", "0", "old", "new")

    def test_with_no_container_it_is_made_again(self):
        self.haulout("run", "--rm", BUSYBOX, "true")
        before = anchor()
        kill(before)
        wait_until(lambda: not before.is_alive(), "the anchor is dead")
        self.assertEqual(self.haulout("run", "--rm", BUSYBOX, "echo", "again").stdout, "again\n")
        self.assertTrue(anchor().is_alive())


class MonitorKilled(SessionTest):
    """A killed monitor: its container is stopped, shown as exited, and everything that it held is given back."""

    def monitor_of(self, name):
        container = self.inspect(name)["Id"]
        pid, _ = (RUNTIME / "containers" / container / "monitor.pid").read_text().split()
        return next(process for process in processes() if process.pid == int(pid))

    def test_is_noticed_by_the_next_command(self):
        self.haulout("run", "--detach", "--name", "c", BUSYBOX, "sleep", "100000")
        monitor, init = self.monitor_of("c"), self.inspect("c")["State"]["Pid"]
        kill(monitor)
        wait_until(lambda: not monitor.is_alive(), "the monitor is dead")
        self.assertTrue(self.haulout("ps", "--all", "--format", "{{.Status}}").stdout.startswith("Exited"))
        wait_until(lambda: all(process.pid != init for process in processes()), "the container's process is gone")
        self.assertNotEqual(self.haulout("exec", "c", "true", status=None).returncode, 0)
        # It can be started again, and then it is as any other.
        self.haulout("start", "c")
        self.assertEqual(self.haulout("exec", "c", "echo", "again").stdout, "again\n")

    def test_is_an_event_for_who_listens(self):
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sleep", "100000")
        events = self.spawn("haulout", "events", "--filter", "event=died", "--format", "{{.Name}} {{.Status}}")
        time.sleep(0.3)
        kill(self.monitor_of("c"))
        self.assertEqual(events.stdout.readline(), "c died\n")

    def test_while_somebody_waits_ends_the_wait(self):
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sleep", "100000")
        waiting = self.spawn("haulout", "wait", "c")
        attached = self.spawn("haulout", "attach", "c")
        time.sleep(0.3)
        kill(self.monitor_of("c"))
        self.assertEqual(waiting.communicate(timeout=20)[0].strip(), "-1")
        self.assertNotEqual(attached.wait(timeout=20), 0)

    def test_in_a_foreground_run_is_said(self):
        for moment in (0, 0.005, 0.02, 0.05, 0.1, 0.3):
            command = self.spawn("haulout", "run", "--rm", "--name", "c", "--network", "none", BUSYBOX, "sleep", "100000")
            # From its birth: on a slow machine nobody would be there to be killed yet.
            wait_until(lambda: list(processes("haulout-monitor")), "a monitor is born")
            time.sleep(moment)
            for process in processes("haulout-monitor"):
                kill(process)
            command.communicate(timeout=20)
            self.assertNotEqual(command.returncode, 0)
            self.haulout("rm", "--force", "--time", "0", "--ignore", "c")
            wait_until(lambda: not leftovers(), f"nothing left of a monitor killed after {moment} s")


class TwoAtOnce(SessionTest):
    """Two of every command at the same time: each works, or says why not, and neither harms the other."""

    def both(self, *arguments):
        """Both at once: their exit statuses and outputs."""
        pair = [self.spawn("haulout", *arguments) for _ in range(2)]
        return [(process.communicate(timeout=60), process.returncode) for process in pair]

    def succeed(self, *arguments):
        for (_, errors), status in self.both(*arguments):
            self.assertEqual(status, 0, f"haulout {' '.join(arguments)}: {errors}")

    def test_read(self):
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sleep", "100000")
        for arguments in (
            ["ps", "--all"], ["images"], ["inspect", "c"], ["logs", "c"], ["info"], ["version"],
            ["exec", "c", "true"], ["image", "inspect", BUSYBOX],
        ):
            self.succeed(*arguments)

    def test_run_and_pull(self):
        self.succeed("run", "--rm", BUSYBOX, "true")
        self.haulout("rmi", "--force", BUSYBOX)
        self.succeed("pull", "--quiet", BUSYBOX)
        self.succeed("run", "--rm", "--network", "none", BUSYBOX, "true")

    def test_from_nothing(self):
        self.haulout("rm", "--all", "--force")
        holder = anchor()
        if holder:
            kill(holder)
        self.succeed("run", "--rm", BUSYBOX, "true")

    def test_change_one_container(self):
        self.haulout("create", "--name", "c", "--network", "none", BUSYBOX, "sleep", "100000")
        self.succeed("start", "c")
        self.assertEqual(len(processes("haulout-monitor")), 1)
        self.succeed("stop", "--time", "0", "c")
        self.assertEqual(sorted(status for _, status in self.both("rm", "c"))[0], 0)
        self.assertNotEqual(self.haulout("container", "exists", "c", status=None).returncode, 0)

    def test_create_of_one_name_makes_one(self):
        statuses = sorted(status for _, status in self.both("create", "--name", "c", BUSYBOX, "true"))
        self.assertEqual(statuses, [0, 125])

    def test_remove_everything_while_a_run_ends_that_removes_itself(self):
        for _ in range(15):
            running = self.spawn("haulout", "run", "--rm", "--network", "none", BUSYBOX, "echo", "ran")
            while running.poll() is None:
                self.haulout("rm", "--all", "--force", "--time", "0", status=None)
            output, errors = running.communicate(timeout=60)
            # Before it ran, it may be told that it is gone; afterwards it has its own end, or that of who was killed.
            if output == "ran\n":
                self.assertIn(running.returncode, (0, 137), errors)

    def test_remove_an_image_and_use_it(self):
        for _ in range(5):
            remove = self.spawn("haulout", "rmi", BUSYBOX)
            use = self.spawn("haulout", "run", "--rm", "--network", "none", BUSYBOX, "true")
            for process in (remove, use):
                process.communicate(timeout=60)
            if use.returncode not in (0, 125):
                self.fail(f"the run ended with {use.returncode}")
            run("haulout", "pull", "--quiet", BUSYBOX)
            self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true")


if __name__ == "__main__":
    unittest.main()
