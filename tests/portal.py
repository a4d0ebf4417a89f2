# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The desktop's portal for what goes on in the background, as GNOME's and KDE's are: it answers what a test says that a person says."""

import threading

from gi.repository import Gio, GLib

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
        self.loop = GLib.MainLoop()
        # A connection of its own: whoever else uses the session's in this process owns other names there.
        address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SESSION)
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self.bus = Gio.DBusConnection.new_for_address_sync(address, flags)
        self.bus.register_object(PATH, Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0], self.answer, None, None)
        ready = threading.Event()
        flags = Gio.BusNameOwnerFlags.REPLACE | Gio.BusNameOwnerFlags.ALLOW_REPLACEMENT
        Gio.bus_own_name_on_connection(self.bus, NAME, flags, lambda *_: ready.set(), None)
        threading.Thread(target=self.loop.run, daemon=True).start()
        if not ready.wait(10):
            raise AssertionError("the session's own portal does not give its name away")
        test.addCleanup(self.loop.quit)
        test.addCleanup(self.bus.close_sync)

    def answer(self, _bus, sender, _path, _interface, _method, arguments, invocation):
        _window, options = arguments.unpack()
        self.asked.append(options)
        request = f"{PATH}/request/{sender.removeprefix(':').replace('.', '_')}/{options['handle_token']}"
        invocation.return_value(GLib.Variant("(o)", (request,)))
        results = {key: GLib.Variant("b", value) for key, value in self.results.items()}
        self.bus.emit_signal(sender, request, REQUEST, "Response", GLib.Variant("(ua{sv})", (self.response, results)))
