# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The generator makes the services that Podman's makes, and says what is wrong in its words."""

import re
import shlex
import shutil
from pathlib import Path

from peers.peers import PeerTest, run

PODMAN = "/usr/libexec/podman/quadlet"
OURS = "haulout-generator"
CASES = Path(__file__).with_name("quadlet.cases")
# Options that Podman takes from a map, in any order.
COMMANDS = ("ExecStart", "ExecStartPre", "ExecStop", "ExecStopPost", "ExecReload")

# What a case passes through for which systemd has no use: programs and units that there are not, a second ExecStart=, a key of
# nobody's, an image of a specifier of nobody's.
BY_THE_CASE = (
    r"Command /[xy] is not executable|more than one ExecStart= setting|Unknown key 'Foo' in section \[Install\]|"
    r"Unit i-build\.service not found|Failed to add dependency on (z|unknown\.container), ignoring|unit specifiers in '%x'|^a\.service: Unit configuration has fatal error|^Unit a\.service has a bad unit file setting"
)


def cases(text):
    """`### NAME` begins a case, `=== FILE` a file of it, `=== LINK -> TARGET` a link, `!!! WHY` says that Podman does otherwise."""
    for case in re.split(r"^### ?", text, flags=re.M)[1:]:
        title, _, rest = case.partition("\n")
        why = re.search(r"^!!! (.*)\n", rest, flags=re.M)
        files = re.split(r"^=== ", re.sub(r"^!!! .*\n", "", rest, flags=re.M), flags=re.M)[1:]
        yield title, why and why.group(1), dict(file.split("\n", 1) for file in files)


def command(line):
    """A command without the order of its options: the words in order of the alphabet, and the last of them."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words = [part for word in lexer for part in (word.split("=", 1) if re.match(r"--[a-z-]+=", word) else [word])]
    return words[:1], sorted(words), words[-1:]


def services(text):
    """The services of a dry run, each as the lines of its sections that somebody made, in no order."""
    found = {}
    for name, body in re.findall(r"^---(.*?)---\n(.*?)(?=^---|\Z)", text, flags=re.M | re.S):
        section, lines = "", []
        for line in body.splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif "=" in line and not section.startswith("X-"):
                key, value = line.split("=", 1)
                value = value.replace("podman-user-wait", "haulout-user-wait")
                lines.append((section, key, command(value) if key in COMMANDS else value))
        found[name] = sorted(lines, key=repr)
    return found


def said(text):
    """What is said of units, without who says it and of what is only done."""
    lines = (re.sub(r"^\S+-generator\[\d+\]: ", "", line) for line in text.splitlines())
    return [line for line in lines if not line.startswith(("Loading source", "No files parsed"))]


class Quadlet(PeerTest):
    images = ()

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()

    def write(self, files):
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for name, text in files.items():
            name, _, leads_to = name.partition(" -> ")
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if leads_to:
                path.symlink_to(leads_to)
            else:
                path.write_text(text)

    def generate(self, program, *flags, **variables):
        variables = {"QUADLET_UNIT_DIRS": self.folder, "PODMAN": "/usr/bin/podman", **variables}
        words = [f"{name}={value}" for name, value in variables.items()]
        return run("env", *words, program, "-dryrun", *flags)

    def test_every_case_makes_the_services_that_podman_makes_and_is_told_in_its_words(self):
        for title, why, files in cases(CASES.read_text()):
            with self.subTest(title):
                self.write(files)
                podman, ours = (self.generate(program, "-user") for program in (PODMAN, OURS))
                if why:
                    # It would be the same one day: then the case is to say so.
                    same = services(ours.stdout) == services(podman.stdout) and len(said(ours.stderr)) == len(said(podman.stderr))
                    self.assertFalse(same, f"is as Podman's, though it says: {why}")
                    continue
                self.assertEqual(services(ours.stdout), services(podman.stdout), podman.stderr + ours.stderr)
                for line in said(podman.stderr):
                    self.assertTrue(any(own.startswith(line) for own in said(ours.stderr)), f"{line}\n{ours.stderr}")
                # We may warn of more, and refuse nothing more.
                refused = ["converting" in text or "error loading" in text for text in (ours.stderr, podman.stderr)]
                self.assertEqual(refused[0], refused[1], ours.stderr)
                self.assertEqual(ours.returncode, podman.returncode)

    def test_systemd_finds_nothing_wrong_with_what_is_made_of_every_case(self):
        settings, made = self.temporary_folder(), self.temporary_folder()
        (settings / "haulout").mkdir()
        # Podman's generator is there too.
        (settings / "haulout/config.toml").write_text('quadlet = "haulout"\n')
        verified = 0
        for title, _, files in cases(CASES.read_text()):
            with self.subTest(title):
                self.write(files)
                shutil.rmtree(made)
                folders = [made / name for name in ("normal", "early", "late")]
                for folder in folders:
                    folder.mkdir(parents=True)
                run("env", f"QUADLET_UNIT_DIRS={self.folder}", f"XDG_CONFIG_HOME={settings}", OURS, "-user", *folders)
                services = sorted(folders[1].glob("*.service"))
                if not services:
                    continue
                verified += 1
                verify = ["systemd-analyze", "--user", "--man=no", "--generators=no", "verify", *services]
                said = run("env", f"SYSTEMD_UNIT_PATH={folders[1]}:", *verify)
                told = [line for line in said.stderr.splitlines() if not re.search(BY_THE_CASE, line)]
                self.assertEqual(told, [], said.stderr)
        self.assertGreater(verified, 150)


__all__ = ["Quadlet"]
