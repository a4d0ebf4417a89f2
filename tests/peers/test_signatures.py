# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Signatures: what Haulout signs skopeo and Podman accept, what they sign Haulout accepts, and neither accepts anything else."""

import base64
import http.server
import json
import functools
import shutil
import subprocess
import threading
import uuid
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import REGISTRY

KEYS = """%no-protection
Key-Type: EDDSA
Key-Curve: ed25519
Name-Real: Tester
Name-Email: {mail}
Expire-Date: 0
%commit
"""
ANYTHING = [{"type": "insecureAcceptAnything"}]
MISSING = "Source image rejected: A signature was required, but no signature exists"


class Signatures(PeerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        made = subprocess.run(["mktemp", "-d"], capture_output=True, check=True, text=True).stdout.strip()
        cls.keys = Path(made)
        cls.addClassCleanup(shutil.rmtree, cls.keys, ignore_errors=True)
        for name in ("ours", "other"):
            home = cls.keys / f"gpg-{name}"
            home.mkdir(mode=0o700)
            gpg = ["gpg", "--homedir", str(home), "--batch"]
            subprocess.run([*gpg, "--gen-key"], input=KEYS.format(mail=f"{name}@example.com"), text=True, check=True, capture_output=True)
            public = subprocess.run([*gpg, "--armor", "--export"], capture_output=True, check=True).stdout
            (cls.keys / f"{name}.asc").write_bytes(public)
            cls.addClassCleanup(run, "gpgconf", "--homedir", home, "--kill", "all")
            (cls.keys / "passphrase").write_text("secret\n")
            subprocess.run(["skopeo", "generate-sigstore-key", "--output-prefix", cls.keys / name, "--passphrase-file", cls.keys / "passphrase"],
                           check=True, capture_output=True)

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.settings = self.folder / "containers"
        (self.settings / "registries.d").mkdir(parents=True)
        self.place = f"{REGISTRY}/signed/{uuid.uuid4().hex[:12]}"
        self.store = self.folder / "signatures"
        self.registries_d({"lookaside": f"file://{self.store}", "use-sigstore-attachments": True})
        self.env = {"XDG_CONFIG_HOME": str(self.folder), "GNUPGHOME": str(self.keys / "gpg-ours")}
        self.policy(ANYTHING[0])

    def registries_d(self, section):
        document = {"docker": {self.place: section}}
        # JSON is YAML.
        (self.settings / "registries.d/test.yaml").write_text(json.dumps(document))

    def policy(self, *requirements):
        document = {"default": ANYTHING, "transports": {"docker": {self.place: list(requirements)}}}
        (self.settings / "policy.json").write_text(json.dumps(document))

    def gpg(self, *names, **more):
        paths = [str(self.keys / f"{name}.asc") for name in names]
        return {"type": "signedBy", "keyType": "GPGKeys", "keyPaths": paths, **more}

    def sigstore(self, name, **more):
        return {"type": "sigstoreSigned", "keyPath": str(self.keys / f"{name}.pub"), **more}

    def skopeo(self, *words):
        flags = ["--policy", self.settings / "policy.json", "--registries.d", self.settings / "registries.d"]
        return run("skopeo", *flags, *words, env=self.env)

    def push(self, name, *flags, status=0):
        return self.haulout("push", *flags, BUSYBOX, f"{self.place}/{name}", env=self.env, status=status)

    def theirs(self, name, *flags):
        """skopeo signs, as Podman does with the same library."""
        done = self.skopeo("copy", *flags, f"docker://{BUSYBOX}", f"docker://{self.place}/{name}")
        self.assertEqual(done.returncode, 0, done.stderr)

    def verdicts(self, name):
        """What skopeo and Haulout say of it: nothing when it is let in."""
        said = []
        to = self.folder / f"copy-{uuid.uuid4().hex}"
        done = self.skopeo("copy", "--remove-signatures", f"docker://{self.place}/{name}", f"dir:{to}")
        said.append("" if done.returncode == 0 else done.stderr.replace('\\"', '"'))
        done = self.haulout("pull", "-q", f"{self.place}/{name}", env=self.env, status=None)
        self.haulout("rmi", "--ignore", f"{self.place}/{name}", status=None)
        said.append("" if done.returncode == 0 else done.stderr)
        return said

    def accepted(self, name):
        self.assertEqual(self.verdicts(name), ["", ""], name)

    def refused(self, name, words):
        for said in self.verdicts(name):
            self.assertIn("Source image rejected: ", said, name)
            self.assertIn(words, said, name)

    def signatures(self):
        return sorted(self.store.rglob("signature-*"))

    def test_who_signs_with_gpg_is_accepted_by_the_other(self):
        self.push("a:1", "--sign-by", "ours@example.com")
        self.theirs("b:1", "--sign-by", "ours@example.com")
        self.assertEqual(len(self.signatures()), 2)
        for requirement in (self.gpg("ours"), self.gpg("other", "ours")):
            self.policy(requirement)
            self.accepted("a:1")
            self.accepted("b:1")
        data = base64.b64encode((self.keys / "ours.asc").read_bytes()).decode()
        self.policy({"type": "signedBy", "keyType": "GPGKeys", "keyData": data})
        self.accepted("a:1")

    def test_who_signs_with_sigstore_is_accepted_by_the_other(self):
        sign = ["--sign-by-sigstore-private-key", self.keys / "ours.private", "--sign-passphrase-file", self.keys / "passphrase"]
        self.push("a:1", *sign)
        self.theirs("b:1", *sign)
        self.policy(self.sigstore("ours"))
        self.accepted("a:1")
        self.accepted("b:1")
        data = base64.b64encode((self.keys / "ours.pub").read_bytes()).decode()
        self.policy({"type": "sigstoreSigned", "keyData": data})
        self.accepted("a:1")
        self.policy(self.sigstore("other"))
        self.refused("a:1", "cryptographic signature verification failed")
        self.refused("b:1", "cryptographic signature verification failed")

    def test_nothing_else_is_accepted(self):
        self.push("a:1", "--sign-by", "ours@example.com")
        self.push("a:2", "-q")
        self.push("un:1", "-q", "--format", "v2s2")
        for requirement in (self.gpg("ours"), self.sigstore("ours")):
            self.policy(requirement)
            self.refused("un:1", "A signature was required, but no signature exists")
        self.policy(self.gpg("ours"))
        self.refused("a:2", f'Signature for identity "{self.place}/a:1" is not accepted')
        self.policy(self.gpg("other"))
        self.refused("a:1", "Invalid GPG signature")
        self.policy({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/no/key"})
        self.refused("a:1", "open /no/key: no such file or directory")
        self.policy(self.gpg("ours"), {"type": "reject"})
        self.refused("a:1", "is rejected by policy")
        self.policy(self.gpg("ours"), self.sigstore("ours"))
        self.refused("a:1", "A signature was required, but no signature exists")

    def test_a_signature_that_was_tampered_with_is_refused(self):
        self.push("a:1", "--sign-by", "ours@example.com")
        self.policy(self.gpg("ours"))
        [path] = self.signatures()
        whole = path.read_bytes()
        # One bit is another. A few of them say nothing that is signed: which, skopeo knows.
        refused = 0
        for at in range(1, len(whole), max(1, len(whole) // 20)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            theirs, ours = self.verdicts("a:1")
            self.assertEqual(bool(ours), bool(theirs), f"{at}: {theirs} {ours}")
            refused += bool(ours)
        self.assertGreater(refused, 15)
        gpg = ["gpg", "--homedir", str(self.keys / "gpg-other"), "--batch"]
        text = json.dumps({"critical": {"type": "atomic container signature", "identity": {"docker-reference": f"{self.place}/a:1"},
                                        "image": {"docker-manifest-digest": path.parent.name.partition("@")[2].replace("=", ":")}}})
        unsigned, foreign = (subprocess.run([*gpg, how], input=text.encode(), capture_output=True, check=True).stdout for how in ("--store", "--sign"))
        for bytes_ in (b"", b"x", whole[:-20], b"\x00json", (self.keys / "ours.asc").read_bytes(), unsigned, foreign, unsigned + whole, foreign + whole):
            path.write_bytes(bytes_)
            done = self.haulout("pull", "-q", f"{self.place}/a:1", env=self.env, status=125)
            self.assertIn("Source image rejected: ", done.stderr, bytes_[:10])
        path.write_bytes(whole)
        self.accepted("a:1")

    def test_a_signature_of_another_manifest_is_refused(self):
        self.push("a:1", "--sign-by", "ours@example.com")
        [path] = self.signatures()
        # Another manifest of the same name, with the signature of the first.
        self.push("a:1", "-q", "--format", "v2s2")
        inspect = run("skopeo", "inspect", "--format", "{{.Digest}}", f"docker://{self.place}/a:1").stdout.strip()
        moved = path.parent.with_name("a@" + inspect.replace(":", "="))
        self.assertNotEqual(moved, path.parent)
        path.parent.rename(moved)
        self.policy(self.gpg("ours"))
        for said in self.verdicts("a:1"):
            self.assertIn("Source image rejected: ", said)
        self.assertIn("does not match", self.verdicts("a:1")[1])

    def test_text_that_is_not_signed_is_refused(self):
        self.push("a:1", "--sign-by", "ours@example.com")
        [path] = self.signatures()
        gpg = ["gpg", "--homedir", str(self.keys / "gpg-ours"), "--batch", "--local-user", "ours@example.com"]
        text = subprocess.run([*gpg, "--decrypt", str(path)], capture_output=True, check=True).stdout
        self.policy(self.gpg("ours"))
        # Between lines of text, beside it, or not signed at all; only signed in one message it will do.
        for flags in (["--clear-sign"], ["--detach-sign"], ["--store"], ["--armor", "--sign"]):
            path.write_bytes(subprocess.run([*gpg, *flags], input=text, capture_output=True, check=True).stdout)
            done = self.haulout("pull", "-q", f"{self.place}/a:1", env=self.env, status=125)
            self.assertIn("Source image rejected: ", done.stderr, flags)
        path.write_bytes(subprocess.run([*gpg, "--sign"], input=text, capture_output=True, check=True).stdout)
        self.accepted("a:1")
        for bad in (text[:-1], text.replace(b"atomic container signature", b"cosign container image signature"), b"{}"):
            path.write_bytes(subprocess.run([*gpg, "--sign"], input=bad, capture_output=True, check=True).stdout)
            for said in self.verdicts("a:1"):
                self.assertIn("Source image rejected: ", said)

    def test_an_identity_is_what_the_policy_wants(self):
        self.push("a:1", "--sign-by", "ours@example.com")
        self.push("a:2", "-q")
        digest = run("skopeo", "inspect", "--format", "{{.Digest}}", f"docker://{self.place}/a:1").stdout.strip()
        signed = f"{self.place}/a:1"
        for identity, good, bad in [
            ({"type": "matchExact"}, ["a:1"], ["a:2", f"a@{digest}"]),
            ({"type": "matchRepoDigestOrExact"}, ["a:1", f"a@{digest}"], ["a:2"]),
            ({"type": "matchRepository"}, ["a:1", "a:2", f"a@{digest}"], []),
            ({"type": "exactReference", "dockerReference": signed}, ["a:1", "a:2"], []),
            ({"type": "exactReference", "dockerReference": f"{self.place}/a:2"}, [], ["a:1", "a:2"]),
            ({"type": "exactRepository", "dockerRepository": f"{self.place}/a"}, ["a:1", "a:2"], []),
            ({"type": "exactRepository", "dockerRepository": f"{self.place}/b"}, [], ["a:1"]),
            ({"type": "remapIdentity", "prefix": self.place, "signedPrefix": "example.com/x"}, [], ["a:1"]),
            ({"type": "remapIdentity", "prefix": "example.com/y", "signedPrefix": "example.com/x"}, ["a:1"], ["a:2"]),
        ]:
            self.policy(self.gpg("ours", signedIdentity=identity))
            with self.subTest(identity=identity):
                for name in good:
                    self.accepted(name)
                for name in bad:
                    self.refused(name, "is not accepted")

    def test_a_push_adds_its_signature_and_one_that_removes_them_does_not(self):
        self.push("a:1", "--sign-by", "ours@example.com")
        other = {**self.env, "GNUPGHOME": str(self.keys / "gpg-other")}
        self.haulout("push", "--sign-by", "other@example.com", BUSYBOX, f"{self.place}/a:1", env=other)
        self.assertEqual(len(self.signatures()), 2)
        for name in ("ours", "other"):
            self.policy(self.gpg(name))
            self.accepted("a:1")
        self.push("a:1", "--remove-signatures", "--sign-by", "ours@example.com")
        self.assertEqual(len(self.signatures()), 1)
        self.refused("a:1", "Invalid GPG signature")
        for name in ("ours", "other"):
            self.push("s:1", "--sign-by-sigstore-private-key", self.keys / f"{name}.private", "--sign-passphrase-file", self.keys / "passphrase")
        for name in ("ours", "other"):
            self.policy(self.sigstore(name))
            self.accepted("s:1")

    def test_signing_says_what_podman_says(self):
        said = lambda text: normal(text).replace("haulout", "podman")
        for flags in (["--sign-by", "nobody@example.com"], ["--sign-by-sigstore-private-key", "/no/key", "--sign-passphrase-file", self.keys / "passphrase"],
                      ["--sign-by-sigstore-private-key", self.keys / "ours.pub", "--sign-passphrase-file", self.keys / "passphrase"],
                      ["--sign-by-sigstore-private-key", self.keys / "ours.private", "--sign-passphrase-file", "/no/passphrase"],
                      ["--sign-by-sigstore-private-key", self.keys / "ours.private", "--sign-passphrase-file", self.keys / "ours.pub"]):
            podman, haulout = self.both("push", *flags, BUSYBOX, f"{self.place}/a:1", env=self.env)
            last = lambda done: (done.returncode, said(done.stderr).splitlines()[-1])
            self.assertEqual(last(haulout), last(podman), flags)
        self.assertEqual(self.signatures(), [])
        self.same("push", "-q", "--sign-by", "ours@example.com", BUSYBOX, f"oci:{self.folder}/x:y", env=self.env)
        self.assertFalse((self.folder / "x").exists() and any((self.folder / "x").glob("signature*")))
        self.registries_d({"lookaside": f"file://{self.store}"})
        sign = ["--sign-by-sigstore-private-key", self.keys / "ours.private", "--sign-passphrase-file", self.keys / "passphrase"]
        self.assertIn("writing sigstore attachments is disabled by configuration", self.push("a:1", *sign, status=125).stderr)
        self.registries_d({"lookaside": "https://example.com/s"})
        self.assertIn("lookaside-staging", self.push("a:1", "--sign-by", "ours@example.com", status=125).stderr)

    def test_a_lookaside_on_the_web_is_read_and_only_where_the_policy_asks(self):
        self.registries_d({"lookaside-staging": f"file://{self.store}", "lookaside": "http://localhost:1/s"})
        self.push("a:1", "--sign-by", "ours@example.com")
        self.haulout("pull", "-q", f"{self.place}/a:1", env=self.env)
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=self.store)
        http.server.SimpleHTTPRequestHandler.log_message = lambda *_: None
        web = http.server.ThreadingHTTPServer(("localhost", 0), handler)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        self.policy(self.gpg("ours"))
        done = self.haulout("pull", "-q", f"{self.place}/a:1", env=self.env, status=125)
        self.assertIn("downloading http://localhost:1/s/", done.stderr)
        self.registries_d({"lookaside": f"http://localhost:{web.server_port}"})
        self.accepted("a:1")
        self.push("un:1", "-q")
        self.refused("un:1", "no signature exists")

    def test_image_sign_signs_what_the_registry_has(self):
        self.push("a:1", "-q")
        self.policy(self.gpg("ours"))
        self.refused("a:1", "no signature exists")
        self.haulout("image", "sign", "--sign-by", "ours@example.com", f"docker://{self.place}/a:1", env=self.env)
        self.accepted("a:1")
        alone = self.folder / "alone"
        alone.mkdir()
        for _ in range(2):
            self.same("image", "sign", "--sign-by", "ours@example.com", "--directory", alone, f"docker://{self.place}/a:1", env=self.env)
        self.assertEqual(len(list(alone.rglob("signature-*"))), 4)
        for line in ([f"docker://{self.place}/a:1"], [], ["--sign-by", "x", self.place], ["--sign-by", "x", "nothere"],
                     ["--sign-by", "x", "--directory", "/no/folder", f"docker://{self.place}/a:1"]):
            self.same("image", "sign", *line, env=self.env)

    def test_every_image_of_a_list_is_signed(self):
        self.addCleanup(run, "haulout", "manifest", "rm", "localhost/signed-list:1")
        self.haulout("manifest", "create", "signed-list:1", BUSYBOX)
        self.haulout("manifest", "push", "-q", "--sign-by", "ours@example.com", "signed-list:1", f"docker://{self.place}/list:1", env=self.env)
        self.assertEqual(len(self.signatures()), 2)
        self.policy(self.gpg("ours"))
        self.accepted("list:1")

    def test_what_has_no_signatures_is_not_let_in_where_they_are_wanted(self):
        self.haulout("save", "-q", "-o", self.folder / "a.tar", BUSYBOX)
        (self.settings / "policy.json").write_text(json.dumps({"default": [self.gpg("ours")]}))
        self.assertIn(MISSING, self.haulout("load", "-i", self.folder / "a.tar", env=self.env, status=125).stderr)
        for unknown in ({"fulcio": {"caPath": "/x"}}, {"keyPath": str(self.keys / "ours.pub"), "rekorPublicKeyPath": "/x"}):
            self.policy({"type": "sigstoreSigned", **unknown})
            done = self.haulout("pull", "-q", f"{self.place}/a:1", env=self.env, status=125)
            self.assertIn("which Haulout cannot check", done.stderr)

    def test_an_image_in_a_folder_is_let_in_by_signatures_beside_it(self):
        self.theirs("a:1", "--sign-by", "ours@example.com")
        self.policy(self.gpg("ours"))
        folder = self.folder / "signed"
        copied = self.skopeo("copy", f"docker://{self.place}/a:1", f"dir:{folder}")
        self.assertEqual(copied.returncode, 0, copied.stderr)
        self.assertTrue((folder / "signature-1").is_file())
        exact = {"type": "exactReference", "dockerReference": f"{self.place}/a:1"}
        within = {"type": "exactRepository", "dockerRepository": f"{self.place}/a"}
        other = {"type": "exactReference", "dockerReference": f"{self.place}/b:1"}

        def verdicts():
            done = self.skopeo("copy", "--remove-signatures", f"dir:{folder}", f"dir:{self.folder}/out-{uuid.uuid4().hex}")
            pulled = self.haulout("pull", "-q", f"dir:{folder}", env=self.env, status=None)
            return [done.returncode == 0, pulled.returncode == 0], pulled.stderr

        def policy(*requirements):
            document = {"default": [{"type": "reject"}], "transports": {"dir": {str(self.folder): list(requirements)}}}
            (self.settings / "policy.json").write_text(json.dumps(document))

        for identity, good in ((exact, True), (within, True), (other, False), ({"type": "matchRepository"}, False)):
            policy(self.gpg("ours", signedIdentity=identity))
            self.assertEqual(verdicts()[0], [good, good], identity)
        policy(self.gpg("other", signedIdentity=exact))
        self.assertEqual(verdicts()[0], [False, False])
        policy(self.gpg("ours", signedIdentity=exact), self.sigstore("ours", signedIdentity=exact))
        self.assertEqual(verdicts()[0], [False, False])
        policy(self.gpg("ours", signedIdentity=exact))
        # Another manifest than the one that was signed, then no signature at all.
        manifest = folder / "manifest.json"
        whole = manifest.read_text()
        manifest.write_text(whole + "\n")
        self.assertEqual(verdicts()[0], [False, False])
        manifest.write_text(whole)
        (folder / "signature-1").rename(folder / "signature-2")
        again, said = verdicts()
        self.assertEqual(again, [False, False])
        self.assertIn(MISSING, said)

    def test_a_sigstore_signature_in_a_folder_is_written_and_read_as_skopeo_does(self):
        sign = ["--sign-by-sigstore-private-key", self.keys / "ours.private", "--sign-passphrase-file", self.keys / "passphrase"]
        ours, theirs = self.folder / "ours", self.folder / "theirs"
        self.haulout("push", "-q", *sign, BUSYBOX, f"dir:{ours}", env=self.env)
        done = self.skopeo("copy", *sign, "--sign-identity", BUSYBOX, f"docker://{BUSYBOX}", f"dir:{theirs}")
        self.assertEqual(done.returncode, 0, done.stderr)
        heads = [(folder / "signature-1").read_bytes().split(b'"payload"')[0] for folder in (ours, theirs)]
        self.assertEqual(heads[0], heads[1])
        kept = [sorted(json.loads((folder / "signature-1").read_bytes().partition(b"\n")[2])) for folder in (ours, theirs)]
        self.assertEqual(kept[0], kept[1])
        exact = {"type": "exactReference", "dockerReference": BUSYBOX}
        within = {"type": "exactRepository", "dockerRepository": BUSYBOX.rpartition(":")[0]}
        other = {"type": "exactReference", "dockerReference": f"{self.place}/b:1"}

        def verdicts(folder, *requirements):
            """Whether skopeo and Haulout let it in, and what Haulout says."""
            document = {"default": [{"type": "reject"}], "transports": {"dir": {str(self.folder): list(requirements)}}}
            (self.settings / "policy.json").write_text(json.dumps(document))
            done = self.skopeo("copy", "--remove-signatures", f"dir:{folder}", f"dir:{self.folder}/out-{uuid.uuid4().hex}")
            pulled = self.haulout("pull", "-q", f"dir:{folder}", env=self.env, status=None)
            return [done.returncode == 0, pulled.returncode == 0], pulled.stderr

        for folder in (ours, theirs):
            for identity, good in ((exact, True), (within, True), (other, False), ({"type": "matchRepository"}, False)):
                self.assertEqual(verdicts(folder, self.sigstore("ours", signedIdentity=identity))[0], [good, good], (folder, identity))
            allowed, said = verdicts(folder, self.sigstore("other", signedIdentity=exact))
            self.assertEqual(allowed, [False, False])
            self.assertIn("cryptographic signature verification failed", said)
            # One of another kind is none.
            allowed, said = verdicts(folder, self.gpg("ours", signedIdentity=exact))
            self.assertEqual(allowed, [False, False])
            self.assertIn(MISSING, said)
        # Both kinds at once, and pushed over it again: those of before are gone.
        self.haulout("push", "-q", *sign[:2], "--sign-by", "ours@example.com", *sign[2:], BUSYBOX, f"dir:{ours}", env=self.env)
        self.assertEqual(verdicts(ours, self.sigstore("ours", signedIdentity=exact), self.gpg("ours", signedIdentity=exact))[0], [True, True])
        self.haulout("push", "-q", *sign, BUSYBOX, f"dir:{ours}", env=self.env)
        self.assertEqual(sorted(path.name for path in ours.glob("signature-*")), ["signature-1"])
        whole, wanted = (ours / "signature-1").read_bytes(), self.sigstore("ours", signedIdentity=exact)
        head, _, body = whole.partition(b"\n")
        parts = json.loads(body)
        payload = base64.b64decode(parts["payload"])
        forged = base64.b64encode(payload.replace(b"busybox", b"tampers")).decode()
        for bad, words in (
            (b"", "empty signature blob"), (b"\0", "missing newline"), (b"\0foo\n{}", 'unrecognized signature format "foo"'),
            (head + b"\n{", "parsing signature"), (head + b"\n{}", MISSING), (whole.replace(b"cosign.simple", b"cosign.other"), MISSING),
            (head + b"\n" + json.dumps(parts | {"payload": forged}).encode(), "cryptographic signature verification failed"),
        ):
            (ours / "signature-1").write_bytes(bad)
            allowed, said = verdicts(ours, wanted)
            self.assertEqual(allowed, [False, False], bad)
            self.assertIn(words, said)
        (ours / "signature-1").write_bytes(whole)
        manifest = (ours / "manifest.json").read_text()
        (ours / "manifest.json").write_text(manifest + "\n")
        self.assertEqual(verdicts(ours, wanted)[0], [False, False])
        (ours / "manifest.json").write_text(manifest)
        self.assertEqual(verdicts(ours, wanted)[0], [True, True])

    def test_only_a_folder_has_a_place_for_signatures(self):
        sign = ["--sign-by-sigstore-private-key", self.keys / "ours.private", "--sign-passphrase-file", self.keys / "passphrase"]
        for place in ("oci:x:y", "oci-archive:x.tar:y", "docker-archive:x.tar"):
            podman, haulout = self.both("push", "-q", *sign, BUSYBOX, place, cwd=self.folder)
            self.assertEqual((podman.returncode, haulout.returncode), (125, 125))
            self.assertIn("Cannot determine canonical Docker reference for destination", haulout.stderr)
        identity = self.inspect(BUSYBOX, "--type=image")["Id"]
        refused = self.haulout("push", "-q", *sign, identity, "dir:new", cwd=self.folder, status=125)
        self.assertIn("has no name to be signed by", refused.stderr)
        wrong = self.haulout("push", "-q", "--sign-by-sigstore-private-key", "/no/key", BUSYBOX, "dir:new", cwd=self.folder, status=125)
        self.assertIn("/no/key", wrong.stderr)
        self.assertFalse((self.folder / "new").exists())

    def test_a_broken_registries_d_is_named(self):
        self.push("a:1", "-q")
        self.policy(self.gpg("ours"))
        (self.settings / "registries.d/broken.yaml").write_text("docker: [")
        self.assertIn(f"parsing {self.settings}/registries.d/broken.yaml",
                      self.haulout("pull", "-q", f"{self.place}/a:1", env=self.env, status=125).stderr)
        (self.settings / "registries.d/broken.yaml").write_text(json.dumps({"docker": {self.place: {}}}))
        self.assertIn("is in another file too", self.haulout("pull", "-q", f"{self.place}/a:1", env=self.env, status=125).stderr)
