# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Pulling from registries that refuse, lie, break off, stall and come one after another: what is said, and what is left."""

import base64
import gzip
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import unittest

from registry import INDEX, Image, Registry, digest, layer, refusal, tar
from session import BUSYBOX, DATA, REGISTRY, SessionTest, run, wait_until

LAYERS = DATA / "layers"


def kept():
    """The layers' folders, and whatever else is beside them but the lock."""
    return sorted(path.name for path in LAYERS.glob("*") if path.name != ".lock")


def recorded():
    """The layers that the database knows."""
    if not (DATA / "state.db").exists():
        return []
    with sqlite3.connect(f"file:{DATA}/state.db?mode=ro", uri=True) as database:
        return sorted(row[0].removeprefix("sha256:") for row in database.execute("SELECT diff_id FROM layers"))


class RegistryTest(SessionTest):
    """Tests with a registry of their own, after which no image is left that it served."""

    images = ()

    def setUp(self):
        super().setUp()
        self.registry = Registry(self)
        self.before = recorded()
        self.addCleanup(self.forget_images)

    def forget_images(self):
        for name in self.names():
            if name.startswith(("127.0.0.1:", "localhost/", "far.example")):
                run("haulout", "rmi", "--force", name)
        # Those that lost their name to another one.
        run("haulout", "image", "prune", "--force")
        self.assertEqual(kept(), recorded())

    def names(self):
        return run("haulout", "images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()

    def pull(self, name, status=0, arguments=(), **options):
        return self.haulout("pull", "--tls-verify=false", "--retry=0", *arguments, name, status=status, **options)

    def refused(self, name, **options):
        """What is said when a pull fails, which leaves nothing."""
        done = self.pull(name, status=125, **options)
        self.assertEqual(done.stdout, "")
        self.assertEqual(kept(), self.before)
        self.assertEqual(recorded(), self.before)
        self.haulout("image", "exists", name, status=1)
        return done.stderr.splitlines()[-1]


class Faults(RegistryTest):
    """See the module."""

    def setUp(self):
        super().setUp()
        self.app = Image(layer("one"), layer("two", 3_000_000))
        self.name = self.registry.add("app", self.app)
        self.blob = self.app.packed[1]

    def test_an_image_arrives_whole(self):
        self.assertEqual(self.pull(self.name).stdout, self.app.id + "\n")
        self.assertEqual(set(kept()) - set(self.before), {digest(layer("one"))[7:], digest(layer("two", 3_000_000))[7:]})
        self.assertEqual(kept(), recorded())

    def test_what_is_already_here_is_not_fetched_again(self):
        self.pull(self.name)
        self.pull(self.name)
        other = self.registry.add("other", Image(layer("one"), layer("two", 3_000_000), layer("three")))
        self.pull(other)
        self.assertEqual([self.registry.times_asked(data) for data in self.app.packed], [1, 1])
        self.assertEqual(self.registry.times_asked(self.app.config), 1)

    def test_a_blob_of_other_bytes_is_refused(self):
        @self.registry.instead(self.blob)
        def lie(handler):
            handler.say(200, self.blob[:-1] + b"x")

        words = self.refused(self.name)
        self.assertIn(f"reading blob {digest(self.blob)} in {self.registry.host}/app: Digest did not match", words)

    def test_a_blob_of_another_length_is_refused(self):
        for body in (self.blob[:-1], self.blob + b"x"):

            @self.registry.instead(self.blob)
            def lie(handler, body=body):
                handler.say(200, body)

            words = self.refused(self.name)
            self.assertIn(f"it is {len(body)} bytes long, but its descriptor says {len(self.blob)}", words)

    def test_a_connection_that_breaks_off_ends_the_pull(self):
        @self.registry.instead(self.blob)
        def break_off(handler):
            handler.say(200, self.blob[:1000], length=len(self.blob))
            handler.close_connection = True

        self.assertIn(f"reading blob {digest(self.blob)} in {self.registry.host}/app: ", self.refused(self.name))

    def test_a_blob_goes_on_where_it_broke_off(self):
        asked = []

        @self.registry.instead(self.blob)
        def break_off(handler):
            first = int(handler.headers.get("Range", "bytes=0-")[6:-1])
            asked.append(first)
            rest = self.blob[first:]
            headers = {"Content_Range": f"bytes {first}-{len(self.blob) - 1}/{len(self.blob)}"} if first else {}
            handler.say(206 if first else 200, rest[:1000], length=len(rest), **headers)
            handler.close_connection = True

        self.blob = self.app.packed[1]
        self.assertGreater(len(self.blob), 3000)
        self.assertEqual(self.pull(self.name).stdout, self.app.id + "\n")
        self.assertEqual(asked, [at for at in (0, 1000, 2000, 3000) if at < len(self.blob)])

    def test_a_registry_without_ranges_is_read_from_the_beginning_again(self):
        asked = []

        @self.registry.instead(self.blob)
        def break_off(handler):
            asked.append(handler.headers.get("Range"))
            whole = len(asked) > 2
            handler.say(200, self.blob if whole else self.blob[:1000], length=len(self.blob))
            handler.close_connection = not whole

        self.assertEqual(self.pull(self.name).stdout, self.app.id + "\n")
        self.assertEqual(asked, [None, "bytes=1000-", "bytes=1000-"])

    def test_a_range_that_was_not_asked_for_is_refused(self):
        @self.registry.instead(self.blob)
        def lie(handler):
            if handler.headers.get("Range"):
                return handler.say(206, self.blob[5:], Content_Range=f"bytes 5-{len(self.blob) - 1}/{len(self.blob)}")
            handler.say(200, self.blob[:1000], length=len(self.blob))
            handler.close_connection = True

        self.assertIn(f"reading blob {digest(self.blob)} in {self.registry.host}/app: ", self.refused(self.name))

    def test_what_may_pass_is_tried_again_and_what_will_not_is_not(self):
        for status, tries in ((503, 3), (404, 1), (401, 1)):
            tried = []

            def fail(handler, status=status, tried=tried):
                tried.append(1)
                handler.say(status, b"busy")

            self.registry.answers["manifests/latest"] = fail
            arguments = ["pull", "--tls-verify=false", "--retry", "2", "--retry-delay", "10ms", self.name]
            done = self.haulout(*arguments, status=125)
            self.assertEqual(len(tried), tries, status)
            self.assertEqual(done.stderr.count("Failed, retrying in 10ms ... ("), tries - 1)
        self.assertIn("invalid duration", self.haulout("pull", "--retry-delay", "soon", self.name, status=125).stderr)

    def test_a_registry_that_asks_for_patience_gets_it(self):
        tried = []

        def busy(handler):
            tried.append(1)
            if len(tried) > 1:
                return handler.say(200, *self.registry.manifests["app/manifests/latest"])
            return handler.say(429, refusal("TOOMANYREQUESTS", "slow down"), Retry_After="1")

        self.registry.answers["manifests/latest"] = busy
        self.assertEqual(self.pull(self.name).stdout, self.app.id + "\n")
        self.assertEqual(len(tried), 2)

    def test_all_tags_of_a_repository_are_pulled(self):
        self.registry.add("app", Image(layer("three")), tag="other")
        name = self.name.rpartition(":")[0]
        self.assertEqual(len(self.pull(name, arguments=["--all-tags"]).stdout.split()), 2)
        self.assertTrue({f"{name}:latest", f"{name}:other"} <= set(self.names()))

    def test_a_registry_that_fails_is_quoted(self):
        for status, body, words in (
            (404, refusal("BLOB_UNKNOWN", "blob unknown to registry"), "blob unknown"),
            (500, b"oops", "received unexpected HTTP status: 500 Internal Server Error"),
            (429, refusal("TOOMANYREQUESTS", "slow down"), "toomanyrequests: slow down"),
        ):

            @self.registry.instead(self.blob)
            def fail(handler, status=status, body=body):
                handler.say(status, body)

            self.assertTrue(self.refused(self.name).endswith(f"{digest(self.blob)} in {self.registry.host}/app: {words}"))

    def test_a_layer_that_is_not_the_configuration_s_is_refused(self):
        one, other = layer("one"), layer("other")
        name = self.registry.add("wrong", Image(one, diff_ids=[digest(other)]))
        words = self.refused(name)
        self.assertIn(f"its digest unpacked is {digest(one)}, but the image's configuration says {digest(other)}", words)

    def test_a_layer_that_is_no_archive_is_refused(self):
        for data in (gzip.compress(b"x" * 5000), b"\x1f\x8bnot really", b"", b"BZh9", b"\xfd7zXZ\0", tar({"a": b"x"})[:600]):
            name = self.registry.add("junk", Image(data, pack=bytes))
            self.assertIn(f"unpacking layer {digest(data)}: ", self.refused(name))

    def test_documents_that_are_none_are_refused(self):
        document = self.app.document()
        artifact = document | {"config": document["config"] | {"mediaType": "application/vnd.cncf.helm.config.v1+json"}}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
        for body, words in (
            (b"<html>", "malformed"),
            (b"{" * 100_000, "malformed"),
            (b'{"schemaVersion": 1}', "schema version 1"),
            (b'{"schemaVersion": 2, "x": "' + b"x" * (4 << 20) + b'"}', "exceeded maximum allowed size of 4194304 bytes"),
            (document | {"manifests": []}, "ambiguous"),
            (document | {"mediaType": INDEX}, "ambiguous"),
            (document | {"layers": document["layers"][:1]}, "the manifest has 1 layers, but the configuration 2"),
            (document | {"layers": document["layers"] * 300}, "at most 500"),
            (artifact, 'unsupported image-specific operation on artifact with type "application/vnd.cncf.helm.config.v1+json"'),
            (index, 'no image found in image index for architecture "amd64", variant "", OS "linux"'),
        ):
            name = self.registry.add_manifest("documents", "latest", body)
            self.assertIn(words, self.refused(name))

    def test_a_configuration_of_other_bytes_is_refused(self):
        @self.registry.instead(self.app.config)
        def lie(handler):
            handler.say(200, self.app.config.replace(b"amd64", b"arm64"))

        self.assertIn("Digest did not match", self.refused(self.name))

    def test_an_index_gives_what_this_machine_runs_or_what_is_asked_for(self):
        images = {arch: Image(layer(arch), Labels={"arch": arch}) for arch in ("arm64", "amd64")}
        members = []
        for arch, image in images.items():
            self.registry.add("many", image, tag=arch)
            data = json.dumps(image.document()).encode()
            members.append(Image.descriptor("", data) | {"platform": {"os": "linux", "architecture": arch}})
        name = self.registry.add_manifest("many", "1", {"schemaVersion": 2, "manifests": members}, INDEX)
        here = "arm64" if os.uname().machine == "aarch64" else "amd64"
        self.pull(name)
        self.assertEqual(self.inspect(name)["Labels"], {"arch": here})
        by_index = f"{name.rpartition(':')[0]}@{digest(self.registry.manifests['many/manifests/1'][0])}"
        self.assertEqual(self.inspect(by_index)["Id"], images[here].id)
        for arch, image in images.items():
            done = self.haulout("pull", "--tls-verify=false", "-q", "--platform", f"linux/{arch}", name)
            self.assertEqual(done.stdout, image.id + "\n")
        done = self.haulout("pull", "--tls-verify=false", "--platform", "linux/s390x", name, status=125)
        self.assertIn('no image found in image index for architecture "s390x"', done.stderr)

    def test_one_who_is_interrupted_while_a_blob_stalls_leaves_and_the_next_writer_finds_nothing_in_its_way(self):
        stalled, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        @self.registry.instead(self.blob)
        def stall(handler):
            handler.say(200, self.blob[:5000], length=len(self.blob))
            stalled.set()
            go_on.wait(60)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            stalled.clear()
            pulling = self.spawn("haulout", "pull", "--tls-verify=false", self.name)
            self.assertTrue(stalled.wait(20))
            pulling.send_signal(number)
            pulling.communicate(timeout=20)
            self.haulout("image", "exists", self.name, status=1)
        self.assertEqual(recorded(), self.before)
        self.registry.answers.clear()
        go_on.set()
        # Its children were killed with it, but that takes a moment, and what they hold is not removed.
        wait_until(lambda: self.pull(self.name) and kept() == recorded(), "only what is recorded")

    def test_what_a_killed_one_left_goes_with_the_next_pull_or_run_whatever_that_is_of(self):
        stalled, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)
        self.pull(BUSYBOX)

        @self.registry.instead(self.blob)
        def stall(handler):
            handler.say(200, self.blob[:5000], length=len(self.blob))
            stalled.set()
            go_on.wait(60)

        # An image that is here already, and a container: neither writes a layer.
        for next_one in (["pull", "-q", "--tls-verify=false", BUSYBOX], ["run", "--rm", "--network", "none", BUSYBOX, "true"]):
            stalled.clear()
            pulling = self.spawn("haulout", "pull", "--tls-verify=false", self.name)
            self.assertTrue(stalled.wait(20))
            pulling.kill()
            pulling.communicate(timeout=20)
            self.assertTrue(list(LAYERS.glob(".staging-*")))
            wait_until(lambda: self.haulout(*next_one) and kept() == recorded(), f"all is removed by {next_one[0]}")

    def test_five_who_want_the_same_image_fetch_it_once(self):
        pulling = [self.spawn("haulout", "pull", "-q", "--tls-verify=false", self.name) for _ in range(5)]
        for one in pulling:
            self.assertEqual(one.communicate(timeout=60)[0], self.app.id + "\n")
            self.assertEqual(one.returncode, 0)
        self.assertEqual([self.registry.times_asked(data) for data in self.app.packed], [1, 1])
        self.assertEqual(kept(), recorded())

    def test_a_layer_that_goes_while_another_comes_is_fetched_after_all(self):
        shared = layer("shared")
        first = self.registry.add("first", Image(shared))
        self.pull(first)
        second = Image(shared, layer("second"))
        name = self.registry.add("second", second)
        stalled, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        @self.registry.instead(second.packed[1])
        def stall(handler):
            stalled.set()
            go_on.wait(60)
            handler.say(200, second.packed[1])

        pulling = self.spawn("haulout", "pull", "-q", "--tls-verify=false", name)
        self.assertTrue(stalled.wait(20))
        self.haulout("rmi", first)
        self.assertNotIn(digest(shared)[7:], kept())
        go_on.set()
        self.assertEqual(pulling.communicate(timeout=60)[0], second.id + "\n")
        self.assertEqual(self.registry.times_asked(second.packed[0]), 2)
        self.assertIn(digest(shared)[7:], kept())

    def test_what_a_killed_one_left_is_removed_and_what_a_living_one_holds_is_not(self):
        stalled, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        @self.registry.instead(self.blob)
        def stall(handler):
            stalled.set()
            go_on.wait(60)
            handler.say(200, self.blob)

        living = self.spawn("haulout", "pull", "-q", "--tls-verify=false", self.name)
        self.assertTrue(stalled.wait(20))
        for folder in (".staging-left", ".garbage-left", "0" * 64):
            (LAYERS / folder / "diff").mkdir(parents=True)
        self.pull(self.registry.add("other", Image(layer("other"))))
        wait_until(lambda: not list(LAYERS.glob("*-left")) and not (LAYERS / ("0" * 64)).exists(), "garbage removed")
        go_on.set()
        self.assertEqual(living.communicate(timeout=60)[0], self.app.id + "\n")


class Access(RegistryTest):
    """Passwords, tokens, mirrors, short names: what is configured is what happens."""

    def setUp(self):
        super().setUp()
        self.app = Image(layer("one"))
        self.name = self.registry.add("app", self.app)
        self.folder = self.temporary_folder()

    def auth_file(self, password, key=None):
        path = self.folder / "auth.json"
        entry = {"auth": base64.b64encode(password.encode()).decode()}
        path.write_text(json.dumps({"auths": {key or self.registry.host: entry}}))
        return {"REGISTRY_AUTH_FILE": str(path)}

    def configured(self, text):
        path = self.folder / "registries.conf"
        path.write_text(text)
        return {"CONTAINERS_REGISTRIES_CONF": str(path)}

    def test_a_password_is_taken_from_auth_json(self):
        self.registry.password = "me:secret"
        self.assertTrue(self.refused(self.name).endswith(f"reading manifest latest in {self.registry.host}/app: unauthorized"))
        self.assertTrue(self.refused(self.name, env=self.auth_file("me:wrong")).endswith("unauthorized"))
        self.pull(self.name, env=self.auth_file("me:secret", f"{self.registry.host}/app"))

    def test_a_token_is_fetched_with_a_password_or_without(self):
        self.registry.token = "t0ken"
        self.pull(self.name)
        self.haulout("rmi", self.name)
        self.registry.password = "me:secret"
        words = self.refused(self.name, env=self.auth_file("me:wrong"))
        self.assertIn("unable to retrieve auth token: invalid username/password: unauthorized: incorrect username", words)
        self.pull(self.name, env=self.auth_file("me:secret"))

    def test_plain_http_is_for_those_who_are_said_to_be_insecure(self):
        done = self.haulout("pull", self.name, status=125)
        self.assertIn(f"pinging container registry {self.registry.host}: ", done.stderr)
        self.assertEqual(self.registry.asked, [])
        env = self.configured(f'[[registry]]\nlocation = "{self.registry.host}"\ninsecure = true\n')
        self.haulout("pull", "-q", self.name, env=env)

    @unittest.skipUnless(shutil.which("openssl"), "there is no openssl here to make a certificate")
    def test_a_certificate_is_checked_against_what_is_trusted(self):
        pem = self.folder / "registry.pem"
        subject = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
        self.check(0, *made, "-keyout", self.folder / "key", "-out", self.folder / "ca.crt")
        pem.write_text((self.folder / "key").read_text() + (self.folder / "ca.crt").read_text())
        registry = Registry(self, certificate=pem)
        name = registry.add("secured", self.app)
        done = self.haulout("pull", name, status=125)
        self.assertIn(f"pinging container registry {registry.host}: ", done.stderr)
        self.assertIn("certificate", done.stderr)
        self.assertEqual(registry.asked, [])
        self.haulout("pull", "-q", "--cert-dir", self.folder, name)
        self.haulout("rmi", name)
        self.pull(name)

    def certificate(self, *options, name="own", alternative="IP:127.0.0.1,DNS:localhost"):
        """What `openssl req -x509` makes: a certificate that is its own authority (CA:TRUE). Its file and its key's."""
        files = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=registry", *options]
        self.check(0, *made, "-addext", f"subjectAltName={alternative}", "-out", files[0], "-keyout", files[1])
        return files

    def trusting(self, host, certificate):
        """The environment of a user whose certs.d trusts that certificate for that host."""
        home = self.folder / f"trusting-{certificate.stem}"
        place = home / "containers/certs.d" / host
        place.mkdir(parents=True)
        shutil.copy(certificate, place / "ca.crt")
        return {"XDG_CONFIG_HOME": str(home)}

    @unittest.skipUnless(shutil.which("openssl"), "there is no openssl here to make a certificate")
    def test_a_certificate_that_is_its_own_authority_is_taken_from_who_is_trusted(self):
        def served(certificate, key):
            pem = self.folder / f"{certificate.stem}.pem"
            pem.write_text(certificate.read_text() + key.read_text())
            registry = Registry(self, certificate=pem)
            return registry, registry.add("secured", self.app)

        own = self.certificate()
        registry, name = served(*own)
        self.haulout("pull", "-q", name, env=self.trusting(registry.host, own[0]))
        self.haulout("rmi", name)
        other = self.certificate(name="other")
        # The same names and dates, another key: who has it is somebody else.
        done = self.haulout("pull", name, status=125, env=self.trusting(registry.host, other[0]))
        self.assertIn("x509: certificate signed by unknown authority", done.stderr)
        for what, certificate in {
            "NotValidForName": self.certificate(name="far", alternative="DNS:far.example"),
            "expired": self.certificate("-not_before", "20200101000000Z", "-not_after", "20200102000000Z", name="old"),
            "not valid yet": self.certificate("-not_before", "20900101000000Z", "-not_after", "20900102000000Z", name="new"),
        }.items():
            registry, name = served(*certificate)
            done = self.haulout("pull", name, status=125, env=self.trusting(registry.host, certificate[0]))
            self.assertIn("certificate", done.stderr, what)
            self.assertEqual(registry.asked, [], what)

    @unittest.skipUnless(shutil.which("openssl") and shutil.which("docker-registry"), "there is no registry that speaks TLS")
    def test_docker_registry_with_such_a_certificate_is_pulled_from(self):
        certificate, key = self.certificate()
        with socket.create_server(("127.0.0.1", 0)) as free:
            host = f"localhost:{free.getsockname()[1]}"
        (self.folder / "registry.yml").write_text(
            "version: 0.1\n"
            f"storage:\n  filesystem:\n    rootdirectory: {self.folder}/storage\n"
            f"http:\n  addr: {host}\n  tls:\n    certificate: {certificate}\n    key: {key}\n"
        )
        self.spawn("docker-registry", "serve", self.folder / "registry.yml", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: run("curl", "-sf", "--cacert", certificate, f"https://{host}/v2/").returncode == 0, "it answers")
        copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]
        self.check(0, *copy, f"docker://{BUSYBOX}", f"docker://{host}/secured")
        env = self.trusting(host, certificate)
        self.assertIn("unknown authority", self.haulout("pull", f"{host}/secured", status=125).stderr)
        self.haulout("pull", "-q", f"{host}/secured", env=env)
        # Podman thinks the same of it.
        place = f"{env['XDG_CONFIG_HOME']}/containers/certs.d/{host}"
        self.podman("pull", "-q", "--cert-dir", place, f"{host}/secured")
        self.podman("rmi", f"{host}/secured")
        self.assertEqual(self.haulout("run", "--rm", "--network", "none", f"{host}/secured", "echo", "there").stdout, "there\n")
        self.haulout("rmi", f"{host}/secured")

    def test_a_mirror_is_asked_first_and_the_image_keeps_its_name(self):
        env = self.configured(
            '[[registry]]\nlocation = "far.example"\n[[registry.mirror]]\nlocation = "127.0.0.1:1"\ninsecure = true\n'
            f'[[registry.mirror]]\nlocation = "{self.registry.host}"\ninsecure = true\n'
        )
        self.assertEqual(self.haulout("pull", "-q", "far.example/app", env=env).stdout, self.app.id + "\n")
        self.assertIn("far.example/app:latest", self.names())

    def test_a_blocked_registry_is_not_asked(self):
        env = self.configured(f'[[registry]]\nlocation = "{self.registry.host}"\nblocked = true\n')
        done = self.haulout("pull", self.name, status=125, env=env)
        self.assertIn(f"registry {self.registry.host} is blocked in {self.folder}/registries.conf", done.stderr)
        self.assertEqual(self.registry.asked, [])

    def policy(self, *requirements, **transports):
        """A home with a policy.json."""
        document = {"default": [{"type": kind} for kind in requirements], "transports": transports}
        (self.folder / "containers").mkdir(exist_ok=True)
        (self.folder / "containers/policy.json").write_text(json.dumps(document))
        return {"XDG_CONFIG_HOME": str(self.folder)}

    def test_the_policy_decides_what_is_let_in(self):
        yes, no = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]
        env = self.policy("reject")
        words = f"Source image rejected: Running image docker://{self.name} is rejected by policy."
        self.assertEqual(self.refused(self.name, env=env), f"Error: {words}")
        self.assertEqual(self.registry.asked, [])
        env = self.policy("insecureAcceptAnything", docker={self.registry.host: no, f"{self.registry.host}/app": yes})
        self.assertIn("is rejected by policy", self.refused(self.registry.add("other", self.app), env=env))
        self.pull(self.name, env=env)
        archive = self.folder / "app.tar"
        self.haulout("save", "-q", "-o", archive, self.name)
        env = self.policy("insecureAcceptAnything", **{"docker-archive": {"": no}})
        self.assertIn("is rejected by policy", self.haulout("load", "-i", archive, status=125, env=env).stderr)
        env = self.policy("reject", **{"docker-archive": {"": yes}})
        self.haulout("load", "-q", "-i", archive, env=env)
        signed = [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/no/key"}]
        env = self.policy("insecureAcceptAnything", docker={self.registry.host: signed})
        done = self.pull(self.registry.add("other", self.app), status=125, env=env)
        self.assertIn("Source image rejected: ", done.stderr)

    def test_a_broken_policy_lets_nothing_in_and_says_where(self):
        env = self.policy("no-such-thing")
        self.assertIn("invalid policy in ", self.refused(self.name, env=env))
        (self.folder / "containers/policy.json").write_text('{\n"default": [,]}')
        self.assertIn("line 2, column", self.refused(self.name, env=env))

    def test_a_broken_registries_conf_is_told_with_its_place_and_an_unknown_key_is_no_obstacle(self):
        env = self.configured(f'[[registry]]\nlocation = "{self.registry.host}"\ninsecure = "yes"\n')
        done = self.haulout("pull", self.name, status=125, env=env)
        self.assertIn(f"{self.folder}/registries.conf, line 3, column 12: ", done.stderr)
        env = self.configured(f'colour = 1\n[[registry]]\nlocation = "{self.registry.host}"\ninsecure = true\n')
        done = self.haulout("pull", self.name, env=env)
        self.assertEqual(done.stderr.count("registries.conf: the key colour is not known"), 1)

    def test_a_short_name_is_looked_for_where_it_may_be(self):
        insecure = f'[[registry]]\nlocation = "{self.registry.host}"\ninsecure = true\n'
        env = self.configured(f'unqualified-search-registries = ["127.0.0.1:1", "{self.registry.host}"]\n{insecure}')
        self.assertEqual(self.haulout("pull", "-q", "app", env=env).stdout, self.app.id + "\n")
        done = self.haulout("pull", "nowhere", status=125, env=env)
        self.assertIn("2 errors occurred while pulling", done.stderr)
        env = self.configured("")
        done = self.haulout("pull", "surely-no-alias", status=125, env=env)
        self.assertIn('short-name "surely-no-alias" did not resolve to an alias and no unqualified-search registries', done.stderr)
        env = self.configured(f'{insecure}[aliases]\n"nick" = "{self.registry.host}/app"\n')
        self.haulout("pull", "-q", "nick", env=env)
        self.assertEqual(self.haulout("image", "inspect", "nick", "--format", "{{.Id}}", env=env).stdout, self.app.id + "\n")


@unittest.skipUnless(run("sh", "-c", "command -v skopeo").returncode == 0, "there is no skopeo here")
class Formats(SessionTest):
    """The true registry, and images in every dress. Compared with Podman's, so both have to begin without."""

    images = ()

    def setUp(self):
        super().setUp()
        for who in ("haulout", "podman"):
            run(who, "rmi", "--all", "--force")
            self.addCleanup(run, who, "rmi", "--all", "--force")

    def test_docker_s_manifests_and_zstd_give_the_same_image_as_podman_has(self):
        source = f"docker://{REGISTRY}/busybox:latest"
        for name, arguments in (("v2s2", ["--format", "v2s2"]), ("zstd", ["--format", "oci", "--dest-compress-format", "zstd"])):
            target = f"{REGISTRY}/dressed:{name}"
            self.check(
                0, "skopeo", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", *arguments, source, f"docker://{target}"
            )
            self.haulout("pull", "-q", target)
            self.podman("pull", "-q", target)
            ours, theirs = (json.loads(run(who, "image", "inspect", target).stdout)[0] for who in ("haulout", "podman"))
            for key in ("Id", "Digest", "RepoTags", "RepoDigests", "Size", "RootFS"):
                self.assertEqual(ours[key], theirs[key], key)
            self.haulout("rmi", target)
            self.podman("rmi", target)

    def test_an_archive_is_read_from_a_pipe_packed_or_not_and_the_image_is_podman_s(self):
        folder = self.temporary_folder()
        self.podman("pull", "-q", f"{REGISTRY}/busybox")
        self.podman("tag", f"{REGISTRY}/busybox", "localhost/archived:1")
        for kind in ("docker-archive", "oci-archive"):
            file = folder / kind
            self.podman("save", "-q", "--format", kind, "-o", file, "localhost/archived:1")
            for pack in (["cat"], ["gzip"], ["zstd", "-q"]):
                packed = subprocess.run([*pack], stdin=file.open("rb"), capture_output=True, check=True).stdout
                loading = self.spawn("haulout", "load", "-q", stdin=subprocess.PIPE, text=False)
                self.assertEqual(loading.communicate(packed, timeout=60)[0], b"Loaded image: localhost/archived:1\n")
                ours = self.inspect("localhost/archived:1")
                self.haulout("rmi", "localhost/archived:1")
            self.podman("rmi", "--all", "--force")
            self.podman("load", "-q", "-i", file)
            theirs = json.loads(self.podman("inspect", "localhost/archived:1").stdout)[0]
            for key in ("Id", "Digest", "RepoTags", "RepoDigests", "Size"):
                self.assertEqual(ours[key], theirs[key], key)
        self.assertEqual(kept(), recorded())
