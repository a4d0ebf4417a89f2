# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The other parts gone: the OCI runtime, pasta, the bus, the user's systemd, the runtime folder, the clock.

The command, the zygote, the anchor and the monitor have tests of their own (test_kills.py).
"""

import os
import random
import shutil
import subprocess
import time
import unittest

from session import BUSYBOX, DATA, ENVIRONMENT, ON_TEST_HOST, RUNTIME, SessionTest, anchor, leftovers, processes, run, wait_until

SEED = int(os.environ.get("HAULOUT_FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
FOR_EVER = ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"]


def alive(name):
    """Those of a program: pasta is called after the processor as well."""
    return [process for process in processes() if process.name.startswith(name)]


def kill_all(name):
    for process in alive(name):
        try:
            process.kill()
        except (PermissionError, ProcessLookupError):
            # One that has entered its container belongs to other ids.
            run("podman", "unshare", "kill", "-9", process.pid)


class Parts(SessionTest):
    """See the module."""

    def run_one(self, *options):
        self.haulout("run", "--detach", "--name", "c", *(options or ["--network", "none"]), BUSYBOX, *FOR_EVER)

    def assert_takes_everything(self):
        self.assertEqual(self.haulout("exec", "c", "echo", "inside").stdout, "inside\n")
        self.haulout("stop", "c")
        self.assertEqual(self.inspect("c")["State"]["ExitCode"], 3)
        self.haulout("start", "c")
        self.haulout("rm", "--force", "--time", "0", "c")

    def test_a_killed_oci_runtime_is_an_error_and_leaves_nothing(self):
        chosen, struck = random.Random(SEED), 0
        for number in range(30):
            command = self.spawn("haulout", "run", "--rm", "--network", "none", BUSYBOX, "true")
            end = time.monotonic() + 5
            while command.poll() is None and time.monotonic() < end and not alive("crun"):
                pass
            time.sleep(chosen.uniform(0, 0.015))
            kill_all("crun")
            _, errors = command.communicate(timeout=60)
            struck += command.returncode != 0
            # 137: the container's own process, which is called so until it becomes the command.
            if command.returncode not in (0, 137):
                self.assertRegex(errors, r"crun|container|monitor", f"round {number}, seed {SEED}")
            wait_until(lambda: not leftovers(), lambda: f"nothing left behind: {leftovers()}, round {number}, seed {SEED}", seconds=10)
        self.assertGreater(struck, 0, "the runtime was never caught")

    def test_a_killed_pasta_ends_the_network_and_not_the_container(self):
        self.run_one("--network", "pasta")
        kill_all("pasta")
        wait_until(lambda: not alive("pasta"), "pasta is dead")
        wait_until(lambda: '"action":"network"' in (RUNTIME / "events").read_text(), "that is an event")
        self.assert_takes_everything()

    def test_a_pasta_that_is_killed_while_it_is_set_up_is_an_error_and_leaves_nothing(self):
        for _ in range(10):
            command = self.spawn("haulout", "run", "--rm", "--network", "pasta", BUSYBOX, "true")
            while command.poll() is None and not alive("pasta"):
                pass
            kill_all("pasta")
            _, errors = command.communicate(timeout=60)
            if command.returncode != 0:
                self.assertIn("pasta", errors.lower())
            wait_until(lambda: not leftovers(), lambda: f"nothing left behind: {leftovers()}", seconds=10)

    def test_every_helper_is_killed_at_random_under_load(self):
        chosen = random.Random(SEED)
        self.run_one()
        end = time.monotonic() + 15
        running = []
        while time.monotonic() < end:
            running = [command for command in running if command.poll() is None]
            if len(running) < 6:
                words = chosen.choice([
                    ["run", "--rm", "--network", chosen.choice(["none", "pasta"]), BUSYBOX, "true"],
                    ["exec", "c", "true"], ["cp", "c:/etc/passwd", "-"], ["ps", "--all"], ["run", "--detach", "--rm", BUSYBOX, "sleep", "0.2"],
                ])
                running.append(subprocess.Popen(
                    ["haulout", *words], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                ))
            time.sleep(chosen.uniform(0, 0.05))
            kill_all(chosen.choice(["haulout-zygote", "pasta", "crun", "haulout-anchor"]))
        for command in running:
            command.wait(timeout=60)
        # Nobody killed this one or its monitor.
        self.assert_takes_everything()
        self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true")
        self.haulout("rm", "--all", "--force", "--time", "0")

    def test_without_a_bus_containers_run_without_a_scope(self):
        nowhere = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent", "XDG_RUNTIME_DIR": ENVIRONMENT["XDG_RUNTIME_DIR"]}
        done = self.haulout("run", "--rm", "--network", "none", BUSYBOX, "echo", "ran", env=nowhere)
        self.assertEqual(done.stdout, "ran\n")

    @unittest.skipUnless(ON_TEST_HOST, "ends the user's session bus")
    def test_a_bus_that_ends_ends_no_container(self):
        self.run_one()
        run("systemctl", "--user", "stop", "dbus.service")
        self.addCleanup(run, "systemctl", "--user", "start", "dbus.socket")
        self.assert_takes_everything()
        self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true")

    @unittest.skipUnless(ON_TEST_HOST, "has the user's systemd begin anew")
    def test_a_manager_that_begins_anew_knows_the_scopes_again(self):
        self.run_one()
        run("systemctl", "--user", "daemon-reexec")
        wait_until(lambda: run("systemctl", "--user", "is-system-running").stdout.strip(), "the manager answers")
        self.assert_takes_everything()

    def test_a_runtime_folder_that_is_gone_takes_no_container_with_it(self):
        """As systemd removes it when the user logs out and nothing holds the session: nothing runs any more then, which is not so here."""
        self.haulout("run", "--name", "c", "--network", "none", BUSYBOX, "sh", "-c", "echo kept; exit 5", status=5)
        holder = anchor()
        shutil.rmtree(RUNTIME)
        if holder:
            wait_until(lambda: not holder.is_alive(), "who holds the user namespace goes with it")
        self.assertEqual(self.inspect("c")["State"]["ExitCode"], 5)
        self.assertEqual(self.haulout("logs", "c").stdout, "kept\n")
        self.assertEqual(self.haulout("start", "--attach", "c", status=5).stdout, "kept\n")

    def test_what_ran_when_the_machine_went_down_is_exited_with_its_status_unknown(self):
        self.run_one()
        container = self.inspect("c")["Id"]
        # As after a power cut: the processes and the runtime folder are gone, and the boot is another.
        kill_all("haulout-monitor")
        pid = self.inspect("c")["State"]["Pid"]
        if pid:
            run("podman", "unshare", "kill", "-9", pid)
        run("systemctl", "--user", "kill", "--signal=KILL", f"haulout-{container}.scope")
        wait_until(lambda: not [process for process in processes() if f"haulout-{container}" in process.cgroup], "all are gone")
        holder = anchor()
        if holder:
            holder.kill()
        shutil.rmtree(RUNTIME)
        path = DATA / "containers" / container / "last-run"
        path.write_text(path.read_text().replace(open("/proc/sys/kernel/random/boot_id").read().strip(), "0" * 36))
        state = self.inspect("c")["State"]
        self.assertEqual((state["Status"], state["Running"]), ("exited", False))
        self.assertEqual(self.haulout("wait", "c").stdout, "-1\n")
        self.haulout("start", "c")
        self.assert_takes_everything()

    def test_a_container_that_was_to_be_removed_goes_with_the_first_command_of_the_next_login(self):
        self.haulout("run", "--detach", "--rm", "--name", "gone", "--network", "none", "--volume", "/anonymous", BUSYBOX, *FOR_EVER)
        self.run_one()
        ids = [self.inspect(name)["Id"] for name in ("gone", "c")]
        pids = [self.inspect(name)["State"]["Pid"] for name in ("gone", "c")]
        kill_all("haulout-monitor")
        run("podman", "unshare", "kill", "-9", *pids)
        for container in ids:
            run("systemctl", "--user", "kill", "--signal=KILL", f"haulout-{container}.scope")
        wait_until(lambda: not [one for one in processes() if any(f"haulout-{id}" in one.cgroup for id in ids)], "all are gone")
        if holder := anchor():
            holder.kill()
        shutil.rmtree(RUNTIME)
        boot = open("/proc/sys/kernel/random/boot_id").read().strip()
        for container in ids:
            path = DATA / "containers" / container / "last-run"
            path.write_text(path.read_text().replace(boot, "0" * 36))
        # Its name is free, and who was not to be removed is not.
        self.haulout("run", "--rm", "--name", "gone", "--network", "none", BUSYBOX, "true")
        self.assertEqual(self.haulout("ps", "--all", "--format", "{{.Names}}").stdout, "c\n")
        self.assertEqual(self.haulout("volume", "ls", "--quiet").stdout, "")
        # Once a login.
        self.haulout("create", "--rm", "--name", "made", BUSYBOX)
        self.haulout("rm", "c")
        self.haulout("rm", "made")

    def test_a_clock_that_was_set_back_confuses_nobody(self):
        """A last run that began, and ended, in the future."""
        self.haulout("run", "--name", "c", "--network", "none", BUSYBOX, "sh", "-c", "exit 5", status=5)
        path = DATA / "containers" / self.inspect("c")["Id"] / "last-run"
        text = path.read_text()
        year = 365 * 24 * 3600
        for number in {word for word in text.replace("[", " ").replace(",", " ").split() if word.isdigit() and len(word) == 10}:
            text = text.replace(number, str(int(number) + year))
        path.write_text(text)
        self.assertIn("c", self.haulout("ps", "--all", "--format", "{{.Names}} {{.Status}} {{.CreatedAt}}").stdout)
        self.assertEqual(self.inspect("c")["State"]["ExitCode"], 5)
        self.haulout("ps", "--all", "--filter", "until=1h")
        self.haulout("events", "--since", "1h", "--until", "0s", timeout=20)
        self.haulout("container", "prune", "--force", "--filter", "until=1h")
        self.haulout("start", "--attach", "c", status=5)
