# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of units that are not saved: pages that are left, windows that are closed, files that others change meanwhile."""

from session import wait_until
from app.test_units import LASTING, UnitsTest

MINE, THEIRS = LASTING + "# mine\n", LASTING + "# theirs\n"


class Unsaved(UnitsTest):
    def write(self, name, text=MINE):
        """Opens a unit's text and makes it this; does not save it."""
        path = self.unit(f"{name}.container", LASTING)
        self.text(name).fill(text)
        wait_until(lambda: self.app.find("button", "Save").has("sensitive"), "it can be saved")
        return path

    def says(self, text):
        wait_until(lambda: self.app.find("text", "Unit").text == text, lambda: self.app.find("text", "Unit").text)


class Left(Unsaved):
    def test_a_page_that_is_left_says_so_and_has_the_text_when_it_is_opened_again(self):
        path = self.write("r")
        self.display.key("alt+Left")
        self.app.find("label", "Changes of “test-app-r.container” are not saved")
        self.app.find("button", "Show").click()
        # At once where it was left, as a form.
        self.app.find("page tab", "Text").click()
        self.says(MINE)
        self.app.find("button", "Save").click()
        wait_until(lambda: path.read_text() == MINE, lambda: path.read_text())
        self.app.find("label", "Saved “test-app-r.container”")
        # And nothing is left of it.
        self.display.key("alt+Left")
        self.app.gone("page tab", "Journal")
        self.assertEqual(self.app.look("label", "Changes of “test-app-r.container” are not saved"), [])

    def test_a_change_can_be_undone_after_the_page_was_left(self):
        self.write("s")
        self.display.key("alt+Left")
        self.app.gone("page tab", "Journal")
        self.app.find("label", "test-app-s").mouse()
        self.app.find("page tab", "Text").click()
        self.says(MINE)
        self.app.find("text", "Unit").mouse()
        self.display.key("ctrl+z")
        self.says(LASTING)
        self.app.find("button", "Save")
        wait_until(lambda: not self.app.find("button", "Save").has("sensitive"), "there is nothing to save")

    def test_one_whose_file_is_gone_can_be_written_again(self):
        path = self.write("t")
        path.unlink()
        self.app.find("label", "Another program has changed this file")
        self.says(MINE)
        self.display.key("alt+Left")
        self.app.find("label", "“test-app-t.container” was removed, and your changes with it")
        self.app.find("button", "Write Again").click()
        wait_until(path.exists, "it is there")
        self.assertEqual(path.read_text(), MINE)


class Closed(Unsaved):
    def test_a_window_asks_first_and_saves(self):
        path = self.write("u")
        self.display.key("ctrl+w")
        self.app.find("alert", "Save Changes?")
        self.display.key("Escape")
        self.app.gone("alert")
        self.says(MINE)
        # In whatever way it is closed, and whatever is shown.
        self.display.key("alt+1")
        self.display.key("ctrl+q")
        question = self.app.find("alert", "Save Changes?")
        question.find("label", "Changes that are not saved are lost: test-app-u.container")
        question.find("button", "Save").click()
        self.assertEqual(self.app.process.wait(timeout=20), 0)
        self.assertEqual(path.read_text(), MINE)

    def test_what_is_discarded_is_gone(self):
        path = self.write("v")
        self.display.key("ctrl+w")
        self.app.find("alert", "Save Changes?").find("button", "Discard").click()
        self.assertEqual(self.app.process.wait(timeout=20), 0)
        self.assertEqual(path.read_text(), LASTING)


class Meanwhile(Unsaved):
    def test_a_text_that_nobody_changes_here_follows_its_file(self):
        path = self.unit("w.container", LASTING)
        self.text("w").wait_for("sleep 1000")
        path.write_text(THEIRS)
        self.says(THEIRS)

    def test_what_somebody_is_writing_stays_and_they_are_told(self):
        path = self.write("x")
        path.write_text(THEIRS)
        self.app.find("label", "Another program has changed this file")
        self.says(MINE)
        self.app.find("button", "Discard My Changes").click()
        self.says(THEIRS)
        self.app.gone("label", "Another program has changed this file")

    def test_it_is_asked_whose_text_the_file_is_to_have(self):
        path = self.write("y")
        path.write_text(THEIRS)
        self.app.find("button", "Save").click()
        self.app.find("alert", "Replace “test-app-y.container”?").find("button", "Cancel").click()
        self.app.gone("alert")
        self.assertEqual(path.read_text(), THEIRS)
        self.says(MINE)
        self.app.find("button", "Save").click()
        self.app.find("alert", "Replace “test-app-y.container”?").find("button", "Replace").click()
        wait_until(lambda: path.read_text() == MINE, lambda: path.read_text())
        self.app.gone("label", "Another program has changed this file")
