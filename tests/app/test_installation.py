# SPDX-License-Identifier: GPL-3.0-or-later
"""What build-aux/install installs: the desktop understands it, and it names what is there."""

import configparser
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
APP = "org.haulout.Haulout"


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


class Installation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        programs = Path(shutil.which("haulout-app")).parent
        env = os.environ | {"DESTDIR": str(cls.folder), "PREFIX": "/usr"}
        done = run(CHECKOUT / "build-aux/install", "--from", programs, env=env)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.share = cls.folder / "usr/share"

    def succeeds(self, *command):
        done = run(*command)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def entry(self, path, section):
        parser = configparser.ConfigParser(interpolation=None, strict=True)
        parser.optionxform = str
        parser.read(path, encoding="utf-8")
        return parser[section]

    def test_the_programs_are_there_and_run(self):
        for program in ("haulout", "haulout-app"):
            self.succeeds(self.folder / "usr/bin" / program, "--version")
        self.assertTrue((self.folder / "usr/bin/haulout-monitor").exists())

    def test_the_command_line_and_the_monitor_are_static(self):
        for program in ("haulout", "haulout-monitor"):
            self.assertIn("static", run("file", "--brief", self.folder / "usr/bin" / program).stdout)

    def test_the_desktop_entry_is_valid(self):
        self.succeeds("desktop-file-validate", self.share / f"applications/{APP}.desktop")

    def test_the_metainfo_is_valid(self):
        self.succeeds("appstreamcli", "validate", "--no-net", self.share / f"metainfo/{APP}.metainfo.xml")

    def test_the_settings_schema_is_valid(self):
        self.succeeds("glib-compile-schemas", "--strict", "--dry-run", self.share / "glib-2.0/schemas")

    def test_the_entries_start_the_program_that_was_installed(self):
        desktop = self.entry(self.share / f"applications/{APP}.desktop", "Desktop Entry")
        service = self.entry(self.share / f"dbus-1/services/{APP}.service", "D-BUS Service")
        self.assertEqual(service["Name"], APP)
        for command in (desktop["Exec"], service["Exec"]):
            self.assertEqual(command.split()[0], "/usr/bin/haulout-app")

    def test_the_icon_is_there_in_colour_and_symbolic(self):
        icons = self.share / "icons/hicolor"
        self.assertTrue((icons / f"scalable/apps/{APP}.svg").exists())
        self.assertTrue((icons / f"symbolic/apps/{APP}-symbolic.svg").exists())

    def test_every_translation_is_complete_and_installed(self):
        for language in (CHECKOUT / "po/LINGUAS").read_text().split():
            with self.subTest(language=language):
                statistics = run("msgfmt", "--check", "--statistics", "-o", "/dev/null", CHECKOUT / f"po/{language}.po")
                self.assertEqual(statistics.returncode, 0, statistics.stderr)
                self.assertRegex(statistics.stderr, re.compile(r"^\d+ translated messages\.$", re.MULTILINE))
                self.assertTrue((self.share / f"locale/{language}/LC_MESSAGES/haulout.mo").exists())
