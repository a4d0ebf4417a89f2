# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialog that runs a container: what it makes, and what it says of what it cannot make."""

import re
import socket

from session import BUSYBOX
from window import WindowTest

SLEEP = "sleep 1000"


class RunDialogTest(WindowTest):
    def dialog(self, **fields):
        """The dialog, with its first fields filled."""
        self.app.find("button", "Run a Container…").click()
        dialog = self.app.find("dialog", "Run a Container")
        dialog.find("text", "Image").fill(BUSYBOX)
        for name, text in fields.items():
            dialog.find("text", f"{name.capitalize()} (optional)").fill(text)
        return dialog

    def add_port(self, dialog, host, container):
        dialog.find("button", "Add Port").click()
        dialog.find("text", "Host port").fill(host)
        dialog.find("text", "Container port").fill(container)

    def run_it(self, dialog):
        dialog.find("button", "Run").click()

    def containers(self):
        return self.haulout("ps", "-a", "--format", "{{.Names}} {{.State}}").stdout.splitlines()


class Made(RunDialogTest):
    def test_the_command_that_the_dialog_shows_makes_the_same_container(self):
        dialog = self.dialog(name="clicked", command=SLEEP)
        self.add_port(dialog, "18081", "80")
        # Below what is in sight.
        dialog.find("label", "Volumes").mouse(button=5, times=20)
        dialog.find("button", "Add Variable").click()
        dialog.find("text", "Name").fill("WIND")
        dialog.find("text", "Value").fill("north by west")
        shown = dialog.find("label", re.compile("^haulout run")).name
        self.assertIn("--name clicked -p 18081:80 -e 'WIND=north by west'", shown)
        self.run_it(dialog)
        self.app.gone("dialog", "Run a Container")
        self.app.find("label", "Started “clicked”")
        clicked = self.inspect("clicked")
        self.haulout("rm", "--force", "--time", "0", "clicked")
        done = self.check(0, "sh", "-c", shown)
        self.assertTrue(done.stdout)
        typed = self.inspect("clicked")
        for path in (("Config", "Cmd"), ("Config", "Env"), ("Config", "Image"), ("HostConfig", "PortBindings")):
            one, other = clicked, typed
            for step in path:
                one, other = one[step], other[step]
            strip = [word for word in one if not str(word).startswith(("HOSTNAME=", "container="))]
            self.assertEqual(strip, [word for word in other if not str(word).startswith(("HOSTNAME=", "container="))], path)


class Wrong(RunDialogTest):
    """What is wrong is said at the field, and nothing is made."""

    def test_a_name_in_use_cannot_be_asked_for(self):
        self.haulout("create", "--name", "tide", BUSYBOX)
        self.app.find("label", "tide")
        dialog = self.dialog(name="tide")
        dialog.find("label", "There is a container called “tide” already")
        self.run_it(dialog)
        self.assertEqual(self.haulout("ps", "-aq").stdout.count("\n"), 1)

    def test_every_field_that_is_wrong_says_so(self):
        dialog = self.dialog(name="-no", command="sh -c 'open")
        dialog.find("label", re.compile("^Letters, digits"))
        dialog.find("label", "A quotation mark is missing")
        self.add_port(dialog, "70000", "80")
        self.run_it(dialog)
        dialog.find("label", "A port is a number between 1 and 65535")
        self.assertEqual(self.containers(), [])
        dialog.find("text", "Name (optional)").fill("yes")
        dialog.find("text", "Command (optional)").fill(SLEEP)
        dialog.find("text", "Host port").fill("18086")
        for words in ("^Letters, digits", "^A quotation mark", "^A port is"):
            dialog.gone("label", re.compile(words))
        self.run_it(dialog)
        self.app.gone("dialog", "Run a Container")
        self.app.find("label", "Started “yes”")
        self.assertEqual(self.containers(), ["yes running"])

    def test_a_port_of_a_running_container_is_told_with_its_name(self):
        self.haulout("run", "-d", "--name", "quay", "-p", "18087:80", BUSYBOX, *SLEEP.split())
        self.app.find("label", "quay")
        dialog = self.dialog(name="late")
        self.add_port(dialog, "18087", "80")
        self.run_it(dialog)
        dialog.find("label", "The running container “quay” has port 18087 already")
        self.assertEqual(self.containers(), ["quay running"])


class NotStarted(RunDialogTest):
    """What does not start is told in the dialog, leaves nothing, and can be tried again there."""

    def test_a_port_that_another_program_has(self):
        with socket.create_server(("0.0.0.0", 18088)):
            dialog = self.dialog(name="jetty", command=SLEEP)
            self.add_port(dialog, "18088", "80")
            self.run_it(dialog)
            dialog.find("label", "Could Not Start “jetty”")
            dialog.find("label", re.compile("listens on port 18088 already"))
            self.assertEqual(self.containers(), [])
        self.run_it(dialog)
        self.app.gone("dialog", "Run a Container")
        self.app.find("label", "Started “jetty”")
        self.assertEqual(self.containers(), ["jetty running"])

    def test_a_command_that_the_image_does_not_have(self):
        dialog = self.dialog(name="typo", command="slepe 1000")
        self.run_it(dialog)
        dialog.find("label", "Could Not Start “typo”")
        dialog.find("label", re.compile("^Its command was not found"))
        self.assertEqual(self.containers(), [])
        dialog.find("text", "Command (optional)").fill(SLEEP)
        self.run_it(dialog)
        self.app.find("label", "Started “typo”")
        self.assertEqual(self.containers(), ["typo running"])

    def test_a_folder_that_is_not_there(self):
        dialog = self.dialog(name="shelf", command=SLEEP)
        dialog.find("label", "Ports").mouse(button=5, times=20)
        dialog.find("button", "Add Volume").click()
        dialog.find("text", "Folder or volume name").fill("/no/such/folder")
        dialog.find("text", "Path in the container").fill("/srv")
        self.run_it(dialog)
        dialog.find("label", "Could Not Create the Container")
        dialog.find("label", re.compile("/no/such/folder"))
        self.assertEqual(self.containers(), [])
