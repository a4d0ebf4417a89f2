# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Lingering is switched where polkit has something to say: as root, since whoever it asks does not make its rules.

What the person does then is in lingering.py: it says in the file STANDING how polkit is to stand to it, and the rule here reads that.
"""

import os
import pwd
import subprocess
import unittest
from pathlib import Path

from session import ON_TEST_HOST, SessionTest, run
from root.lingering import ACTION, PASSWORD, STANDING

PERSON = "tester"
TESTS = Path(__file__).resolve().parent.parent
RULES = Path("/etc/polkit-1/rules.d/10-haulout-test.rules")
RULE = f"""polkit.addRule(function(action, subject) {{
    if (action.id == "{ACTION}") {{
        return polkit.spawn(["cat", "{STANDING}"]).trim();
    }}
}});
"""


@unittest.skipUnless(os.geteuid() == 0 and ON_TEST_HOST, "gives somebody a password")
class Lingering(SessionTest):
    images = ()

    def setUp(self):
        super().setUp()
        person = pwd.getpwnam(PERSON)
        self.home = Path(person.pw_dir)
        STANDING.parent.mkdir(exist_ok=True)
        os.chown(STANDING.parent, person.pw_uid, person.pw_gid)
        subprocess.run(["chpasswd"], input=f"{PERSON}:{PASSWORD}\n", text=True, check=True)
        # None, as the test host was made.
        self.addCleanup(run, "usermod", "--password", "!", PERSON)
        RULES.write_text(RULE)
        self.addCleanup(run, "systemctl", "restart", "polkit.service")
        self.addCleanup(RULES.unlink)
        self.check(0, "systemctl", "restart", "polkit.service")
        self.addCleanup(run, "loginctl", "enable-linger", PERSON)

    def test_who_is_asked_answers_and_is_told_what_came_of_it(self):
        # A login of the person's: without one, and without lingering, nothing of theirs goes on.
        login = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--property=PAMName=login", f"--property=User={PERSON}",
                 f"--property=WorkingDirectory={self.home}", f"--setenv=PATH={os.environ['PATH']}", "--setenv=LANG=C.UTF-8"]
        seen = run(*login, "--", TESTS / "run", "root/lingering.py", timeout=280)
        self.assertRegex(seen.stdout, r"\n\d+ passed, 0 failed, 0 skipped", seen.stdout + seen.stderr)


if __name__ == "__main__":
    unittest.main()
