# SPDX-License-Identifier: Apache-2.0 OR MIT
"""container clone: another container of the same options."""

from peers.peers import BUSYBOX, PeerTest

SHOWN = "{{.Name}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.Config.Labels}} {{json .Config.Cmd}} {{.State.Status}}"


class Clone(PeerTest):
    def setUp(self):
        super().setUp()
        for program in ("podman", "haulout"):
            self.check(0, program, "create", "--name", "one", "--label", "x=y", "-e", "A=b", "--memory", "64m", BUSYBOX, "sleep", "5")
            self.check(0, program, "run", "--detach", "--name", "two", "--network", "none", BUSYBOX, "sleep", "100")

    def test_a_clone_has_the_options_of_its_original(self):
        for line in ["one", "one", f"one three {BUSYBOX}", "--cpus 1 one four", "--name five one six", "--run two seven"]:
            self.same("container", "clone", *line.split())
        self.same("inspect", "--format", SHOWN, "one-clone", "one-clone1", "three", "four", "six", "seven")
        self.assertEqual(self.haulout("start", "--attach", "one").returncode, 0)

    def test_the_original_goes_when_that_is_asked_for(self):
        self.same("container", "clone", "--destroy", "one", "other")
        self.same("ps", "--all", "--format", "{{.Names}} {{.State}}")
        # Podman's copy is there all the same: half of what was asked for.
        refused = self.haulout("container", "clone", "--destroy", "two", "third", status=125)
        self.assertIn("cannot remove container", refused.stderr)
        self.assertEqual(self.haulout("ps", "--all", "--format", "{{.Names}}").stdout.split(), ["two", "other"])
        self.haulout("container", "clone", "--destroy", "--force", "two", "third")
        self.assertEqual(self.haulout("ps", "--all", "--format", "{{.Names}}").stdout.split(), ["other", "third"])

    def test_what_is_asked_for_wrongly(self):
        for line in ["", "nope", "a b c d", "--name two one", "--force one two"]:
            self.same("container", "clone", *line.split())
        self.same("ps", "--all", "--format", "{{.Names}}")
