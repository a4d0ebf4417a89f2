# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Completion, in a real shell with a real tab key, and the manual pages."""

import os
import subprocess

from session import BUSYBOX, SessionTest


class Completion(SessionTest):
    def shell(self):
        terminal = self.terminal("bash", "--norc", "--noprofile")
        terminal.type("PS1='ready> '; bind 'set enable-bracketed-paste off'; source <(haulout completion bash); echo so''urced\r")
        terminal.expect(r"sourced\r\n")
        return terminal

    def test_a_tab_completes_verbs_flags_and_values(self):
        terminal = self.shell()
        for typed, completed in (
            ("haulout unsh\t", "haulout unshare "),
            ("haulout container exis\t", "haulout container exists "),
            ("haulout run --entryp\t", "haulout run --entrypoint "),
            ("haulout run --network pas\t", "haulout run --network pasta "),
            ("haulout run --net pas\t", "haulout run --net pasta "),
            ("haulout ps --sort runn\t", "haulout ps --sort runningfor "),
            ("haulout volume ls --filter driv\t", "haulout volume ls --filter driver="),
            ("haulout image ls --filter refe\t", "haulout image ls --filter reference="),
            ("haulout inspect --type vol\t", "haulout inspect --type volume "),
        ):
            terminal.type(typed)
            terminal.expect(completed)
            terminal.type("\x15")

    def test_a_tab_completes_names_of_what_there_is_and_suits_the_verb(self):
        self.haulout("create", "--name", "windless", BUSYBOX)
        self.haulout("run", "--detach", "--name", "windmill", "--network", "none", BUSYBOX, "sleep", "100000")
        terminal = self.shell()
        for typed, completed in (
            ("haulout start wi\t", "haulout start windless "),
            ("haulout stop wi\t", "haulout stop windmill "),
            ("haulout rm windl\t", "haulout rm windless "),
            ("haulout run --rm busy\t", "haulout run --rm busybox:latest"),
        ):
            terminal.type(typed)
            terminal.expect(completed)
            terminal.type("\x15")

    def test_scripts_are_made_for_known_shells_only(self):
        for shell in ("bash", "zsh", "fish", "powershell"):
            self.assertIn("haulout", self.haulout("completion", shell).stdout)
        file = self.temporary_folder() / "script"
        self.haulout("completion", "--file", file, "bash")
        subprocess.run(["bash", "-n", file], check=True)
        failed = self.haulout("completion", "sh", status=125)
        self.assertEqual(failed.stderr, 'Error: invalid argument "sh" for "haulout completion"\n')


class Manual(SessionTest):
    def test_every_command_has_a_page_that_man_takes(self):
        folder = self.temporary_folder()
        self.haulout("manual", folder)
        pages = {page.name for page in folder.iterdir()}
        self.assertLessEqual({"haulout.1", "haulout-run.1", "haulout-container-stop.1", "haulout-image-rm.1"}, pages)
        for page in folder.iterdir():
            # Wide, because words that do not fit into a line are warned of too.
            wide = os.environ | {"MANWIDTH": "500"}
            command = ["man", "--warnings", "--local-file", page]
            warnings = subprocess.run(command, capture_output=True, text=True, check=True, env=wide)
            self.assertEqual(warnings.stderr, "", page.name)
        run_page = (folder / "haulout-run.1").read_text()
        self.assertIn("\n.SH EXAMPLES\n", run_page)
        self.assertNotIn("EXTRA", run_page)
