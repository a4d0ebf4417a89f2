# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of units while the user's systemd goes, and comes again: one beside the person's own, which other tests need."""

import subprocess

from app.test_units import CONFIG, LASTING, UnitsTest
from session import run, wait_until

PROGRAM = "/usr/lib/systemd/systemd"
NAME = "haulout-test-manager.service"
# What is started is no container: those would be of the runtime folder of that manager, which goes with it.
PLAIN = "[Service]\nType=exec\nDelegate=no\nExecStart=\nExecStart=sleep 1000\nExecStop=\nExecStopPost=\n"
# Nothing is started on it that is asked for, such as the portals, which would be waited for.
BUS = """<busconfig>
  <type>session</type>
  <listen>unix:path={}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class ManagerGone(UnitsTest):
    def setUp(self):
        self.runtime = self.temporary_folder()
        address = run("gdbus", "call", "--session", "--dest=org.a11y.Bus", "--object-path=/org/a11y/bus", "--method=org.a11y.Bus.GetAddress")
        # A session bus that is not the manager's, as in a login without systemd: an app goes with its bus. Seen as others are.
        bus, settings = self.runtime / "session", self.runtime / "session.conf"
        settings.write_text(BUS.format(bus))
        self.spawn("dbus-daemon", "--nofork", f"--config-file={settings}", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(bus.exists, "there is a bus")
        self.env = {"XDG_RUNTIME_DIR": str(self.runtime), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}",
                    "AT_SPI_BUS_ADDRESS": address.stdout.split("'")[1]}
        self.addCleanup(run, "systemctl", "--user", "stop", NAME)
        self.begin()
        super().setUp()

    def begin(self):
        # On the person's own bus it would take the name of theirs.
        said = {"XDG_RUNTIME_DIR": self.runtime, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.runtime}/bus"}
        self.check(0, "systemd-run", "--user", "--quiet", "--collect", f"--unit={NAME}", "--property=Type=notify", "--property=Delegate=yes",
                   *(f"--setenv={name}={value}" for name, value in said.items()), PROGRAM, "--user")

    def end(self):
        self.check(0, "systemctl", "--user", "kill", "--signal=KILL", NAME)
        wait_until(lambda: run("systemctl", "--user", "is-active", NAME).stdout.strip() in ("inactive", "failed"), "it has gone")

    def its(self, *command):
        """Asks that manager."""
        self.check(0, "env", "--unset=DBUS_SESSION_BUS_ADDRESS", f"XDG_RUNTIME_DIR={self.runtime}", "systemctl", "--user", *command)

    def test_a_manager_that_goes_for_good_is_told_and_the_one_that_comes_is_followed(self):
        self.unit("p.container", LASTING)
        drop_in = CONFIG / "systemd/user/test-app-p.service.d/plain.conf"
        drop_in.parent.mkdir()
        self.addCleanup(drop_in.parent.rmdir)
        drop_in.write_text(PLAIN)
        self.addCleanup(drop_in.unlink)
        self.its("daemon-reload")
        self.its("start", "test-app-p.service")
        self.page("p")
        self.app.find("label", "Running")
        self.end()
        self.app.find("label", "Unknown")
        self.begin()
        self.app.find("label", "Stopped")
        self.its("start", "test-app-p.service")
        self.app.find("label", "Running")
