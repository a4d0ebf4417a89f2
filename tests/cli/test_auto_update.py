# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Auto-update, with the real registry and the real service manager: units are brought up to date, and back."""

import datetime
import email.utils
import json
import signal
import threading
import time
import unittest

from cli.test_quadlet import CHOICE, SERVICES, UnitTest
from notifications import NotificationServer
from registry import INDEX, Registry, digest, refusal
from session import BUSYBOX, REGISTRY, run, wait_until

# Ends well when it is asked to, and at once where its image says so.
COMMAND = ("sh -c 'trap \"exit 0\" TERM; test ! -e /exits || exit 3; if test -e /ends; then sleep 2; exit 3; fi; "
           "sleep 1000 & wait'")
SETTINGS = 'quadlet = "haulout"\n[auto-update]\ngrace = 2\npatience = 60\n'


class UpdateTest(UnitTest):
    images = (BUSYBOX,)

    def setUp(self):
        super().setUp()
        self.choose(SETTINGS)
        self.addCleanup(self.forget)
        self.count = 0
        # What other runs of the tests did is remembered.
        self.remembered = len(self.all_history())

    @staticmethod
    def forget():
        """Images that a test has made, and what updates are remembered by."""
        run("haulout", "image", "prune", "--force")
        for line in run("haulout", "images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split():
            if "/au-" in line:
                run("haulout", "rmi", "--force", line)

    def image(self, name, *files, registry=REGISTRY, push=True):
        """A new version of an image, with these empty files in it, in the registry (and not here) or here; its full name."""
        full = f"{registry}/au-{name}:1"
        self.count += 1
        self.haulout("create", "--name", "maker", BUSYBOX, "true")
        for file in (*files, f"version-{self.count}"):
            self.haulout("cp", self.empty(), f"maker:/{file}")
        made = f"{full}-made" if push else full
        self.haulout("commit", "--quiet", "maker", made)
        self.haulout("rm", "maker")
        if push:
            self.haulout("push", "--quiet", made, full)
            self.haulout("rmi", "--force", made)
        return full

    def empty(self):
        path = self.temporary_folder() / "empty"
        path.touch()
        return path

    def serve(self, name, image, extra="", service="", policy="registry", command=COMMAND, start=None):
        """A unit of that image that runs; its service."""
        text = f"[Container]\nImage={image}\nExec={command}\nAutoUpdate={policy}\nNetwork=none\nStopTimeout=5\n{extra}[Service]\n{service}"
        self.unit(f"test-au-{name}.container", text)
        unit = start or f"test-au-{name}.service"
        self.addCleanup(run, "systemctl", "--user", "reset-failed", unit)
        self.addCleanup(run, "systemctl", "--user", "stop", unit)
        self.assertEqual(self.sync().returncode, 0)
        started = run("systemctl", "--user", "start", unit)
        self.assertEqual(started.returncode, 0, started.stderr + run("journalctl", "--user", "-n20", "-u", unit).stdout)
        return unit

    def update(self, *words, status=0):
        """Runs it; what became of each unit, and the whole rows."""
        done = self.haulout("auto-update", *words, "--format", "json", status=status)
        self.rows = {row["Unit"]: row for row in json.loads(done.stdout or "[]")}
        self.said = done.stderr
        return {unit: row["Updated"] for unit, row in self.rows.items()}

    def running(self, unit):
        """The id of the container of a unit that runs, and of its image."""
        name = "systemd-" + unit.removesuffix(".service")
        shown = run("haulout", "inspect", "--format", "{{.Id}} {{.Image}}", name)
        return tuple(shown.stdout.split()) if shown.returncode == 0 else ()

    def image_id(self, name):
        return self.haulout("image", "inspect", "--format", "{{.Id}}", name).stdout.strip()

    def all_history(self):
        return json.loads(self.haulout("auto-update", "history", "--format", "json").stdout)

    def history(self, unit):
        """What this test did to a unit, the newest first."""
        entries = self.all_history()
        return [entry for entry in entries[:len(entries) - self.remembered] if entry["Unit"] == unit]


    def stalling(self, registry=None):
        """A unit for which there is something new, in a registry that stops in the middle of it: the unit, its image's name, the event that
        this has happened, and a function that has the registry go on for good."""
        registry = registry or Registry(self)
        name = f"{registry.host}/au-stalls:1"
        self.haulout("push", "--quiet", "--tls-verify=false", BUSYBOX, name)
        self.haulout("tag", BUSYBOX, name)
        unit = self.serve("stalls", name)
        old = set(registry.repositories["au-stalls"])
        new = self.image("stalls", registry="localhost", push=False)
        self.haulout("push", "--quiet", "--tls-verify=false", new, name)
        # What is here by another name is not fetched.
        self.haulout("rmi", "--force", new)
        stalled, freed = threading.Event(), threading.Event()
        self.addCleanup(freed.set)

        def stall(handler):
            data = blobs[handler.path.rpartition("/")[2]]
            handler.say(200, data[:10], "application/octet-stream", length=len(data))
            stalled.set()
            freed.wait(60)
            handler.close_connection = True

        def go_on():
            registry.answers = {}
            freed.set()

        # Its configuration is looked at before anything is fetched.
        blobs = {blob: data for blob, data in registry.repositories["au-stalls"].items() if blob not in old}
        registry.answers = {f"blobs/{blob}": stall for blob, data in blobs.items() if not data.startswith(b"{")}
        return unit, name, stalled, go_on


class Updates(UpdateTest):
    def test_a_good_image_is_run_and_nothing_is_restarted_when_nothing_changed(self):
        image = self.image("good")
        unit = self.serve("good", image)
        before = self.running(unit)
        self.assertEqual(self.update(), {unit: "false"})
        self.assertEqual(self.running(unit), before)
        self.image("good")
        self.assertEqual(self.update("--dry-run"), {unit: "pending"})
        self.assertEqual(self.running(unit), before)
        row = self.rows[unit]
        self.assertNotEqual(row["From"], row["To"])
        self.assertEqual(self.update(), {unit: "true"})
        after = self.running(unit)
        self.assertNotEqual(after[1], before[1])
        self.assertEqual(after[1], self.image_id(image))
        self.assertEqual(self.update(), {unit: "false"})
        self.assertEqual(self.running(unit), after)
        last = self.history(unit)[0]
        self.assertEqual((last["Updated"], last["From"], last["To"]), ("true", row["From"], row["To"]))

    def test_an_image_whose_container_exits_is_taken_back_with_the_units_that_depend_on_it(self):
        image = self.image("exits")
        unit = self.serve("exits", image)
        other = self.serve("leans", BUSYBOX, policy="disabled", extra="[Unit]\nRequires=test-au-exits.service\nAfter=test-au-exits.service\n")
        before = self.running(unit)
        self.image("exits", "exits")
        self.assertEqual(self.update(), {unit: "rolled back"})
        self.assertIn("did not stay up", self.rows[unit]["Reason"])
        self.assertIn("exit status 3", self.rows[unit]["Reason"])
        self.assertEqual(self.running(unit)[1], before[1])
        self.assertEqual(self.image_id(image), before[1])
        self.assertEqual(run("systemctl", "--user", "is-active", unit, other).stdout.split(), ["active", "active"])
        # The same image is not tried again by itself, a newer one is.
        after = self.running(unit)
        self.assertEqual(self.update(), {unit: "held"})
        self.assertIn("taken back", self.rows[unit]["Reason"])
        self.assertEqual(self.running(unit), after)
        self.image("exits")
        self.assertEqual(self.update(), {unit: "true"})
        self.assertEqual([entry["Updated"] for entry in self.history(unit)][:2], ["true", "rolled back"])

    def test_an_image_whose_container_ends_again_and_again_is_taken_back(self):
        unit = self.serve("loops", self.image("loops"), service="Restart=always\nRestartSec=0\n")
        before = self.running(unit)
        self.image("loops", "exits")
        self.assertEqual(self.update(), {unit: "rolled back"})
        self.assertEqual(self.running(unit)[1], before[1])
        self.assertEqual(run("systemctl", "--user", "is-active", unit).stdout.strip(), "active")

    def test_a_unit_that_does_one_thing_and_is_done_is_good_when_that_went_well(self):
        unit = self.serve("once", self.image("once"), service="Type=oneshot\n", command="sleep 3")
        # It takes part while it runs.
        for files, outcome in (((), "true"), (("bin/sleep",), "rolled back")):
            run("systemctl", "--user", "restart", "--no-block", unit)
            wait_until(lambda: self.running(unit), "it runs")
            self.image("once", *files)
            with self.subTest(outcome=outcome):
                self.assertEqual(self.update(), {unit: outcome})

    def test_an_image_that_is_not_healthy_is_taken_back(self):
        image = self.image("ill")
        health = "HealthCmd=test ! -e /ill\nHealthInterval=1s\nHealthRetries=1\n"
        unit = self.serve("ill", image, health)
        before = self.running(unit)
        self.image("ill", "ill")
        self.assertEqual(self.update(), {unit: "rolled back"})
        self.assertIn("unhealthy", self.rows[unit]["Reason"])
        self.assertEqual(self.running(unit)[1], before[1])

    def test_an_image_that_never_gets_ready_is_taken_back(self):
        image = self.image("late")
        health = "HealthCmd=test ! -e /ill\nHealthInterval=1s\nHealthRetries=100\nNotify=healthy\n"
        unit = self.serve("late", image, health, "TimeoutStartSec=8\n")
        before = self.running(unit)
        self.image("late", "ill")
        self.assertEqual(self.update(), {unit: "rolled back"})
        self.assertIn("timeout", self.rows[unit]["Reason"])
        self.assertEqual(self.running(unit)[1], before[1])

    def test_a_unit_that_does_not_start_again_is_told_with_why_it_was_to_go_back(self):
        # It starts twice: with the old image, and with the new one.
        starts = self.temporary_folder() / "starts"
        condition = f"ExecStartPre=/bin/sh -c 'echo >>{starts}; test $$(wc -l <{starts}) -le 2'\n"
        unit = self.serve("neither", self.image("neither"), service=condition)
        self.image("neither", "exits")
        self.assertEqual(self.update(status=125), {unit: "failed"})
        reason = self.history(unit)[0]["Reason"]
        self.assertIn("during rollback", reason)
        self.assertIn("did not stay up", reason)

    def test_without_rollback_a_bad_image_stays_and_that_is_an_error(self):
        image = self.image("stays")
        unit = self.serve("stays", image)
        before = self.running(unit)
        self.image("stays", "exits")
        self.assertEqual(self.update("--rollback=false", status=125), {unit: "failed"})
        self.assertIn(f"restarting unit {unit} during update", self.said)
        self.assertNotEqual(self.image_id(image), before[1])

    def test_one_that_fails_does_not_hinder_the_others(self):
        good, bad = self.image("some"), self.image("others")
        units = [self.serve("some", good), self.serve("others", bad)]
        for name in ("some", "others"):
            self.image(name, *(["exits"] if name == "others" else []))
        lost = Registry(self)
        self.haulout("tag", BUSYBOX, f"{lost.host}/au-lost:1")
        gone = self.serve("lost", f"{lost.host}/au-lost:1", "PodmanArgs=--pull=never\n")
        done = self.update("--tls-verify=false", status=125)
        self.assertEqual(done, {units[0]: "true", units[1]: "rolled back", gone: "failed"})
        self.assertIn("manifest unknown", self.said)

    def test_a_registry_that_goes_half_way_leaves_everything_as_it_is(self):
        registry = Registry(self)
        name = f"{registry.host}/au-half:1"
        self.haulout("push", "--quiet", "--tls-verify=false", BUSYBOX, name)
        self.haulout("tag", BUSYBOX, name)
        unit = self.serve("half", name)
        before = self.running(unit)
        old = set(registry.repositories["au-half"])
        new = self.image("half", registry="localhost", push=False)
        self.haulout("push", "--quiet", "--tls-verify=false", new, name)

        def cut(handler):
            handler.say(200, b"half", "application/octet-stream", length=100_000)
            handler.close_connection = True

        registry.answers = {f"blobs/{blob}": cut for blob in set(registry.repositories["au-half"]) - old}
        # What is here by another name is not fetched: so that it is.
        self.haulout("rmi", "--force", new)
        self.assertEqual(self.update("--tls-verify=false", status=125), {unit: "failed"})
        self.assertIn("au-half", self.said)
        self.assertEqual((self.running(unit), self.image_id(name)), (before, before[1]))
        registry.answers = {}
        self.assertEqual(self.update("--tls-verify=false"), {unit: "true"})
        registry.server.shutdown()
        self.assertEqual(self.history(unit)[0]["Updated"], "true")

    def test_a_local_image_counts_by_what_its_name_stands_for(self):
        image = self.image("local", registry="localhost", push=False)
        unit = self.serve("local", image, policy="local")
        before = self.running(unit)
        self.assertEqual(self.update(), {unit: "false"})
        self.image("local", registry="localhost", push=False)
        self.assertEqual(self.update("--dry-run"), {unit: "pending"})
        self.assertEqual(self.update(), {unit: "true"})
        self.assertNotEqual(self.running(unit)[1], before[1])
        self.image("local", "exits", registry="localhost", push=False)
        self.assertEqual(self.update(), {unit: "rolled back"})
        self.assertEqual(self.image_id(image), self.running(unit)[1])

    def test_ten_units_at_once(self):
        images = [self.image(f"ten{number}") for number in range(5)]
        units = [self.serve(f"ten{number}", images[number // 2]) for number in range(10)]
        before = {unit: self.running(unit) for unit in units}
        for number in range(5):
            self.image(f"ten{number}", *(["exits"] if number == 4 else []))
        done = self.update()
        self.assertEqual(done, {unit: "rolled back" if number > 7 else "true" for number, unit in enumerate(units)})
        for number, unit in enumerate(units):
            same = self.running(unit)[1] == before[unit][1]
            self.assertEqual(same, number > 7, unit)
            self.assertEqual(run("systemctl", "--user", "is-active", unit).stdout.strip(), "active")


class Decisions(UpdateTest):
    def test_a_unit_is_rolled_back_by_hand_and_forward_again(self):
        # One that never was: it has no history.
        name = f"hand{time.time_ns()}"
        unit = self.serve(name, self.image("hand"))
        refused = self.haulout("auto-update", "rollback", unit, status=125)
        self.assertIn("no update that could be rolled back", refused.stderr)
        before = self.running(unit)
        self.image("hand")
        self.assertEqual(self.update(), {unit: "true"})
        self.assertEqual(self.update("rollback", f"test-au-{name}"), {unit: "rolled back"})
        self.assertEqual(self.running(unit)[1], before[1])
        self.assertIn("already", self.haulout("auto-update", "rollback", unit, status=125).stderr)
        self.assertEqual(self.update(), {unit: "held"})
        self.assertEqual(self.update("apply", unit), {unit: "true"})
        self.assertNotEqual(self.running(unit)[1], before[1])
        # One that does not run starts with what it ran before.
        run("systemctl", "--user", "stop", unit)
        self.assertEqual(self.update("rollback", unit), {unit: "rolled back"})
        self.assertEqual(self.running(unit)[1], before[1])

    def test_who_asks_for_a_unit_hears_why_it_cannot_be_updated(self):
        unit = self.serve("odd", BUSYBOX, policy="sometimes")
        self.serve("odder", BUSYBOX, policy="never")
        self.update("apply", unit, status=125)
        self.assertIn('invalid auto-update policy "sometimes"', self.said)
        self.assertNotIn("never", self.said)

    def test_a_unit_that_is_held_is_left_until_it_is_released_or_its_date(self):
        unit = self.serve("held", self.image("held"))
        before = self.running(unit)
        self.image("held")
        self.haulout("auto-update", "hold", "test-au-held", "--until", "1h")
        self.assertIn(unit, self.haulout("auto-update", "hold").stdout)
        self.assertEqual(self.update(), {unit: "held"})
        self.assertIn("it is held until", self.rows[unit]["Reason"])
        self.assertEqual(self.running(unit), before)
        self.haulout("auto-update", "release", "test-au-held")
        self.assertIn("is not held", self.haulout("auto-update", "release", unit, status=125).stderr)
        self.assertIn("is past", self.haulout("auto-update", "hold", unit, "--until", "2020-01-01", status=125).stderr)
        self.haulout("auto-update", "hold", unit, "--until", "1s")
        wait_until(lambda: unit not in self.haulout("auto-update", "hold").stdout, "the hold has ended")
        self.assertEqual(self.update(), {unit: "true"})

    def test_a_unit_that_is_held_goes_on_with_its_image_though_another_has_the_same(self):
        image = self.image("shared")
        held, other = self.serve("shared-held", image), self.serve("shared-other", image)
        before = self.image_id(image)
        self.image("shared")
        self.haulout("auto-update", "hold", held)
        self.addCleanup(run, "haulout", "auto-update", "release", held)
        self.assertEqual(self.update(), {held: "held", other: "held"})
        self.assertIn(f"{held}, which has the same image, is held", self.rows[other]["Reason"])
        run("systemctl", "--user", "restart", held)
        self.assertEqual(self.running(held)[1], before)
        self.haulout("auto-update", "release", held)
        self.assertEqual(self.update(), {held: "true", other: "true"})

    def test_a_unit_is_meant_by_its_file_s_name_and_by_one_with_a_dot(self):
        unit = self.serve("dotted.name", self.image("dotted"), extra="ServiceName=test-au-dots.of\n", start="test-au-dots.of.service")
        self.image("dotted")
        for name in ("test-au-dotted.name.container", "test-au-dots.of", unit):
            held = self.haulout("auto-update", "hold", name)
            self.assertEqual(held.stderr, "")
            self.assertEqual(self.update(), {unit: "held"})
            self.haulout("auto-update", "release", name)
        self.assertEqual(self.update("apply", "test-au-dotted.name.container"), {unit: "true"})
        self.haulout("auto-update", "rollback", "test-au-dots.of")
        shown = self.haulout("auto-update", "history", "--format", "{{.Updated}}", "test-au-dotted.name.container").stdout
        self.assertEqual(shown.split("\n")[:2], ["rolled back", "true"])

    def test_what_is_typed_wrong_is_told_before_anything_is_done(self):
        unit = self.serve("typed", self.image("typed"))
        before = self.running(unit)
        self.image("typed")
        for template in ("{{", "{{.Nothing}}", "table {{.Unit.Nothing}}"):
            self.assertIn("template", self.haulout("auto-update", "--format", template, status=125).stderr)
            self.assertEqual(self.running(unit), before)
        for name in ("", "a b", "a/b"):
            self.assertIn(f'"{name}" cannot be the name of a unit', self.haulout("auto-update", "hold", name, status=125).stderr)
        self.addCleanup(run, "haulout", "auto-update", "release", "test-au-nobody")
        self.assertIn("runs no container that takes part", self.haulout("auto-update", "hold", "test-au-nobody").stderr)
        self.assertIn("--until is for units", self.haulout("auto-update", "hold", "--until", "1h", status=125).stderr)
        for words in (["rollback", unit, unit], ["history", unit, unit]):
            self.assertIn("1 arg(s), received 2", self.haulout("auto-update", *words, status=125).stderr)

    def test_what_is_to_be_notified_is_not_done_by_itself(self):
        unit = self.serve("notify", self.image("notify"), policy="notify")
        before = self.running(unit)
        self.image("notify")
        self.assertEqual(self.update(), {unit: "pending"})
        self.assertEqual(self.running(unit), before)
        self.assertEqual(self.update("apply", unit), {unit: "true"})

    def test_a_run_that_nobody_asked_for_keeps_to_the_windows(self):
        unit = self.serve("window", self.image("window"))
        self.image("window")
        tomorrow = run("date", "--date", "tomorrow", "+%a", env={"LC_ALL": "C"}).stdout.strip()
        CHOICE.write_text(f'{SETTINGS}windows = ["{tomorrow} 00:00-12:00"]\n')
        self.assertEqual(self.update("--unattended"), {unit: "held"})
        self.assertIn("outside of the windows", self.rows[unit]["Reason"])
        today = run("date", "+%a", env={"LC_ALL": "C"}).stdout.strip()
        CHOICE.write_text(f'{SETTINGS}windows = ["{today}", "{tomorrow}"]\n')
        self.assertEqual(self.update("--unattended"), {unit: "true"})
        CHOICE.write_text(f'{SETTINGS}windows = ["Someday"]\n')
        self.assertIn("no day", self.haulout("auto-update", status=125).stderr)

    def test_a_container_says_itself_which_unit_it_is_of_and_its_image_does_not(self):
        self.haulout("create", "--name", "maker", BUSYBOX, "sleep", "1000")
        self.haulout("commit", "--quiet", "--change", "LABEL PODMAN_SYSTEMD_UNIT=victim.service io.containers.autoupdate=registry",
                     "maker", f"{REGISTRY}/au-label:1")
        self.haulout("run", "--detach", "--network", "none", f"{REGISTRY}/au-label:1", "sleep", "1000")
        self.assertEqual(self.update(), {})
        self.haulout("run", "--detach", "--network", "none", "--label", "io.containers.autoupdate=registry",
                     f"{REGISTRY}/au-label:1", "sleep", "1000")
        self.assertEqual(self.update(status=125), {})
        self.assertIn("no PODMAN_SYSTEMD_UNIT label found", self.said)

    def test_a_name_with_a_digest_is_explained(self):
        digest = self.haulout("image", "inspect", "--format", "{{.Digest}}", BUSYBOX).stdout.strip()
        unit = self.serve("pinned", f"{REGISTRY}/busybox@{digest}")
        self.assertEqual(self.update(), {unit: "false"})
        self.assertIn("pinned by a digest", self.rows[unit]["Reason"])


class Registries(UpdateTest):
    """Registries as they are out there."""

    def held(self, name="odd"):
        """A unit whose image is in a registry of the test's own, as manifest `old` of the tag; and a newer manifest that the tag can have."""
        registry = Registry(self)
        full = f"{registry.host}/au-{name}:1"
        self.haulout("push", "--quiet", "--tls-verify=false", BUSYBOX, full)
        key = f"au-{name}/manifests/1"
        old = registry.manifests[key]
        new = self.image(name, registry="localhost", push=False)
        self.haulout("push", "--quiet", "--tls-verify=false", new, full)
        newer, registry.manifests[key] = registry.manifests[key], old
        self.haulout("rmi", "--force", new)
        self.haulout("pull", "--quiet", "--tls-verify=false", full)
        return registry, key, self.serve(name, full), full, old, newer

    def bring(self, *words, **options):
        return self.update("--tls-verify=false", *words, **options)

    def look(self):
        return self.bring("--dry-run")

    @staticmethod
    def index(*members):
        """An index of manifests for several machines."""
        platforms = [{"os": "linux", "architecture": arch} for arch in ("amd64", "arm64", "s390x")]
        manifests = [
            {"mediaType": media_type, "digest": digest(data), "size": len(data), "platform": platform}
            for (data, media_type), platform in zip(members, platforms)
        ]
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode(), INDEX

    def test_what_is_new_for_another_machine_is_not_new_here(self):
        registry, key, unit, full, old, newer = self.held()
        registry.manifests[key] = self.index(old, old)
        self.haulout("pull", "--quiet", "--tls-verify=false", full)
        before = self.running(unit)
        registry.manifests[key] = self.index(old, newer)
        self.assertEqual(self.look(), {unit: "false"})
        self.assertEqual(self.bring(), {unit: "false"})
        self.assertEqual(self.running(unit), before)
        registry.manifests[key] = self.index(newer, newer)
        self.assertEqual(self.look(), {unit: "pending"})
        self.assertEqual(self.bring(), {unit: "true"})
        self.assertEqual(self.bring(), {unit: "false"})

    def test_a_tag_that_goes_back_takes_the_unit_along_and_fetches_no_layer(self):
        registry, key, unit, _, old, newer = self.held()
        first = self.running(unit)[1]
        registry.manifests[key] = newer
        self.assertEqual(self.bring(), {unit: "true"})
        registry.manifests[key] = old
        registry.asked.clear()
        self.assertEqual(self.look(), {unit: "pending"})
        self.assertEqual(self.bring(), {unit: "true"})
        self.assertEqual(self.running(unit)[1], first)
        # But for its configuration, which says what version it is.
        blobs = {path.rpartition("/")[2] for path in registry.asked if "/blobs/" in path}
        self.assertLessEqual(blobs, {f"sha256:{first.removeprefix('sha256:')}"})

    def test_a_registry_that_asks_for_patience_gets_it(self):
        registry, key, unit, _, _, newer = self.held()
        registry.manifests[key] = newer
        moment = lambda: email.utils.format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1), usegmt=True)
        waits = ["1", moment()]

        def impatient(handler):
            if waits:
                return handler.say(429, refusal("TOOMANYREQUESTS", "slow down"), Retry_After=waits.pop(0))
            return handler.say(200, *newer)

        registry.answers = {key: impatient}
        self.assertEqual(self.bring(), {unit: "true"}, self.said)
        self.assertEqual(waits, [])

    def test_a_registry_that_wants_no_more_today_fails_its_units_only_and_says_so(self):
        registry, key, unit, _, _, newer = self.held()
        other = self.serve("other", self.image("other"))
        self.image("other")
        registry.manifests[key] = newer
        registry.answers = {key: lambda handler: handler.say(429, refusal("TOOMANYREQUESTS", "slow down"), Retry_After="86400")}
        before = self.running(unit)
        self.assertEqual(self.bring(status=125), {unit: "failed", other: "true"})
        self.assertIn("toomanyrequests: slow down", self.said)
        self.assertEqual(self.running(unit), before)
        registry.answers = {key: lambda handler: handler.say(404, refusal("MANIFEST_UNKNOWN", "manifest unknown"))}
        self.assertEqual(self.bring(status=125), {unit: "failed", other: "false"})
        self.assertIn("manifest unknown", self.said)


class Interrupted(UpdateTest):
    def test_broken_off_while_its_image_is_fetched_an_update_is_as_if_nobody_had_begun(self):
        unit, name, stalled, go_on = self.stalling()
        before = self.running(unit)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            stalled.clear()
            running = self.spawn("haulout", "auto-update", "--tls-verify=false")
            self.assertTrue(stalled.wait(60))
            running.send_signal(number)
            running.communicate(timeout=30)
            with self.subTest(number=number):
                self.assertEqual(running.returncode, -number)
                self.assertEqual(self.history(unit), [])
                self.assertEqual(self.update("--dry-run", "--tls-verify=false"), {unit: "pending"})
                self.assertEqual(self.said, "")
                self.assertEqual((self.running(unit), self.image_id(name)), (before, before[1]))
        go_on()
        self.assertEqual(self.update("--tls-verify=false"), {unit: "true"})
        self.assertEqual([entry["Updated"] for entry in self.history(unit)], ["true"])

    def test_a_window_that_closes_while_the_image_is_fetched_is_kept_to(self):
        unit, name, stalled, go_on = self.stalling()
        before = self.running(unit)
        # Windows are of whole minutes: one that is over soon, and not at once.
        wait_until(lambda: time.time() % 60 < 50, "the next minute", seconds=15)
        end = time.time() // 60 * 60 + 60
        clock = lambda moment: time.strftime("%H:%M", time.localtime(moment))
        CHOICE.write_text(f'{SETTINGS}windows = ["{clock(end - 3600)}-{clock(end)}"]\n')
        running = self.spawn("haulout", "auto-update", "--unattended", "--tls-verify=false", "--format", "json")
        self.assertTrue(stalled.wait(60))
        wait_until(lambda: time.time() > end, "the end of the window", seconds=60)
        go_on()
        said, errors = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 0, errors)
        self.assertEqual([(row["Updated"], row["Reason"]) for row in json.loads(said)],
                         [("held", "the window for updates ended while the image was fetched")])
        # The name stands for what runs, and the next run has it.
        self.assertEqual((self.running(unit), self.image_id(name), self.history(unit)), (before, before[1], []))
        self.assertEqual(self.update("--tls-verify=false"), {unit: "true"})

    def kill_at(self, unit, words):
        """Starts an update and kills it when the history has that unit in such words."""
        running = self.spawn("haulout", "auto-update")
        wait_until(lambda: any(entry["Updated"] == words for entry in self.history(unit)), "the update has begun")
        return running

    def test_killed_between_pull_and_restart_the_next_run_finishes(self):
        # Two units of one image: the one that is slow to stop keeps the run between the pull and the end of the restart.
        slow = "sh -c 'trap \"sleep 3; exit 0\" TERM; sleep 1000 & wait'"
        image = self.image("killed")
        unit = self.serve("killed", image, command=slow)
        before = self.running(unit)
        self.image("killed")
        running = self.kill_at(unit, "unfinished")
        wait_until(lambda: self.image_id(image) != before[1], "the image was fetched")
        running.kill()
        running.wait()
        # As if the manager had not got as far either.
        wait_until(lambda: self.running(unit) and run("systemctl", "--user", "is-active", unit).stdout.strip() == "active", "it runs")
        self.assertIn("interrupted", self.haulout("auto-update", "--dry-run").stderr)
        self.assertEqual(self.update(), {unit: "true"})
        self.assertIn("finishing", self.said)
        self.assertEqual(self.running(unit)[1], self.image_id(image))
        self.assertEqual(self.history(unit)[0]["Updated"], "true")

    def test_a_bad_image_whose_update_was_killed_is_taken_back_by_the_next_run(self):
        image = self.image("worse")
        unit = self.serve("worse", image)
        before = self.running(unit)
        self.image("worse", "ends")
        running = self.kill_at(unit, "unfinished")
        wait_until(lambda: (now := self.running(unit)) and now[1] != before[1], "the new image runs")
        running.kill()
        running.wait()
        wait_until(lambda: run("systemctl", "--user", "is-active", unit).stdout.strip() == "failed", "it has failed")
        self.haulout("auto-update")
        self.assertEqual(self.running(unit)[1], before[1])
        self.assertEqual(self.history(unit)[0]["Updated"], "rolled back")

    def kill_with_new_image(self, name, *files):
        """A unit whose update was killed while the new image was being judged; the unit, and what ran before."""
        unit = self.serve(name, self.image(name))
        before = self.running(unit)
        self.image(name, *files)
        running = self.kill_at(unit, "unfinished")
        wait_until(lambda: (now := self.running(unit)) and now[1] != before[1], "the new image runs")
        running.kill()
        running.wait()
        return unit, before

    def test_an_update_that_was_killed_is_finished_by_who_asks_for_it(self):
        unit, before = self.kill_with_new_image("asked")
        self.haulout("auto-update", "apply", unit)
        self.assertNotEqual(self.running(unit)[1], before[1])
        self.assertEqual([entry["Updated"] for entry in self.history(unit)], ["true"])

    def test_an_update_that_was_killed_is_rolled_back_by_who_asks_for_it(self):
        unit, before = self.kill_with_new_image("unasked")
        self.haulout("auto-update", "rollback", unit)
        self.assertEqual(self.running(unit)[1], before[1])
        self.assertEqual([entry["Updated"] for entry in self.history(unit)], ["rolled back", "true"])

    def test_what_stopped_with_a_bad_image_runs_again_though_its_update_was_killed(self):
        unit = self.serve("falls", self.image("falls"))
        bound = "[Unit]\nBindsTo=test-au-falls.service\nAfter=test-au-falls.service\n"
        other = self.serve("tied", BUSYBOX, policy="disabled", extra=bound)
        before = self.running(unit)
        self.image("falls", "ends")
        running = self.kill_at(unit, "unfinished")
        wait_until(lambda: (now := self.running(unit)) and now[1] != before[1], "the new image runs")
        running.kill()
        running.wait()
        states = lambda: run("systemctl", "--user", "is-active", unit, other).stdout.split()
        wait_until(lambda: states() == ["failed", "inactive"], states)
        self.haulout("auto-update")
        self.assertEqual(self.running(unit)[1], before[1])
        self.assertEqual(states(), ["active", "active"])

    def test_killed_at_any_of_its_connections_the_next_run_finishes(self):
        # It connects to the registry before and for the pull, and to the manager before the pull and for each thing it asks of it.
        CHOICE.write_text(SETTINGS.replace("grace = 2", "grace = 0"))
        image = self.image("anywhere")
        unit = self.serve("anywhere", image)
        struck = set()
        for number in range(1, 20):
            self.image("anywhere")
            injection = f"inject=connect:signal=SIGKILL:when={number}"
            killed = run("strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=connect", "-e", injection, "haulout", "auto-update")
            if killed.returncode == 0:
                break
            struck.add(self.history(unit)[0]["Updated"] if self.history(unit) else "")
            self.update()
            with self.subTest(number=number):
                self.assertEqual(self.running(unit)[1], self.image_id(image))
                self.assertEqual(run("systemctl", "--user", "is-active", unit).stdout.strip(), "active")
                self.assertEqual(self.update(), {unit: "false"})
                self.assertNotIn("unfinished", [entry["Updated"] for entry in self.history(unit)])
        self.assertIn("unfinished", struck, "it was never struck in the middle")

    def test_two_runs_at_once_update_once(self):
        image = self.image("twice")
        unit = self.serve("twice", image)
        self.image("twice")
        both = [self.spawn("haulout", "auto-update", "--format", "{{.Updated}}") for _ in range(2)]
        told = sorted(process.communicate(timeout=120)[0].strip() for process in both)
        self.assertEqual(told, ["false", "true"])
        self.assertEqual(len(self.history(unit)), 1)


class Timer(UpdateTest):
    def setUp(self):
        super().setUp()
        # What was told of in another test is not told again.
        self.haulout("auto-update", "enable")
        self.addCleanup(run, "haulout", "auto-update", "disable")
        self.server = NotificationServer(self)
        self.start("haulout-auto-update-notice.service")
        wait_until(self.see, "everything was seen")
        self.server.shown.clear()

    def see(self):
        """Dismisses what is shown; whether nobody waits for an answer any more."""
        for notification in self.server.shown:
            self.server.dismiss(notification)
        return self.notifier() == "inactive"

    @staticmethod
    def notifier():
        return run("systemctl", "--user", "is-active", "haulout-auto-update-notice.service").stdout.strip()

    def start(self, unit):
        return run("systemctl", "--user", "start", unit, timeout=120)

    def told(self, count):
        """What was shown, when so many were."""
        wait_until(lambda: len(self.server.shown) >= count, lambda: f"{count} notifications: {self.server.shown}")
        time.sleep(1)  # Whoever notifies listens for the answer only after it was shown.
        return self.server.shown[count - 1]

    def test_one_command_switches_the_timer_on_and_one_off(self):
        shown = run("systemctl", "--user", "show", "--property=ActiveState,UnitFileState,Persistent,RandomizedDelayUSec,TimersCalendar",
                    "haulout-auto-update.timer").stdout
        for word in ("ActiveState=active", "UnitFileState=enabled", "Persistent=yes", "RandomizedDelayUSec=15min", "*-*-* 00:00:00"):
            self.assertIn(word, shown)
        CHOICE.write_text(f'{SETTINGS}windows = ["Mon..Fri 02:00-02:10"]\n')
        self.haulout("auto-update", "enable")
        shown = run("systemctl", "--user", "show", "--property=RandomizedDelayUSec,TimersCalendar", "haulout-auto-update.timer").stdout
        self.assertIn("OnCalendar=Mon..Fri *-*-* 02:00:00", shown)
        self.assertIn("RandomizedDelayUSec=5min", shown)
        self.assertNotIn("00:00:00 ;", shown.replace("02:00:00", ""))
        for unit in ("service", "timer"):
            outdated = run("systemctl", "--user", "show", "--property=NeedDaemonReload", "--value", f"haulout-auto-update.{unit}")
            self.assertEqual(outdated.stdout, "no\n")
            verified = run("systemd-analyze", "--user", "--man=no", "verify", f"haulout-auto-update.{unit}")
            self.assertEqual((verified.returncode, verified.stderr), (0, ""))
        self.haulout("auto-update", "disable")
        self.assertEqual(run("systemctl", "--user", "is-active", "haulout-auto-update.timer").stdout.strip(), "inactive")
        self.assertEqual(list(SERVICES.glob("haulout-auto-update*")), [])
        # What is off already.
        self.assertEqual(self.haulout("auto-update", "disable").stderr, "")

    def test_a_run_that_failed_is_made_again_until_it_is_switched_off(self):
        soon = SERVICES / "haulout-auto-update.service.d/soon.conf"
        soon.parent.mkdir()
        self.addCleanup(run, "systemctl", "--user", "daemon-reload")
        self.addCleanup(run, "rm", "-r", soon.parent)
        soon.write_text("[Service]\nRestartSec=1s\n")
        run("systemctl", "--user", "daemon-reload")
        credentials = self.temporary_folder() / "auth.json"
        unit = self.serve("again", self.image("again"), extra=f"Label=io.containers.autoupdate.authfile={credentials}\n")
        self.image("again")
        self.assertNotEqual(run("systemctl", "--user", "start", "haulout-auto-update.service").returncode, 0)
        self.assertEqual(self.history(unit), [])
        credentials.write_text("{}")
        wait_until(lambda: [entry["Updated"] for entry in self.history(unit)] == ["true"], "the next run has updated it")
        credentials.unlink()
        soon.write_text("[Service]\nRestartSec=1h\n")
        run("systemctl", "--user", "daemon-reload")
        state = lambda: run("systemctl", "--user", "show", "--value", "--property=SubState", "haulout-auto-update.service").stdout
        wait_until(lambda: state() == "dead\n", state)
        run("systemctl", "--user", "start", "haulout-auto-update.service")
        self.assertEqual(state(), "auto-restart\n")
        self.haulout("auto-update", "disable")
        self.assertEqual(state(), "dead\n")

    def test_an_update_is_notified_and_taken_back_by_a_click(self):
        unit = self.serve("click", self.image("click"))
        before = self.running(unit)
        self.assertEqual(self.start("haulout-auto-update.service").returncode, 0)
        self.image("click")
        done = self.start("haulout-auto-update.service")
        self.assertEqual(done.returncode, 0, done.stderr)
        notification = self.told(1)
        self.assertIn(unit, notification["body"])
        self.assertEqual(notification["actions"], {"default": "Show", "show": "Show", "roll-back": "Roll back"})
        self.assertNotEqual(self.running(unit)[1], before[1])
        self.server.click(notification, "roll-back")
        answer = self.told(2)
        self.assertIn(f"{unit}: rolled back", answer["body"])
        self.assertEqual(self.running(unit)[1], before[1])
        # Nothing is told twice.
        self.assertEqual(self.start("haulout-auto-update.service").returncode, 0)
        self.assertEqual(len(self.server.shown), 2)

    def test_what_is_only_notified_is_updated_by_a_click(self):
        unit = self.serve("ask", self.image("ask"), policy="notify")
        before = self.running(unit)
        self.image("ask")
        self.assertEqual(self.start("haulout-auto-update.service").returncode, 0)
        notification = self.told(1)
        self.assertIn("An update is there", notification["body"])
        self.assertEqual(notification["actions"], {"default": "Show", "show": "Show", "update": "Update now"})
        self.assertEqual(self.running(unit), before)
        self.server.click(notification, "update")
        self.assertIn(f"{unit}: true", self.told(2)["body"])
        self.assertNotEqual(self.running(unit)[1], before[1])

    def test_what_nobody_saw_is_told_again(self):
        unit = self.serve("again", self.image("again"))
        self.image("again", "exits")
        self.start("haulout-auto-update.service")
        notification = self.told(1)
        self.assertIn("Rolled back", notification["body"])
        self.assertIn(unit, notification["body"])
        # As a logout does.
        run("systemctl", "--user", "stop", "haulout-auto-update-notice.service")
        self.start("haulout-auto-update-notice.service")
        again = self.told(2)
        self.assertEqual(again["body"], notification["body"])
        self.server.dismiss(again)
        wait_until(lambda: self.notifier() == "inactive", "the notification is done with")
        self.start("haulout-auto-update-notice.service")
        wait_until(lambda: self.notifier() == "inactive", "there is nothing to tell")
        self.assertEqual(len(self.server.shown), 2)


__all__ = ["Decisions", "Interrupted", "Timer", "Updates"]

if __name__ == "__main__":
    unittest.main()
