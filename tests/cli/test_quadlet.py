# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Units: what is wrong with them is told by line and column, and without the generator their services are written all the same."""

import json
import os
import unittest
from pathlib import Path

from session import BUSYBOX, ENVIRONMENT, ON_TEST_HOST, SessionTest, run, wait_until

CONFIG = Path(ENVIRONMENT.get("XDG_CONFIG_HOME") or Path.home() / ".config")
UNITS = CONFIG / "containers/systemd"
SERVICES = CONFIG / "systemd/user"
CHOICE = CONFIG / "haulout/config.toml"
PODMAN = Path("/usr/lib/systemd/user-generators/podman-user-generator")
GOOD = "[Container]\nImage=localhost:5000/busybox:latest\nExec=sleep 1000\n"
# Ends well when it is asked to: what is killed fails its unit, as with Podman.
LASTING = "sh -c 'trap \"exit 0\" TERM; sleep 1000 & wait'"
INSTALL = "[Install]\nWantedBy=default.target\nAlias=test-haulout-other.service\n"


class UnitTest(SessionTest):
    images = ()

    def setUp(self):
        super().setUp()
        UNITS.mkdir(parents=True, exist_ok=True)
        SERVICES.mkdir(parents=True, exist_ok=True)
        self.choose('quadlet = "haulout"')
        # Before the choice is taken back, and after the tests' units have gone.
        self.addCleanup(run, "haulout", "quadlet", "sync")

    def choose(self, text):
        before = CHOICE.read_text() if CHOICE.exists() else None
        CHOICE.parent.mkdir(parents=True, exist_ok=True)
        CHOICE.write_text(text)
        self.addCleanup(lambda: CHOICE.unlink(missing_ok=True) if before is None else CHOICE.write_text(before))

    def unit(self, name, text):
        path = UNITS / name
        path.write_text(text)
        self.addCleanup(path.unlink, missing_ok=True)
        return path

    def sync(self):
        return run("haulout", "quadlet", "sync")


class Units(UnitTest):
    def test_what_is_wrong_is_told_with_line_column_and_what_to_do(self):
        path = self.unit("test-haulout-a.container", GOOD + "PublishPorts=80\nGroup=5\n")
        told = run("haulout", "quadlet", "check", "test-haulout-a.container")
        self.assertEqual(told.returncode, 1)
        self.assertIn(f"{path}:4:1: error: unsupported key 'PublishPorts'", told.stdout)
        self.assertIn("did you mean PublishPort?", told.stdout)
        self.assertIn(f"{path}:5:7: error: invalid Group set without User", told.stdout)
        found = json.loads(run("haulout", "quadlet", "check", "--format", "json", str(path)).stdout)
        self.assertEqual([(one["line"], one["column"], one["severity"]) for one in found], [(4, 1, "error"), (5, 7, "error")])
        self.assertEqual(found[0]["hint"], "did you mean PublishPort?")
        self.assertEqual(run("haulout", "quadlet", "check", "nowhere.container").returncode, 125)

    def test_no_service_is_written_that_systemd_could_not_have(self):
        outside = SERVICES.parent / "test-haulout-outside.service"
        self.addCleanup(outside.unlink, missing_ok=True)
        path = self.unit("test-haulout-out.container", GOOD + "ServiceName=../test-haulout-outside\n")
        blank = self.unit("test-haulout-a blank.container", GOOD)
        self.assertEqual(self.sync().returncode, 1)
        self.assertFalse(outside.exists())
        told = run("haulout", "quadlet", "check").stdout
        self.assertIn(f"{path}:4:13: error: a service cannot be called ../test-haulout-outside.service", told)
        self.assertIn(f"{blank}: error: a service cannot be called test-haulout-a blank.service", told)

    def test_a_unit_of_a_kind_that_is_not_there_yet_is_told_before_it_is_started(self):
        path = self.unit("test-haulout-pod.pod", "[Pod]\n")
        checked = run("haulout", "quadlet", "check", path)
        self.assertEqual(checked.returncode, 0)
        self.assertIn(f"{path}: warning: test-haulout-pod-pod.service runs haulout pod, which Haulout does not have yet", checked.stdout)

    @unittest.skipUnless(ON_TEST_HOST, "systemd reads the person's own folders")
    def test_a_good_unit_has_a_service_that_systemd_knows_and_loses_it_with_its_file(self):
        path = self.unit("test-haulout-b.container", GOOD + INSTALL)
        self.assertEqual(self.sync().stdout, "wrote test-haulout-b.service\n")
        link = SERVICES / "default.target.wants/test-haulout-b.service"
        self.assertEqual(os.readlink(link), "../test-haulout-b.service")
        self.assertEqual(os.readlink(SERVICES / "test-haulout-other.service"), "test-haulout-b.service")
        row = run("haulout", "quadlet", "list", "--format", "{{.Name}} {{.UnitName}} {{.Status}}").stdout
        self.assertIn("test-haulout-b.container test-haulout-b.service inactive/dead\n", row)
        printed = run("haulout", "quadlet", "print", "--service", "test-haulout-b").stdout
        self.assertTrue((SERVICES / "test-haulout-b.service").read_text().endswith(printed) and "ExecStart=" in printed)
        self.assertEqual(run("haulout", "quadlet", "print", "test-haulout-b.container").stdout, path.read_text())
        verified = run("systemd-analyze", "--user", "verify", SERVICES / "test-haulout-b.service")
        self.assertEqual(verified.returncode, 0, verified.stderr)
        self.assertEqual(self.sync().stdout, "")
        path.unlink()
        self.assertEqual(self.sync().stdout, "removed test-haulout-b.service\n")
        self.assertFalse(os.path.lexists(link) or os.path.lexists(SERVICES / "test-haulout-other.service"))

    def test_a_slip_does_not_take_the_service_away_and_what_somebody_else_wrote_stays(self):
        path = self.unit("test-haulout-c.container", GOOD)
        self.sync()
        service = SERVICES / "test-haulout-c.service"
        before = service.read_text()
        path.write_text(GOOD + "Oops\n")
        slip = self.sync()
        self.assertEqual((slip.returncode, slip.stdout), (1, ""))
        self.assertIn(":4:1: error: ", slip.stderr)
        self.assertEqual(service.read_text(), before)
        own = SERVICES / "test-haulout-d.service"
        own.write_text("[Service]\nExecStart=true\n")
        self.addCleanup(own.unlink)
        path.unlink()
        self.unit("test-haulout-d.container", GOOD)
        foreign = self.sync()
        self.assertEqual((foreign.returncode, foreign.stdout), (1, "removed test-haulout-c.service\n"))
        self.assertIn(f"{own} is somebody else's", foreign.stderr)
        self.assertEqual(own.read_text(), "[Service]\nExecStart=true\n")

    @unittest.skipUnless(ON_TEST_HOST, "the person's own folders are the tests'")
    def test_a_folder_of_settings_that_is_no_path_is_as_good_as_none(self):
        path = self.unit("test-haulout-n.container", GOOD)
        for said in ("", "config"):
            path.write_text(f"{GOOD}Environment=SAID={said}\n")
            # By the choice in ~/.config, of the units there, into the folder there.
            done = self.haulout("quadlet", "sync", env={"XDG_CONFIG_HOME": said})
            self.assertEqual(done.stdout, "wrote test-haulout-n.service\n")

    def test_what_cannot_be_read_for_now_keeps_its_service(self):
        path = self.unit("test-haulout-h.container", GOOD)
        below = UNITS / "test-haulout-below"
        below.mkdir()
        self.addCleanup(below.rmdir)
        other = self.unit("test-haulout-below/test-haulout-i.container", GOOD)
        bundle = self.unit("test-haulout-j.quadlets", f"# FileName=test-haulout-j\n{GOOD}ServiceName=test-haulout-k\n")
        self.assertEqual(self.sync().stdout, "".join(f"wrote test-haulout-{name}.service\n" for name in "ihk"))
        path.write_bytes(b"\xff")
        bundle.write_bytes(b"\xff")
        below.chmod(0)
        self.addCleanup(below.chmod, 0o755)
        torn = self.sync()
        self.assertEqual((torn.returncode, torn.stdout), (1, ""))
        self.assertIn(f"{path}: error: not UTF-8", torn.stderr)
        self.assertIn(f"{below}: error: permission denied", torn.stderr)
        below.chmod(0o755)
        for file in (path, other, bundle):
            file.unlink()
        self.assertEqual(self.sync().stdout, "".join(f"removed test-haulout-{name}.service\n" for name in "hik"))

    def test_a_link_to_somebody_else_s_service_stays_as_it_is(self):
        own = SERVICES / "test-haulout-own.service"
        own.write_text("[Service]\nExecStart=true\n")
        link = SERVICES / "test-haulout-other.service"
        link.symlink_to(own)
        self.addCleanup(own.unlink)
        self.addCleanup(link.unlink)
        pipe = SERVICES / "test-haulout-pipe.service"
        os.mkfifo(pipe)
        self.addCleanup(pipe.unlink)
        path = self.unit("test-haulout-l.container", GOOD + INSTALL)
        told = self.sync()
        self.assertEqual((told.returncode, told.stdout), (1, "wrote test-haulout-l.service\n"))
        self.assertIn(f"{link} is somebody else's", told.stderr)
        path.unlink()
        self.assertEqual(self.sync().stdout, "removed test-haulout-l.service\n")
        self.assertEqual(os.readlink(link), str(own))

    def test_a_killed_look_leaves_each_service_whole_or_not_there_and_the_next_one_nothing_else(self):
        before = set(SERVICES.iterdir())
        for number in range(30):
            self.unit(f"test-haulout-m{number}.container", GOOD + "[Install]\nWantedBy=default.target\n")
        struck = 0
        for call in ("linkat", "renameat", "symlinkat", "write", "fsync"):
            for when in (2, 9, 25):
                injection = f"inject={call}:signal=SIGKILL:when={when}"
                killed = run("strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={call}", "-e", injection,
                             "haulout", "quadlet", "sync", "--no-reload")
                struck += killed.returncode != 0
                written = [path for path in set(SERVICES.iterdir()) - before if path.is_file() and path.suffix == ".service"]
                for path in written:
                    self.assertTrue(path.read_text().rstrip().endswith("sleep 1000"), path)
                for path in written[::2]:
                    path.unlink()
        self.assertGreater(struck, 5)
        self.assertEqual(self.sync().returncode, 0)
        # What systemd calls writes into a folder that is empty.
        for call in ("openat", "write", "linkat", "symlinkat"):
            for when in (2, 9, 25):
                made = self.temporary_folder() / "made"
                run("strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={when}",
                    "haulout-generator", "-user", "-no-kmsg-log", made)
                for path in made.rglob("*") if made.exists() else []:
                    if path.is_file():
                        self.assertRegex(path.name, r"^test-haulout-m\d+\.service$")
                        self.assertTrue(path.read_text().rstrip().endswith("sleep 1000"), path)
        self.assertEqual([path for path in SERVICES.iterdir() if path.name.startswith(".haulout-") and path.name != ".haulout-sync"], [])

    def test_what_systemd_was_not_told_of_it_is_told_by_the_next_look(self):
        # As where one is killed when it has written.
        path = self.unit("test-haulout-u.container", GOOD + "[Install]\nWantedBy=default.target\n")
        self.sync()
        stale = lambda: run("systemctl", "--user", "show", "--property=NeedDaemonReload", "test-haulout-u.service").stdout
        self.assertEqual(stale(), "NeedDaemonReload=no\n")
        path.write_text(path.read_text() + "[Unit]\nDescription=Another\n")
        self.haulout("quadlet", "sync", "--no-reload")
        self.assertEqual(stale(), "NeedDaemonReload=yes\n")
        self.assertEqual(self.sync().stdout, "")
        self.assertEqual(stale(), "NeedDaemonReload=no\n")

    def test_a_file_is_checked_and_printed_by_its_path_whatever_is_wrong_with_it(self):
        folder = self.temporary_folder()
        bundle = folder / "test-haulout-f.quadlets"
        bundle.write_text(f"# FileName=test-haulout-f\n{GOOD}---\n# FileName=test-haulout-g\n{GOOD}Oops=1\n---\n[Volume]\n")
        told = run("haulout", "quadlet", "check", bundle)
        self.assertEqual(told.returncode, 1)
        self.assertIn(f"{bundle}:10:1: error: unsupported key 'Oops'", told.stdout)
        self.assertIn(f"{bundle}: error: the part at line 12 has no comment # FileName= with a name", told.stdout)
        (folder / "a.container").write_bytes(b"\xff[Container]\n")
        os.mkfifo(folder / "b.container")
        (folder / "c.container").symlink_to("nowhere")
        for name, status, words in [("a.container", 1, f"{folder}/a.container: error: not UTF-8\n"),
                                    ("b.container", 1, f"{folder}/b.container: error: it is no regular file\n"),
                                    ("c.container", 125, f"Error: reading {folder}/c.container: no such file or directory\n"),
                                    ("d.container", 125, f"Error: reading {folder}/d.container: no such file or directory\n")]:
            told = run("haulout", "quadlet", "check", folder / name)
            self.assertEqual((told.returncode, told.stdout + told.stderr), (status, words))
        self.assertIn("it should end in .container", self.haulout("quadlet", "check", "/etc/passwd", status=125).stderr)
        good = folder / "e.container"
        good.write_text(GOOD)
        self.assertEqual(self.haulout("quadlet", "print", good).stdout, GOOD)
        self.assertIn("\nExecStart=", self.haulout("quadlet", "print", "--service", good).stdout)
        for words in (["print", "a", "b"], ["from-compose", "a", "b"]):
            self.assertIn("accepts 1 arg(s), received 2", self.haulout("quadlet", *words, status=125).stderr)

    def test_a_choice_that_cannot_be_read_is_told(self):
        for choice, why in (("quadlet = haulout", "TOML parse error at line 1"),
                            ('quadlet = "podmann"', 'quadlet is "haulout" or "podman", not "podmann"')):
            self.choose(choice)
            if PODMAN.exists():
                told = self.haulout("quadlet", "sync", status=125).stderr
                self.assertIn(f"{CHOICE} does not say who makes the services: {why}", told)

    @unittest.skipUnless(PODMAN.exists(), "needs Podman's generator")
    def test_where_podman_s_generator_makes_the_services_ours_stands_back(self):
        self.choose("")
        self.unit("test-haulout-e.container", GOOD)
        refused = self.sync()
        self.assertEqual(refused.returncode, 125)
        self.assertIn(f"{PODMAN} makes the services of these units", refused.stderr)
        self.assertFalse((SERVICES / "test-haulout-e.service").exists())
        folder = self.temporary_folder() / "services"
        self.assertEqual(run("haulout-generator", "-user", folder).returncode, 0)
        self.assertFalse(folder.exists())


@unittest.skipUnless(ON_TEST_HOST, "systemd reads the person's own folders")
class Services(UnitTest):
    """The services, run by systemd."""

    images = (BUSYBOX,)

    def systemctl(self, *words):
        return run("systemctl", "--user", *words)

    def shown(self, unit, what):
        return self.systemctl("show", "--property", what, "--value", unit).stdout.strip()

    def start(self, stem, text):
        self.unit(f"{stem}.container", text)
        self.addCleanup(self.systemctl, "reset-failed", f"{stem}.service")
        self.addCleanup(self.systemctl, "stop", f"{stem}.service")
        self.assertEqual(self.sync().returncode, 0)
        return self.systemctl("start", stem)

    def test_a_container_starts_restarts_and_stops_with_its_unit(self):
        started = self.start("test-haulout-run", f"[Container]\nImage={BUSYBOX}\nExec={LASTING}\n")
        self.assertEqual(started.returncode, 0, started.stderr)
        name = "systemd-test-haulout-run"
        first = self.inspect(name)
        self.assertEqual(first["State"]["Status"], "running")
        self.assertEqual(first["Config"]["Labels"]["PODMAN_SYSTEMD_UNIT"], "test-haulout-run.service")
        # systemd follows the monitor, and its unit's cgroup is where the container is.
        main = self.shown("test-haulout-run", "MainPID")
        self.assertEqual(Path(f"/proc/{main}/comm").read_text().strip()[:15], "haulout-monitor")
        cgroup = Path(f"/proc/{first['State']['Pid']}/cgroup").read_text()
        self.assertIn("/test-haulout-run.service/", cgroup)
        self.assertEqual(self.systemctl("restart", "test-haulout-run").returncode, 0)
        self.assertNotEqual(self.inspect(name)["Id"], first["Id"])
        self.assertEqual(self.systemctl("stop", "test-haulout-run").returncode, 0)
        self.assertEqual(self.shown("test-haulout-run", "ActiveState"), "inactive")
        self.assertEqual(run("haulout", "ps", "-aq").stdout, "")

    def test_a_container_that_fails_fails_its_unit_with_its_status(self):
        self.start("test-haulout-fail", f"[Container]\nImage={BUSYBOX}\nExec=sh -c 'sleep 0.5; exit 7'\n")
        wait_until(lambda: self.shown("test-haulout-fail", "ActiveState") == "failed", "the unit has failed")
        self.assertEqual(self.shown("test-haulout-fail", "ExecMainStatus"), "7")
        self.assertEqual(run("haulout", "ps", "-aq").stdout, "")

    def test_an_image_that_is_nowhere_fails_the_start(self):
        started = self.start("test-haulout-no", "[Container]\nImage=localhost:5000/nowhere:1\n")
        self.assertEqual(started.returncode, 1)
        self.assertEqual(self.shown("test-haulout-no", "ExecMainStatus"), "125")


__all__ = ["Services", "Units"]
