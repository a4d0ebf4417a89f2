# SPDX-License-Identifier: GPL-3.0-or-later
"""What the person sees in the app after the machine has started again. No tests of their own: test_login.py starts it again, and runs these."""

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
        self.choose(4)
        self.shows("at work after", lacks="before")
        # The last time that it was on; where this has been run before, there were more.
        for entry in range(5, 15):
            self.choose(entry)
            try:
                return self.shows("at work before", lacks="after", seconds=4)
            except AssertionError:
                continue
        self.fail(self.log())

    def log(self):
        found = self.app.look("text", "Log")
        return found[0].text if found else ""

    def shows(self, *words, lacks="nothing of that", seconds=20):
        def right():
            log = self.log()
            return all(word in log for word in words) and lacks not in log

        wait_until(right, self.log, seconds)

    def choose(self, entry):
        """The period with that index."""
        self.app.find("combo box").mouse()
        # At rest: it is open.
        self.app.find("label", "Last Hour").place()
        self.display.key("Home", *["Down"] * entry, "Return")
