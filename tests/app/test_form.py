# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit as a form, in step with its text; and a unit of a container that is there: by clicking."""

import re

from session import BUSYBOX, run, wait_until
from app.test_units import LASTING, UNITS, UnitsTest, systemd

TEXT = f"""# Mine, and why
[Unit]
After=a.service

[Container]
# the image
Image={BUSYBOX}
Exec=sleep \\
  # for long
  1000
# what it needs
Environment=A=1 "B=two words"
PublishPort=18123:80
Label=x=y
"""


class Form(UnitsTest):
    def form(self, name, text):
        path = self.unit(f"{name}.container", text)
        self.page(name)
        self.app.find("page tab", "Unit").click()
        self.app.find("page tab", "Form")
        # Nothing can be filled in before it is known what is there.
        wait_until(lambda: self.field("Command").has("sensitive"), "the unit is read")
        return path

    def field(self, name, index=0):
        def there():
            # A view stack's pages are told of twice.
            found = {hash(widget.accessible): widget for widget in self.app.look("text", name) or []}
            return list(found.values())

        wait_until(lambda: len(there()) > index, f"there are more than {index} fields {name!r}")
        return there()[index]

    def save(self, path, text):
        self.app.find("button", "Save").click()
        wait_until(lambda: path.read_text() == text, lambda: path.read_text())

    def test_what_is_filled_in_changes_its_lines_and_no_other(self):
        path = self.form("k", TEXT)
        self.field("Image").wait_for(BUSYBOX)
        self.field("Command").wait_for("sleep  1000")
        self.field("Host port").wait_for("18123")
        self.field("Value", 1).wait_for("two words")
        self.field("Memory at Most").fill("512m")
        self.field("Processors at Most").fill("1.5")
        self.field("Value", 1).fill("x y")
        self.field("Host port").fill("18124")
        changed = TEXT.replace("two words", "x y").replace("18123", "18124")
        self.save(path, changed + "Memory=512m\nPodmanArgs=--cpus=1.5\n")
        self.field("Memory at Most").fill("")
        self.field("Processors at Most").fill("")
        self.field("Value", 1).fill("two words")
        self.field("Host port").fill("18123")
        self.save(path, TEXT)

    def test_the_form_follows_the_text_and_undo_is_one(self):
        self.form("l", TEXT)
        self.field("Memory at Most").fill("512m")
        self.app.find("page tab", "Text").click()
        text = self.app.find("text", "Unit")
        text.wait_for("Memory=512m")
        text.mouse()
        self.display.key("ctrl+End")
        self.display.type("User=me")
        text.wait_for("User=me")
        self.app.find("page tab", "Form").click()
        self.field("User").wait_for("me")
        self.field("User").into_sight().mouse()
        # What was typed there, and what was filled in here before.
        for name in ("User", "Memory at Most"):
            wait_until(lambda: self.display.key("ctrl+z") or self.field(name).text == "", f"{name} is undone")
        self.app.find("page tab", "Text").click()
        wait_until(lambda: self.app.find("text", "Unit").text == TEXT, "all of it is undone")

    def test_typing_keeps_the_cursor_and_the_spaces(self):
        path = self.form("m", TEXT)
        self.field("User").into_sight().mouse()
        self.display.type("me and you")
        self.field("User").wait_for("me and you")
        self.save(path, TEXT + "User=me and you\n")

    def test_rows_are_added_and_taken_away(self):
        path = self.form("n", TEXT)
        self.app.find("button", "Add Port").into_sight().mouse()
        self.field("Container port", 1).fill("53")
        self.field("Host port", 1).fill("18125")
        changed = TEXT.replace("18123:80\n", "18123:80\nPublishPort=18125:53\n")
        self.save(path, changed)
        self.app.find("button", "Remove Port").click()
        self.save(path, changed.replace("PublishPort=18123:80\n", ""))

    def test_what_is_wrong_is_told_at_its_row(self):
        self.form("o", "[Container]\nExec=a\n")
        self.app.find("label", re.compile("no Image or Rootfs key specified"))
        # Once: not below the form as well.
        told = re.compile("no Image or Rootfs")
        wait_until(lambda: len({hash(label.accessible) for label in self.app.look("label", told)}) == 1, "it is told once")
        self.field("Image").fill(BUSYBOX)
        self.app.gone("label", re.compile("no Image or Rootfs key specified"))
        self.field("Memory at Most").fill("much")
        self.app.find("label", "A size is a number of bytes, or one with k, m or g: 512m")
        self.field("Command").fill("sh -c 'x")
        self.app.find("label", re.compile("a quote that does not end"))

    def test_what_has_no_field_leads_to_its_line(self):
        self.form("p", TEXT)
        self.app.find("label", "[Unit], line 3")
        self.app.find("list item", re.compile("^After")).into_sight().mouse()
        self.app.find("text", "Unit").wait_for("After=a.service")

    def test_choices_and_switches(self):
        path = self.form("q", TEXT)
        self.app.find("check box", "Start at Login").into_sight().mouse()
        self.app.find("check box", "Read-Only Files").into_sight().mouse()
        changed = TEXT + "ReadOnly=true\n\n[Install]\nWantedBy=default.target\n"
        self.save(path, changed)


class MakeUnit(UnitsTest):
    def test_a_unit_is_made_of_a_container_and_takes_its_place(self):
        name = "test-app-made"
        path = UNITS / f"{name}.container"
        self.addCleanup(path.unlink, missing_ok=True)
        self.addCleanup(run, "systemctl", "--user", "stop", f"{name}.service")
        before = self.start(name, "sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait")
        self.open(name)
        self.app.find(name="More Actions").click()
        self.app.menu_item("m").click()
        dialog = self.app.find("dialog", "Make a Unit")
        dialog.find("text", "Unit").wait_for(f"ContainerName={name}")
        dialog.find("check box", "Start Now").click()
        dialog.find("label", f"“{name}” is stopped and replaced")
        dialog.find("label", re.compile(f"haulout generate quadlet {name} >"))
        dialog.find("button", "Create").click()
        self.app.gone("dialog", "Make a Unit", seconds=60)
        self.app.find("page tab", "Journal")
        self.assertIn(f"Image={BUSYBOX}\n", path.read_text())
        self.assertIn("WantedBy=default.target", path.read_text())
        wait_until(lambda: systemd("is-active", f"{name}.service") == "active", "the unit runs", 60)
        self.assertNotEqual(self.inspect(name)["Id"], before)

    def test_one_that_the_app_has_run_has_a_command_to_make_it_of(self):
        name = "test-app-run"
        self.display.key("ctrl+n")
        dialog = self.app.find("dialog", "Run a Container")
        dialog.find("text", "Image").fill(BUSYBOX)
        dialog.find("text", "Name (optional)").fill(name)
        dialog.find("text", "Command (optional)").fill("sleep 1000")
        dialog.find("button", "Run").click()
        self.app.find("page tab", "Overview", seconds=60)
        made = self.haulout("generate", "quadlet", name).stdout
        self.assertIn("Exec=sleep 1000\n", made)
        self.assertIn(f"ContainerName={name}\n", made)

    def test_without_starting_nothing_happens_to_the_container(self):
        before = self.start("test-app-kept")
        path = UNITS / "test-app-other.container"
        self.addCleanup(path.unlink, missing_ok=True)
        self.app.find("label", "test-app-kept").mouse(button=3)
        self.app.menu_item("m").click()
        dialog = self.app.find("dialog", "Make a Unit")
        dialog.find("text", "Unit").wait_for("ContainerName=")
        dialog.find("text", "Name").fill("test-app-other")
        dialog.find("check box", "Start at Login").click()
        dialog.find("button", "Create").click()
        self.app.gone("dialog", "Make a Unit")
        self.assertNotIn("WantedBy", path.read_text())
        self.assertEqual((self.inspect("test-app-kept")["Id"], self.state("test-app-kept")), (before, "running"))
