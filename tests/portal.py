# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The desktop's portal for what goes on in the background, as GNOME's and KDE's are: it answers what a test says that a person says."""

from gi.repository import GLib

from bus import BusServer

NAME, PATH, REQUEST = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Request"
INTERFACE = """
<node><interface name="org.freedesktop.portal.Background">
  <method name="RequestBackground">
    <arg type="s" direction="in"/><arg type="a{sv}" direction="in"/><arg type="o" direction="out"/>
  </method>
</interface></node>
"""


class BackgroundPortal:
    """The portal, in the place of the session's own, until the test ends. `asked` has the options of what was asked for."""

    def __init__(self, test, response=0, **results):
        self.asked, self.response, self.results = [], response, results
        self.bus = BusServer(test, NAME, PATH, INTERFACE, self.answer).bus

    def answer(self, _bus, sender, _path, _interface, _method, arguments, invocation):
        _window, options = arguments.unpack()
        self.asked.append(options)
        request = f"{PATH}/request/{sender.removeprefix(':').replace('.', '_')}/{options['handle_token']}"
        invocation.return_value(GLib.Variant("(o)", (request,)))
        results = {key: GLib.Variant("b", value) for key, value in self.results.items()}
        self.bus.emit_signal(sender, request, REQUEST, "Response", GLib.Variant("(ua{sv})", (self.response, results)))
