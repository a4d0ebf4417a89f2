# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens elsewhere while the window shows it, and what a person does while the window moves."""

import os
import signal
import subprocess

from gi.repository import GLib

from session import BUSYBOX, wait_until
from window import NotThere, WindowTest


class Elsewhere(WindowTest):
    def test_the_page_of_a_container_that_a_terminal_removes_goes_and_says_so(self):
        self.start("gone")
        self.open("gone")
        self.haulout("rm", "--force", "--time", "0", "gone")
        self.app.find("label", "“gone” was removed")
        self.app.gone("page tab", "Overview")
        self.app.find("label", "No Containers")

    def test_the_dialog_of_an_image_that_a_terminal_removes_closes_and_says_so(self):
        tar = self.temporary_folder() / "driftwood.tar"
        subprocess.run(["tar", "-cf", tar, "-C", tar.parent, "--files-from", "/dev/null"], check=True)
        self.haulout("import", tar, "localhost/driftwood:1")
        self.addCleanup(self.haulout, "rmi", "--force", "localhost/driftwood:1", status=None)
        self.app.find("list item", "Images").click()
        self.app.find("label", "localhost/driftwood").mouse()
        self.app.find("dialog", "localhost/driftwood:1")
        self.haulout("rmi", "localhost/driftwood:1")
        self.app.find("label", "“localhost/driftwood:1” was removed")
        self.app.gone("dialog", "localhost/driftwood:1")
        self.app.gone("label", "localhost/driftwood")

    def test_a_killed_monitor_is_told_on_the_page_and_the_container_starts_again(self):
        self.start("adrift")
        self.open("adrift")
        [pid] = subprocess.run(["pgrep", "-x", "haulout-monitor"], capture_output=True, text=True, check=True).stdout.split()
        os.kill(int(pid), signal.SIGKILL)
        self.app.find("label", "Status Unknown")
        self.app.find("button", "Start").click()
        self.app.find("label", "Started “adrift”")
        self.assertEqual(self.state("adrift"), "running")

    def test_a_container_that_a_terminal_pauses_is_shown_so_and_can_be_stopped(self):
        self.start("frozen")
        self.open("frozen")
        self.haulout("pause", "frozen")
        self.app.find("label", "Paused")
        self.app.find("button", "Stop").click()
        self.app.find("label", "Stopped “frozen”")
        self.assertEqual(self.state("frozen"), "exited")

    def test_what_is_done_to_a_container_that_is_gone_by_then_says_that_it_is(self):
        self.start("late")
        self.app.find("label", "late").mouse(button=3)
        self.app.menu_item("r").click()
        question = self.app.find("alert", "Remove “late”?")
        self.haulout("rm", "--force", "--time", "0", "late")
        self.app.find("label", "No Containers")
        question.find("button", "Remove").click()
        self.app.find("label", "Could Not Remove “late”")


class InBetween(WindowTest):
    def test_a_search_leads_from_one_container_s_page_to_another_that_works(self):
        for name in ("alpha", "omega"):
            self.start(name)
        self.app.find("label", "omega")
        self.open("alpha")
        self.display.key("ctrl+k")
        dialog = self.app.find("dialog", "Search Everything")
        dialog.find("entry", "Search everything").fill("omega")
        dialog.gone("list item", "alpha")
        self.display.key("Return")
        self.app.gone("dialog", "Search Everything")
        self.app.find("page tab", "Logs").click()
        self.app.find("button", "Stop").click()
        self.app.find("label", "Stopped “omega”", 30)
        self.assertEqual((self.state("alpha"), self.state("omega")), ("running", "exited"))

    def test_a_page_that_slides_away_may_still_be_clicked(self):
        self.start("slide")
        for _ in range(3):
            self.open("slide")
            tab = self.app.find("page tab", "Terminal")
            self.display.key("alt+Left")
            for _ in range(20):
                try:
                    tab.click()
                except (GLib.Error, NotThere):
                    break
            self.app.gone("page tab", "Overview")
            self.app.find("label", "slide")
        self.assertIsNone(self.app.process.poll())

    def test_keys_open_no_second_dialog_over_the_first(self):
        self.display.key("ctrl+n")
        self.app.find("dialog", "Run a Container")
        self.display.key("ctrl+p", "ctrl+n", "ctrl+k", "ctrl+comma")
        self.app.find("dialog").find("text", "Image").fill("anything")
        self.assertEqual([found.name for found in self.app.look("dialog")], ["Run a Container"])
        self.display.key("Escape")
        self.app.gone("dialog")

    def test_a_selection_survives_a_question_that_was_answered_with_no_and_ends_by_escape(self):
        for name in ("ebb", "flow"):
            self.haulout("create", "--name", name, BUSYBOX)
        self.app.find("label", "flow")
        self.app.find("button", "Select Containers").click()
        self.app.find("button", "Select All").click()
        self.app.find("label", "2 Selected")
        self.app.find("button", "Remove…").click()
        self.app.find("alert").find("button", "Cancel").click()
        self.app.gone("alert")
        self.app.find("label", "2 Selected")
        self.display.key("Escape")
        self.app.find("button", "Select Containers")


class Sheet(WindowTest):
    size = (360, 720)

    def test_a_dialog_of_a_narrow_window_gives_the_keyboard_to_its_first_field(self):
        self.app.find("label", "No Containers")
        for key, title in (("ctrl+p", "Pull an Image"), ("ctrl+n", "Run a Container")):
            self.display.key(key)
            dialog = self.app.find("dialog", title)
            wait_until(lambda: dialog.find("text", "Image").has("focused"), "the field has the keyboard")
            self.display.key("Escape")
            self.app.gone("dialog", title)

    def test_the_preferences_are_no_wider_than_the_window(self):
        self.app.find("label", "No Containers")
        self.display.key("ctrl+comma")
        dialog = self.app.find("dialog", "Preferences")
        x, _, width, _ = dialog.place()
        row, _, own, _ = dialog.find("check box").place()
        # What is cut has no room at its end.
        self.assertAlmostEqual(row - x, x + width - (row + own), delta=2)
