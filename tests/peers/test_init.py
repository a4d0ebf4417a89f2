# SPDX-License-Identifier: Apache-2.0 OR MIT
"""init: a container that is made ready, and what can be done with it before it runs."""

import signal
import time
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, run
from session import leftovers, processes, wait_until

STATE = "{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.ExitCode}}"
LIST = "{{.Names}} {{.State}} {{.Status}}"


class Init(PeerTest):
    def create(self, *flags, name="c", command=("sh", "-c", "echo hi; sleep 1000")):
        for program in ("podman", "haulout"):
            self.check(0, program, "create", "--name", name, *flags, BUSYBOX, *command)

    def test_what_is_ready_is_shown_and_refused_as_podman_does(self):
        self.create()
        for line in [
            "init", "init nope", "init nope c", "init --all c", "init --latest c", "init --all --latest",
            "init c", "init c", f"inspect --format {STATE.replace(' ', '_')} c", "ps -q", "ps --filter status=initialized --format {{.Names}}",
            "ps -a --filter status=created --format {{.Names}}", "logs c", "exec c true", "top c", "kill c", "pause c", "unpause c",
            "attach c", "port c", "healthcheck run c", "stats --no-stream --format {{.Name}}", "stats -a --no-stream --format {{.Name}}_{{.PIDs}}",
            "wait --condition=initialized c", "diff --format {{.}} c", "rename c d", "container exists d", "container init --all", "init --latest",
        ]:
            self.same(*line.split())
        self.same("ps", "--all", "--format", LIST)

    def test_what_is_ready_is_started_stopped_restarted_and_removed(self):
        self.create()
        for line in ["init c", "start c", "init c", "stop --time 0 c", "init c", "restart --time 0 c"]:
            self.same(*line.split())
            self.same("inspect", "--format", STATE, "c")
        for line in ["rm --force --time 0 c", "ps --all --quiet"]:
            self.same(*line.split())
        for last in ["rm c", "rm --force --time 0 c", "container prune --force", "stop --time 0 c"]:
            self.create(name="c")
            self.same("init", "c")
            self.same(*last.split())
            self.same("ps", "--all", "--format", "{{.Names}} {{.State}}")
        self.same("inspect", "--format", STATE, "c")

    def test_its_output_comes_whole_to_who_starts_it(self):
        self.create(command=("sh", "-c", "echo out; echo err >&2; read line; echo $line; exit 3"), *[], name="c")
        self.create("--interactive", name="i", command=("sh", "-c", "read line; echo $line; exit 4"))
        self.create("--tty", name="t", command=("tty",))
        for name in ("c", "i", "t"):
            self.same("init", name)
        self.same("start", "--attach", "c")
        self.same("start", "--attach", "--interactive", "i", stdin="word\n")
        self.same("start", "--attach", "t")
        self.same("logs", "c")

    def test_one_that_is_removed_when_it_ends_goes_when_it_cannot_be_made_ready(self):
        self.create("--rm", name="bad", command=("nosuchcommand",))
        self.same("init", "bad")
        self.create("--rm", name="good", command=("echo", "well"))
        self.same("init", "good")
        self.same("start", "--attach", "good")
        for program in ("podman", "haulout"):
            wait_until(lambda: run(program, "ps", "--all", "--quiet").stdout == "", f"{program} has removed both")

    def test_others_are_not_started_for_it(self):
        self.create(name="base")
        self.create("--network", "container:base", name="c")
        for line in ["init c", "init base", "init c", "start c"]:
            self.same(*line.split())
            self.same("ps", "--all", "--format", "{{.Names}} {{.State}}")

    def test_its_files_are_there_before_it_runs(self):
        folder = Path(self.temporary_folder())
        (folder / "new").write_text("new", encoding="utf-8")
        self.create(command=("cat", "/new"))
        self.same("init", "c")
        self.same("cp", str(folder / "new"), "c:/new")
        self.same("start", "--attach", "c")

    def test_its_events_are_podmans(self):
        began = time.time()
        self.create()
        for line in ["init c", "start c", "stop --time 0 c", "init c", "restart c"]:
            self.both(*line.split())
        # Podman has no event of a stop that had to kill, and cleans up by a process of its own, whenever that comes to it.
        told = {}

        def same():
            for program in ("podman", "haulout"):
                told[program] = [word for word in self.events(program, began) if word not in ("stop", "cleanup")]
            return told["podman"] == told["haulout"]

        wait_until(same, lambda: told)

    def events(self, program, since):
        listed = run(program, "events", "--stream=false", "--since", f"{since:.3f}", "--filter", "container=c", "--format", "{{.Status}}")
        return listed.stdout.split()

    def test_a_killed_monitor_leaves_it_as_it_was_before(self):
        self.haulout("create", "--name", "c", BUSYBOX, "sleep", "1000")
        self.haulout("init", "c")
        for monitor in processes("haulout-monitor"):
            monitor.kill()
        wait_until(lambda: self.inspect("c")["State"]["Status"] == "created", "noticed")
        self.haulout("init", "c")
        self.haulout("start", "c")
        self.assertEqual(self.inspect("c")["State"]["Status"], "running")

    def test_an_init_that_is_killed_on_its_way_leaves_nothing(self):
        self.haulout("create", "--name", "c", BUSYBOX, "sleep", "1000")
        states = set()
        for step in range(30):
            command = self.spawn("haulout", "init", "c")
            try:
                command.wait(0.004 * step)
            except Exception:  # It is still at it.
                command.send_signal(signal.SIGKILL)
            command.wait(20)
            wait_until(lambda: not self.comes_or_goes(), "settled")
            states.add(self.inspect("c")["State"]["Status"])
            run("haulout", "stop", "--time", "0", "c")
            wait_until(self.nothing_is_left, leftovers)
        self.assertLessEqual(states, {"created", "exited", "initialized"})
        self.assertIn("initialized", states)
        self.haulout("init", "c")
        self.haulout("start", "c")

    def nothing_is_left(self):
        """Whether there is no more than the container's folder. A scope whose process was killed before it was in it goes with the next removal."""
        left = leftovers()
        if any(one.startswith("scope ") for one in left):
            run("haulout", "create", "--name", "d", BUSYBOX)
            run("haulout", "rm", "d")
        return all(one.startswith("folder ") for one in left)

    def comes_or_goes(self):
        """Whether there is a monitor of something that neither runs nor waits."""
        state = self.inspect("c")["State"]["Status"]
        return processes("haulout-monitor") and state not in ("initialized", "running")

    def test_sixteen_starts_of_one_that_waits_start_it_once(self):
        began = time.time()
        self.haulout("create", "--name", "c", BUSYBOX, "sleep", "1000")
        self.haulout("init", "c")
        starts = [self.spawn("haulout", "start", "c") for _ in range(16)]
        self.assertEqual([start.wait(60) for start in starts], [0] * 16)
        self.assertEqual(len(processes("haulout-monitor")), 1)
        self.assertEqual(self.events("haulout", began).count("start"), 1)

    def test_a_terminal_has_the_size_of_who_starts_it(self):
        self.haulout("create", "--name", "c", "--tty", "--interactive", BUSYBOX, "sh", "-c", "sleep 0.2; stty size")
        self.haulout("init", "c")
        terminal = self.terminal("haulout", "start", "--attach", "--interactive", "c", rows=33, columns=77)
        terminal.expect("33 77")
        self.assertEqual(terminal.wait(), 0)
