# SPDX-License-Identifier: Apache-2.0 OR MIT
"""registries.conf beside Podman: who keeps credentials, and which registry a short name means."""

import os
import tempfile
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, run
from session import REGISTRY, Terminal, wait_until

HELPER = """#!/bin/sh
# A program that keeps credentials in a file, and notes what it is asked.
in=$(cat)
echo "$(basename "$0") $1 $in" >> "$NOTES"
kept=$KEPT.$(basename "$0")
case $1 in
get) if grep -qs "\\"ServerURL\\":\\"$in\\"" "$kept"; then cat "$kept"; else echo "credentials not found in native keychain"; exit 1; fi ;;
store) echo "$in" > "$kept" ;;
erase) rm -f "$kept" ;;
list) if [ -f "$kept" ]; then sed 's/.*"ServerURL":"\\([^"]*\\)","Username":"\\([^"]*\\)".*/{"\\1":"\\2"}/' "$kept"; else echo '{}'; fi ;;
esac
"""


class RegistriesTest(PeerTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def conf(self, first):
        """The environment in which registries.conf begins so. Its drop-ins stay: the distribution's aliases."""
        path = self.folder / "registries.conf"
        tables = "".join(f'[[registry]]\nlocation = "{place}"\ninsecure = true\n' for place in (REGISTRY, "localhost:5001"))
        path.write_text(f"{first}\n{tables}")
        return {"CONTAINERS_REGISTRIES_CONF": str(path), "XDG_CACHE_HOME": str(self.folder / "cache")}


class CredentialHelpers(RegistriesTest):
    def setUp(self):
        super().setUp()
        for name in ("fake", "two"):
            program = self.folder / f"bin/docker-credential-{name}"
            program.parent.mkdir(exist_ok=True)
            program.write_text(HELPER)
            program.chmod(0o755)

    def story(self, program, helpers):
        """What a login, uses of it and a logout end as, and what the helpers were asked."""
        auth, notes = self.folder / "auth.json", self.folder / "notes"
        for file in (auth, self.folder / "other.json"):
            file.unlink(missing_ok=True)
        env = self.conf(f"credential-helpers = {helpers}") | {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "NOTES": str(notes),
            "KEPT": str(self.folder / program),
            "REGISTRY_AUTH_FILE": str(auth),
        }
        told = []
        for line in [
            f"login --tls-verify=false -u a -p b {REGISTRY}",
            f"login --get-login {REGISTRY}",
            f"pull -q {BUSYBOX}",
            f"logout {REGISTRY}",
            f"login --get-login {REGISTRY}",
            f"logout {REGISTRY}",
            f"login --tls-verify=false -u a -p b --authfile {self.folder}/other.json {REGISTRY}",
            f"login --authfile {self.folder}/other.json --get-login {REGISTRY}",
            f"logout --all",
            f"login --get-login {REGISTRY}",
        ]:
            notes.write_text("")
            done = run(program, *line.split(), env=env)
            # How often one is asked for the same is its own affair.
            asked = list(dict.fromkeys(notes.read_text().splitlines()))
            if done.returncode != 0 and "missing" in helpers:
                told.append((line, done.returncode, asked))
                self.assertIn("docker-credential-missing", done.stderr)
            else:
                told.append((line, done.returncode, done.stdout, done.stderr, asked))
            written = auth.read_text() if auth.exists() else ""
            told.append("localhost" in written)
        return told

    def test_programs_that_keep_credentials_are_asked_in_their_order(self):
        for helpers in ['["fake"]', '["fake", "two"]', '["containers-auth.json", "fake"]', '["fake", "containers-auth.json"]', "[]"]:
            with self.subTest(helpers=helpers):
                self.assertEqual(self.story("haulout", helpers), self.story("podman", helpers))

    def test_one_that_is_not_installed_is_named(self):
        for helpers in ['["missing"]', '["fake", "missing"]']:
            with self.subTest(helpers=helpers):
                podman, haulout = self.story("podman", helpers), self.story("haulout", helpers)
                ends = lambda told: [each[1] for each in told if isinstance(each, tuple)]
                self.assertEqual(ends(haulout), ends(podman))


class ShortNames(RegistriesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pushed = run("podman", "push", "--quiet", BUSYBOX, f"{REGISTRY}/shorty")
        if pushed.returncode != 0:
            raise AssertionError(pushed.stderr)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.forget)
        self.forget()

    def forget(self):
        for program in ("podman", "haulout"):
            run(program, "rmi", "--force", f"{REGISTRY}/shorty")
        for file in (self.folder / "cache").glob("containers/*"):
            file.unlink()

    def modes(self, mode):
        return self.conf(f'unqualified-search-registries = ["localhost:5001", "{REGISTRY}"]\nshort-name-mode = "{mode}"')

    def choose(self, program, env, *keys):
        """Pulls on a terminal, and presses keys when it asks: the exit status, and the aliases that are known then."""
        self.forget()
        terminal = Terminal(program, "pull", "--quiet", "--retry", "0", "shorty", env=env)
        try:
            terminal.expect("Please select an image:")
            terminal.expect(f"{REGISTRY}/shorty:latest")
            for key in keys:
                terminal.read(0.2)
                terminal.type(key)
            status = terminal.wait()
        finally:
            terminal.close()
        aliases = self.folder / "cache/containers/short-name-aliases.conf"
        return status, aliases.read_text().split() if aliases.exists() else []

    def test_which_registry_is_meant_is_asked_on_a_terminal_and_remembered(self):
        for mode in ("enforcing", "permissive", ""):
            env = self.modes(mode)
            for program in ("podman", "haulout"):
                with self.subTest(mode=mode, program=program):
                    status, aliases = self.choose(program, env, "\x1b[B", "\r")
                    self.assertEqual(status, 0)
                    self.assertEqual(aliases, ["[aliases]", "shorty", "=", f'"{REGISTRY}/shorty"'])
                    # Nobody is asked again, not even the other engine.
                    for other in ("podman", "haulout"):
                        done = run(other, "pull", "--quiet", "--retry", "0", "shorty", env=env)
                        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_choice_that_cannot_be_pulled_or_is_not_made_is_not_remembered(self):
        env = self.modes("permissive")
        for keys in [["\r"], ["\x03"]]:
            with self.subTest(keys=keys):
                self.assertEqual(self.choose("haulout", env, *keys), (125, []))
                self.assertEqual(self.choose("podman", env, *keys), (125, []))

    def test_where_nobody_can_be_asked_the_mode_decides(self):
        for mode in ("enforcing", "permissive", "disabled", ""):
            env = self.modes(mode)
            ends = []
            for program in ("podman", "haulout"):
                self.forget()
                done = run(program, "pull", "--quiet", "--retry", "0", "shorty", env=env)
                ends.append((done.returncode, "short-name resolution enforced but cannot prompt without a TTY" in done.stderr))
            with self.subTest(mode=mode):
                self.assertEqual(ends[1], ends[0])

    def test_where_one_search_registry_or_none_is_left_nobody_is_asked(self):
        env = self.conf(f'unqualified-search-registries = ["{REGISTRY}"]\nshort-name-mode = "enforcing"')
        for program in ("podman", "haulout"):
            self.forget()
            terminal = Terminal(program, "pull", "--quiet", "shorty", env=env)
            self.assertEqual(terminal.wait(), 0, terminal.output)
            self.assertNotIn("select", terminal.output)
            terminal.close()

    def test_aliases_that_are_broken_are_left_as_they_are(self):
        env = self.modes("permissive")
        aliases = self.folder / "cache/containers/short-name-aliases.conf"
        aliases.parent.mkdir(parents=True, exist_ok=True)
        aliases.write_text("nonsense")
        failed = self.haulout("pull", "--quiet", "shorty", env=env, status=125)
        self.assertIn(str(aliases), failed.stderr)
        self.assertEqual(aliases.read_text(), "nonsense")


class Mirrors(RegistriesTest):
    """A registry that has two mirrors: one that is there, and one that is not. Each has another image under the name."""

    MIRROR = "localhost:5001"
    NAME = f"{REGISTRY}/origin/app"

    def setUp(self):
        super().setUp()
        settings = (Path(__file__).parent.parent / "host/registry.yml").read_text().replace(":5000", ":5001")
        config = self.folder / "registry.yml"
        config.write_text(settings)
        (self.folder / "kept").mkdir()
        self.spawn("docker-registry", "serve", str(config), cwd=self.folder / "kept")
        wait_until(lambda: run("curl", "-sf", f"http://{self.MIRROR}/v2/").returncode == 0, "the mirror to answer")
        self.ids, self.digests = {}, {}
        for place in (self.NAME, f"{self.MIRROR}/copy/app"):
            archive = self.folder / "files.tar"
            file = self.folder / "file"
            file.write_text(place)
            run("tar", "--create", "--file", archive, "--directory", self.folder, "file")
            self.ids[place] = run("podman", "import", "--quiet", archive, f"{place}:1").stdout.strip().removeprefix("sha256:")
            digest = self.folder / "digest"
            pushed = run("podman", "push", "--quiet", "--tls-verify=false", "--digestfile", digest, f"{place}:1")
            self.assertEqual(pushed.returncode, 0, pushed.stderr)
            self.digests[place] = digest.read_text().strip()
            run("podman", "rmi", "--force", f"{place}:1")

    def mirrored(self, keys="", mirror_keys="", mirrors=None):
        tables = "".join(
            f'[[registry.mirror]]\nlocation = "{mirror}"\ninsecure = true\n{mirror_keys}\n'
            for mirror in mirrors or ("localhost:1/nobody", f"{self.MIRROR}/copy")
        )
        path = self.folder / "registries.conf"
        path.write_text(f'[[registry]]\nprefix = "{REGISTRY}/origin"\nlocation = "{REGISTRY}/origin"\ninsecure = true\n{keys}\n{tables}')
        return {"CONTAINERS_REGISTRIES_CONF": str(path)}

    def pulled(self, name, env):
        """What each program has then, by name; nothing where it failed."""
        told = []
        for program in ("podman", "haulout"):
            done = run(program, "pull", "--quiet", name, env=env)
            shown = run(program, "image", "inspect", name, "--format", "{{.Id}} {{.RepoTags}} {{.RepoDigests}}").stdout
            told.append(shown if done.returncode == 0 else None)
            run(program, "rmi", "--force", name)
        self.assertEqual(told[1], told[0], (name, env))
        return told[1]

    def test_which_mirror_is_asked_for_what(self):
        origin, copy = self.NAME, f"{self.MIRROR}/copy/app"
        for keys, mirror_keys, by_tag, by_digest in [
            ("", "", copy, copy),
            ("", 'pull-from-mirror = "all"', copy, copy),
            ("", 'pull-from-mirror = "tag-only"', copy, None),
            ("", 'pull-from-mirror = "digest-only"', origin, copy),
            ("mirror-by-digest-only = true", "", origin, copy),
        ]:
            with self.subTest(keys=keys, mirror_keys=mirror_keys):
                env = self.mirrored(keys, mirror_keys)
                found = self.pulled(f"{origin}:1", env)
                self.assertTrue(found.startswith(self.ids[by_tag]), found)
                # It is called what it was asked for as.
                self.assertIn(f"[{origin}:1]", found)
                # That one is in the mirror alone, and the other only where all who have it are asked.
                found = self.pulled(f"{origin}@{self.digests[copy]}", env)
                self.assertEqual(found is None, by_digest is None)
                self.assertIsNotNone(self.pulled(f"{origin}@{self.digests[origin]}", env))

    def test_mirrors_that_do_not_have_it_or_are_not_there_are_passed_over(self):
        for mirrors in (("localhost:1/nobody",), (f"{self.MIRROR}/other", "localhost:1/x")):
            found = self.pulled(f"{self.NAME}:1", self.mirrored(mirrors=mirrors))
            self.assertTrue(found.startswith(self.ids[self.NAME]), found)

    def test_what_a_mirror_may_not_say_is_refused(self):
        for keys, mirror_keys in [
            ("", 'pull-from-mirror = "sometimes"'),
            ("mirror-by-digest-only = true", 'pull-from-mirror = "all"'),
        ]:
            env = self.mirrored(keys, mirror_keys)
            podman, haulout = self.both("pull", "--quiet", f"{self.NAME}:1", env=env)
            self.assertEqual((podman.returncode, haulout.returncode), (125, 125), (keys, mirror_keys, podman.stderr, haulout.stderr))
