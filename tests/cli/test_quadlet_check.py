# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`quadlet check` says what people get wrong though every generator takes it: where, what, and what to do."""

import json
import tempfile
from pathlib import Path

from cli.test_quadlet import GOOD, SERVICES, UNITS, UnitTest
from session import run

# Below two lines: what is written, where something is wrong with it, what is said, and what is to be done.
HABITS = [
    ("[Service]\nRestart=unless-stopped", "5:9", "systemd knows no Restart=unless-stopped", "write always"),
    ("[Service]\nUser=me", "5:6", "User= of a service is not who the container runs as", "[Container]"),
    ("[Service]\nPublishPort=8080:80", "5:1", "PublishPort= means nothing in [Service]", "move it to [Container]"),
    ("[Install]\nWantedBy=multi-user.target", "5:10", "a user's manager has no multi-user.target", "write default.target"),
    ("[install]\nWantedBy=default.target", "5:1", "nothing reads the section [install]", "did you mean [Install]?"),
    ("PublishPort=8080:80 # web", "4:21", "'#' begins no comment here", "on a line of its own"),
    ("Volume=~/data:/data", "4:8", "'~' is not the home folder here", "write %h"),
    ("AutoUpdate=yes", "4:12", "no update is made by AutoUpdate=yes", "registry, local or notify"),
    ("PublishPort=99999:80", "4:13", "port numbers must be between 1 and 65535", "fails when it is started"),
    ("Memory=lots", "4:8", "invalid value for memory: invalid size: 'lots'", "fails when it is started"),
    ("HealthCmd=true\nHealthInterval=10", "5:16", 'missing unit in duration "10"', "fails when it is started"),
    ("PodmanArgs=--nosuch", "4:12", "unknown flag: --nosuch", "fails when it is started"),
    ("Volume=/no/such/folder:/x", "4:8", "statfs /no/such/folder: no such file or directory", "fails when it is started"),
    ("PublishPort=127.0.0.1:80:80", "4:13", "only root may take port 80 of this machine", "ip_unprivileged_port_start"),
]
SLIPS = [
    ("[Container]\nrestart: always\n", "2:1", "from-compose"),
    ("[Container]\nExec : top\n", "2:1", "write KEY=value"),
    ("[Container\n", "1:1", "end the section's name with ]"),
    ("[Container]\nRestart=always\n", "2:1", "Restart= belongs to [Service]"),
    ("[Container]\nWantedBy=default.target\n", "2:1", "WantedBy= belongs to [Install]"),
    ("podman run -d nginx\n", "1:1", "from-run"),
]


class Check(UnitTest):
    def checked(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "web.container")
            path.write_text(text)
            done = run("haulout", "quadlet", "check", path)
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout.replace(f"{path}:", "")

    def test_what_is_seldom_meant_is_told_and_makes_a_service_all_the_same(self):
        for text, place, words, hint in HABITS:
            with self.subTest(text):
                status, told = self.checked(f"{GOOD}{text}\n")
                self.assertEqual(status, 0)
                self.assertIn(f"{place}: warning: ", told)
                self.assertIn(words, told)
                self.assertIn(hint, told)

    def test_a_line_that_is_no_assignment_or_is_misplaced_is_known_by_its_look(self):
        for text, place, hint in SLIPS:
            with self.subTest(text):
                status, told = self.checked(text)
                self.assertEqual(status, 1)
                self.assertIn(f"{place}: error: ", told)
                self.assertIn(hint, told)

    def test_what_is_as_people_mean_it_is_not_spoken_of(self):
        for text in [
            "Exec=sh -c 'echo a # b'\nEnvironment='A=b # c'",
            "Volume=%h:/home\nVolume=${NOWHERE}/x:/x\nPublishPort=${PORT}:80",
            "PublishPort=8080:80\nHealthCmd=true\nHealthInterval=10s\nUserNS=keep-id\nMemory=1g\nNotify=healthy",
            "[Install]\nWantedBy=multi-user.target default.target",
            "[Install]\nWantedBy=multi-user.target\nWantedBy=default.target",
            "[Service]\nRestart=on-failure\n[Install]\nWantedBy=default.target timers.target\n[X-Mine]\nA=b",
            "[Quadlet]\nDefaultDependencies=false",
            "AutoUpdate=notify",
        ]:
            with self.subTest(text):
                self.assertEqual(self.checked(f"{GOOD}{text}\n"), (0, ""))

    def test_one_key_of_several_is_pointed_at_in_a_unit_of_many(self):
        status, told = self.checked(f"{GOOD}ContainerName=%p-x\nShmSize=64m\nPull=sometimes\nUlimit=nofile=9\n")
        self.assertEqual((status, told.splitlines()[0].partition(" haulout run")[0]), (0, "6:6: warning:"))

    def test_a_unit_under_another_name_is_found(self):
        for name, better in [("test-haulout.containers", "test-haulout.container"), ("test-haulout.service", "test-haulout.container")]:
            path = self.unit(name, GOOD)
            found = json.loads(run("haulout", "quadlet", "check", "--format", "json").stdout)
            self.assertIn(f"call it {better}", [one["hint"] for one in found if one["file"] == str(path)])
        for name, text in [("test-haulout.container.bak", GOOD), ("test-haulout.md", "# Notes\n")]:
            path = self.unit(name, text)
            self.assertNotIn(str(path), run("haulout", "quadlet", "check").stdout)

    def test_a_unit_in_a_folder_that_nobody_searches_is_found(self):
        path = SERVICES / "test-haulout-lost.container"
        path.write_text(GOOD)
        self.addCleanup(path.unlink)
        told = self.haulout("quadlet", "check", path.name, status=125).stderr
        self.assertIn(f"nothing reads {path}", told)
        self.assertIn(f"haulout quadlet install {path}", told)
        self.assertTrue(UNITS.exists())
