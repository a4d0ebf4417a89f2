# SPDX-License-Identifier: GPL-3.0-or-later
"""What the person sees in the app after the machine has started again. No tests of their own: test_login.py starts it again, and runs these."""

import re

from app.test_units import UnitsTest
from session import wait_until

UNIT = "test-boot"


class Boots(UnitsTest):
    def test_a_unit_s_journal_is_shown_of_the_boot_before(self):
        self.display.key("alt+3")
        self.app.find("label", UNIT).mouse()
        self.app.find("page tab", "Overview")
        self.app.find("page tab", "Journal").click()
        self.shows("at work before", "at work after")
        # Since this start, and while it was on the last time.
        self.choose(4)
        self.shows("at work after", lacks="before")
        self.app.find("combo box").mouse()
        self.app.find("label", re.compile("^[^–]+ – [^–]+$")).place()
        self.display.key("Down", "Return")
        self.shows("at work before", lacks="after")

    def shows(self, *words, lacks="nothing of that"):
        def log():
            found = self.app.look("text", "Log")
            return found[0].text if found else ""

        wait_until(lambda: all(word in log() for word in words) and lacks not in log(), log)

    def choose(self, steps):
        """The period so many entries further down."""
        self.app.find("combo box").mouse()
        # At rest: it is open.
        self.app.find("label", "Last Hour").place()
        self.display.key(*["Down"] * steps, "Return")
