# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A person logs in and out, and the machine starts with nobody there. As root, since whoever is logged out cannot look.

A login is one of logind's, through PAM: `systemd-run --property=PAMName=login`. What logs out is `loginctl terminate-user`.
"""

import contextlib
import json
import os
import pwd
import subprocess
import unittest
import uuid
from pathlib import Path

from session import BUSYBOX, ON_TEST_HOST, SessionTest, run, wait_until

PERSON = "tester"
TESTS = Path(__file__).resolve().parent.parent
REGISTRY_YML = TESTS / "host/registry.yml"
DATA = TESTS.parent / "data/systemd"
# Ends when it is asked to, with a status of its own.
FOR_EVER = ["sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"]
UNIT = f"""[Container]
Image={BUSYBOX}
Network=none
Exec=sh -c 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done'
[Install]
WantedBy=default.target
"""


@unittest.skipUnless(os.geteuid() == 0 and ON_TEST_HOST, "logs somebody out")
class Login(SessionTest):
    images = ()

    def setUp(self):
        super().setUp()
        entry = pwd.getpwnam(PERSON)
        self.uid, self.home = entry.pw_uid, Path(entry.pw_dir)
        self.runtime = Path(f"/run/user/{self.uid}")
        self.manager = f"user@{self.uid}.service"
        # The registry is a service of the person's, and goes with them.
        self.addCleanup(self.person, "systemd-run", "--user", "--quiet", "--collect", "--unit=haulout-test-registry",
                        "--property=CacheDirectory=haulout-test-registry", "sh", "-c",
                        'cd "$CACHE_DIRECTORY" && exec docker-registry serve "$1"', "sh", REGISTRY_YML, status=None)
        self.addCleanup(run, "systemctl", "start", self.manager)
        self.addCleanup(run, "loginctl", "enable-linger", PERSON)
        self.person("haulout", "rm", "--all", "--force", "--time", "0")
        if self.person("haulout", "image", "exists", BUSYBOX, status=None).returncode != 0:
            self.person("haulout", "pull", "--quiet", BUSYBOX)
        self.addCleanup(self.person, "haulout", "rm", "--all", "--force", "--time", "0")

    def person(self, *words, status=0):
        """Runs a command of the person's, in a login of its own."""
        login = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--property=PAMName=login", f"--property=User={PERSON}",
                 f"--property=WorkingDirectory={self.home}", f"--setenv=PATH={os.environ['PATH']}", "--setenv=LANG=C.UTF-8"]
        # systemd-run would take what the command's words say of variables and specifiers for its own.
        return self.check(status, *login, "--expand-environment=no", "--", *words)

    def log_out(self):
        self.check(0, "loginctl", "terminate-user", PERSON)
        wait_until(lambda: not self.processes(), lambda: f"nothing of the person's runs: {self.processes()}", seconds=60)
        wait_until(lambda: not self.runtime.exists(), "the runtime folder is gone")

    def processes(self):
        return run("ps", "-o", "pid=,args=", "-u", PERSON).stdout.splitlines()

    def state(self, name):
        return self.person("haulout", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name).stdout.strip()

    def run_one(self, name, *options):
        self.person("haulout", "run", "--detach", "--name", name, *(options or ["--network", "none"]), BUSYBOX, *FOR_EVER)

    def test_who_logs_out_ends_their_containers_and_nothing_is_left_of_them_but_how_they_ended(self):
        self.check(0, "loginctl", "disable-linger", PERSON)
        self.run_one("asked")
        self.run_one("wired", "--network", "pasta")
        self.run_one("always", "--network", "none", "--restart", "always")
        self.run_one("gone", "--network", "none", "--rm")
        self.person("haulout", "run", "--detach", "--name", "deaf", "--network", "none", "--stop-timeout", "1", BUSYBOX, "sleep", "100000")
        self.person("haulout", "run", "--name", "before", "--network", "none", BUSYBOX, "sh", "-c", "exit 7", status=7)
        self.log_out()
        mounts = Path("/proc/self/mountinfo").read_text()
        self.assertNotIn("containers/haulout", mounts)
        # The next login.
        listed = self.person("haulout", "ps", "--all", "--format", "{{.Names}}").stdout.split()
        self.assertEqual(sorted(listed), ["always", "asked", "before", "deaf", "wired"])
        for name, state in {"asked": "exited 3", "wired": "exited 3", "always": "exited 3", "before": "exited 7", "deaf": "exited 137"}.items():
            self.assertEqual(self.state(name), state, name)
        self.assertEqual(self.person("haulout", "logs", "asked").stdout, "ready\nbye\n")
        self.assertEqual(self.person("haulout", "wait", "asked", "before").stdout, "3\n7\n")
        failed = self.person("systemctl", "--user", "list-units", "--all", "--plain", "--no-legend", "haulout-*.scope").stdout
        self.assertEqual([line for line in failed.splitlines() if not line.startswith("haulout-anchor")], [])
        self.person("haulout", "start", "asked", "wired", "always")
        self.assertEqual(self.state("asked"), "running 0")
        self.person("haulout", "rm", "--all", "--force", "--time", "0")

    def test_who_lingers_goes_on_without_a_login(self):
        self.check(0, "loginctl", "enable-linger", PERSON)
        session = f"haulout-test-session-{os.getpid()}"
        self.check(0, "systemd-run", "--quiet", "--collect", f"--unit={session}", "--property=PAMName=login", f"--property=User={PERSON}", "sleep", "100000")
        self.addCleanup(run, "systemctl", "stop", session)
        self.run_one("c")
        pid = self.person("haulout", "inspect", "--format", "{{.State.Pid}}", "c").stdout
        self.check(0, "systemctl", "stop", session)
        wait_until(lambda: "background" not in run("loginctl", "list-sessions", "--no-legend").stdout, "no session is left")
        self.assertEqual(self.state("c"), "running 0")
        self.assertEqual(self.person("haulout", "inspect", "--format", "{{.State.Pid}}", "c").stdout, pid)

    def unit(self, name, text):
        path = self.home / ".config/containers/systemd" / name
        choice = self.home / ".config/haulout/config.toml"
        for file, content in ((path, text), (choice, 'quadlet = "haulout"\n')):
            self.person("mkdir", "-p", file.parent)
            file.write_text(content)
            subprocess.run(["chown", PERSON, file], check=True)
        # Done backwards.
        self.addCleanup(choice.unlink)
        self.addCleanup(self.person, "haulout", "quadlet", "sync")
        self.addCleanup(path.unlink)
        self.addCleanup(self.person, "systemctl", "--user", "stop", f"{path.stem}.service")

    def test_a_unit_runs_after_the_machine_has_started_with_nobody_logged_in(self):
        self.check(0, "loginctl", "enable-linger", PERSON)
        self.unit("test-boot.container", UNIT)
        self.person("haulout", "quadlet", "sync")
        # As at boot: nothing of the person's runs, and systemd starts the managers of those who linger.
        self.check(0, "systemctl", "stop", self.manager)
        wait_until(lambda: not self.processes(), lambda: f"nothing of the person's runs: {self.processes()}", seconds=60)
        self.check(0, "systemctl", "start", self.manager)
        wait_until(lambda: any("haulout-monitor" in line for line in self.processes()), "the container runs", seconds=60)
        wait_until(lambda: self.person("haulout", "logs", "systemd-test-boot", status=None).stdout == "ready\n", "it is ready")
        self.assertEqual(self.person("systemctl", "--user", "is-active", "test-boot.service").stdout, "active\n")
        # The anchor was born in that service, and is not of it: the others go on when it stops.
        self.run_one("other")
        self.person("systemctl", "--user", "stop", "test-boot.service")
        self.assertEqual(self.state("other"), "running 0")
        self.person("haulout", "exec", "other", "true")

    def test_a_service_manager_that_is_killed_takes_its_containers_along_and_the_next_one_starts_its_units(self):
        self.check(0, "loginctl", "enable-linger", PERSON)
        self.unit("test-boot.container", UNIT)
        self.person("haulout", "quadlet", "sync")
        self.person("systemctl", "--user", "start", "test-boot.service")
        self.run_one("c")
        self.run_one("gone", "--network", "none", "--rm")
        self.check(0, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", self.manager)
        wait_until(lambda: not self.processes(), lambda: f"nothing of the person's runs: {self.processes()}", seconds=150)
        self.check(0, "systemctl", "start", self.manager)
        wait_until(lambda: self.person("haulout", "logs", "systemd-test-boot", status=None).stdout == "ready\n", "the unit runs again")
        self.assertRegex(self.state("c"), "exited (3|137|-1)")
        listed = self.person("haulout", "ps", "--all", "--format", "{{.Names}}").stdout.split()
        self.assertEqual(sorted(listed), ["c", "systemd-test-boot"])
        self.person("haulout", "start", "c")
        self.person("haulout", "rm", "--force", "--time", "0", "c")

    def test_what_is_to_run_always_does_after_the_machine_has_started(self):
        self.check(0, "loginctl", "enable-linger", PERSON)
        programs = Path(run("which", "haulout").stdout.strip()).parent
        units = self.home / ".config/systemd/user"
        self.person("mkdir", "-p", units)
        for name in ("haulout-restart.service", "haulout-user-wait-network-online.service"):
            text = (DATA / name).read_text().replace("@bindir@", str(programs))
            # Nothing brings a test host online but the test host.
            (units / name).write_text(text.replace("until systemctl", "until true || systemctl"))
            self.addCleanup((units / name).unlink)
        self.addCleanup(self.person, "systemctl", "--user", "disable", "--now", "haulout-restart.service")
        self.person("systemctl", "--user", "daemon-reload")
        self.person("systemctl", "--user", "enable", "haulout-restart.service")
        self.run_one("always", "--network", "none", "--restart", "always")
        self.run_one("once")
        for _ in range(2):
            self.check(0, "systemctl", "stop", self.manager)
            wait_until(lambda: not self.processes(), lambda: f"nothing of the person's runs: {self.processes()}", seconds=60)
            self.check(0, "systemctl", "start", self.manager)
            wait_until(lambda: any("haulout-monitor" in line for line in self.processes()), "the container runs", seconds=60)
            wait_until(lambda: self.person("systemctl", "--user", "is-active", "haulout-restart.service", status=None).stdout == "active\n", "it started all")
            self.assertEqual((self.state("always"), self.state("once")), ("running 0", "exited 3"))
        self.person("systemctl", "--user", "stop", "haulout-restart.service")
        self.assertEqual(self.state("always"), "exited 3")

    @contextlib.contextmanager
    def another_boot(self, new):
        """With the id of another boot: as long as it is there the kernel lets no user namespace mount a /proc, and no container starts."""
        boot_id = Path("/proc/sys/kernel/random/boot_id")
        self.check(0, "mount", "--bind", new, boot_id)
        try:
            yield
        finally:
            self.check(0, "umount", boot_id)

    def start_machine_again(self):
        """Nobody can start a test host again and be there: the journal gets the id of another boot, as who starts containers of systemd gives
        them one, and the person's manager is started again. Gives the file with that id."""
        self.check(0, "systemctl", "stop", self.manager)
        wait_until(lambda: not self.processes(), lambda: f"nothing of the person's runs: {self.processes()}", seconds=60)
        new = self.temporary_folder() / "boot_id"
        new.write_text(f"{uuid.uuid4()}\n")
        new.chmod(0o444)
        self.addCleanup(run, "systemctl", "restart", "systemd-journald.service")
        with self.another_boot(new):
            self.check(0, "systemctl", "restart", "systemd-journald.service")
        self.check(0, "systemctl", "start", self.manager)
        return new

    def boots(self):
        """The ids of those that the person's journal knows, the oldest first."""
        return [boot["boot_id"] for boot in json.loads(self.person("journalctl", "--list-boots", "--output=json").stdout)]

    def test_the_journal_of_the_boot_before_is_found_after_the_machine_has_started_again(self):
        self.check(0, "loginctl", "enable-linger", PERSON)
        self.unit("test-boot.container", UNIT.replace("echo ready", "echo at work before"))
        self.person("haulout", "quadlet", "sync")
        self.person("systemctl", "--user", "start", "test-boot.service")
        self.run_one("c", "--network", "none", "--log-driver", "journald")
        wait_until(lambda: self.person("haulout", "logs", "c").stdout == "ready\n", "it is ready")
        # What it says when the machine has started again.
        (self.home / ".config/containers/systemd/test-boot.container").write_text(UNIT.replace("echo ready", "echo at work after"))
        self.person("haulout", "quadlet", "sync")
        before = self.boots()
        boot = self.start_machine_again()
        self.assertEqual(self.boots()[:-1], before)
        # A container has its journal of all boots.
        self.assertEqual(self.person("haulout", "logs", "c").stdout, "ready\nbye\n")
        self.person("haulout", "start", "c")
        wait_until(lambda: self.person("haulout", "logs", "c").stdout == "ready\nbye\nready\n", "it is ready again")
        wait_until(lambda: self.person("systemctl", "--user", "is-active", "test-boot.service", status=None).stdout == "active\n", "the unit runs again")
        with self.another_boot(boot):
            seen = self.person(TESTS / "run", "root/boots.py", status=None)
        self.assertIn("1 passed, 0 failed, 0 skipped", seen.stdout, seen.stderr)

    def test_enable_makes_a_unit_start_at_boot(self):
        self.check(0, "loginctl", "disable-linger", PERSON)
        self.unit("test-boot.container", UNIT.partition("[Install]")[0])
        done = self.person("haulout", "quadlet", "enable", "test-boot.container", status=None)
        self.assertEqual(done.returncode, 0, done.stderr)
        lingers = "yes" in run("loginctl", "show-user", PERSON, "--property=Linger").stdout
        # polkit decides whether a person may; where it does not let them, it is said what to do.
        self.assertEqual(lingers, "loginctl enable-linger" not in done.stderr, done.stderr)
        self.check(0, "loginctl", "enable-linger", PERSON)
        self.check(0, "systemctl", "stop", self.manager)
        wait_until(lambda: not self.processes(), lambda: f"nothing of the person's runs: {self.processes()}", seconds=60)
        self.check(0, "systemctl", "start", self.manager)
        wait_until(lambda: any("haulout-monitor" in line for line in self.processes()), "the container runs", seconds=60)


if __name__ == "__main__":
    unittest.main()
