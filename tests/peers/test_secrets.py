# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Secrets are kept, shown and given to containers as with Podman, and come out nowhere else."""

import concurrent.futures
import json
import os
import re
import subprocess
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, normal, run

HIDDEN = "psst-it-is-nowhere-else"
ID = re.compile(r"\b[0-9a-f]{25}\b")
STORE = re.compile(r"/home/\S+?/containers/(?:storage/secrets/filedriver|haulout/secrets)")


def plain(text):
    return normal(STORE.sub("<store>", ID.sub("<secret>", text)))


class Secrets(PeerTest):
    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.file = self.folder / "file"
        self.file.write_text(HIDDEN)
        for program in ("podman", "haulout"):
            run(program, "secret", "rm", "--all")
            # Before containers go: they do not need them any more.
            self.addCleanup(run, program, "secret", "rm", "--all")

    def alike(self, *command, **options):
        return self.same(*command, normal=plain, **options)

    def kept(self):
        """The files of Haulout's secrets."""
        folder = self.data() / "secrets"
        return sorted(path.name for path in folder.iterdir() if path.name != ".lock")

    def data(self):
        return Path(run("haulout", "info", "--format", "{{.Store.GraphRoot}}").stdout.strip())

    def test_secrets_are_made_shown_and_removed_alike(self):
        self.alike("secret", "ls")
        self.alike("secret", "create", "one", self.file)
        self.alike("secret", "create", "one", self.file)
        self.alike("secret", "create", "--replace", "one", self.file)
        self.alike("secret", "create", "-l", "k=v,z=y", "--label", "q", "two.b_c-d e", "-", stdin=HIDDEN)
        self.alike("secret", "create", "--env", "three", "SECRET_OF_TEST", env={**os.environ, "SECRET_OF_TEST": "x"})
        for words in (
            ["one"], ["one", "two.b_c-d e"], ["--pretty", "two.b_c-d e"], ["--showsecret", "one"], ["nope", "one"],
            ["--format", "{{.Spec.Name}} {{.Spec.Labels}} {{.Spec.Driver.Name}} {{.ID}}", "two.b_c-d e"],
            ["--showsecret", "--format", "{{.SecretData}}", "one"], [],
        ):
            self.alike("secret", "inspect", *words)
        for words in (
            ["--filter", "name=one"], ["--filter", "name=^o"], ["--filter", "name=one", "--format", "{{.Name}} {{.Driver}}"],
            ["--filter", "foo=x"], ["-q", "--filter", "name=one"], ["-n", "--filter", "name=one"],
            ["--filter", "name=one", "--format", "table {{.Name}} {{.Driver}}"], ["--filter", "id=zz"],
        ):
            self.alike("secret", "ls", *words)
        self.assertEqual([row["Name"] for row in json.loads(self.haulout("secret", "ls", "--filter", "name=one", "--format", "json").stdout)], ["one"])
        for words in (["exists", "one"], ["exists", "nope"], ["exists"], ["rm"], ["rm", "--all", "one"], ["rm", "nope"], ["rm", "--ignore", "nope", "one"], ["rm", "three", "nope"], ["rm", "--all"], ["rm", "--all"], ["ls"]):
            self.alike("secret", *words)
        self.assertEqual(self.kept(), [])

    def test_what_is_wrong_is_said_alike(self):
        empty, big = self.folder / "empty", self.folder / "big"
        empty.write_text("")
        big.write_text("x" * 512000)
        for words in (
            ["a/b", self.file], ["a=b", self.file], ["a,b", self.file], ["", self.file], ["x" * 254, self.file],
            ["a"], ["a", self.folder / "nope"], ["a", empty], ["a", big], ["--env", "a", "NOT_SET_AT_ALL"],
            ["--driver", "nope", "a", self.file], ["-l", "=v", "a", self.file],
        ):
            self.alike("secret", "create", *words)
        self.alike("secret", "create", "a", self.file)
        for text in ("nope", "a,type=foo", "a,foo=foo", "a,mode=9", "a,uid=x", "type=env,target=x", "a,type=env,uid=3"):
            self.alike("create", "--secret", text, BUSYBOX, "true")
        self.assertEqual(len(self.kept()), 2)
        self.haulout("secret", "create", "--driver", "shell", "b", self.file, status=125)
        self.assertEqual(self.haulout("secret", "create", "--ignore", "a", self.file).stdout, self.haulout("secret", "inspect", "a", "--format", "{{.ID}}").stdout)

    def test_a_container_sees_them_alike(self):
        self.alike("secret", "create", "a", self.file)
        self.alike("secret", "create", "b", self.file)
        see = "for f in \"$@\"; do stat -c '%n %u:%g %a %F' $f; cat $f 2>/dev/null; done; echo $a $B; grep -c ' /run/secrets ' /proc/mounts"
        for words, places in (
            (["--secret", "a"], ["/run/secrets", "/run/secrets/a"]),
            (["--secret", "a,target=/etc/x/y,uid=3,gid=4,mode=0640", "--secret", "b,target=foo"], ["/etc/x", "/etc/x/y", "/run/secrets/foo"]),
            (["--secret", "a,target=sub/dir"], ["/run/secrets/sub", "/run/secrets/sub/dir"]),
            (["--secret", "a,mode=0700", "--user", "1000"], ["/run/secrets/a"]),
            (["--secret", "a", "--read-only"], ["/run/secrets/a"]),
            (["--secret", "a", "--secret", "a,target=b"], ["/run/secrets/a", "/run/secrets/b"]),
            (["--secret", "a", "--secret", "b,target=a"], ["/run/secrets/a"]),
            (["--secret", "a,type=env", "--secret", "source=b,type=env,target=B", "-e", "B=other"], []),
            (["--secret", "a,uid=1000,gid=1000", "--userns", "keep-id"], ["/run/secrets/a"]),
            (["--secret", "a,uid=5", "--userns", "auto"], ["/run/secrets/a"]),
        ):
            # Of two in one place Podman mounts one over the other.
            self.alike("run", "--rm", *words, BUSYBOX, "sh", "-c", see, "sh", *places)

    def test_a_container_keeps_what_it_was_made_with(self):
        self.alike("secret", "create", "a", self.file)
        self.alike("create", "--name", "c", "--secret", "a", BUSYBOX, "cat", "/run/secrets/a")
        self.alike("secret", "create", "--replace", "a", "-", stdin="other")
        self.assertEqual(self.alike("start", "-a", "c").stdout, HIDDEN)
        self.alike("secret", "rm", "a")
        self.assertEqual(self.alike("start", "-a", "c").stdout, HIDDEN)
        self.alike("inspect", "c", "--format", "{{json .Config.Secrets}}")
        self.alike("secret", "create", "b", self.file)
        self.alike("create", "--name", "d", "--secret", "b,type=env,target=B", BUSYBOX, "sh", "-c", "echo $B")
        self.alike("start", "-a", "d")
        self.alike("secret", "rm", "b")
        self.haulout("start", "-a", "d", status=125)

    def test_what_is_hidden_comes_out_nowhere(self):
        self.haulout("secret", "create", "a", self.file)
        self.haulout("secret", "create", "b", "-", stdin=HIDDEN)
        self.haulout("run", "-d", "--name", "c", "--secret", "a", "--secret", "b,type=env,target=B", BUSYBOX, "sleep", "100000")
        self.assertEqual(self.haulout("exec", "c", "sh", "-c", "echo $B; cat /run/secrets/a").stdout, f"{HIDDEN}\n{HIDDEN}")
        shown = self.haulout("inspect", "c").stdout
        self.assertIn("b=*******", shown)
        said = [shown, self.haulout("events", "--stream=false", "--since", "1h", "--format", "json").stdout]
        said.append(self.haulout("logs", "c").stdout)
        arguments = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        said.append("\n".join(line for line in arguments.splitlines() if "haulout" in line or "crun" in line))
        traced = self.haulout("--log-level", "trace", "run", "--rm", "--secret", "a", "--secret", "b,type=env", BUSYBOX, "true")
        said.append(traced.stdout + traced.stderr)
        self.haulout("commit", "-q", "c", "secretless")
        self.addCleanup(run, "haulout", "rmi", "--force", "secretless")
        said.append(self.haulout("image", "inspect", "secretless").stdout)
        said.append(self.haulout("run", "--rm", "secretless", "sh", "-c", "env; cat /run/secrets/* 2>&1; true").stdout)
        for name in ("exported.tar", "committed.tar"):
            words = ["export", "-o", self.folder / name, "c"] if name[0] == "e" else ["save", "-q", "-o", self.folder / name, "secretless"]
            self.haulout(*words)
            said.append((self.folder / name).read_bytes().decode("latin-1"))
        self.haulout("stop", "-t", "0", "c")
        said.append(self.haulout("inspect", "c").stdout)
        for text in said:
            self.assertNotIn(HIDDEN, text)
        found = subprocess.run(["grep", "-rlaF", HIDDEN, self.data(), f"{os.environ['XDG_RUNTIME_DIR']}/haulout"], capture_output=True, text=True)
        for line in found.stdout.splitlines():
            self.assertRegex(line, r"/secrets/[0-9a-f]+$")
            self.assertEqual(os.stat(line).st_mode & 0o77, 0)
        self.haulout("rm", "-f", "-t", "0", "c")
        self.assertEqual(len(self.kept()), 4)

    def test_a_disk_that_cannot_be_written_leaves_the_old_one_whole(self):
        self.haulout("secret", "create", "a", self.file)
        folder = self.data() / "secrets"
        before = self.kept()
        folder.chmod(0o500)
        try:
            failed = self.haulout("secret", "create", "--replace", "a", "-", stdin="other", status=125)
            self.assertIn("creating secret a", failed.stderr)
            self.haulout("secret", "rm", "a", status=125)
        finally:
            folder.chmod(0o700)
        self.assertEqual(self.kept(), before)
        self.assertEqual(self.haulout("secret", "inspect", "--showsecret", "--format", "{{.SecretData}}", "a").stdout, HIDDEN + "\n")

    def test_of_two_at_once_one_makes_it(self):
        def make(index):
            return run("haulout", "secret", "create", "same", "-", stdin=f"text {index}").returncode

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(make, range(8)))
        self.assertEqual(sorted(done), [0] + [125] * 7)
        self.assertEqual(len(self.kept()), 2)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replaced = list(pool.map(lambda index: run("haulout", "secret", "create", "--replace", "same", "-", stdin=f"text {index}").returncode, range(8)))
        self.assertEqual(replaced, [0] * 8)
        self.assertEqual(len(self.kept()), 2)

    def test_commands_and_gpg_keep_them_too(self):
        place = self.folder / "shell"
        place.mkdir()
        commands = f"list=ls {place},lookup=cat {place}/$SECRET_ID,store=cat > {place}/$SECRET_ID,delete=rm {place}/$SECRET_ID"
        self.alike("secret", "create", "--driver", "shell", "--driver-opts", commands, "a", self.file)
        self.assertEqual(self.alike("run", "--rm", "--secret", "a", BUSYBOX, "cat", "/run/secrets/a").stdout, HIDDEN)
        self.alike("secret", "rm", "a")
        self.assertEqual(list(place.iterdir()), [])
        self.haulout("secret", "create", "--driver", "shell", "--driver-opts", commands.replace("cat > ", "false "), "a", self.file, status=125)
        self.assertEqual(self.kept(), [])
        home = self.folder / "gnupg"
        home.mkdir(mode=0o700)
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "tester@example.com", "default", "default", "never"]
        if subprocess.run(gpg, capture_output=True).returncode != 0:
            return
        self.addCleanup(subprocess.run, ["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True)
        options = f"root={self.folder}/store,gpghomedir={home},key=tester@example.com"
        self.haulout("secret", "create", "--driver", "pass", "--driver-opts", options, "g", self.file)
        (kept,) = (self.folder / "store").iterdir()
        self.assertNotIn(HIDDEN.encode(), kept.read_bytes())
        self.assertEqual(self.haulout("secret", "inspect", "--showsecret", "--format", "{{.SecretData}}", "g").stdout, HIDDEN + "\n")
        self.haulout("secret", "rm", "g")
        self.assertEqual(list((self.folder / "store").iterdir()), [])
