#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""polkit's authentication agent of one process, for tests: `agent.py PID`.

It says `ready` when polkit knows it, and `asked ACTION USER` when polkit wants a password. Then it reads a line: the password, or nothing from
somebody who closes the question. What came of a password it says as well: `right` or `wrong`.

A person's agent is the desktop's (the shell's, in GNOME), or pkttyagent in a terminal. This one does what they do, and shows nothing.
"""

import sys

import gi

gi.require_version("Polkit", "1.0")
gi.require_version("PolkitAgent", "1.0")
from gi.repository import Gio, GLib, Polkit, PolkitAgent  # noqa: E402

POLKIT = "org.freedesktop.PolicyKit1"
AUTHORITY = (POLKIT, "/org/freedesktop/PolicyKit1/Authority", f"{POLKIT}.Authority")
PATH = "/org/haulout/Haulout/TestAgent"
INTERFACE = Gio.DBusNodeInfo.new_for_xml(f"""<node><interface name='{POLKIT}.AuthenticationAgent'>
  <method name='BeginAuthentication'>
    <arg type='s' name='action_id' direction='in'/><arg type='s' name='message' direction='in'/>
    <arg type='s' name='icon_name' direction='in'/><arg type='a{{ss}}' name='details' direction='in'/>
    <arg type='s' name='cookie' direction='in'/><arg type='a(sa{{sv}})' name='identities' direction='in'/>
  </method>
  <method name='CancelAuthentication'><arg type='s' name='cookie' direction='in'/></method>
</interface></node>""").interfaces[0]


def say(*words):
    print(*words, flush=True)


def answer(cookie, identities, call):
    """Somebody answers the question, as the first of those who may."""
    kind, details = identities[0]
    user = Polkit.UnixUser.new(details["uid"])
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        call.return_dbus_error(f"{POLKIT}.Error.Cancelled", "somebody closed the question")
        return
    session = PolkitAgent.Session.new(user, cookie)

    def completed(_, gained):
        say("right" if gained else "wrong")
        call.return_value(None)

    session.connect("request", lambda session, _prompt, _shown: session.response(password))
    session.connect("completed", completed)
    # As long as it runs.
    answer.sessions.append(session)
    session.initiate()


answer.sessions = []


def on_call(_bus, _sender, _path, _interface, method, parameters, call):
    if method == "CancelAuthentication":
        say("cancelled")
        call.return_value(None)
        return
    action, _, _, _, cookie, identities = parameters.unpack()
    say("asked", action, identities[0][1]["uid"])
    GLib.idle_add(answer, cookie, identities, call)


def main():
    pid = int(sys.argv[1])
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    bus.register_object(PATH, INTERFACE, on_call)
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        start = int(stat.read().rpartition(")")[2].split()[19])
    subject = ("unix-process", {"pid": GLib.Variant("u", pid), "start-time": GLib.Variant("t", start)})
    bus.call_sync(*AUTHORITY, "RegisterAuthenticationAgent", GLib.Variant("((sa{sv})ss)", (subject, "en_US.UTF-8", PATH)),
                  None, Gio.DBusCallFlags.NONE, -1)
    say("ready")
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
