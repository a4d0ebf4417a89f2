# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Health checks: what is asked for, what is known, and what is done when a container is not well."""

import json
import os
import re

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import wait_until

CHECKED = "localhost:5000/checked"


def known(text):
    """What is known of a container's health, without when and without the words that only one of the two has."""
    health = json.loads(text)
    for attempt in health["Log"] or []:
        del attempt["Start"], attempt["End"]
        # Podman has 1 for every failure.
        attempt["ExitCode"] = min(attempt["ExitCode"], 1)
    return health


def health(program, name):
    return known(run(program, "inspect", "--format", "{{json .State.Health}}", name).stdout)


def identity(program, name="one"):
    return run(program, "inspect", "--format", "{{.Id}}", name).stdout.strip()


class Health(PeerTest):
    def run_both(self, *flags, name="one", image=BUSYBOX):
        for result in self.both("run", "--detach", "--name", name, "--network", "none", *flags, image, "sleep", "100"):
            self.assertEqual(result.returncode, 0, result.stderr)

    def test_what_is_asked_for_is_shown_the_same(self):
        shown = "{{json .Config.Healthcheck}} {{.Config.HealthcheckOnFailureAction}} {{.Config.HealthLogDestination}} " \
            "{{.Config.HealthMaxLogCount}} {{.Config.HealthMaxLogSize}} {{json .State.Health}}"
        for number, flags in enumerate([
            [],
            ["--health-cmd", "a b"],
            ["--health-cmd", "CMD-SHELL a b"],
            ["--health-cmd", '["a"]'],
            ["--health-cmd", '["a", "b c"]'],
            ["--health-cmd", "none"],
            ["--health-cmd", ""],
            ["--no-healthcheck"],
            ["--health-interval", "5s"],
            ["--health-cmd", "x", "--health-interval", "disable"],
            ["--health-cmd", "x", "--health-interval", "1m", "--health-timeout", "2s", "--health-retries", "7"],
            ["--health-cmd", "x", "--health-start-period", "1m", "--health-on-failure", "kill"],
            ["--health-cmd", "x", "--health-log-destination", "events_logger", "--health-max-log-count", "0"],
            ["--health-cmd", "x", "--health-log-destination", "/tmp", "--health-max-log-size", "3"],
        ]):
            self.same("create", "--name", f"c{number}", *flags, BUSYBOX)
            self.same("inspect", "--format", shown, f"c{number}")
        self.same("create", "--name", "last", "--health-cmd", "x", "--health-startup-cmd", "y", "--health-startup-interval", "3s",
                  "--health-startup-retries", "4", "--health-startup-success", "5", "--health-startup-timeout", "6s", BUSYBOX)
        self.same("inspect", "--format", "{{json .Config.StartupHealthCheck}}", "last")

    def test_what_makes_no_sense_is_refused_in_the_same_words(self):
        for flags in [
            ["--health-cmd", "x", "--no-healthcheck"],
            ["--health-cmd", "x", "--health-interval", "5x"],
            ["--health-cmd", "x", "--health-interval", "5"],
            ["--health-cmd", "x", "--health-timeout", "no"],
            ["--health-cmd", "x", "--health-timeout", "0"],
            ["--health-cmd", "x", "--health-retries", "0"],
            ["--health-cmd", "x", "--health-start-period", "-1s"],
            ["--health-cmd", "x", "--health-on-failure", "explode"],
            ["--health-cmd", "x", "--health-log-destination", "/nonexistent"],
            ["--health-on-failure", "kill"],
            ["--health-startup-cmd", "x"],
        ]:
            self.same("create", *flags, BUSYBOX)
        self.run_both()
        self.same("healthcheck", "run", "one")
        self.same("wait", "--condition", "healthy", "one")
        self.same("healthcheck", "run", "nope")
        self.same("create", "--name", "two", "--health-cmd", "true", BUSYBOX)
        self.same("healthcheck", "run", "two")

    def test_a_check_that_is_asked_for_counts_and_is_seen_everywhere(self):
        self.run_both("--health-cmd", "echo words; test -e /well", "--health-interval", "disable", "--health-retries", "2")
        status = ["ps", "--all", "--format", "{{.Names}} {{.Status}}", "--filter"]
        self.same(*status, "health=starting")
        for _ in range(3):
            self.same("healthcheck", "run", "one")
        self.same(*status, "health=unhealthy")
        self.assertEqual(health("haulout", "one"), health("podman", "one"))
        self.same("exec", "one", "touch", "/well")
        self.same("healthcheck", "run", "one")
        self.same(*status, "health=healthy")
        self.same(*status, "health=unhealthy")
        self.same("wait", "--condition", "healthy", "one")
        self.assertEqual(health("haulout", "one"), health("podman", "one"))
        line = re.compile(r" container health_status .*")
        since = ["events", "--stream=false", "--since", "5m", "--filter"]
        podman, haulout = ([normal(found) for found in line.findall(run(program, *since, f"container={identity(program)}").stdout)]
                           for program in ("podman", "haulout"))
        self.assertEqual(haulout, podman)
        self.assertEqual(len(haulout), 4)
        self.same("pause", "one")
        self.same("healthcheck", "run", "one")
        self.same(*status, "health=healthy")
        self.same("unpause", "one")
        self.same("stop", "--time", "0", "one")
        self.same("healthcheck", "run", "one")
        self.same(*status, "health=healthy")
        self.assertEqual(health("haulout", "one"), health("podman", "one"))
        self.same("start", "one")
        self.same(*status, "health=starting")
        self.same("inspect", "--format", "{{json .State.Health}}", "one")

    def test_the_log_has_as_much_as_is_asked_for_and_is_where_it_is_asked_for(self):
        folder = self.temporary_folder()
        os.chmod(folder, 0o777)
        self.run_both("--health-cmd", "echo abcdefgh", "--health-interval", "disable", "--health-max-log-size", "3",
                      "--health-max-log-count", "2", "--health-log-destination", str(folder))
        for _ in range(3):
            self.same("healthcheck", "run", "one")
        found = health("haulout", "one")
        self.assertEqual(found, health("podman", "one"))
        self.assertEqual([attempt["Output"] for attempt in found["Log"]], ["abc", "abc"])
        for program in ("podman", "haulout"):
            with open(os.path.join(folder, f"{identity(program)}-healthcheck.log"), encoding="utf-8") as log:
                self.assertEqual(known(log.read()), found)

    def test_a_check_is_run_again_and_again_and_never_beside_itself(self):
        self.haulout("run", "--detach", "--name", "one", "--health-interval", "1s", "--health-cmd",
                     "mkdir /lock && echo run >> /runs; sleep 0.2; rmdir /lock", BUSYBOX, "sleep", "100")
        runs = lambda: run("haulout", "exec", "one", "cat", "/runs").stdout.count("run")
        wait_until(lambda: runs() >= 3, "three checks")
        self.assertEqual(health("haulout", "one")["Status"], "healthy")
        self.assertTrue(all(attempt["ExitCode"] == 0 for attempt in health("haulout", "one")["Log"]))

    def test_a_check_that_takes_too_long_has_failed_and_is_killed(self):
        self.run_both("--health-cmd", "sleep 2; sleep 3", "--health-interval", "disable", "--health-timeout", "1s")
        self.same("healthcheck", "run", "one")
        self.assertEqual(health("haulout", "one")["FailingStreak"], health("podman", "one")["FailingStreak"])
        self.assertEqual(health("haulout", "one")["Log"][-1]["ExitCode"], -1)
        self.assertNotIn("sleep 2", run("haulout", "top", "one", "args").stdout)
        self.assertNotIn("sleep 3", run("haulout", "top", "one", "args").stdout)

    def test_two_who_ask_at_once_are_both_answered(self):
        self.haulout("run", "--detach", "--name", "one", "--health-interval", "disable", "--health-cmd", "sleep 1; exit 1",
                     BUSYBOX, "sleep", "100")
        asked = [self.spawn("haulout", "healthcheck", "run", "one") for _ in range(3)]
        self.assertEqual([process.wait(20) for process in asked], [1, 1, 1])

    def test_who_waits_for_a_check_of_a_container_that_ends_is_told(self):
        self.haulout("run", "--detach", "--name", "one", "--health-interval", "disable", "--health-cmd", "sleep 50",
                     BUSYBOX, "sleep", "100")
        asked = self.spawn("haulout", "healthcheck", "run", "one")
        wait_until(lambda: "sleep 50" in run("haulout", "top", "one", "args").stdout, "the check")
        self.haulout("kill", "one")
        self.assertEqual(asked.wait(20), 125)

    def test_failures_do_not_count_in_the_start_period(self):
        self.run_both("--health-cmd", "false", "--health-interval", "disable", "--health-retries", "1",
                      "--health-start-period", "10m")
        self.same("healthcheck", "run", "one")
        self.assertEqual(health("haulout", "one"), health("podman", "one"))
        self.assertEqual(health("haulout", "one")["Status"], "starting")

    def test_a_startup_check_goes_first(self):
        self.run_both("--health-cmd", "false", "--health-interval", "disable", "--health-retries", "1",
                      "--health-startup-cmd", "test -e /up", "--health-startup-interval", "disable")
        self.same("healthcheck", "run", "one")
        self.assertEqual(health("haulout", "one"), health("podman", "one"))
        self.same("exec", "one", "touch", "/up")
        self.same("healthcheck", "run", "one")
        self.assertEqual(health("haulout", "one")["Status"], "starting")
        self.same("healthcheck", "run", "one")
        self.assertEqual(health("haulout", "one")["Status"], "unhealthy")

    def test_a_startup_check_that_fails_too_often_restarts_the_container(self):
        self.haulout("run", "--detach", "--name", "one", "--stop-timeout", "0", "--health-cmd", "true", "--health-startup-cmd",
                     "false", "--health-startup-interval", "1s", "--health-startup-retries", "2", BUSYBOX, "sleep", "100")
        restarts = lambda: self.inspect("one")["RestartCount"]
        wait_until(lambda: restarts() >= 1, "a restart")

    def test_what_is_not_well_is_killed_stopped_or_restarted(self):
        flags = ["--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1", "--stop-timeout", "0"]
        for action in ("kill", "stop", "restart"):
            self.run_both(*flags, "--health-on-failure", action, name=action)
        for program in ("podman", "haulout"):
            of = lambda name, what: run(program, "inspect", "--format", what, name).stdout.strip()
            for action in ("kill", "stop"):
                wait_until(lambda: of(action, "{{.State.Status}}") == "exited", f"{program}: {action}")
                self.assertEqual(of(action, "{{.State.ExitCode}} {{.State.Health.Status}}"), "137 unhealthy")
            wait_until(lambda: int(of("restart", "{{.RestartCount}}")) >= 2, f"{program}: restarts")
        # A stop ends that as well.
        self.haulout("stop", "--time", "0", "restart")
        self.assertEqual(self.inspect("restart")["State"]["Status"], "exited")

    def test_who_waits_for_health_hears_of_it(self):
        self.haulout("run", "--detach", "--name", "one", "--health-interval", "1s", "--health-retries", "1", "--health-cmd",
                     "test -e /well", BUSYBOX, "sleep", "100")
        self.haulout("wait", "--condition", "unhealthy", "one")
        waiting = self.spawn("haulout", "wait", "--condition", "healthy", "one")
        self.haulout("exec", "one", "touch", "/well")
        self.assertEqual(waiting.wait(20), 0)

    def test_the_check_of_an_image_is_run_and_kept(self):
        folder = self.temporary_folder()
        with open(os.path.join(folder, "Containerfile"), "w", encoding="utf-8") as file:
            file.write(f"FROM {BUSYBOX}\nHEALTHCHECK --interval=1m --retries=2 CMD test -e /well\n")
        self.podman("build", "--format", "docker", "--tag", CHECKED, str(folder))
        self.addCleanup(run, "podman", "rmi", "--force", CHECKED)
        self.podman("push", "--tls-verify=false", CHECKED)
        self.haulout("pull", "--quiet", "--tls-verify=false", CHECKED)
        self.addCleanup(run, "haulout", "rmi", "--force", CHECKED, "localhost/kept")
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "rm", "--all", "--force", "--time", "0")
        self.run_both(image=CHECKED)
        self.same("inspect", "--format", "{{json .Config.Healthcheck}}", "one")
        self.same("healthcheck", "run", "one")
        self.same("image", "inspect", "--format", "{{json .HealthCheck}}", CHECKED)
        self.same("create", "--name", "none", "--no-healthcheck", CHECKED)
        self.same("inspect", "--format", "{{json .Config.Healthcheck}}", "none")
        self.same("create", "--name", "other", "--health-cmd", "x", CHECKED)
        self.same("inspect", "--format", "{{json .Config.Healthcheck}}", "other")
        self.haulout("commit", "--quiet", "--format", "docker", "one", "kept")
        self.haulout("create", "--name", "again", "kept")
        self.assertEqual(self.inspect("again")["Config"]["Healthcheck"]["Test"], ["CMD-SHELL", "test -e /well"])

    def test_a_killed_monitor_takes_the_health_along(self):
        self.haulout("run", "--detach", "--name", "one", "--health-cmd", "true", BUSYBOX, "sleep", "100")
        self.haulout("wait", "--condition", "healthy", "one")
        os.kill(self.inspect("one")["State"]["ConmonPid"], 9)
        wait_until(lambda: self.inspect("one")["State"]["Status"] == "exited", "the end")
        self.assertEqual(self.inspect("one")["State"]["Health"]["Status"], "")
