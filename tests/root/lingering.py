# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person does who switches lingering where polkit has something to say. test_lingering.py makes polkit do so, and runs these."""

import subprocess
import termios
from pathlib import Path

from app.test_units import LASTING, UNITS, UnitsTest
from session import SessionTest, run, wait_until

TESTS = Path(__file__).resolve().parent.parent
ACTION = "org.freedesktop.login1.set-self-linger"
# How polkit stands to it: yes, no, or auth_self, which wants the person's password.
STANDING = Path("/run/haulout-test-polkit/standing")
PASSWORD = "spring tide"
WARNING = "the units start at login, not at boot: {}; as root: loginctl enable-linger tester"


def lingers():
    return run("loginctl", "show-user", "--property=Linger", "--value", "tester").stdout == "yes\n"


class Agent:
    """Asks for a password as the desktop does, for one process: see agent.py."""

    def __init__(self, test, pid):
        self.process = test.spawn(TESTS / "agent.py", pid, stdin=subprocess.PIPE)
        self.says("ready")

    def says(self, word):
        line = self.process.stdout.readline().strip()
        if line.split(" ")[:1] != [word]:
            raise AssertionError(f"the agent does not say {word!r}, but {line!r}")

    def answer(self, password):
        """A password; or nothing, to close the question."""
        self.process.stdin.write(f"{password}\n")
        self.process.stdin.flush()
        if password:
            self.says("right" if password == PASSWORD else "wrong")

    def was_asked_no_more(self):
        self.process.kill()
        return self.process.stdout.read() == ""


def not_lingering(test):
    """Begins as somebody who does not, with polkit that asks."""
    STANDING.write_text("yes")
    test.addCleanup(run, "loginctl", "enable-linger", "tester")
    test.addCleanup(STANDING.write_text, "yes")
    test.check(0, "loginctl", "disable-linger", "tester")
    STANDING.write_text("auth_self")


class InTheTerminal(SessionTest):
    images = ()

    def setUp(self):
        super().setUp()
        not_lingering(self)
        self.path = UNITS / "test-linger.container"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(LASTING)
        self.addCleanup(run, "haulout", "quadlet", "sync")
        self.addCleanup(self.path.unlink)
        self.command = ["haulout", "quadlet", "enable", self.path.name]

    def starts_at_login(self):
        return "WantedBy=default.target" in self.path.read_text()

    def type_password(self, terminal, password):
        terminal.expect("Password: ")
        # It throws away what was typed before it stopped showing that.
        wait_until(lambda: not termios.tcgetattr(terminal.master)[3] & termios.ECHO, "what is typed is not shown")
        terminal.type(f"{password}\n")

    def test_where_nobody_asks_it_is_said_what_holds_and_what_to_do(self):
        done = self.check(0, *self.command)
        self.assertIn(WARNING.format("that needs a password, and nothing here asks for it"), done.stderr)
        self.assertEqual((self.starts_at_login(), lingers()), (True, False))

    def test_a_rule_that_refuses_is_the_administrator_s_word(self):
        STANDING.write_text("no")
        done = self.check(0, *self.command)
        self.assertIn(WARNING.format("the administrator of this computer forbids it"), done.stderr)
        self.assertEqual((self.starts_at_login(), lingers()), (True, False))

    def test_nobody_is_asked_when_they_linger_already(self):
        STANDING.write_text("yes")
        self.check(0, "loginctl", "enable-linger", "tester")
        STANDING.write_text("no")
        self.assertEqual(self.check(0, *self.command).stderr, "")
        self.assertTrue(self.starts_at_login())

    def test_the_terminal_asks_for_the_password(self):
        terminal = self.terminal(*self.command)
        self.type_password(terminal, PASSWORD)
        self.assertEqual(terminal.wait(), 0, terminal.output)
        self.assertNotIn(PASSWORD, terminal.output)
        self.assertEqual((self.starts_at_login(), lingers()), (True, True))

    def test_a_wrong_password_in_the_terminal_leaves_it_as_it_was(self):
        terminal = self.terminal(*self.command, columns=200)
        self.type_password(terminal, "neap tide")
        self.assertEqual(terminal.wait(), 0, terminal.output)
        self.assertIn(WARNING.format("that needs a password, and the right one was not given"), terminal.output)
        self.assertEqual((self.starts_at_login(), lingers()), (True, False))

    def test_who_interrupts_the_question_has_their_terminal_back(self):
        terminal = self.terminal("sh", "-c", 'trap : INT; "$@"; exit 7', "sh", *self.command)
        terminal.expect("Password: ")
        wait_until(lambda: not termios.tcgetattr(terminal.master)[3] & termios.ECHO, "what is typed is not shown")
        terminal.type("\x03")
        self.assertEqual(terminal.wait(), 7)
        wait_until(lambda: termios.tcgetattr(terminal.master)[3] & termios.ECHO, "what is typed is shown")
        wait_until(lambda: run("pgrep", "pkttyagent").returncode == 1, "nobody asks any more")
        self.assertEqual((self.starts_at_login(), lingers()), (True, False))

    def test_the_desktop_asks_before_the_terminal_does(self):
        # It waits until the agent is there for it.
        terminal = self.terminal("sh", "-c", 'kill -STOP $$; exec "$@"', "sh", *self.command, columns=200)
        agent = Agent(self, terminal.process.pid)
        terminal.process.send_signal(18)
        agent.says("asked")
        agent.answer("")
        self.assertEqual(terminal.wait(), 0, terminal.output)
        self.assertNotIn("Password", terminal.output)
        self.assertIn(WARNING.format("that needs a password, and the right one was not given"), terminal.output)


class InTheApp(UnitsTest):
    def setUp(self):
        super().setUp()
        not_lingering(self)
        self.path = self.unit("linger.container", LASTING)
        self.page("linger")
        wait_until(lambda: self.at_boot() is False, "the switch says that it does not start at boot")

    def at_boot(self):
        """Where the switch stands; nothing when it is not seen."""
        found = self.app.look("check box", "At Boot")
        return found[0].has("checked") if found else None

    def press(self, name="At Boot"):
        switch = self.app.find("check box", name)
        if switch.has("focused"):
            # Of two quick clicks on a row GTK's lists take one.
            self.display.key("space")
        else:
            switch.click()

    def stands(self, on):
        wait_until(lambda: self.at_boot() is on and lingers() is on, lambda: f"{on}: {self.at_boot()}, lingering: {lingers()}")

    def nothing_is_told(self):
        self.assertEqual(self.app.look("button", "Details"), [])

    def told(self, words):
        """What the toast says, and the words behind it."""
        self.app.find("label", "Could Not Change What Starts at Boot")
        self.app.find("button", "Details").click()
        dialog = self.app.find("alert", "Could Not Change What Starts at Boot")
        dialog.find("label", words)
        dialog.find("button", "Details").accessible.get_action_iface().do_action(0)
        wait_until(lambda: "sudo loginctl enable-linger tester" in dialog.tree(), dialog.tree)
        dialog.find("button", "Close").click()
        self.app.gone("alert")

    def test_the_window_goes_on_while_somebody_is_asked(self):
        agent = Agent(self, self.app.pid)
        self.press()
        agent.says("asked")
        wait_until(lambda: self.at_boot() is True, "the switch stands where it was put")
        self.press("At Login")
        wait_until(lambda: "WantedBy=default.target" in self.path.read_text(), "the unit starts at login")
        # All of the page is told anew by then, and the switch stands where it was put.
        wait_until(lambda: self.app.find("check box", "At Login").has("checked"), "the page says so")
        self.assertEqual((self.at_boot(), lingers()), (True, False))
        self.app.find("page tab", "Journal").click()
        self.app.gone("check box", "At Boot")
        self.app.find("page tab", "Overview").click()
        agent.answer(PASSWORD)
        self.stands(True)
        self.nothing_is_told()

    def test_who_closes_the_question_is_told_nothing(self):
        agent = Agent(self, self.app.pid)
        self.press()
        agent.says("asked")
        agent.answer("")
        self.stands(False)
        self.nothing_is_told()
        # And may begin again.
        self.press()
        agent.says("asked")
        agent.answer(PASSWORD)
        self.stands(True)

    def test_a_wrong_password_changes_nothing(self):
        agent = Agent(self, self.app.pid)
        self.press()
        agent.says("asked")
        agent.answer("neap tide")
        self.stands(False)
        self.nothing_is_told()

    def test_who_changes_their_mind_while_they_are_asked_is_not_asked_again(self):
        agent = Agent(self, self.app.pid)
        self.press()
        agent.says("asked")
        self.press()
        wait_until(lambda: self.at_boot() is False, "the switch is where it was")
        agent.answer("")
        self.stands(False)
        # Once more, and back, and again.
        self.press()
        agent.says("asked")
        self.press()
        wait_until(lambda: self.at_boot() is False, "the switch is where it was")
        self.press()
        wait_until(lambda: self.at_boot() is True, "the switch has heard of it before the question is answered")
        agent.answer(PASSWORD)
        self.stands(True)
        self.nothing_is_told()
        self.assertTrue(agent.was_asked_no_more())

    def test_where_nobody_asks_it_is_said_what_to_do(self):
        self.press()
        self.told("This needs a password, and nothing in your session asks for one. An administrator can do it with the command in the details.")
        self.stands(False)

    def test_a_rule_that_refuses_is_told(self):
        STANDING.write_text("no")
        self.press()
        self.told("The administrator of this computer does not allow this. They can do it for you with the command in the details.")
        self.stands(False)
