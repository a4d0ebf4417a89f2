# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of updates: by clicking, with the real registry, the real service manager and a real notification server."""

import re
import subprocess
import time
from pathlib import Path

from cli.test_auto_update import UpdateTest
from notifications import NotificationServer
from portal import BackgroundPortal
from registry import Registry
from session import BUSYBOX, ENVIRONMENT, processes, run, wait_until
from window import App, WindowTest

CONTAINERS = Path(ENVIRONMENT.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "containers"
SCHEMAS = Path(__file__).resolve().parents[2] / "data"
TIMER, SERVICE = "haulout-auto-update.timer", "haulout-auto-update.service"


class UpdatesTest(WindowTest, UpdateTest):
    def setUp(self):
        super().setUp()
        self.display.key("alt+4")

    def row(self, name, state):
        """Waits until the list says that of a unit."""
        self.app.find("label", f"test-au-{name}", seconds=60)
        return self.app.find("label", state, seconds=60)

    def look(self):
        self.app.find("button", "Check Now").click()

    def registry(self):
        """A registry that does what a test tells it; the app knows that it has no certificate."""
        registry = Registry(self)
        conf = CONTAINERS / "registries.conf.d/test-au.conf"
        conf.parent.mkdir(parents=True, exist_ok=True)
        conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
        self.addCleanup(conf.unlink)
        return registry

    def slow(self, registry, seconds):
        """Its next answer takes so long."""
        def answer(handler):
            time.sleep(seconds)
            registry.answers.clear()
            registry.answer(handler)

        registry.answers["/manifests/1"] = answer

    def menu(self, name, key):
        self.app.find("label", f"test-au-{name}").mouse(button=3)
        self.app.menu_item(key).click()

    def detail(self, name):
        """Opens the page of one."""
        self.app.find("label", f"test-au-{name}").mouse()
        self.app.find("label", "What Happens")


class Updates(UpdatesTest):
    def test_without_policies_the_page_says_how_to_get_one(self):
        self.app.find("label", "No Containers to Update")
        self.app.find("button", "Show Units").click()
        self.app.find("label", "Units")

    def test_a_new_image_is_found_run_and_rolled_back_by_hand(self):
        unit = self.serve("good", self.image("good"))
        before = self.running(unit)
        self.row("good", "Not Checked Yet")
        self.look()
        self.row("good", "Up to Date")
        self.app.find("label", "No updates were found")
        self.image("good")
        self.look()
        self.row("good", "Update Available")
        # Looking changes nothing.
        self.assertEqual(self.running(unit), before)
        self.app.find("button", "Update test-au-good").click()
        self.app.find("label", "Updated “test-au-good”", seconds=90)
        self.row("good", "Up to Date")
        after = self.running(unit)
        self.assertNotEqual(after[1], before[1])
        self.app.find("button", "Details").click()
        dialog = self.app.find("dialog", "Updated “test-au-good”")
        last = self.history(unit)[0]
        shown = f"{last['From'][7:19]} → {last['To'][7:19]}"
        wait_until(lambda: shown in dialog.tree(), lambda: dialog.tree())
        self.display.key("Escape")
        self.app.gone("dialog")
        self.menu("good", "b")
        self.app.find("alert", "Roll Back “test-au-good”?").find("button", "Roll Back").click()
        self.app.find("label", "Rolled back “test-au-good”", seconds=90)
        self.assertEqual(self.running(unit)[1], before[1])
        self.row("good", "Rolled Back")
        self.app.find("button", "History").click()
        self.app.find("label", re.compile("^Updated · "))
        self.app.find("label", re.compile("^Rolled Back · .*\nsomebody asked for it"))

    def test_an_image_that_exits_is_rolled_back_and_the_reason_is_told(self):
        unit = self.serve("exits", self.image("exits"))
        before = self.running(unit)
        self.image("exits", "exits")
        self.look()
        self.row("exits", "Update Available")
        self.detail("exits")
        # The timer is off.
        self.app.find("label", re.compile("^Nothing by itself: automatic updates are off"))
        self.app.find("button", "Update Now").click()
        self.app.find("label", "Some Units Could Not Be Updated", seconds=90)
        self.app.find("label", re.compile("This image was tried and taken back on .*did not stay up.*exit status 3"))
        self.assertEqual(self.running(unit)[1], before[1])

    def test_all_are_updated_but_those_that_are_held(self):
        units = {name: self.serve(name, self.image(name)) for name in ("one", "two", "kept")}
        before = {name: self.running(unit) for name, unit in units.items()}
        self.app.find("label", "test-au-kept")
        self.menu("kept", "h")
        self.app.find("alert", "Hold “test-au-kept”?").find("button", "Hold").click()
        self.row("kept", "Held")
        for name in units:
            self.image(name)
        self.look()
        self.app.find("label", "2 updates are available", seconds=60)
        self.app.find("label", "2 Updates Available")
        self.app.find("button", "Update All").click()
        self.app.find("label", "Updated 2 units", seconds=90)
        self.app.gone("button", "Update All")
        same = {name: self.running(unit)[1] == before[name][1] for name, unit in units.items()}
        self.assertEqual(same, {"one": False, "two": False, "kept": True})
        self.menu("kept", "s")
        self.row("kept", "Update Available")
        self.assertNotIn(units["kept"], self.haulout("auto-update", "hold").stdout)

    def test_a_unit_is_held_until_a_date(self):
        unit = self.serve("date", self.image("date"))
        self.menu("date", "h")
        dialog = self.app.find("alert", "Hold “test-au-date”?")
        dialog.find("label", f"haulout auto-update hold {unit}")
        # With the keyboard: GTK's places of what is in such a dialog are off by half a row.
        row = dialog.find("list item", "Until a Date")
        for _ in range(6):
            if row.has("focused"):
                break
            self.display.key("Tab", "Down")
            time.sleep(0.2)
        self.display.key("space")
        dialog.find("label", re.compile(f"haulout auto-update hold --until 20[0-9-]+ {unit}"))
        dialog.find("button", "Hold").click()
        self.row("date", re.compile("^Held Until "))
        until = run("date", "--date", "14 days", "+%F").stdout.strip()
        self.assertIn(f"{until} 00:00", self.haulout("auto-update", "hold").stdout)
        self.haulout("auto-update", "release", unit)
        # What a terminal does is seen without anybody asking.
        self.row("date", "Not Checked Yet")

    def test_a_registry_that_is_gone_is_told_on_its_row_and_harms_no_other(self):
        registry = self.registry()
        name = f"{registry.host}/au-lost:1"
        self.haulout("push", "--quiet", BUSYBOX, name)
        self.haulout("tag", BUSYBOX, name)
        self.serve("lost", name)
        self.serve("stays", self.image("stays"))
        self.look()
        self.row("stays", "Up to Date")
        registry.server.shutdown()
        registry.server.server_close()
        self.image("stays")
        self.look()
        self.row("lost", "Failed")
        self.row("stays", "Update Available")
        self.detail("lost")
        self.app.find("label", "Could Not Keep “test-au-lost” Up to Date")
        self.assertIn(registry.host, self.app.tree())

    def test_looking_is_ended_by_a_button(self):
        registry = self.registry()
        self.serve("slow", self.image("slow", registry=registry.host))
        self.row("slow", "Not Checked Yet")
        self.slow(registry, 8)
        self.look()
        self.app.find("label", "Checking…")
        self.app.find("button", "Cancel").click()
        self.app.find("label", "Cancelled")
        self.row("slow", "Not Checked Yet")
        # And it is looked again as if nothing had been.
        registry.answers.clear()
        self.look()
        self.row("slow", "Up to Date")

    def test_an_update_that_is_ended_while_its_image_is_fetched_is_as_if_nobody_had_begun(self):
        unit, _, stalled, go_on = self.stalling(self.registry())
        before = self.running(unit)
        self.look()
        self.row("stalls", "Update Available")
        self.app.find("button", "Update test-au-stalls").click()
        self.assertTrue(stalled.wait(60))
        self.app.find("button", "Cancel").click()
        self.app.find("label", "Cancelled")
        self.row("stalls", "Update Available")
        self.assertEqual(self.history(unit), [])
        # A terminal's is seen to begin, and to be no more.
        stalled.clear()
        running = self.spawn("haulout", "auto-update")
        self.assertTrue(stalled.wait(60))
        self.row("stalls", "Updating…")
        running.kill()
        self.row("stalls", "Update Available")
        self.assertEqual((self.history(unit), self.running(unit)), ([], before))
        go_on()
        self.app.find("button", "Update test-au-stalls").click()
        self.app.find("label", "Updated “test-au-stalls”", seconds=90)
        self.assertEqual([entry["Updated"] for entry in self.history(unit)], ["true"])

    def test_what_a_terminal_finds_and_does_is_shown(self):
        unit = self.serve("told", self.image("told"))
        self.row("told", "Not Checked Yet")
        self.image("told")
        self.assertEqual(self.update("--dry-run"), {unit: "pending"})
        self.row("told", "Update Available")
        self.assertEqual(self.update(), {unit: "true"})
        self.row("told", "Up to Date")
        run("systemctl", "--user", "stop", unit)
        self.row("told", "Not Running")

    def test_the_timer_is_a_switch(self):
        self.addCleanup(run, "haulout", "auto-update", "disable")
        state = lambda: run("systemctl", "--user", "is-active", TIMER).stdout.strip()
        self.app.find("check box", "Automatic Updates").click()
        wait_until(lambda: state() == "active", "the timer is on")
        self.app.find("label", re.compile("^Every day while you are logged in; next "))
        # What a terminal does is seen without anybody asking.
        self.haulout("auto-update", "disable")
        self.app.find("label", re.compile("^Off: "))
        self.app.find("check box", "Automatic Updates").click()
        wait_until(lambda: state() == "active", "the timer is on")
        self.app.find("label", re.compile("; next "))
        self.app.find("check box", "Automatic Updates").click()
        wait_until(lambda: state() != "active", "the timer is off")
        # Whoever presses it while it is at work has it where they put it last.
        switch = self.app.find("check box", "Automatic Updates")
        wait_until(lambda: switch.has("focused"), "it has the keyboard")
        for presses, wanted in ((3, "active"), (2, "active"), (3, "inactive")):
            for _ in range(presses):
                self.display.key("space")
                time.sleep(0.15)
            wait_until(lambda: state() == wanted and switch.has("checked") is (wanted == "active"), lambda: f"{presses}: {state()}")


class Notices(UpdatesTest):
    def setUp(self):
        # With its schema, whether somebody has installed it or not: what is left on by one test is nothing to another.
        schemas = self.temporary_folder()
        subprocess.run(["glib-compile-schemas", f"--targetdir={schemas}", SCHEMAS], check=True)
        self.env = {"GSETTINGS_SCHEMA_DIR": str(schemas), "GSETTINGS_BACKEND": "memory"}
        super().setUp()
        # Where nobody has installed them, this writes the units.
        self.addCleanup(run, "haulout", "auto-update", "disable")
        self.haulout("auto-update", "enable")
        # What was done in another test is nothing to tell.
        self.app.find("button", "Check Now")
        time.sleep(1)
        self.server = NotificationServer(self)

    def run_service(self):
        """What the timer does."""
        done = run("systemctl", "--user", "start", SERVICE, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)

    def told(self, count):
        wait_until(lambda: len(self.server.shown) >= count, lambda: f"{count} notifications: {self.server.shown}", 60)
        return self.server.shown[count - 1]

    def test_what_the_timer_did_is_told_by_the_app_and_shown_by_a_click(self):
        unit = self.serve("click", self.image("click"))
        self.image("click")
        self.display.key("alt+1")
        self.app.find("label", "Containers")
        self.run_service()
        notification = self.told(1)
        self.assertEqual((notification["summary"], notification["body"]), ("Containers were updated", "Updated: test-au-click"))
        self.assertEqual(sorted(notification["actions"].values())[-2:], ["Roll back", "Show"])
        self.server.click(notification, "default")
        self.row("click", "Up to Date")
        # It was seen, and nobody tells it again.
        wait_until(lambda: run("systemctl", "--user", "restart", "haulout-auto-update-notice.service").returncode == 0, "it starts")
        time.sleep(2)
        self.assertEqual(len(self.server.shown), 1)
        self.assertTrue(self.history(unit))

    def test_what_is_found_while_nobody_looks_is_updated_by_a_click(self):
        unit = self.serve("ask", self.image("ask"), policy="notify")
        before = self.running(unit)
        self.image("ask")
        self.row("ask", "Not Checked Yet")
        self.display.key("alt+1")
        self.app.find("label", "Containers")
        self.run_service()
        notification = self.told(1)
        self.assertEqual(notification["body"], "An update is there: test-au-ask")
        action = next(key for key, word in notification["actions"].items() if word == "Update now")
        self.server.click(notification, action)
        self.app.find("label", "Updated “test-au-ask”", seconds=90)
        self.assertNotEqual(self.running(unit)[1], before[1])

    def test_what_a_look_finds_once_nobody_waits_for_it_is_told(self):
        registry = self.registry()
        self.serve("later", self.image("later", registry=registry.host))
        self.image("later", registry=registry.host)
        self.row("later", "Not Checked Yet")
        self.slow(registry, 3)
        self.look()
        self.app.find("label", "Checking…")
        self.display.key("alt+1")
        self.assertEqual(self.told(1)["body"], "An update is there: test-au-later")

    def test_it_goes_on_without_a_window_where_somebody_wants_it(self):
        self.display.key("ctrl+comma")
        dialog = self.app.find("dialog", "Preferences")
        dialog.find("check box", "Keep Checking in the Background").click()
        # No desktop here has that portal.
        dialog.find("label", re.compile("until you log out: this desktop has no portal"), seconds=60)
        self.display.key("Escape")
        self.app.gone("dialog")
        self.display.key("ctrl+w")
        wait_until(lambda: not self.app.look("frame"), "the window is closed")
        workers = lambda: [one for one in processes("haulout") if one.command[1:] == ["worker"]]
        wait_until(lambda: workers() == [], lambda: f"what goes on without a window holds nothing: {workers()}")
        unit = self.serve("alone", self.image("alone"))
        self.image("alone", "exits")
        self.run_service()
        notification = self.told(1)
        self.assertEqual(notification["body"], "Rolled back: test-au-alone")
        self.server.click(notification, "default")
        self.app = App.of(self.display, self.app.pid)
        self.row("alone", "Rolled Back")
        self.assertEqual(self.history(unit)[0]["Updated"], "rolled back")


class Portal(WindowTest):
    def setUp(self):
        # Without its schema, as where nobody has installed the app.
        self.env = {"XDG_CONFIG_HOME": str(self.temporary_folder()), "XDG_DATA_DIRS": "/usr/share"}
        super().setUp()

    def switch(self):
        self.display.key("ctrl+comma")
        dialog = self.app.find("dialog", "Preferences")
        switch = dialog.find("check box", "Keep Checking in the Background")
        switch.click()
        return dialog, switch

    def test_the_desktop_starts_it_with_the_session_where_its_portal_grants_that(self):
        portal = BackgroundPortal(self, background=True, autostart=True)
        dialog, _ = self.switch()
        dialog.find("label", "It goes on when the window is closed, and starts with your session")
        asked = portal.asked[0]
        self.assertEqual((asked["autostart"], asked["commandline"]), (True, ["haulout-app", "--gapplication-service"]))
        self.display.key("space")
        dialog.find("label", "Nothing is looked for once the window is closed")
        self.assertFalse(portal.asked[1]["autostart"])
        self.display.key("Escape")
        self.app.gone("dialog")
        self.display.key("ctrl+w")
        self.assertEqual(self.app.process.wait(timeout=20), 0)

    def test_the_switch_is_as_it_was_left_where_no_schema_is_installed(self):
        BackgroundPortal(self, background=True, autostart=True)
        dialog, _ = self.switch()
        dialog.find("label", "It goes on when the window is closed, and starts with your session")
        self.app.process.terminate()
        self.app.process.wait(timeout=20)
        self.app = self.enterContext(App(self.display, env=self.env))
        self.display.key("ctrl+comma")
        dialog = self.app.find("dialog", "Preferences")
        self.assertTrue(dialog.find("check box", "Keep Checking in the Background").has("checked"))
        self.display.key("Escape")
        self.app.gone("dialog")
        self.display.key("ctrl+w")
        wait_until(lambda: not self.app.look("frame"), "the window is closed")
        time.sleep(1)
        self.assertIsNone(self.app.process.poll(), "it goes on")

    def test_what_somebody_denies_is_switched_off_again(self):
        BackgroundPortal(self, response=1)
        dialog, switch = self.switch()
        dialog.find("label", re.compile("^The desktop does not allow it."))
        wait_until(lambda: not switch.has("checked"), "the switch says what is")


class Narrow(UpdatesTest):
    size = (360, 640)

    def test_at_360_pixels_an_update_is_found_and_made(self):
        unit = self.serve("slim", self.image("slim"))
        before = self.running(unit)
        self.image("slim")
        self.look()
        self.app.find("label", re.compile("^Update Available · "), seconds=60)
        self.app.find("button", "Update test-au-slim").click()
        self.app.find("label", re.compile("^Up to Date · "), seconds=90)
        self.assertNotEqual(self.running(unit)[1], before[1])

    def test_at_360_pixels_no_page_is_wider_than_the_window_for_what_another_has_to_show(self):
        self.serve("wide", self.image("wide"))
        self.image("wide")
        self.haulout("auto-update", "--dry-run")
        self.app.process.terminate()
        self.app.process.wait(timeout=20)
        self.app = self.enterContext(App(self.display, env=self.env))
        rows = self.app.find("list", "Containers")
        # Until the updates, which nobody sees, have all their buttons.
        time.sleep(3)
        window = self.app.find("frame").place()[2]
        self.assertLess(rows.place()[2], window)


__all__ = ["Narrow", "Notices", "Portal", "Updates"]
