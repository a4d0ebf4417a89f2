# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A notification server on the session bus, as a desktop has one: it keeps what it is to show, and answers as a person would."""

from gi.repository import GLib

from bus import BusServer

NAME, PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
# Desktop Notifications Specification, version 1.2.
INTERFACE = """
<node><interface name="org.freedesktop.Notifications">
  <method name="GetCapabilities"><arg type="as" direction="out"/></method>
  <method name="GetServerInformation">
    <arg type="s" direction="out"/><arg type="s" direction="out"/><arg type="s" direction="out"/><arg type="s" direction="out"/>
  </method>
  <method name="Notify">
    <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
    <arg type="s" direction="in"/><arg type="as" direction="in"/><arg type="a{sv}" direction="in"/><arg type="i" direction="in"/>
    <arg type="u" direction="out"/>
  </method>
  <method name="CloseNotification"><arg type="u" direction="in"/></method>
  <signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
  <signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
</interface></node>
"""


class NotificationServer:
    """The server, until the test ends. `shown` has what it was asked to show: number, summary, body and actions by name."""

    def __init__(self, test):
        self.shown = []
        self.bus = BusServer(test, NAME, PATH, INTERFACE, self.answer).bus

    def answer(self, _bus, _sender, _path, _interface, method, arguments, invocation):
        if method == "Notify":
            _app, _replaced, _icon, summary, body, actions, _hints, _timeout = arguments.unpack()
            number = len(self.shown) + 1
            self.shown.append({"number": number, "summary": summary, "body": body, "actions": dict(zip(actions[::2], actions[1::2]))})
            invocation.return_value(GLib.Variant("(u)", (number,)))
        elif method == "GetCapabilities":
            invocation.return_value(GLib.Variant("(as)", (["actions", "body"],)))
        elif method == "GetServerInformation":
            invocation.return_value(GLib.Variant("(ssss)", ("test", "test", "1", "1.2")))
        else:
            invocation.return_value(None)

    def click(self, notification, action):
        self.emit("ActionInvoked", "(us)", (notification["number"], action))

    def dismiss(self, notification):
        self.emit("NotificationClosed", "(uu)", (notification["number"], 2))

    def emit(self, signal, kind, values):
        self.bus.emit_signal(None, PATH, NAME, signal, GLib.Variant(kind, values))
