# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of units, and a unit's own: by clicking, with a real systemd behind it."""

import time
from pathlib import Path

from session import BUSYBOX, ENVIRONMENT, run, wait_until
from window import WindowTest

CONFIG = Path(ENVIRONMENT.get("XDG_CONFIG_HOME") or Path.home() / ".config")
UNITS = CONFIG / "containers/systemd"
CHOICE = CONFIG / "haulout/config.toml"
LASTING = f"[Container]\nImage={BUSYBOX}\nExec=sh -c 'echo at work; trap \"exit 0\" TERM; sleep 1000 & wait'\n"


def systemd(*command):
    return run("systemctl", "--user", *command).stdout.strip()


class UnitsTest(WindowTest):
    def setUp(self):
        UNITS.mkdir(parents=True, exist_ok=True)
        CHOICE.parent.mkdir(parents=True, exist_ok=True)
        before = CHOICE.read_text() if CHOICE.exists() else None
        CHOICE.write_text('quadlet = "haulout"\n')
        self.addCleanup(lambda: CHOICE.unlink(missing_ok=True) if before is None else CHOICE.write_text(before))
        self.addCleanup(run, "haulout", "quadlet", "sync")
        super().setUp()

    def unit(self, name, text):
        path = UNITS / f"test-app-{name}"
        path.write_text(text)
        service = f"test-app-{name.split('.')[0]}.service"
        self.addCleanup(run, "systemctl", "--user", "stop", service)
        self.addCleanup(path.unlink, missing_ok=True)
        run("haulout", "quadlet", "sync")
        return path

    def page(self, name):
        self.display.key("alt+3")
        self.app.find("label", f"test-app-{name}").mouse()
        self.app.find("page tab", "Overview")

    def text(self, name):
        """The unit's text, on its page."""
        self.page(name)
        self.app.find("page tab", "Unit").click()
        self.app.find("page tab", "Text").click()
        text = self.app.find("text", "Unit")
        text.wait_for("[Container]")
        return text

    def is_active(self, name):
        return systemd("is-active", f"test-app-{name}.service")


class Units(UnitsTest):
    def test_a_unit_is_started_followed_and_stopped(self):
        self.unit("a.container", LASTING)
        self.page("a")
        self.app.find("button", "Start").click()
        self.app.find("label", "Started “test-app-a”", seconds=60)
        self.assertEqual(self.is_active("a"), "active")
        self.app.find("page tab", "Journal").click()
        self.app.find("text", "Log").wait_for("at work")
        # What a terminal does is seen without anybody asking.
        systemd("stop", "test-app-a.service")
        self.app.find("label", "Stopped · Container")
        self.app.find("button", "Start")

    def test_one_that_fails_says_why_from_its_journal(self):
        self.unit("b.container", f"[Container]\nImage={BUSYBOX}\nExec=sh -c 'echo the anchor is lost >&2; exit 3'\n[Service]\nType=oneshot\n")
        self.page("b")
        self.app.find("button", "Start").click()
        self.app.find("label", "Could Not Start “test-app-b”", seconds=60)
        self.app.find("button", "Details").click()
        dialog = self.app.find("alert", "Could Not Start “test-app-b”")
        dialog.find("button", "Details").accessible.get_action_iface().do_action(0)
        wait_until(lambda: "the anchor is lost" in dialog.tree(), lambda: dialog.tree())

    def test_what_is_told_of_a_failure_is_of_this_run_and_of_no_earlier_one(self):
        saying = "[Container]\nImage={}\nExec=sh -c 'echo the {} is gone >&2; exit 3'\n[Service]\nType=oneshot\n"
        path = self.unit("m.container", saying.format(BUSYBOX, "mast"))
        run("systemctl", "--user", "start", "test-app-m.service")
        path.write_text(saying.format(BUSYBOX, "keel"))
        run("haulout", "quadlet", "sync")
        self.page("m")
        self.app.find("button", "Start").click()
        self.app.find("label", "Could Not Start “test-app-m”", seconds=60)
        self.app.find("button", "Details").click()
        dialog = self.app.find("alert", "Could Not Start “test-app-m”")
        dialog.find("button", "Details").accessible.get_action_iface().do_action(0)
        wait_until(lambda: "the keel is gone" in dialog.tree(), lambda: dialog.tree())
        self.assertNotIn("the mast is gone", dialog.tree())

    def test_a_manager_that_executes_itself_anew_is_followed_on(self):
        # As it does when systemd is updated: all that it had to do with anybody is over then.
        self.unit("n.container", LASTING)
        self.page("n")
        systemd("start", "test-app-n.service")
        self.app.find("button", "Stop", seconds=60)
        systemd("daemon-reexec")
        wait_until(lambda: self.is_active("n") == "active", "the manager is there again")
        systemd("stop", "test-app-n.service")
        self.app.find("label", "Stopped")
        self.app.find("button", "Start")
        # Folders are followed all the while, beside it.
        self.unit("o.container", LASTING)
        self.display.key("alt+Left")
        self.app.find("label", "test-app-o")

    def test_a_mistake_is_told_while_it_is_typed_and_mended_in_its_place(self):
        path = self.unit("c.container", LASTING + "# mine\n")
        text = self.text("c")
        text.wait_for("# mine")
        text.fill(LASTING + "# mine\nPublishPorts=80\n")
        self.app.find("label", "unsupported key 'PublishPorts' in group 'Container'")
        self.app.find("label", "Line 5, column 1 · did you mean PublishPort?")
        text.fill(LASTING + "# mine\nPublishPort=18099:80\n")
        self.app.gone("label", "unsupported key 'PublishPorts' in group 'Container'")
        self.app.find("toggle button", "Show the Service").click()
        self.app.find("text", "Service").wait_for("--publish 18099:80")
        self.app.find("button", "Save").click()
        self.app.find("label", "Saved “test-app-c.container”")
        self.assertEqual(path.read_text(), LASTING + "# mine\nPublishPort=18099:80\n")
        self.assertIn("18099:80", systemd("cat", "test-app-c.service"))

    def test_at_login_is_a_switch_and_loses_no_comment(self):
        path = self.unit("e.container", "# about it\n" + LASTING)
        self.page("e")
        self.app.find("check box", "At Login").click()
        wait_until(lambda: "WantedBy=default.target" in path.read_text(), "the unit starts at login")
        self.assertTrue(path.read_text().startswith("# about it\n" + LASTING))
        wait_until(lambda: "test-app-e.service" in systemd("list-dependencies", "--plain", "default.target"), "systemd knows")
        self.app.find("check box", "At Login").click()
        wait_until(lambda: "WantedBy=default.target" not in path.read_text(), "it does not any more")

    def test_a_switch_keeps_the_keyboard_when_it_was_pressed(self):
        path = self.unit("n.container", LASTING)
        self.page("n")
        for times in (1, 2, 3):
            # The first time, because somebody clicks it; then because it had it.
            self.app.find("check box", "At Login").mouse() if times == 1 else self.display.key("space")
            wait_until(lambda: path.read_text().count("WantedBy") == times % 2, "the file says so")
            wait_until(lambda: any(box.has("focused") for box in self.app.look("check box", "At Login") or []), "it has the keyboard")
            time.sleep(0.5)

    def test_a_switch_that_is_pressed_while_it_is_at_work_ends_where_it_was_put_last(self):
        path = self.unit("s.container", LASTING)
        self.page("s")
        switch = self.app.find("check box", "At Login")
        switch.click()
        wait_until(lambda: "WantedBy" in path.read_text() and switch.has("focused"), "it has the keyboard")
        for presses in (2, 3, 4, 3):
            wanted = ("WantedBy" in path.read_text()) != (presses % 2 == 1)
            written = path.stat().st_mtime_ns
            for _ in range(presses):
                # By the keyboard: of two quick clicks on a row GTK's lists take one. A switch takes none while it moves.
                self.display.key("space")
                time.sleep(0.15)
            wait_until(lambda: path.stat().st_mtime_ns != written, f"{presses}: the first is done")
            wait_until(lambda: ("WantedBy" in path.read_text()) is wanted and switch.has("checked") is wanted, f"{presses}: the last is done")
        self.assertEqual(self.app.look("button", "Details"), [])

    def test_two_quick_clicks_on_a_row_s_button_open_nothing(self):
        self.unit("t.container", LASTING)
        self.display.key("alt+3")
        self.app.find("button", "Start test-app-t").mouse(times=2)
        self.app.find("label", "Started “test-app-t”", seconds=60)
        self.assertEqual(self.app.look("page tab", "Overview"), [])
        self.app.find("button", "Stop test-app-t").mouse(times=2)
        self.app.find("label", "Stopped “test-app-t”", seconds=60)
        self.assertEqual(self.app.look("page tab", "Overview"), [])

    def test_a_new_one_is_made_removed_and_taken_back(self):
        path = UNITS / "test-app-f.container"
        self.addCleanup(path.unlink, missing_ok=True)
        self.display.key("alt+3")
        self.app.find("button", "New Unit…").click()
        dialog = self.app.find("dialog", "New Unit")
        dialog.find("text", "Name").fill("test-app-f")
        dialog.find("text", "Image").fill(BUSYBOX)
        dialog.find("button", "Create").click()
        self.app.gone("dialog", "New Unit")
        self.app.find("page tab", "Overview")
        self.assertIn(f"Image={BUSYBOX}\n", path.read_text())
        text = path.read_text()
        self.app.find("button", "Back").click()
        self.app.gone("page tab", "Overview")
        self.app.find("label", "test-app-f").mouse(button=3)
        self.app.menu_item("m").click()
        self.app.find("alert", "Remove “test-app-f.container”?").find("button", "Remove").click()
        self.app.find("label", "Removed “test-app-f.container”")
        self.assertFalse(path.exists())
        self.app.find("button", "Undo").click()
        wait_until(path.exists, "the unit is back")
        self.assertEqual(path.read_text(), text)

    def test_one_that_comes_by_a_terminal_is_listed(self):
        self.display.key("alt+3")
        self.app.find("label", "Units")
        self.unit("g.volume", "[Volume]\n")
        self.app.find("label", "test-app-g")


    def test_alt_left_leaves_the_page_wherever_the_focus_is(self):
        path = UNITS / "test-app-i.container"
        self.addCleanup(path.unlink, missing_ok=True)
        self.display.key("alt+3")
        self.app.find("button", "New Unit…").click()
        dialog = self.app.find("dialog", "New Unit")
        dialog.find("text", "Name").fill("test-app-i")
        dialog.find("text", "Image").fill(BUSYBOX)
        dialog.find("button", "Create").click()
        self.app.gone("dialog", "New Unit")
        self.app.find("page tab", "Overview")
        self.display.key("alt+Left")
        self.app.gone("page tab", "Overview")
        text = self.text("i")
        text.mouse()
        self.display.key("alt+Left")
        self.app.gone("page tab", "Overview")

    def test_the_journal_is_shown_of_a_time(self):
        self.unit("j.container", LASTING)
        for _ in range(2):
            systemd("restart", "test-app-j.service")
        self.page("j")
        self.app.find("page tab", "Journal").click()
        log = self.app.find("text", "Log")
        wait_until(lambda: log.text.count("at work") >= 2, lambda: log.text)
        self.choose(1)
        wait_until(lambda: self.log().count("at work") == 1, self.log)
        # It is followed from there.
        systemd("restart", "test-app-j.service")
        wait_until(lambda: self.log().count("at work") == 2, self.log)
        self.choose(3)
        wait_until(lambda: self.log().count("at work") >= 3, self.log)

    def log(self):
        found = self.app.look("text", "Log")
        return found[0].text if found else ""

    def choose(self, steps):
        """The period so many entries further down."""
        self.app.find("combo box").mouse()
        # At rest: it is open.
        self.app.find("label", "Last Hour").place()
        self.display.key(*["Down"] * steps, "Return")


class Narrow(UnitsTest):
    size = (360, 640)

    def test_at_360_pixels_a_unit_is_read_and_its_service_takes_its_place(self):
        self.unit("h.container", LASTING)
        self.text("h").wait_for("Image=")
        self.app.find("toggle button", "Show the Service").click()
        self.app.find("text", "Service").wait_for("ExecStart=")
        self.app.gone("text", "Unit")
