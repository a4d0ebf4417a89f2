# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Units under the real service manager: templates, sockets, readiness, many at once, edited while they run, and why one is not loaded."""

import json
import os
import socket
import time
import unittest

from cli.test_quadlet import LASTING, SERVICES, UNITS, UnitTest
from registry import Registry
from session import BUSYBOX, run, wait_until

UNIT = f"[Container]\nImage={BUSYBOX}\nNetwork=none\nStopTimeout=5\n"


class LiveTest(UnitTest):
    images = (BUSYBOX,)

    def setUp(self):
        super().setUp()
        self.started = []
        self.addCleanup(self.stop_all)

    def stop_all(self):
        if self.started:
            run("systemctl", "--user", "stop", *self.started, timeout=240)
            run("systemctl", "--user", "reset-failed", *self.started)

    def start(self, *names, timeout=240):
        self.started += names
        return run("systemctl", "--user", "start", *names, timeout=timeout)

    def service(self, name, text):
        """A unit of systemd's own."""
        path = SERVICES / name
        path.write_text(text)
        self.addCleanup(run, "systemctl", "--user", "daemon-reload")
        self.addCleanup(path.unlink, missing_ok=True)
        run("systemctl", "--user", "daemon-reload")

    def state(self, name):
        return run("systemctl", "--user", "is-active", name).stdout.strip()


class Watched(LiveTest):
    """Where no generator can be installed, systemd runs `quadlet sync` when a unit changes."""

    def setUp(self):
        super().setUp()
        self.addCleanup(run, "haulout", "quadlet", "sync", "--no-watch")

    def has_service(self, name, whether=True):
        wait_until(lambda: (SERVICES / name).exists() == whether, f"{name} is {'there' if whether else 'gone'}")

    def test_what_is_saved_has_a_service_without_another_command(self):
        self.haulout("quadlet", "sync", "--watch")
        path = self.unit("test-li-saved.container", f"{UNIT}Exec={LASTING}\n")
        self.has_service("test-li-saved.service")
        wait_until(lambda: run("systemctl", "--user", "show", "-P", "LoadState", "test-li-saved.service").stdout == "loaded\n", "systemd knows it")
        # More often than systemd starts a service that fails.
        for number in range(8):
            path.write_text(f"{UNIT}Environment=N={number}\nExec={LASTING}\n")
            wait_until(lambda: f"N={number}" in (SERVICES / "test-li-saved.service").read_text(), f"edit {number} has been seen")
        broken = self.unit("test-li-broken.container", "[Container]\nOops\n")
        wait_until(lambda: "Oops" in run("journalctl", "--user", "-n50", "-u", "haulout-quadlet-sync.service").stdout, "the mistake is told")
        broken.unlink()
        path.unlink()
        self.has_service("test-li-saved.service", False)

    def test_folders_that_come_are_watched_too_and_drop_ins_count(self):
        self.haulout("quadlet", "sync", "--watch")
        folder = UNITS / "test-li-folder"
        folder.mkdir()
        self.addCleanup(run, "rm", "-rf", folder)
        wait_until(lambda: str(folder) in (SERVICES / "haulout-quadlet-sync.path").read_text(), "the new folder is watched")
        (folder / "test-li-below.container").write_text(f"{UNIT}Exec={LASTING}\n")
        self.has_service("test-li-below.service")
        drop_ins = folder / "test-li-below.container.d"
        drop_ins.mkdir()
        wait_until(lambda: str(drop_ins) in (SERVICES / "haulout-quadlet-sync.path").read_text(), "its drop-ins are watched")
        (drop_ins / "more.conf").write_text("[Container]\nEnvironment=MORE=1\n")
        wait_until(lambda: "MORE=1" in (SERVICES / "test-li-below.service").read_text(), "the drop-in counts")
        self.assertEqual(run("systemctl", "--user", "is-enabled", "haulout-quadlet-sync.path").stdout, "enabled\n")

    def test_a_look_reads_everything_once_and_makes_each_service_once(self):
        # Whether the device is there is asked for each time that the service is made.
        path = self.unit("test-li-once.container", f"{UNIT}AddDevice=-/dev/test-li-once\n")
        self.haulout("quadlet", "sync", "--watch")
        log = self.temporary_folder() / "log"
        looked = run("strace", "-f", "-qqq", "-o", log, "-e", "trace=%file", "haulout", "quadlet", "sync")
        self.assertEqual((looked.returncode, looked.stdout, looked.stderr), (0, "", ""))
        calls = log.read_text().splitlines()
        opened = [line for line in calls if "openat(" in line or "open(" in line]
        self.assertEqual(len([line for line in opened if f'"{UNITS}"' in line]), 1, opened)
        self.assertEqual(len([line for line in opened if f'"{path}"' in line]), 1, opened)
        self.assertEqual(len([line for line in calls if '"/dev/test-li-once"' in line]), 1)

    def test_it_ends_and_leaves_nothing(self):
        self.haulout("quadlet", "sync", "--watch")
        self.haulout("quadlet", "sync", "--no-watch")
        self.assertEqual(run("systemctl", "--user", "is-active", "haulout-quadlet-sync.path").stdout, "inactive\n")
        self.assertEqual([name for name in os.listdir(SERVICES) if name.startswith("haulout-quadlet-sync")], [])
        self.haulout("quadlet", "sync", "--no-watch")
        self.haulout("quadlet", "sync", "--watch", "--no-watch", status=125)


class Live(LiveTest):
    def test_a_template_runs_a_container_for_each_instance(self):
        self.unit("test-li@.container", f"{UNIT}Environment=WHICH=%i\nExec={LASTING}\n")
        self.assertEqual(self.sync().returncode, 0)
        started = self.start("test-li@a.service", "test-li@b.service")
        self.assertEqual(started.returncode, 0, started.stderr)
        for which in "ab":
            self.assertIn(f"WHICH={which}\n", self.haulout("exec", f"systemd-test-li_{which}", "env").stdout)
        run("systemctl", "--user", "stop", "test-li@a.service")
        self.assertEqual((self.state("test-li@a.service"), self.state("test-li@b.service")), ("inactive", "active"))

    def test_a_socket_starts_its_container_and_is_passed_on(self):
        self.unit("test-li-socket.container", f"{UNIT}Exec=sh -c 'echo fds=$$LISTEN_FDS; readlink /proc/self/fd/3; trap \"exit 0\" TERM; sleep 1000 & wait'\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.assertEqual(self.sync().returncode, 0)
        self.service("test-li-socket.socket", f"[Socket]\nListenStream=127.0.0.1:{port}\n")
        self.started += ["test-li-socket.service"]
        self.assertEqual(self.start("test-li-socket.socket").returncode, 0)
        self.assertEqual(run("haulout", "ps", "--quiet").stdout, "")
        with socket.create_connection(("127.0.0.1", port)):
            logs = wait_until(lambda: (found := run("haulout", "logs", "systemd-test-li-socket").stdout) and "socket:" in found and found,
                              "the container has the socket")
        self.assertIn("fds=1\n", logs)

    def test_a_volume_of_an_image_is_there_before_the_container_that_mounts_it(self):
        self.unit("of.image", f"[Image]\nImage={BUSYBOX}\nTLSVerify=false\n")
        self.unit("files.volume", "[Volume]\nDriver=image\nImage=of.image\n")
        self.unit("reader.container", UNIT + "Volume=files.volume:/v\nExec=sh -c '/v/bin/busybox touch /v/etc/mine; exec sleep inf'\n")
        self.addCleanup(run, "haulout", "volume", "rm", "--force", "systemd-files")
        self.haulout("quadlet", "sync")
        self.assertEqual(self.start("reader.service").returncode, 0)
        self.started += ["files-volume.service", "of-image.service"]
        self.assertEqual(self.haulout("volume", "inspect", "--format", "{{.Driver}} {{.Options.image}}", "systemd-files").stdout, f"image {BUSYBOX}\n")
        self.haulout("exec", "systemd-reader", "ls", "/v/etc/mine")

    def test_a_unit_is_ready_when_its_container_is_healthy(self):
        self.unit("test-li-healthy.container", f"{UNIT}Notify=healthy\nHealthCmd=test -e /well\nHealthInterval=1s\nHealthRetries=100\n"
                  "Exec=sh -c 'trap \"exit 0\" TERM; sleep 2; touch /well; sleep 1000 & wait'\n")
        self.unit("test-li-after.container", f"[Unit]\nAfter=test-li-healthy.container\nRequires=test-li-healthy.container\n{UNIT}Exec={LASTING}\n")
        self.assertEqual(self.sync().returncode, 0)
        started = self.start("test-li-after.service")
        self.started.append("test-li-healthy.service")
        self.assertEqual(started.returncode, 0, started.stderr)
        self.assertEqual(self.inspect("systemd-test-li-healthy")["State"]["Health"]["Status"], "healthy")

    def test_what_a_container_says_through_its_service_is_its_log(self):
        path = self.unit("test-li-through.container", f"{UNIT}LogDriver=passthrough\nExec=sh -c 'echo first; trap \"exit 0\" TERM; sleep 1000 & wait'\n")
        self.assertEqual(self.sync().returncode, 0)
        self.start("test-li-through.service")
        logs = lambda: run("haulout", "logs", "systemd-test-li-through").stdout
        wait_until(lambda: "first\n" in logs(), "the first is logged")
        path.write_text(path.read_text().replace("first", "second"))
        self.sync()
        run("systemctl", "--user", "restart", "test-li-through.service")
        wait_until(lambda: "second\n" in logs(), "the second is logged")
        self.assertNotIn("first", logs())

    def test_a_pull_is_waited_for_longer_than_a_start_may_take(self):
        registry = Registry(self)
        name = f"{registry.host}/li-slow:1"
        self.haulout("create", "--name", "maker", BUSYBOX)
        self.haulout("cp", "/etc/hostname", "maker:/new")
        self.haulout("commit", "--quiet", "maker", name)
        self.haulout("push", "--quiet", "--tls-verify=false", name)
        self.haulout("rmi", "--force", name)
        blobs = registry.repositories["li-slow"]

        def slowly(handler):
            time.sleep(4)
            handler.say(200, blobs[handler.path.rpartition("/")[2]], "application/octet-stream")

        registry.answers = {f"blobs/{blob}": slowly for blob, data in blobs.items() if not data.startswith(b"{")}
        self.unit("test-li-slow.container", f"[Container]\nImage={name}\nNetwork=none\nPodmanArgs=--tls-verify=false\nStopTimeout=5\n"
                  f"Exec={LASTING}\n[Service]\nTimeoutStartSec=2\n")
        self.assertEqual(self.sync().returncode, 0)
        started = self.start("test-li-slow.service")
        self.addCleanup(run, "haulout", "rmi", "--force", name)
        self.assertEqual(started.returncode, 0, started.stderr)

    def test_a_unit_is_reloaded_by_a_signal_or_by_a_command(self):
        loop = "sh -c 'trap \"exit 0\" TERM; trap \"echo again >> /said\" HUP; while :; do sleep 0.1; done'"
        said = lambda name: run("haulout", "exec", f"systemd-{name}", "cat", "/said").stdout
        self.unit("test-li-signal.container", f"{UNIT}ReloadSignal=HUP\nExec={loop}\n")
        self.unit("test-li-command.container", f"{UNIT}ReloadCmd=sh -c 'echo anew > /said'\nExec={loop}\n")
        self.unit("test-li-refuses.container", f"{UNIT}ReloadCmd=sh -c 'exit 7'\nExec={loop}\n")
        self.assertEqual(self.sync().returncode, 0)
        for name, status in (("signal", 0), ("command", 0), ("refuses", 1)):
            service = f"test-li-{name}.service"
            with self.subTest(name):
                self.assertEqual(self.start(service).returncode, 0)
                reloaded = run("systemctl", "--user", "reload", service)
                self.assertEqual(reloaded.returncode, status, reloaded.stderr)
                self.assertEqual(run("systemctl", "--user", "is-active", service).stdout, "active\n")
        wait_until(lambda: said("test-li-signal") == "again\n", lambda: said("test-li-signal"))
        self.assertEqual(said("test-li-command"), "anew\n")
        reason = run("systemctl", "--user", "show", "--property=ExecReload", "test-li-refuses.service").stdout
        self.assertIn("status=7", reason)

    def test_a_start_outlasts_a_manager_that_executes_itself_anew(self):
        # As it does when systemd is updated.
        self.unit("test-li-anew.container", f"{UNIT}Notify=healthy\nHealthCmd=test -e /well\nHealthInterval=1s\nHealthRetries=100\n"
                  "Exec=sh -c 'trap \"exit 0\" TERM; sleep 4; touch /well; sleep 1000 & wait'\n")
        self.assertEqual(self.sync().returncode, 0)
        self.started.append("test-li-anew.service")
        starting = self.spawn("haulout", "quadlet", "start", "test-li-anew.container")
        wait_until(lambda: self.state("test-li-anew.service") == "activating", "it is being started")
        run("systemctl", "--user", "daemon-reexec")
        told, wrong = starting.communicate(timeout=60)
        self.assertEqual((starting.returncode, told), (0, "test-li-anew.container\n"), wrong)
        self.assertEqual(self.state("test-li-anew.service"), "active")

    def test_a_unit_that_is_edited_while_it_runs_goes_on_until_it_is_restarted(self):
        path = self.unit("test-li-edit.container", f"{UNIT}Exec={LASTING}\n")
        self.assertEqual(self.sync().returncode, 0)
        self.assertEqual(self.start("test-li-edit.service").returncode, 0)
        before = self.inspect("systemd-test-li-edit")["Id"]
        path.write_text(f"{UNIT}Environment=NEW=1\nExec={LASTING}\n")
        told = run("haulout", "quadlet", "check", "test-li-edit.container")
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn("as it was before this unit was changed", told.stdout)
        self.assertEqual(self.sync().returncode, 0)
        self.assertEqual(run("haulout", "quadlet", "check", "test-li-edit.container").stdout, "")
        self.assertEqual(self.inspect("systemd-test-li-edit")["Id"], before)
        # Torn: what is half written does not take the service away.
        path.write_text("[Container]\nIma")
        self.assertEqual(self.sync().returncode, 1)
        self.assertEqual(run("systemctl", "--user", "restart", "test-li-edit.service").returncode, 0)
        after = self.inspect("systemd-test-li-edit")
        self.assertNotEqual(after["Id"], before)
        self.assertIn("NEW=1", after["Config"]["Env"])

    def test_nothing_is_left_that_systemd_has_to_kill_when_a_unit_stops(self):
        self.unit("test-li-stops.container", f"{UNIT}Exec={LASTING}\n")
        self.sync()
        since = time.time()
        for _ in range(10):
            self.assertEqual(self.start("test-li-stops.service").returncode, 0)
            run("systemctl", "--user", "stop", "test-li-stops.service")
        run("journalctl", "--user", "--sync")
        said = run("journalctl", "--user", "--output=cat", f"--since=@{since:.6f}", "--unit=test-li-stops.service").stdout
        self.assertEqual(said.count("Stopped "), 10, said)
        self.assertEqual([line for line in said.splitlines() if "Killing" in line], [])

    def test_two_hundred_units_start_and_stop_at_once(self):
        names = [f"test-li-many{number}" for number in range(200)]
        for name in names:
            self.unit(f"{name}.container", f"{UNIT}Exec={LASTING}\n")
        self.assertEqual(self.sync().returncode, 0)
        services = [f"{name}.service" for name in names]
        started = self.start(*services)
        self.assertEqual(started.returncode, 0, started.stderr)
        self.assertEqual(set(run("systemctl", "--user", "is-active", *services).stdout.split()), {"active"})
        self.assertEqual(len(run("haulout", "ps", "--quiet").stdout.split()), 200)
        stopped = run("systemctl", "--user", "stop", *services, timeout=240)
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        self.assertEqual(set(run("systemctl", "--user", "is-active", *services).stdout.split()), {"inactive"})
        self.assertEqual(run("haulout", "ps", "--all", "--quiet").stdout, "")


class NotLoaded(LiveTest):
    def findings(self, name):
        """What is found of a unit: messages and hints."""
        done = run("haulout", "quadlet", "check", "--format", "json", name)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [(finding["message"], finding["hint"]) for finding in json.loads(done.stdout)]

    def test_a_service_that_nobody_has_written_yet(self):
        self.unit("test-li-new.container", UNIT)
        self.assertEqual(self.findings("test-li-new.container"),
                         [("systemd does not know test-li-new.service", "haulout quadlet sync writes it")])
        self.sync()
        self.assertEqual(self.findings("test-li-new.container"), [])

    def test_a_masked_service(self):
        self.unit("test-li-masked.container", UNIT)
        self.addCleanup(run, "systemctl", "--user", "unmask", "--runtime", "test-li-masked.service")
        run("systemctl", "--user", "mask", "--runtime", "test-li-masked.service")
        self.assertEqual(self.findings("test-li-masked.container"),
                         [("test-li-masked.service is masked", "systemctl --user unmask test-li-masked.service")])

    def test_a_service_that_somebody_else_wrote(self):
        self.unit("test-li-other.container", UNIT)
        self.service("test-li-other.service", "[Service]\nExecStart=/bin/true\n")
        [(message, _)] = self.findings("test-li-other.container")
        self.assertEqual(message, f"{SERVICES}/test-li-other.service is what systemd has as test-li-other.service: it outranks this unit")

    def test_a_setting_that_systemd_refuses(self):
        self.unit("test-li-bad.container", f"{UNIT}[Service]\nType=oneshot\nRestart=always\n")
        self.sync()
        [(message, hint)] = self.findings("test-li-bad.container")
        self.assertIn("systemd cannot load test-li-bad.service: Unit test-li-bad.service has a bad unit file setting", message)
        self.assertIn("systemd-analyze --user verify test-li-bad.service", hint)

    def test_a_dependency_that_is_not_there(self):
        self.unit("test-li-needs.container", f"[Unit]\nRequires=nosuch.service\n{UNIT}")
        self.sync()
        [(message, _)] = self.findings("test-li-needs.container")
        self.assertEqual(message, "test-li-needs.service has Requires=nosuch.service, which systemd does not know: it cannot start")


__all__ = ["Live", "NotLoaded"]

if __name__ == "__main__":
    unittest.main()
