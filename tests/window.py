# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The app's window, for tests: on a display of its own, seen and used over AT-SPI as a person with a screen reader would.

    with Display() as display, App(display) as app:
        app.find("button", "Pull").click()
        app.find("text", "Image").fill("localhost:5000/busybox")
        display.picture("pull.png")

What is looked for is waited for: nothing here is told how long to sleep.
"""

import os
import re
import subprocess
import sys
import tempfile
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

from session import BUSYBOX, ENVIRONMENT, ON_TEST_HOST, SessionTest, wait_until  # noqa: E402


# What GTK's places lack, about: see Widget.place.
PADDING = 10

# What is a double click to GTK when it comes sooner, in seconds, with some to spare (gtk-double-click-time is 0.4).
DOUBLE_CLICK = 0.6

# The buttons that the mouse wheel is.
WHEEL = (4, 5)


class Display:
    """An X server without a screen, of the size of a small laptop's."""

    def __init__(self, width=1280, height=800):
        self.size = f"{width}x{height}x24"
        # Where the last click was, and when.
        self.clicked = None, None, 0

    def __enter__(self):
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", self.size, "-nolisten", "tcp", "-noreset"],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as answer:
            number = answer.readline().strip()
        if not number:
            raise AssertionError("Xvfb did not start")
        if ON_TEST_HOST:
            # As a login to a desktop does: the portals, which GTK asks for settings, need a display too.
            names = {"DISPLAY": f":{number}", "XDG_CURRENT_DESKTOP": "GNOME"}
            # Those of an earlier display hang, or are waited for, until they time out.
            portals = ["xdg-desktop-portal.service", "xdg-desktop-portal-gtk.service"]
            subprocess.run(["systemctl", "--user", "stop", *portals], check=False)
            subprocess.run(["systemctl", "--user", "reset-failed"], check=True)
            subprocess.run(["dbus-update-activation-environment", "--systemd", *(f"{k}={v}" for k, v in names.items())], check=True)
        self.env = {"DISPLAY": f":{number}", "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo", "GTK_A11Y": "atspi"}
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()

    def run(self, *command):
        return subprocess.run(command, env=ENVIRONMENT | self.env, check=True, capture_output=True, text=True).stdout

    def picture(self, path):
        """What the screen shows once it is at rest, as a file."""
        def screen():
            command = ["import", "-window", "root", "ppm:-"]
            return subprocess.run(command, env=ENVIRONMENT | self.env, check=True, capture_output=True).stdout

        shown = screen()
        # Not for ever: a cursor blinks, a log goes on.
        for _ in range(5):
            before, shown = shown, screen()
            if shown == before:
                break
        subprocess.run(["convert", "ppm:-", str(path)], input=shown, check=True)

    def key(self, *keys):
        """Presses keys in the focused window: `key("ctrl+f")`, `key("Escape")`."""
        self.run("xdotool", "key", *keys)

    def type(self, text):
        """Types, as on a keyboard."""
        self.run("xdotool", "type", "--delay", "5", text)

    def click(self, x, y, button=1, times=1):
        """Clicks there. A second call is another click, and not a double one's second, which GTK's lists do not take."""
        if button not in WHEEL and (x, y) == self.clicked[:2]:
            time.sleep(max(0, self.clicked[2] + DOUBLE_CLICK - time.monotonic()))
        self.run("xdotool", "mousemove", str(x), str(y), "click", "--repeat", str(times), "--delay", "50", str(button))
        self.clicked = x, y, time.monotonic()


class NotThere(AssertionError):
    """A widget that was looked for did not come."""


class Widget:
    """One accessible object. Roles are AT-SPI's words: "button", "label", "list item", "page tab", "text" (an entry), "dialog"."""

    def __init__(self, display, accessible):
        self.display = display
        self.accessible = accessible

    def __repr__(self):
        try:
            return f"{self.role} {self.name!r}"
        except GLib.Error:
            return "something that is no longer there"

    @property
    def role(self):
        return self.accessible.get_role_name()

    @property
    def name(self):
        return self.accessible.get_name() or ""

    @property
    def text(self):
        """What a text field, a text view or a terminal contains."""
        if self.accessible.get_text_iface() is None:
            return self.name
        return Atspi.Text.get_text(self.accessible, 0, Atspi.Text.get_character_count(self.accessible))

    def has(self, state):
        """Whether it is in a state: "showing", "sensitive", "checked", "selected", "focused"."""
        return self.accessible.get_state_set().contains(getattr(Atspi.StateType, state.upper()))

    def below(self):
        """Everything below it that is shown, from the top."""
        for index in range(self.accessible.get_child_count()):
            child = self.accessible.get_child_at_index(index)
            if child is None:
                continue
            widget = Widget(self.display, child)
            # What is on a hidden page is no one's to find.
            if widget.has("showing"):
                yield widget
                yield from widget.below()

    def look(self, role=None, name=None):
        """What is there now of that role, and of that name: a text, or a compiled pattern. None when that could not be seen."""
        found = []
        try:
            for widget in self.below():
                if role in (None, widget.role) and matches(name, widget.name):
                    found.append(widget)
        except GLib.Error:
            # An object went while it was asked: the next look sees what came instead.
            return None
        return found

    def find(self, role=None, name=None, seconds=20):
        """The first of them, waited for."""
        end = time.monotonic() + seconds
        while True:
            found = self.look(role, name)
            if found:
                return found[0]
            if time.monotonic() > end:
                raise NotThere(f"no {role or 'widget'} {name!r} in {self!r} within {seconds} s. There is:\n{self.tree()}")
            time.sleep(0.02)

    def menu_item(self, key):
        """The entry of the open menu with that mnemonic: GTK gives entries no name."""
        def look():
            items = self.look("menu item") or []
            return next((item for item in items if item.accessible.get_attributes().get("keyshortcuts") == f"Alt+{key}"), None)

        return wait_until(look, f"there is a menu with an entry for the key {key}")

    def gone(self, role=None, name=None, seconds=20):
        """Waits until there is none of them."""
        wait_until(lambda: self.look(role, name) == [], f"no {role} {name!r} is left in {self!r}", seconds)

    def wait_for(self, text, seconds=20):
        """Waits until it contains the text."""
        wait_until(lambda: text in self.text, f"{self!r} contains {text!r}: {self.text!r}", seconds)

    def place(self):
        """Where it is in the window, once it has come to rest there: x, y, width, height.

        Right to a dozen pixels: GTK leaves out the padding of what is around it.
        """
        def box():
            extents = self.accessible.get_component_iface().get_extents(Atspi.CoordType.WINDOW)
            return extents.x, extents.y, extents.width, extents.height

        before = box()
        time.sleep(0.05)
        while (now := box()) != before:
            before = now
            time.sleep(0.05)
        return now

    def click(self):
        """What a click does to it: by its own action where it has one, as buttons have, else with the mouse."""
        actions = self.accessible.get_action_iface()
        if actions and "click" in [actions.get_action_name(index) for index in range(actions.get_n_actions())]:
            actions.do_action(0)
        else:
            self.mouse()

    def mouse(self, button=1, times=1):
        """Clicks in its middle: `mouse(times=2)` opens a row, `mouse(button=3)` asks for a menu."""
        x, y, width, height = self.place()
        self.display.click(x + PADDING + width // 2, y + PADDING + height // 2, button, times)

    def scrolled(self):
        """Of a scroll bar: where it stands, and where its end is, in pixels."""
        value = self.accessible.get_value_iface()
        return value.get_current_value(), value.get_maximum_value()

    def into_sight(self):
        """Turns the mouse wheel over the middle of the window until it is on the screen."""
        frame = self.accessible
        while frame.get_role_name() != "frame":
            frame = frame.get_parent()
        window = frame.get_component_iface().get_extents(Atspi.CoordType.WINDOW)
        for _ in range(60):
            _, y, _, own = self.place()
            if 150 < y and y + own < window.height - 40:
                break
            self.display.click(window.width * 2 // 3, window.height // 2, 5 if y > 150 else 4, times=2)
        return self

    def fill(self, text):
        """Makes this the content of a text field."""
        field = next((w for w in [self, *self.below()] if w.accessible.get_editable_text_iface()), None)
        if field is None:
            raise AssertionError(f"{self!r} takes no text")
        field.accessible.get_editable_text_iface().set_text_contents(text)

    def tree(self, depth=0):
        """Everything below, for a person to read."""
        lines = []
        try:
            for index in range(self.accessible.get_child_count()):
                child = self.accessible.get_child_at_index(index)
                if child is not None:
                    widget = Widget(self.display, child)
                    shown = "" if widget.has("showing") else " (hidden)"
                    lines.append("  " * depth + repr(widget) + shown)
                    lines.append(widget.tree(depth + 1))
        except GLib.Error as error:
            lines.append("  " * depth + str(error))
        return "\n".join(line for line in lines if line)


def matches(wanted, name):
    if wanted is None:
        return True
    if isinstance(wanted, re.Pattern):
        return wanted.search(name) is not None
    return wanted == name


class App(Widget):
    """The running program: what it shows, and its process. What it says is shown when a test fails."""

    def __init__(self, display, command=("haulout-app",), env=None):
        self.display = display
        self.command = command
        # What a window remembers is nothing that another test wants to know.
        self.env = {"GSETTINGS_BACKEND": "memory"} | (env or {})

    def __enter__(self):
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            self.command, env=ENVIRONMENT | self.display.env | self.env, stdout=self.log, stderr=self.log
        )
        self.pid = self.process.pid
        try:
            self.accessible = wait_until(self._registered, f"{self.command[0]} shows a window", 60)
            self.focus_window()
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, failure, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if failure is not None:
            self.log.seek(0)
            print(f"{self.command[0]} ended with {self.process.returncode} and said:\n{self.log.read()}", file=sys.stderr)
        self.log.close()

    @classmethod
    def of(cls, display, pid):
        """The app that somebody else has started."""
        app = cls(display)
        app.process, app.pid = None, pid
        app.accessible = wait_until(app._registered, f"process {pid} shows a window", 60)
        app.focus_window()
        return app

    def _registered(self):
        if self.process and self.process.poll() is not None:
            raise AssertionError(f"{self.command[0]} ended with {self.process.returncode}")
        desktop = Atspi.get_desktop(0)
        for index in range(desktop.get_child_count()):
            accessible = desktop.get_child_at_index(index)
            try:
                if accessible and accessible.get_process_id() == self.pid and accessible.get_child_count():
                    return accessible
            except GLib.Error:
                continue
        return None

    def focus_window(self):
        """Gives the keyboard to its newest window: there is no window manager that would."""
        ids = self.display.run("xdotool", "search", "--sync", "--onlyvisible", "--pid", str(self.pid)).split()
        self.display.run("xdotool", "windowfocus", "--sync", ids[-1])


class WindowTest(SessionTest):
    """A test with the app open in front of it."""

    size = (1280, 800)
    env = {}

    def setUp(self):
        super().setUp()
        self.display = self.enterContext(Display(*self.size))
        self.app = self.enterContext(App(self.display, env=self.env))

    def start(self, name, *command):
        """A container from a terminal."""
        return self.haulout("run", "-d", "--name", name, BUSYBOX, *(command or ("sleep", "1000"))).stdout.strip()

    def state(self, name):
        return self.inspect(name)["State"]["Status"]

    def open(self, name):
        """Opens a container's page from the list."""
        self.app.find("label", name).mouse()
        self.app.find("page tab", "Overview")
