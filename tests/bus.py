# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a test offers on the session bus, in the place of a desktop's own."""

import threading

from gi.repository import Gio, GLib


class BusServer:
    """An object on the session bus under a name that others know, until the test ends.

    A thread answers, over a connection and in a main context of its own. Not in the default one: in that libatspi has the connections
    over which windows are read (window.py), and with two threads in it a test's process died sooner or later.
    """

    def __init__(self, test, name, path, interface, answer):
        self.path = path
        self.context = GLib.MainContext()
        self.loop = GLib.MainLoop(self.context)
        self.owned = threading.Event()
        threading.Thread(target=self._serve, args=(name, interface, answer), daemon=True).start()
        if not self.owned.wait(10):
            raise AssertionError(f"{name} on the session bus belongs to somebody who does not give it away")
        test.addCleanup(self.loop.quit)
        test.addCleanup(self.bus.close_sync)

    def _serve(self, name, interface, answer):
        self.context.push_thread_default()
        address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SESSION)
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self.bus = Gio.DBusConnection.new_for_address_sync(address, flags)
        self.bus.register_object(self.path, Gio.DBusNodeInfo.new_for_xml(interface).interfaces[0], answer, None, None)
        flags = Gio.BusNameOwnerFlags.REPLACE | Gio.BusNameOwnerFlags.ALLOW_REPLACEMENT
        Gio.bus_own_name_on_connection(self.bus, name, flags, lambda *_: self.owned.set(), None)
        self.loop.run()
