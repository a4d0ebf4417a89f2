# SPDX-License-Identifier: GPL-3.0-or-later
"""The window as an assistive technology sees it (AT-SPI): find a widget by role and name, use it, read it."""

import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402

Atspi.set_timeout(2000, 2000)
APP = "haulout-app"


class NotThere(AssertionError):
    """A widget that should be there is not."""


def application():
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        app = desktop.get_child_at_index(index)
        if app is not None and app.get_name() in (APP, "Haulout", "org.haulout.Haulout"):
            return app
    return None


def children(node):
    for index in range(node.get_child_count()):
        child = node.get_child_at_index(index)
        if child is not None:
            yield child


def walk(node, depth=40):
    yield node
    if depth:
        for child in children(node):
            yield from walk(child, depth - 1)


def showing(node):
    return node.get_state_set().contains(Atspi.StateType.SHOWING)


def all_of(role=None, name=None, within=None, visible=True):
    """Every widget of that role (its name in AT-SPI, such as "button") and name; a name ending in * is a beginning."""
    root = within or application()
    found = []
    if root is None:
        return found
    for node in walk(root):
        try:
            if role is not None and node.get_role_name() != role:
                continue
            text = node.get_name() or ""
            if name is not None and text != name and not (name.endswith("*") and text.startswith(name[:-1])):
                continue
            if visible and not showing(node):
                continue
            found.append(node)
        except gi.repository.GLib.Error:
            continue  # It went while it was looked at.
    return found


def find(role=None, name=None, within=None, timeout=10.0):
    """The first such widget; waits for it."""
    end = time.monotonic() + timeout
    while True:
        try:
            found = all_of(role, name, within)
        except gi.repository.GLib.Error:
            found = []
        if found:
            return found[0]
        if time.monotonic() > end:
            raise NotThere(f"no {role or 'widget'} {name!r}; there are:\n{tree()}")
        time.sleep(0.05)


def gone(role=None, name=None, timeout=10.0):
    """Waits until no such widget is there."""
    end = time.monotonic() + timeout
    while all_of(role, name):
        if time.monotonic() > end:
            raise AssertionError(f"{role} {name!r} is still there")
        time.sleep(0.05)


def click(node):
    """What a click does: the widget's first action."""
    if node.get_n_actions() > 0 and node.do_action(0):
        return
    raise AssertionError(f"{node.get_role_name()} {node.get_name()!r} cannot be clicked")


def press(name, role="button", timeout=10.0):
    click(find(role, name, timeout=timeout))


def type_into(node, text):
    """Replaces what an entry holds."""
    for inner in walk(node):
        interfaces = inner.get_interfaces()
        if "EditableText" in interfaces:
            inner.set_text_contents(text)
            return
    raise AssertionError(f"{node.get_role_name()} {node.get_name()!r} takes no text")


def text_of(node):
    """All text of a widget that has any."""
    return Atspi.Text.get_text(node, 0, Atspi.Text.get_character_count(node))


def tree(node=None, depth=12):
    """What is showing, for messages."""
    lines = []

    def add(at, level):
        if level > depth or not showing(at):
            return
        lines.append("  " * level + f"{at.get_role_name()} {at.get_name()!r}")
        for child in children(at):
            add(child, level + 1)

    root = node or application()
    if root is None:
        return "(no application)"
    add(root, 0)
    for window in children(root):
        add(window, 1)
    return "\n".join(lines)
