# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The power goes while units and their services are written: each is whole afterwards, and what was told as done is done.

An empty service is masked to systemd, and nobody's. What a person has for units is on a disk of its own whose power is cut: see power.py.
What the generator makes is in memory, and made anew at the next boot: killed in its midst it is in cli/test_quadlet.py.
"""

import json
import os
import pwd
import shutil
import unittest
from pathlib import Path

from root.power import ROUNDS, PowerTest
from session import BUSYBOX, ON_TEST_HOST, run

PERSON = "tester"
UNIT = "[Unit]\nDescription={text}\n[Container]\nImage={image}\nExec=sleep 1000\n[Install]\nWantedBy={target}\n"
UNITS = 24


@unittest.skipUnless(os.geteuid() == 0 and ON_TEST_HOST, "writes for somebody else")
class PersonsDisk(PowerTest):
    """The person's settings, units and services are on that disk."""

    def setUp(self):
        super().setUp()
        self.entry = pwd.getpwnam(PERSON)
        self.lay_out()

    def lay_out(self):
        self.config = self.disk / "config"
        self.units, self.services = self.config / "containers/systemd", self.config / "systemd/user"
        for folder in (self.units, self.config / "haulout"):
            folder.mkdir(parents=True)
        (self.config / "haulout/config.toml").write_text('quadlet = "haulout"\n')
        self.give()

    def give(self):
        """What was written here is the person's, and on the disk."""
        self.check(0, "chown", "-R", f"{PERSON}:{PERSON}", self.config)
        self.check(0, "sync", "-f", self.disk)

    def person(self, *words):
        """A command of the person's, with their session and these settings."""
        runtime = f"/run/user/{self.entry.pw_uid}"
        said = {"HOME": self.entry.pw_dir, "XDG_CONFIG_HOME": self.config, "XDG_RUNTIME_DIR": runtime, "PATH": os.environ["PATH"],
                "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus", "LANG": "C.UTF-8"}
        ids = [f"--reuid={self.entry.pw_uid}", f"--regid={self.entry.pw_gid}", "--init-groups"]
        return ["setpriv", *ids, "env", "-i", *(f"{name}={value}" for name, value in said.items()), *words]

    def written(self):
        """The services that are there, with their texts, and the links, with where they lead."""
        found = {}
        for path in self.services.rglob("*") if self.services.exists() else []:
            if path.is_symlink():
                found[str(path.relative_to(self.services))] = os.readlink(path)
            elif path.is_file() and path.name != ".haulout-sync":
                found[str(path.relative_to(self.services))] = path.read_text()
        return found


class Services(PersonsDisk):
    SYNC = ("haulout", "quadlet", "sync", "--no-reload")

    def write(self, text, target, numbers):
        shutil.rmtree(self.units)
        self.units.mkdir()
        for number in numbers:
            (self.units / f"test-{number}.container").write_text(UNIT.format(text=text, image=BUSYBOX, target=target))
        self.give()

    def old(self):
        self.write("old", "default.target", range(UNITS))

    def new(self):
        """Some are others, some are new, some are gone, and all start with something else."""
        self.write("new", "basic.target", range(UNITS // 2, UNITS + UNITS // 2))

    def outcome(self, write):
        """What comes of it."""
        write()
        self.check(0, *self.person(*self.SYNC))
        return self.written()

    def test_each_service_is_the_old_or_the_new_one_and_a_second_sync_settles_it_all(self):
        new, old = self.outcome(self.new), self.outcome(self.old)
        self.assertEqual((len(old), len(new), len(old.keys() & new.keys())), (2 * UNITS, 2 * UNITS, UNITS // 2))
        self.new()
        whole = self.time(*self.person(*self.SYNC))
        for number in range(ROUNDS):
            self.assertEqual(self.outcome(self.old), old)
            self.new()
            with self.moment(whole, round=number) as moment:
                done = self.cut_at(moment, *self.person(*self.SYNC))
                left = self.written()
                for name, text in left.items():
                    # What has no name yet is nothing to systemd.
                    self.assertTrue(name.startswith(".haulout-") or text in (old.get(name), new.get(name)), f"{name}: {text!r}")
                if done == 0:
                    self.assertEqual(left, new)
                for name in (old.keys() & new.keys()):
                    self.assertIn(name, left)
                self.check(0, *self.person(*self.SYNC))
                self.assertEqual(self.written(), new)

    def test_what_is_told_as_done_is_there_after_the_power_went(self):
        first = self.outcome(self.old)
        self.cut()
        self.assertEqual(self.written(), first)
        second = self.outcome(self.new)
        self.cut()
        self.assertEqual(self.written(), second)
        # Nothing but what starts them.
        third = self.outcome(lambda: self.write("new", "graphical.target", range(UNITS // 2, UNITS + UNITS // 2)))
        self.cut()
        self.assertEqual(self.written(), third)
        self.assertEqual(self.outcome(lambda: self.write("", "", [])), {})
        self.cut()
        self.assertEqual(self.written(), {})

    def test_what_one_left_that_was_killed_before_it_was_on_the_disk_the_next_one_puts_there(self):
        self.outcome(lambda: self.write("", "", []))
        self.old()
        # All have their names, and nothing yet has those outlast a power cut.
        strike = ["strace", "-f", "-qqq", "-o", "/dev/null", "-P", self.services, "-e", "trace=fsync", "-e", "inject=fsync:signal=SIGKILL"]
        self.assertNotEqual(run(*self.person(*strike, *self.SYNC)).returncode, 0)
        self.assertEqual(len(self.written()), 2 * UNITS)
        said = self.check(0, *self.person(*self.SYNC)).stdout
        self.assertEqual(said, "")
        self.cut()
        self.assertEqual(len(self.written()), 2 * UNITS)

    def test_units_that_are_installed_changed_and_removed_are_so_after_the_power_went(self):
        folder = self.temporary_folder()
        folder.chmod(0o755)
        for name in ("a", "b"):
            (folder / f"test-{name}.container").write_text(UNIT.format(text=name, image=BUSYBOX, target="default.target"))
        self.services.mkdir(parents=True)
        self.give()
        install = ["haulout", "quadlet", "install", "--reload-systemd=false"]
        self.check(0, *self.person(*install, folder / "test-a.container"))
        self.cut()
        self.assertIn("Description=a\n", (self.units / "test-a.container").read_text())
        self.check(0, *self.person(*install, "--replace", folder / "test-b.container", folder / "test-a.container"))
        self.cut()
        self.assertEqual(sorted(path.name for path in self.units.iterdir()), ["test-a.container", "test-b.container"])
        self.check(0, *self.person("haulout", "quadlet", "rm", "--reload-systemd=false", "test-a.container"))
        self.cut()
        self.assertEqual([path.name for path in self.units.iterdir()], ["test-b.container"])


class Watching(PersonsDisk):
    """The person's own manager, which has its units on the disk."""

    WATCH = ("haulout", "quadlet", "sync", "--watch")
    PATH = "haulout-quadlet-sync.path"
    LINKS = {f"default.target.wants/{PATH.replace('.path', '.service')}", f"paths.target.wants/{PATH}"}

    def lay_out(self):
        self.config = Path(self.entry.pw_dir, ".config")
        self.services = self.config / "systemd/user"
        (self.config / "systemd").mkdir(parents=True, exist_ok=True)
        choice = self.config / "haulout/config.toml"
        choice.parent.mkdir(exist_ok=True)
        before = choice.read_text() if choice.exists() else None
        choice.write_text('quadlet = "haulout"\n')
        self.addCleanup(lambda: choice.unlink() if before is None else choice.write_text(before))
        self.check(0, "chown", PERSON, self.disk, choice, choice.parent, self.config, self.config / "systemd")
        # In the place where the manager looks.
        self.check(0, "mount", "--bind", self.disk, self.config / "systemd")
        self.addCleanup(run, *self.person("systemctl", "--user", "daemon-reload"))
        self.addCleanup(run, "umount", self.config / "systemd")
        self.addCleanup(run, *self.person("systemctl", "--user", "stop", self.PATH))

    def mount(self):
        super().mount()
        if hasattr(self, "config"):
            self.check(0, "mount", "--bind", self.disk, self.config / "systemd")
            self.check(0, *self.person("systemctl", "--user", "daemon-reload"))

    def unmount(self):
        run("umount", self.config / "systemd")
        super().unmount()

    def reboot(self):
        """Nothing runs after a power cut, and what is enabled does."""
        run(*self.person("systemctl", "--user", "stop", self.PATH))
        self.cut()

    def is_active(self):
        return run(*self.person("systemctl", "--user", "is-active", self.PATH)).stdout.strip() == "active"

    def test_what_was_to_be_watched_is_at_the_next_login(self):
        self.check(0, *self.person(*self.WATCH))
        self.assertTrue(self.is_active())
        self.reboot()
        self.assertLessEqual(self.LINKS, self.written().keys())
        self.check(0, *self.person("haulout", "quadlet", "sync", "--no-watch"))
        self.reboot()
        self.assertEqual(self.written(), {})

    def test_a_watch_in_whose_midst_the_power_went_is_begun_anew_by_the_next_look(self):
        whole = self.time(*self.person(*self.WATCH))
        for number in range(ROUNDS):
            self.check(0, *self.person("haulout", "quadlet", "sync", "--no-watch"))
            self.assertEqual(self.written(), {})
            with self.moment(whole, round=number) as moment:
                done = self.cut_at(moment, *self.person(*self.WATCH))
                run(*self.person("systemctl", "--user", "stop", self.PATH))
                if done == 0:
                    self.assertLessEqual(self.LINKS, self.written().keys())
                for name, text in self.written().items():
                    self.assertNotEqual(text, "", name)
                self.check(0, *self.person(*self.WATCH))
                self.assertTrue(self.is_active())
                self.assertLessEqual(self.LINKS, self.written().keys())


@unittest.skipUnless(os.geteuid() == 0 and ON_TEST_HOST, "has services of the machine's")
class Updates(PowerTest):
    """What is remembered of updates is in the store, on the disk; the unit is one of the machine's."""

    UNIT = "test-power.service"
    IMAGE = "localhost/test-power:1"

    def setUp(self):
        super().setUp()
        settings = Path("/etc/haulout/config.toml")
        before = settings.read_text() if settings.exists() else None
        settings.parent.mkdir(exist_ok=True)
        settings.write_text('quadlet = "haulout"\n[auto-update]\ngrace = 1\n')
        self.addCleanup(lambda: settings.unlink() if before is None else settings.write_text(before))
        self.count = 0

    def image(self):
        """A new version of the image."""
        self.count += 1
        self.here("create", "--name", "maker", BUSYBOX, "true")
        version = self.device.parent / f"version-{self.count}"
        version.touch()
        self.here("cp", version, "maker:/")
        self.here("commit", "--quiet", "maker", self.IMAGE)
        self.here("rm", "maker")
        return self.here("image", "inspect", "--format", "{{.Id}}", self.IMAGE).stdout.strip()

    def serve(self):
        units, made, there = self.device.parent / "units", self.device.parent / "made", Path("/run/systemd/system", self.UNIT)
        units.mkdir()
        (units / "test-power.container").write_text(
            f"[Container]\nImage={self.IMAGE}\nExec=sh -c 'trap \"exit 0\" TERM; sleep 1000 & wait'\nAutoUpdate=local\nNetwork=none\n"
            f"GlobalArgs=--root {self.disk}/store --runroot {self.run_folder}\n[Service]\nRestart=no\n"
        )
        program = shutil.which("haulout")
        self.check(0, "env", f"QUADLET_UNIT_DIRS={units}", f"PODMAN={program}", "haulout-generator", "-no-kmsg-log", made)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made / self.UNIT, there)
        self.addCleanup(run, "systemctl", "daemon-reload")
        self.addCleanup(there.unlink)
        self.addCleanup(run, "systemctl", "reset-failed", self.UNIT)
        self.addCleanup(run, "systemctl", "stop", self.UNIT)
        self.check(0, "systemctl", "daemon-reload")
        self.check(0, "systemctl", "start", self.UNIT)

    def boot(self):
        """As after the power went: what was enabled is started, and all else is forgotten."""
        run("systemctl", "stop", self.UNIT)
        run("systemctl", "reset-failed", self.UNIT)
        self.check(0, "systemctl", "start", self.UNIT)

    def history(self):
        """What became of the updates, the newest first."""
        return [entry["Updated"] for entry in json.loads(self.here("auto-update", "history", "--format", "json").stdout)]

    def runs(self):
        return self.here("inspect", "--format", "{{.Image}}", "systemd-test-power").stdout.strip()

    def test_what_is_held_and_released_is_so_after_the_power_went(self):
        self.here("auto-update", "hold", "test-held")
        self.cut()
        self.assertIn("test-held.service", self.here("auto-update", "hold").stdout)
        self.here("auto-update", "hold", "--until", "2199-01-01", "test-held")
        self.cut()
        self.assertIn("2199-01-01", self.here("auto-update", "hold").stdout)
        self.here("auto-update", "release", "test-held")
        self.cut()
        self.assertNotIn("test-held", self.here("auto-update", "hold").stdout)

    def test_an_update_in_whose_midst_the_power_goes_is_finished_by_the_next_run(self):
        self.here("pull", "--quiet", BUSYBOX)
        old = self.image()
        self.serve()
        self.assertEqual(self.runs(), old)
        new = self.image()
        whole = self.time(*self.words("auto-update"))
        self.assertEqual((self.runs(), self.history()), (new, ["true"]))
        self.cut()
        self.assertEqual(self.history(), ["true"])
        self.boot()
        for number in range(ROUNDS):
            new, before = self.image(), self.history()
            with self.moment(whole, round=number) as moment:
                done = self.cut_at(moment, *self.words("auto-update"))
                now = self.history()
                self.assertEqual(now[-len(before):], before)
                if done == 0:
                    self.assertEqual(now, ["true", *before])
                self.boot()
                self.here("auto-update")
                self.assertEqual(self.runs(), new)
                self.assertNotIn("unfinished", self.history())
                self.assertEqual(run("systemctl", "is-active", self.UNIT).stdout, "active\n")
                self.assertEqual(json.loads(self.here("auto-update", "--format", "json").stdout)[0]["Updated"], "false")


if __name__ == "__main__":
    unittest.main()
