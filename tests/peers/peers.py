# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The same command through Podman and Haulout, and what of their outputs is to be the same."""

import re

from session import BUSYBOX, SessionTest, run

MONTHS = r"(?:less than a second|\d+ (?:seconds?|minutes|hours|days|weeks|months|years)|about (?:a minute|an hour))"

# What is different in any two runs.
DIFFERENT = [
    (re.compile(r"\b[0-9a-f]{64}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<short id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( [+-]\d{4} [A-Z]+|Z|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(MONTHS, re.I), "<duration>"),
    (re.compile(r"\bhaulout\b"), "podman"),
    (re.compile(r" +\n"), "\n"),
]


def normal(text):
    """The text without what is different in any two runs. Columns lose their width, since a duration has another one."""
    for pattern, word in DIFFERENT:
        text = pattern.sub(word, text)
    return re.sub(r"  +", "  ", text)


class PeerTest(SessionTest):
    """Tests that compare. Podman has the same image, and no container when a test begins and ends."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for image in cls.images:
            if run("podman", "image", "exists", image).returncode != 0:
                pulled = run("podman", "pull", "--quiet", image)
                if pulled.returncode != 0:
                    raise AssertionError(f"podman pull {image}: {pulled.stderr}")

    def setUp(self):
        super().setUp()
        self.addCleanup(run, "podman", "rm", "--all", "--force", "--time", "0")

    def both(self, *command, **options):
        """Runs a command through both; Podman's, then Haulout's."""
        return [run(program, *command, **options) for program in ("podman", "haulout")]

    def same(self, *command, stderr=True, normal=normal, **options):
        """Runs a command through both, which must end and say the same."""
        podman, haulout = self.both(*command, **options)
        if command[:1] == ("run",) and "--rm" in command and haulout.stdout and not podman.stdout:
            # On a busy machine Podman at times loses what a container said that ended at once.
            podman = run("podman", *command, **options)
        words = " ".join(map(str, command))
        with self.subTest(command=words):
            self.assertEqual(haulout.returncode, podman.returncode, f"{podman.stderr}\n{haulout.stderr}")
            self.assertEqual(normal(haulout.stdout), normal(podman.stdout))
            if stderr:
                self.assertEqual(normal(haulout.stderr), normal(podman.stderr))
        return haulout


__all__ = ["BUSYBOX", "PeerTest", "normal", "run"]
