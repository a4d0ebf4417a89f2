# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Auto-update beside Podman's: what is listed and how, what is refused, and what a failed update comes to."""

import json
import re

from cli.test_auto_update import UpdateTest
from peers.peers import BUSYBOX, PeerTest, normal, run

REGISTRY = "io.containers.autoupdate=registry"
UNIT = "PODMAN_SYSTEMD_UNIT=test-peers.service"


def words(text):
    """Without what only one of them says."""
    text = re.sub(r'time="[^"]*" level=warning [^\n]*\n', "", normal(text))
    return text.replace('"local" "notify" "registry"', '"local" "registry"')


class AutoUpdate(PeerTest, UpdateTest):
    def run_both(self, name, *options, image=BUSYBOX):
        """A container of each that runs."""
        return self.same("run", "--detach", "--network", "none", "--stop-timeout", "0", "--name", name, *options, image,
                         "sleep", "1000", normal=words)

    def compare(self, *options):
        return self.same("auto-update", *options, normal=words)

    def test_without_containers_nothing_is_said(self):
        self.compare()
        self.compare("--format", "json")
        self.compare("--dry-run", "--format", "{{.Unit}}")
        self.compare("word")
        self.compare("--nonsense")
        self.compare("--authfile", "/nonexistent/auth.json")

    def test_what_there_is_is_listed_alike(self):
        self.run_both("one", "--label", REGISTRY, "--label", UNIT)
        self.run_both("two", "--label", "io.containers.autoupdate=image", "--label", UNIT)
        self.run_both("off", "--label", "io.containers.autoupdate=disabled", "--label", UNIT)
        self.run_both("here", "--label", "io.containers.autoupdate=local", "--label", UNIT)
        for options in ([], ["--dry-run"]):
            self.compare(*options)
            self.compare(*options, "--format", "{{.Unit}} {{.Image}} {{.Policy}} {{.Updated}} {{.ContainerName}} {{.Container}}")
            self.compare(*options, "--format", "table {{.Unit}} {{.Container}} {{.Updated}}")
            self.compare(*options, "--format", "{{.Nonsense}}")
            podman, haulout = (json.loads(done.stdout) for done in self.both("auto-update", *options, "--format", "json"))
            for row in [*podman, *haulout]:
                for name in ("ContainerID", "Container"):
                    row[name] = normal(row[name])
            self.assertEqual([{name: row[name] for name in podman[0]} for row in haulout], podman)
            self.assertEqual([list(row)[:len(podman[0])] for row in haulout], [list(row) for row in podman])

    def test_what_cannot_be_checked_is_said_alike(self):
        self.run_both("unit", "--label", REGISTRY)
        self.compare("--dry-run")
        self.run_both("policy", "--label", "io.containers.autoupdate=sometimes", "--label", UNIT)
        self.compare("--dry-run")
        for name in ("unit", "policy"):
            self.same("rm", "--force", "--time", "0", name)
        for program in ("podman", "haulout"):
            run(program, "tag", BUSYBOX, "localhost:5000/au-nowhere:1", "localhost/au-here:1")
        self.addCleanup(run, "podman", "rmi", "--force", "localhost:5000/au-nowhere:1")
        self.run_both("gone", "--label", REGISTRY, "--label", UNIT, image="localhost:5000/au-nowhere:1")
        self.compare("--dry-run")
        self.same("rm", "--force", "--time", "0", "gone")
        self.run_both("here", "--label", "io.containers.autoupdate=local", "--label", UNIT, image="localhost/au-here:1")
        self.same("untag", "localhost/au-here:1")
        self.compare("--dry-run")

    def test_a_short_name_cannot_be_updated(self):
        for image in ("busybox", self.haulout("images", "--quiet", BUSYBOX).stdout.strip()):
            self.same("create", "--label", REGISTRY, image)

    def test_a_unit_that_is_not_there_fails(self):
        old = self.image("peer")
        self.podman("pull", "--quiet", old)
        self.addCleanup(run, "podman", "rmi", "--force", old)
        self.haulout("pull", "--quiet", old)
        self.run_both("one", "--label", REGISTRY, "--label", "PODMAN_SYSTEMD_UNIT=nosuch.service", image=old)
        self.image("peer")
        podman, haulout = self.both("auto-update", "--format", "{{.Unit}} {{.Updated}}")
        self.assertEqual(haulout.stdout, podman.stdout)
        self.assertEqual((haulout.returncode, podman.returncode), (125, 125))
        for done in (podman, haulout):
            self.assertRegex(done.stderr, r"Error: restarting unit nosuch.service during (rollback|update): Unit nosuch.service not found.")


__all__ = ["AutoUpdate"]
