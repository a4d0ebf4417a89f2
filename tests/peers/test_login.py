# SPDX-License-Identifier: Apache-2.0 OR MIT
"""login and logout with each of their options, at a registry that lets everyone in."""

import json

from peers.peers import PeerTest, normal, run
from session import REGISTRY

PASSWORD = ["--username", "jane", "--password", "secret"]


class Login(PeerTest):
    images = ()

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.addCleanup(self.both, "logout", "--all")

    def test_in_and_out(self):
        for line in [
            ["login", *PASSWORD, REGISTRY], ["login", "--get-login", REGISTRY], ["login", "--get-login", f"{REGISTRY}/foo"], ["logout", REGISTRY],
            ["logout", REGISTRY], ["login", "--get-login", REGISTRY], ["login", "--tls-verify=false", *PASSWORD, REGISTRY], ["logout", "--all"],
            ["login", *PASSWORD, f"{REGISTRY}/foo/bar"], ["login", "--get-login", f"{REGISTRY}/foo/bar"], ["login", "--get-login", f"{REGISTRY}/foo"],
            ["logout", f"{REGISTRY}/foo/bar"], ["login", *PASSWORD, f"https://{REGISTRY}"], ["logout", f"https://{REGISTRY}"], ["logout", "--all"],
            ["login"], ["login", "a", "b"], ["logout", "--all", "foo"], ["logout", "a", "b"], ["logout", "nope"],
        ]:
            # Each has a file of its own: what the one has forgotten the other would not find.
            podman, haulout = (run(program, *line, env={"REGISTRY_AUTH_FILE": str(self.folder / program)}) for program in ("podman", "haulout"))
            with self.subTest(command=" ".join(line)):
                self.assertEqual(haulout.returncode, podman.returncode, f"{podman.stderr}\n{haulout.stderr}")
                self.assertEqual((normal(haulout.stdout), normal(haulout.stderr)), (normal(podman.stdout), normal(podman.stderr)))

    def test_where_the_login_is_kept(self):
        for name, flag in [("auth", "--authfile"), ("compatible", "--compat-auth-file")]:
            kept = []
            for program in ("podman", "haulout"):
                path = self.folder / f"{program}-{name}.json"
                done = run(program, "login", flag, path, "--verbose", *PASSWORD, REGISTRY)
                got = run(program, "login", flag, path, "--get-login", REGISTRY)
                text = json.loads(path.read_text())
                out = run(program, "logout", flag, path, REGISTRY)
                kept.append((done.stdout.replace(str(path), ""), got.stdout, text, out.stdout, json.loads(path.read_text())))
            self.assertEqual(kept[1], kept[0])
        self.same("login", "--authfile=", "--compat-auth-file=", *PASSWORD, REGISTRY)
        self.same("login", "--get-login", REGISTRY)
        self.same("login", "--authfile", "/tmp/a", "--compat-auth-file", "/tmp/b", *PASSWORD, REGISTRY)
        self.same("login", "--compat-auth-file", self.folder / "x", *PASSWORD, f"{REGISTRY}/foo")
        self.same("login", "--authfile", "/nope/x", "--get-login", REGISTRY)
        self.same("logout", "--authfile", "/nope/x", REGISTRY)
        self.same("login", "--cert-dir", "/nope", *PASSWORD, REGISTRY)

    def test_whence_the_password_comes(self):
        for program in ("podman", "haulout"):
            run(program, "secret", "create", "pass", "-", stdin="secret")
            self.addCleanup(run, program, "secret", "rm", "pass")
        stdin = "secret\n"
        for line in [
            ["--password-stdin", "--username", "jane"], ["--password-stdin"], ["--password-stdin", *PASSWORD], ["--secret", "pass", "--username", "jane"],
            ["--secret", "pass"], ["--secret", "nope"], ["--secret", "pass", *PASSWORD], ["--secret", "pass", "--password-stdin"],
        ]:
            self.same("login", *line, REGISTRY, stdin=stdin)
            self.same("login", "--get-login", REGISTRY)
            self.both("logout", "--all")
        # There is nothing to be read, and no terminal to ask at.
        self.same("login", "--password-stdin", "--username", "jane", REGISTRY, stdin="")
