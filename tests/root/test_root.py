# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Haulout as root of the machine: `tests/host/run --root tests/run root`. It needs no user namespace then, and systemd is the machine's."""

import os
import shutil
import unittest
from pathlib import Path

from session import BUSYBOX, SessionTest, run, scopes, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
# Where units are until the machine is switched off.
UNITS = Path("/run/systemd/system")
RESTART = "haulout-restart.service"
# Ends when it is asked to, with a status of its own.
UNTIL_ASKED = ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"]


@unittest.skipUnless(os.geteuid() == 0, "only as root")
class Root(SessionTest):
    """See the module."""

    def test_every_network_works(self):
        for network, interfaces in {"none": ["lo"], "pasta": ["eth0", "lo"], "": ["eth0", "lo"]}.items():
            words = ["--network", network] if network else []
            listed = self.haulout("run", "--rm", *words, BUSYBOX, "ls", "/sys/class/net").stdout.split()
            self.assertEqual(sorted(set(listed) & {"eth0", "lo"}), interfaces, network)
        own = os.readlink("/proc/self/ns/net")
        done = self.haulout("run", "--rm", "--network", "host", BUSYBOX, "readlink", "/proc/self/ns/net")
        self.assertEqual(done.stdout.strip(), own)

    def test_where_the_generator_is_installed_sync_leaves_the_services_to_it(self):
        unit = Path("/etc/containers/systemd/test-haulout-sync.container")
        written = Path("/etc/systemd/system/test-haulout-sync.service")
        made = Path("/run/systemd/generator.early/test-haulout-sync.service")
        generator = Path("/run/systemd/system-generators/haulout-system-generator")
        choice = Path("/etc/haulout/config.toml")
        self.addCleanup(run, "systemctl", "daemon-reload")
        for path, text in ((unit, f"[Container]\nImage={BUSYBOX}\n"), (choice, 'quadlet = "haulout"\n')):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            self.addCleanup(path.unlink)
        self.addCleanup(written.unlink, missing_ok=True)
        self.haulout("quadlet", "sync")
        self.assertTrue(written.exists())
        generator.parent.mkdir(exist_ok=True)
        generator.symlink_to(shutil.which("haulout-generator"))
        self.addCleanup(generator.unlink)
        told = self.haulout("quadlet", "sync").stdout
        self.assertEqual(told, f"{generator} makes the services of these units\nremoved test-haulout-sync.service\n")
        self.assertEqual((written.exists(), made.exists()), (False, True))
        # A unit that came since.
        made.unlink()
        self.haulout("quadlet", "sync")
        self.assertTrue(made.exists())

    def test_a_published_port_is_served_after_every_start(self):
        serve = ["sh", "-c", "while :; do echo hello | nc -l -p 80; done"]
        self.haulout("run", "--detach", "--name", "c", "--publish", "127.0.0.1::80", BUSYBOX, *serve)
        for _ in range(2):
            port = self.inspect("c")["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
            fetch = ["socat", "-T2", "-", f"TCP:127.0.0.1:{port}"]
            wait_until(lambda: run(*fetch).stdout == "hello\n", "the container answers")
            self.haulout("stop", "--time", "0", "c")
            self.haulout("start", "c")

    def test_a_container_runs_where_ip_netns_exec_hides_the_cgroups(self):
        self.check(0, "ip", "netns", "add", "haulout-test")
        self.addCleanup(run, "ip", "netns", "delete", "haulout-test")
        inside = ["ip", "netns", "exec", "haulout-test"]
        command = ["run", "--rm", "--network", "host", BUSYBOX, "sh", "-c", "cat /proc/self/cgroup; ls /sys/class/net"]
        done = self.check(0, *inside, "haulout", *command)
        self.assertIn("lo", done.stdout)
        self.assertEqual(run(*inside, "ls", "/sys/fs/cgroup").stdout, "", "the mount is not the caller's")

    def test_a_container_lives_in_a_scope_of_the_machines_systemd(self):
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sleep", "100000")
        container = self.inspect("c")["Id"]
        self.assertIn(f"haulout-{container}.scope", scopes())
        pid = self.inspect("c")["State"]["Pid"]
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            self.assertIn(f"/machine.slice/haulout-{container}.scope/container", file.read())
        self.assertEqual(self.haulout("exec", "--user", "guest", "c", "id", "-u").stdout, "1000\n")
        self.haulout("stop", "--time", "0", "c")
        wait_until(lambda: not scopes(), "its scope is gone")

    def test_what_is_to_run_always_is_started_by_the_service_that_is_installed_for_the_machine(self):
        programs = Path(shutil.which("haulout")).parent
        installed = self.temporary_folder()
        self.check(0, CHECKOUT / "build-aux/install", "--from", programs, env={"DESTDIR": str(installed), "PREFIX": "/usr"}, timeout=300)
        text = (installed / f"usr/lib/systemd/system/{RESTART}").read_text()
        self.assertIn("ExecStart=/usr/bin/haulout start --all", text)
        UNITS.mkdir(parents=True, exist_ok=True)
        (UNITS / RESTART).write_text(text.replace("/usr/bin", str(programs)))
        self.addCleanup(run, "systemctl", "daemon-reload")
        self.addCleanup((UNITS / RESTART).unlink)
        self.addCleanup(run, "systemctl", "disable", "--now", "--runtime", RESTART)
        self.check(0, "systemctl", "daemon-reload")
        verified = self.check(0, "systemd-analyze", "--man=no", "verify", UNITS / RESTART)
        self.assertEqual(verified.stderr, "")
        self.check(0, "systemctl", "enable", "--runtime", RESTART)
        for name, policy in {"always": "always", "once": "no"}.items():
            self.haulout("run", "--detach", "--name", name, "--network", "none", "--restart", policy, BUSYBOX, *UNTIL_ASKED)
        state = lambda name: self.haulout("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name).stdout.strip()
        # As the machine ends, and starts: default.target is what it starts.
        self.haulout("stop", "--all")
        self.assertEqual((state("always"), state("once")), ("exited 3", "exited 3"))
        self.check(0, "systemctl", "start", "default.target")
        wait_until(lambda: run("systemctl", "is-active", RESTART).stdout == "active\n", "it started all")
        self.assertEqual((state("always"), state("once")), ("running 0", "exited 3"))
        self.check(0, "systemctl", "stop", RESTART)
        self.assertEqual(state("always"), "exited 3")


if __name__ == "__main__":
    unittest.main()
