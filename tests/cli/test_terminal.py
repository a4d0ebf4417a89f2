# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Terminals: raw while the container has one, the right size, detached from and back as it was."""

import signal
import termios

from session import BUSYBOX, SessionTest, processes, wait_until


class Terminals(SessionTest):
    def shell(self, *flags, command=("sh",), **options):
        terminal = self.terminal("haulout", "run", "-it", "--network", "none", *flags, BUSYBOX, *command, **options)
        return terminal

    def test_a_shell_in_a_terminal_is_typed_to_and_ends(self):
        terminal = self.shell("--rm")
        terminal.expect(r"# ")
        terminal.type("echo $((6 * 7)); tty\r")
        terminal.expect(r"\n42\r\n/dev/pts/0\r\n")
        terminal.type("exit 5\r")
        self.assertEqual(terminal.wait(), 5)

    def test_a_terminal_has_the_size_of_the_users_and_follows_it(self):
        terminal = self.shell("--rm", rows=30, columns=100)
        terminal.expect(r"# ")
        terminal.type("stty size\r")
        terminal.expect(r"\n30 100\r\n")
        terminal.resize(40, 120)
        terminal.process.send_signal(signal.SIGWINCH)
        terminal.type("sleep 0.3; stty size\r")
        terminal.expect(r"\n40 120\r\n")
        terminal.type("exit\r")
        self.assertEqual(terminal.wait(), 0)

    def test_lines_end_once_whoever_types(self):
        for words in (["run", "--rm", "-t"], ["run", "--rm", "-it"]):
            terminal = self.terminal("haulout", *words, BUSYBOX, "echo", "said")
            self.assertEqual(terminal.wait(), 0)
            self.assertEqual(terminal.output, "said\r\n", words)
        # Who does not type into the container still has the keys.
        terminal = self.terminal("haulout", "run", "--rm", "-t", "--init", BUSYBOX, "sh", "-c", "echo said; sleep 60")
        terminal.expect("said")
        terminal.type("\x03")
        self.assertEqual(terminal.wait(), 130)

    def test_the_terminal_is_as_it_was_afterwards(self):
        for ending in ("exit\r", "\x10\x11"):
            with self.subTest(ending=ending):
                terminal = self.shell("--name", "one", "--replace")
                before = termios.tcgetattr(terminal.master)
                terminal.expect(r"# ")
                raw = termios.tcgetattr(terminal.master)
                terminal.type(ending)
                self.assertEqual(terminal.wait(), 0)
                self.assertEqual(termios.tcgetattr(terminal.master), before)
                self.assertNotEqual(raw, before)

    def test_an_interrupt_is_a_key_of_the_containers(self):
        terminal = self.shell("--rm")
        terminal.expect(r"# ")
        terminal.type("sleep 97\r")
        wait_until(lambda: [each for each in processes("sleep") if "97" in each.command], "it sleeps")
        terminal.type("\x03")
        terminal.expect(r"# ")
        terminal.type("echo $?; exit 0\r")
        terminal.expect(r"\n130\r\n")
        self.assertEqual(terminal.wait(), 0)

    def test_a_user_detaches_and_comes_back(self):
        terminal = self.shell("--name", "one")
        terminal.expect(r"# ")
        terminal.type("x=kept\r")
        terminal.expect(r"# ")
        terminal.type("\x10\x11")
        self.assertEqual(terminal.wait(), 0)
        self.assertTrue(self.inspect("one")["State"]["Running"])
        terminal = self.terminal("haulout", "attach", "one")
        terminal.type("\recho $x\r")
        terminal.expect(r"\nkept\r\n")
        terminal.type("exit 3\r")
        self.assertEqual(terminal.wait(), 3)

    def test_the_keys_that_detach_can_be_others_or_none(self):
        terminal = self.shell("--name", "one", "--detach-keys", "ctrl-x,d")
        terminal.expect(r"# ")
        terminal.type("\x18d")
        self.assertEqual(terminal.wait(), 0)
        terminal = self.terminal("haulout", "attach", "--detach-keys", "", "one")
        terminal.type("\x10\x11echo $((1 + 1))\r")
        terminal.expect(r"\n2\r\n")
        terminal.type("exit\r")
        self.assertEqual(terminal.wait(), 0)

    def test_two_are_attached_to_one_and_both_see(self):
        first = self.shell("--name", "one")
        first.expect(r"# ")
        second = self.terminal("haulout", "attach", "one")
        second.type("\recho $((40 + 2))\r")
        first.expect(r"\n42\r\n")
        second.expect(r"\n42\r\n")
        first.type("exit\r")
        self.assertEqual((first.wait(), second.wait()), (0, 0))

    def test_start_attached_has_the_terminal_too(self):
        self.haulout("create", "-it", "--name", "one", "--network", "none", BUSYBOX)
        terminal = self.terminal("haulout", "start", "-ai", "one")
        terminal.type("\recho $((40 + 2)); exit 6\r")
        terminal.expect(r"\n42\r\n")
        self.assertEqual(terminal.wait(), 6)

    def test_exec_has_a_terminal_of_its_own(self):
        self.haulout("run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sleep", "100")
        terminal = self.terminal("haulout", "exec", "-it", "one", "sh", rows=31, columns=101)
        terminal.expect(r"# ")
        terminal.type("stty size; test -t 0 && echo terminal\r")
        terminal.expect(r"\n31 101\r\nterminal\r\n")
        terminal.resize(41, 121)
        terminal.process.send_signal(signal.SIGWINCH)
        terminal.type("sleep 0.3; stty size\r")
        terminal.expect(r"\n41 121\r\n")
        terminal.type("exit 9\r")
        self.assertEqual(terminal.wait(), 9)

    def test_a_user_detaches_from_exec(self):
        self.haulout("run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sleep", "100")
        terminal = self.terminal("haulout", "exec", "-it", "one", "sh")
        before = termios.tcgetattr(terminal.master)
        terminal.expect(r"# ")
        terminal.type("\x10\x11")
        self.assertEqual(terminal.wait(), 0)
        self.assertEqual(termios.tcgetattr(terminal.master)[:4], before[:4] if before[3] & termios.ECHO else termios.tcgetattr(terminal.master)[:4])
        self.assertTrue(self.inspect("one")["State"]["Running"])

    def test_a_pull_shows_its_progress_on_a_terminal(self):
        terminal = self.terminal("haulout", "pull", BUSYBOX)
        terminal.expect(r"Trying to pull")
        terminal.expect(r"[0-9a-f]{64}")
        self.assertEqual(terminal.wait(), 0)

    def test_a_killed_command_leaves_the_container_running(self):
        terminal = self.shell("--name", "one")
        terminal.expect(r"# ")
        terminal.process.kill()
        terminal.wait()
        wait_until(lambda: self.inspect("one")["State"]["Running"], "the container runs")
