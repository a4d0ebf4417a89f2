# SPDX-License-Identifier: Apache-2.0 OR MIT
"""system df, prune and reset beside Podman. Podman's own reset is not run: it would take everybody's images."""

import json
import re

from peers.peers import BUSYBOX, PeerTest, normal, run


def sizeless(text):
    return re.sub(r"\d+(\.\d+)?[kM]?B", "N", re.sub(r"\(\d+%\)", "(%)", normal(text)))


class System(PeerTest):
    def setUp(self):
        super().setUp()
        for program in ("podman", "haulout"):
            run(program, "volume", "prune", "--force")
            run(program, "image", "prune", "--force")
            run(program, "create", "--name", "two", "--network", "none", BUSYBOX, "true")
            run(program, "run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sleep", "1000")
            run(program, "volume", "create", "spare")
            self.addCleanup(run, program, "volume", "rm", "--force", "spare")

    def test_df(self):
        for line in ["system df x", "system df -v --format json", "system df --format {{.Type}}|{{.Total}}|{{.Active}}"]:
            self.same(*line.split())
        self.same("system", "df", normal=sizeless)
        podman, haulout = (json.loads(done.stdout) for done in self.both("system", "df", "--format", "json"))
        for theirs, ours in zip(podman, haulout, strict=True):
            self.assertEqual(ours.keys(), theirs.keys())
            for field in ("Type", "Total", "Active", "TotalCount"):
                self.assertEqual(ours[field], theirs[field])
        podman, haulout = self.both("system", "df", "-v")
        headings = [[line for line in normal(done.stdout).splitlines() if line.isupper()] for done in (podman, haulout)]
        self.assertEqual(headings[1], headings[0])
        self.assertIn("spare", haulout.stdout)

    def test_prune(self):
        for flags in ([], ["-a"], ["--volumes"], ["-a", "--volumes"]):
            self.same("system", "prune", *flags, stdin="n\n")
        for line in ["system prune x", "system prune -f --filter foo=x", "system prune -f --filter label=x"]:
            self.same(*line.split())
        self.same("ps", "--all", "--format", "{{.Names}}")
        self.same("system", "prune", "--force", "--volumes", normal=sizeless)
        self.same("ps", "--all", "--format", "{{.Names}}")
        self.same("volume", "ls", "--format", "{{.Name}}")
        self.same("image", "exists", BUSYBOX)

    def test_a_reset_asks_and_leaves_nothing(self):
        self.haulout("system", "reset", stdin="n\n")
        self.assertIn("one", self.haulout("ps", "--format", "{{.Names}}").stdout)
        self.haulout("system", "reset", "--force")
        for words in (["ps", "--all", "--quiet"], ["images", "--quiet"], ["volume", "ls", "--quiet"]):
            self.assertEqual(self.haulout(*words).stdout, "")
        self.haulout("pull", "--quiet", BUSYBOX)
