# SPDX-License-Identifier: Apache-2.0 OR MIT
"""push, save, login and logout: what a registry gets and what an archive holds, and what is said when it does not."""

import base64
import gzip
import json
import os
import tarfile
import threading
from pathlib import Path

from cli.test_registry import RegistryTest
from registry import Image, Registry, digest, layer, refusal, tar
from session import run


class Push(RegistryTest):
    """Pushing to a registry of the test's own."""

    def setUp(self):
        super().setUp()
        self.app = Image(layer("one"), layer("two", 3_000_000))
        self.name = self.registry.add("app", self.app)
        self.pull(self.name)
        # The blobs are in the repository that they were pulled from, and nowhere else.
        self.registry.repositories["app"], self.registry.blobs = self.registry.blobs, {}
        self.document = self.registry.manifests["app/manifests/latest"][0]

    def push(self, *arguments, status=0, **options):
        return self.haulout("push", "--tls-verify=false", "--retry=0", *arguments, status=status, **options)

    def target(self, name="copy:1", registry=None):
        return f"{(registry or self.registry).host}/{name}"

    def calls(self, method, registry=None):
        return [call for call in (registry or self.registry).calls if call.startswith(method)]

    def test_what_was_pulled_is_pushed_to_the_byte_and_its_layers_are_not_sent_again(self):
        folder = self.temporary_folder()
        done = self.push("--digestfile", folder / "digest", self.name, self.target())
        self.assertEqual(done.stdout, "")
        self.assertEqual(self.registry.manifests["copy/manifests/1"][0], self.document)
        self.assertEqual((folder / "digest").read_text(), digest(self.document))
        self.assertEqual(self.calls("PATCH"), [])
        self.assertEqual(set(self.registry.repositories["copy"]), {digest(data) for data in [*self.app.packed, self.app.config]})
        self.push(self.name, self.target("copy:2"))
        self.assertEqual(len([call for call in self.calls("POST") if "mount=" in call]), 2)

    def test_a_registry_that_does_not_mount_is_sent_the_layers(self):
        self.registry.mounts = False
        self.push(self.name, self.target())
        self.assertEqual(len(self.calls("PATCH")), 2)
        self.assertEqual(self.registry.uploads, {})
        manifest = json.loads(self.registry.manifests["copy/manifests/1"][0])
        blobs = self.registry.repositories["copy"]
        layers = [gzip.decompress(blobs[part["digest"]]) for part in manifest["layers"]]
        self.assertEqual(layers, [layer("one"), layer("two", 3_000_000)])
        # The same again makes the same blobs, which are there.
        self.registry.calls.clear()
        self.push(self.name, self.target("copy:2"))
        self.assertEqual(self.calls("PATCH"), [])
        self.assertEqual(json.loads(self.registry.manifests["copy/manifests/2"][0]), manifest)

    def test_another_registry_gets_an_image_of_the_same_id(self):
        other = Registry(self)
        self.push(self.name, self.target(registry=other))
        self.haulout("rmi", self.name)
        self.assertEqual(self.pull(self.target(registry=other)).stdout, self.app.id + "\n")

    def test_formats_are_as_asked_for(self):
        other = Registry(self)
        for arguments, media_type, end in (
            (["--format", "v2s2"], "application/vnd.docker.distribution.manifest.v2+json", "tar.gzip"),
            (["--compression-format", "zstd"], "application/vnd.oci.image.manifest.v1+json", "tar+zstd"),
            (["--format", "oci"], "application/vnd.oci.image.manifest.v1+json", "tar+gzip"),
        ):
            target = self.target(f"dressed:{end.replace('+', '')}", other)
            self.push(*arguments, self.name, target)
            data, sent = other.manifests[f"dressed/manifests/{end.replace('+', '')}"]
            self.assertEqual((sent, json.loads(data)["mediaType"]), (media_type, media_type))
            for part in json.loads(data)["layers"]:
                self.assertTrue(part["mediaType"].endswith(end), part)
                self.assertEqual(len(other.repositories["dressed"][part["digest"]]), part["size"])

    def test_what_cannot_be_is_said_in_podman_s_words(self):
        for arguments, words in (
            (["--format", "x", self.name], "unknown format \"x\". Choose on of the supported formats: 'oci', 'v2s1', or 'v2s2'"),
            (["--compression-format", "x", self.name], 'cannot find compressor for "x"'),
            (["nowhere"], "nowhere: image not known"),
            ([], "accepts between 1 and 2 arg(s), received 0"),
        ):
            self.assertIn(words, self.push(*arguments, status=125).stderr)

    def test_a_registry_that_refuses_is_quoted_and_nothing_is_left_in_it(self):
        other = Registry(self)
        for end, body, words in (
            ("/blobs/uploads/", refusal("DENIED", "not yours"), "initiating layer upload to "),
            ("state=x", refusal("TOOMANYREQUESTS", "slow down"), "uploading layer chunked to "),
            ("manifests/1", refusal("MANIFEST_INVALID", "no"), "uploading manifest 1 to "),
        ):
            other.answers = {end: lambda handler, body=body: (handler.body(), handler.say(403, body))}
            done = self.push(self.name, self.target(registry=other), status=125)
            self.assertIn(words, done.stderr.splitlines()[-1])
            self.assertEqual(other.manifests, {})
        other = Registry(self)
        other.answers = {digest(self.app.config).replace(":", "%3A"): lambda handler: handler.say(500, b"oops")}
        done = self.push(self.name, self.target(registry=other), status=125)
        self.assertIn("received unexpected HTTP status: 500", done.stderr)

    def test_a_connection_that_breaks_is_tried_again(self):
        other = Registry(self)
        broken = []

        def break_off(handler):
            if broken:
                return other.take(handler, handler.path.removeprefix("/v2/"))
            broken.append(1)
            handler.connection.close()
            return None

        other.answers = {"state=x": break_off}
        arguments = ["--tls-verify=false", "--retry=2", "--retry-delay=10ms", self.name, self.target(registry=other)]
        self.haulout("push", *arguments)
        self.assertIn("copy/manifests/1", other.manifests)

    def test_one_who_is_interrupted_leaves_nothing_running(self):
        other = Registry(self)
        stalled, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def stall(_handler):
            stalled.set()
            go_on.wait(60)

        other.answers = {"state=x": stall}
        pushing = self.spawn("haulout", "push", "--tls-verify=false", self.name, self.target(registry=other))
        self.assertTrue(stalled.wait(20))
        pushing.terminate()
        pushing.communicate(timeout=20)
        self.assertEqual(other.manifests, {})

    def test_a_password_and_a_token_open_the_registry(self):
        other = Registry(self)
        other.password = "me:secret"
        target = self.target(registry=other)
        self.assertIn("unauthorized", self.push(self.name, target, status=125).stderr)
        self.push("--creds", "me:secret", self.name, target)
        other.token = "t0ken"
        self.push("--creds", "me:secret", self.name, self.target("copy:2", other))
        self.assertIn("copy/manifests/2", other.manifests)


class Save(RegistryTest):
    """Archives and folders, which come out as they went in."""

    def setUp(self):
        super().setUp()
        # What a layer's folder alone would not give back: a file twice, a link, a time before 1970, an odd end.
        data = tar({"a": b"first", "b": b"b" * 700_000, "c/d": b"d"})[:-1024] + tar({"a": b"second"}) + b"\0" * 3000
        self.odd = data
        self.app = Image(data, layer("two", 300_000))
        self.name = self.registry.add("app", self.app)
        self.pull(self.name)
        self.folder = self.temporary_folder()

    def save(self, *arguments, status=0, **options):
        return self.haulout("save", "-q", *arguments, status=status, **options)

    def forget(self):
        self.haulout("rmi", "--all", "--force")

    def test_layers_come_out_as_they_came_to_the_byte(self):
        archive = self.folder / "app.tar"
        self.save("-o", archive, self.name)
        with tarfile.open(archive) as members:
            manifest = json.load(members.extractfile("manifest.json"))[0]
            self.assertEqual(manifest["RepoTags"], [self.name])
            layers = [members.extractfile(name).read() for name in manifest["Layers"]]
            self.assertEqual(members.extractfile(manifest["Config"]).read(), self.app.config)
        self.assertEqual(layers, [self.odd, layer("two", 300_000)])

    def test_every_form_is_loaded_again(self):
        for form, named in (("docker-archive", True), ("oci-archive", True), ("docker-dir", False), ("oci-dir", False)):
            path = self.folder / form
            self.pull(self.name)
            self.save("--format", form, "-o", path, self.name)
            self.assertEqual([path.name for path in self.folder.glob(".*")] + list(self.folder.glob("*.part")), [])
            self.forget()
            loaded = self.haulout("load", "-q", "-i", path).stdout
            self.assertEqual(loaded, f"Loaded image: {self.name if named else 'sha256:' + self.app.id}\n")
            self.assertEqual(self.haulout("image", "inspect", self.app.id, "--format", "{{.Id}}").stdout, self.app.id + "\n")
            self.forget()
        for form in ("docker-archive", "oci-archive", "oci", "dir"):
            path = {"oci": "oci-dir", "dir": "docker-dir"}.get(form, form)
            self.assertEqual(self.haulout("pull", "-q", f"{form}:{self.folder / path}").stdout, self.app.id + "\n")
            self.forget()

    def test_a_pipe_gets_the_same_bytes_as_a_file(self):
        for form in ("docker-archive", "oci-archive"):
            archive = self.folder / form
            self.save("--format", form, "-o", archive, self.name)
            saving = self.spawn("haulout", "save", "--format", form, self.name, text=False)
            self.assertEqual(saving.communicate(timeout=60)[0], archive.read_bytes())

    def test_many_images_share_their_layers_in_one_archive(self):
        other = self.registry.add("other", Image(self.odd, layer("three")))
        self.pull(other)
        self.haulout("tag", self.name, "localhost/again:1")
        archive = self.folder / "many.tar"
        self.save("-m", "-o", archive, self.name, other, "again:1")
        with tarfile.open(archive) as members:
            self.assertEqual(len([name for name in members.getnames() if name.endswith(".tar")]), 3)
            tags = [image["RepoTags"] for image in json.load(members.extractfile("manifest.json"))]
        self.assertEqual(tags, [[self.name, "localhost/again:1"], [other]])

    def test_nothing_half_written_stays(self):
        archive = self.folder / "full.tar"
        archive.write_bytes(b"kept")
        for arguments, words in (
            (["-o", archive, self.name], "docker-archive doesn't support modifying existing images"),
            (["-o", self.folder / "a:b", self.name], "invalid filename (should not contain ':')"),
            (["-o", self.folder / "no/such", self.name], "no such file or directory"),
            (["-o", self.folder / "new", "nowhere"], "nowhere: image not known"),
            (["--format", "x", self.name], "format value must be one of oci-dir oci-archive docker-dir docker-archive"),
            (["-m", "--format", "oci-archive", self.name, "again"], "unsupported format \"oci-archive\" for saving multiple images"),
            (["--compress", self.name], "--compress can only be set when --format is 'docker-dir'"),
            ([], "need at least 1 argument"),
        ):
            self.assertIn(words, self.save(*arguments, status=125).stderr)
        self.assertEqual(archive.read_bytes(), b"kept")
        self.assertEqual(os.listdir(self.folder), ["full.tar"])

    def test_a_layer_that_was_changed_in_the_store_is_not_passed_on(self):
        store = Path(run("haulout", "image", "inspect", self.name, "--format", "{{.GraphDriver.Data.UpperDir}}").stdout.strip())
        run("podman", "unshare", "sh", "-c", f"printf x > {store}/two")
        done = self.save("-o", self.folder / "x.tar", self.name, status=125)
        self.assertIn("reading layer sha256:", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_layer_of_which_an_older_build_kept_nothing_is_to_be_pulled_again(self):
        store = Path(run("haulout", "image", "inspect", self.name, "--format", "{{.GraphDriver.Data.UpperDir}}").stdout.strip())
        (store.parent / "parts").unlink()
        done = self.save("-o", self.folder / "x.tar", self.name, status=125)
        self.assertIn("remove the image and pull it again (haulout rmi --force IMAGE; haulout pull IMAGE)", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])
        self.forget()
        self.pull(self.name)
        self.save("-o", self.folder / "x.tar", self.name)

    def test_a_terminal_is_spared(self):
        terminal = self.terminal("haulout", "save", self.name)
        terminal.expect("refusing to save to terminal. Use -o flag or redirect")
        self.assertEqual(terminal.wait(), 125)


class Lists(RegistryTest):
    """Manifest lists: made here, pushed with what they name, pulled by platform."""

    def setUp(self):
        super().setUp()
        self.insecure = {"CONTAINERS_REGISTRIES_CONF": str(self.temporary_folder() / "registries.conf")}
        self.other = Registry(self)
        Path(self.insecure["CONTAINERS_REGISTRIES_CONF"]).write_text("".join(
            f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n' for registry in (self.registry, self.other)
        ))
        self.app = Image(layer("one"), layer("two", 300_000))
        self.name = self.registry.add("app", self.app)
        self.addCleanup(run, "haulout", "manifest", "rm", "--ignore", "many", "copy")

    def manifest(self, *arguments, status=0):
        return self.haulout("manifest", *arguments, status=status, env=self.insecure)

    def document(self, name="many"):
        return json.loads(self.manifest("inspect", name).stdout)

    def test_a_list_is_put_together_pushed_and_pulled_again(self):
        created = self.manifest("create", "many").stdout
        self.assertRegex(created, "^[0-9a-f]{64}\n$")
        self.assertIn("that name is already in use", self.manifest("create", "many", status=125).stderr)
        self.assertEqual(self.manifest("create", "--amend", "many").stdout, created)
        self.assertIsNone(self.document()["manifests"])
        # One that is only in its registry, and one that is here and was never in any.
        self.assertEqual(self.manifest("add", "many", self.name).stdout, created)
        own = self.temporary_folder() / "own.tar"
        own.write_bytes(tar({"own": b"own"}))
        self.haulout("import", "-q", own, "localhost/own:1")
        self.manifest("add", "many", "own:1", "--arch", "arm64", "--variant", "v8", "--annotation", "a=b")
        remote, local = self.document()["manifests"]
        self.assertEqual(remote["digest"], digest(self.registry.manifests["app/manifests/latest"][0]))
        self.assertEqual(remote["platform"], {"architecture": "amd64", "os": "linux"})
        self.assertEqual(local["platform"], {"architecture": "arm64", "os": "linux", "variant": "v8"})
        self.assertEqual(local["annotations"], {"a": "b"})
        self.manifest("annotate", "many", remote["digest"], "--os-version", "7")
        self.assertEqual(self.document()["manifests"][0]["platform"]["os.version"], "7")

        target = f"{self.other.host}/pushed:1"

        def busy_once(handler):
            del self.other.answers["manifests/1"]
            handler.body()
            handler.say(503, b"busy")

        self.other.answers["manifests/1"] = busy_once
        self.assertEqual(self.manifest("push", "many", f"docker://{target}").stderr.count("Failed, retrying in 1s"), 1)
        index = json.loads(self.other.manifests["pushed/manifests/1"][0])
        for entry in index["manifests"]:
            data, media_type = self.other.manifests[f"pushed/manifests/{entry['digest']}"]
            self.assertEqual((len(data), media_type), (entry["size"], entry["mediaType"]))
            for part in [json.loads(data)["config"], *json.loads(data)["layers"]]:
                self.assertEqual(len(self.other.repositories["pushed"][part["digest"]]), part["size"])
        self.assertEqual(self.document(target), index)
        pulled = self.haulout("pull", "-q", "--platform", "linux/amd64", target, env=self.insecure)
        self.assertEqual(pulled.stdout, self.app.id + "\n")
        own_id = self.haulout("image", "inspect", "--format", "{{.Id}}", "localhost/own:1").stdout
        pulled = self.haulout("pull", "-q", "--platform", "linux/arm64", target, env=self.insecure)
        self.assertEqual(pulled.stdout, own_id)
        self.manifest("create", "copy")
        self.manifest("add", "--all", "copy", f"docker://{target}")
        self.assertEqual(len(self.document("copy")["manifests"]), 2)

    def test_what_is_taken_out_and_what_is_not_there(self):
        self.manifest("create", "many", self.name)
        entry = self.document()["manifests"][0]["digest"]
        self.manifest("remove", "many", entry)
        self.assertIsNone(self.document()["manifests"])
        for arguments in (["remove", "many", entry], ["annotate", "many", entry, "--arch", "x"]):
            self.assertRegex(self.manifest(*arguments, status=125).stderr, "no (instance|Docker manifest) matching digest")
        self.manifest("exists", "many")
        self.assertRegex(self.manifest("rm", "many").stdout, "^Untagged: localhost/many:latest\nDeleted: [0-9a-f]{64}\n$")
        self.manifest("exists", "many", status=1)
        self.assertIn("many: image not known", self.manifest("rm", "many", status=1).stderr)
        self.assertIn("Treating single images as manifest lists", self.manifest("inspect", self.name, status=125).stderr)
        missing = f"{self.registry.host}/nowhere"
        self.assertIn("manifest unknown", self.manifest("create", "many", missing, status=125).stderr)
        self.manifest("exists", "many", status=1)


class Login(RegistryTest):
    """Who the user is: asked, checked, remembered, forgotten."""

    def setUp(self):
        super().setUp()
        self.registry.password = "me:secret"
        self.file = self.temporary_folder() / "auth.json"
        self.env = {"REGISTRY_AUTH_FILE": str(self.file)}

    def login(self, *arguments, status=0, **options):
        return self.haulout("login", "--tls-verify=false", *arguments, self.registry.host, status=status, env=self.env, **options)

    def test_a_login_is_checked_kept_and_used(self):
        name = self.registry.add("app", Image(layer("one")))
        self.assertEqual(self.login("-u", "me", "-p", "secret").stdout, "Login Succeeded!\n")
        auth = json.loads(self.file.read_text())["auths"][self.registry.host]["auth"]
        self.assertEqual(base64.b64decode(auth), b"me:secret")
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        self.pull(name, env=self.env)
        self.assertEqual(self.login("--get-login").stdout, "me\n")
        self.assertIn("Existing credentials are valid. Already logged in to", self.login().stdout)
        done = self.haulout("logout", self.registry.host, env=self.env)
        self.assertEqual(done.stdout, f"Removed login credentials for {self.registry.host}\n")
        self.assertIn(f"not logged into {self.registry.host}", self.login("--get-login", status=125).stderr)
        self.assertIn("not logged into", self.haulout("logout", self.registry.host, env=self.env, status=125).stderr)

    def test_a_wrong_password_is_refused_and_not_kept(self):
        done = self.login("-u", "me", "-p", "wrong", status=125)
        self.assertEqual(done.stderr, f'Error: logging into "{self.registry.host}": invalid username/password\n')
        self.assertFalse(self.file.exists())

    def test_a_password_comes_from_a_pipe_or_a_terminal(self):
        self.login("-u", "me", "--password-stdin", stdin="secret\n")
        self.assertIn("Must provide --username", self.login("--password-stdin", stdin="secret\n", status=125).stderr)
        self.haulout("logout", "--all", env=self.env)
        terminal = self.terminal("haulout", "login", "--tls-verify=false", self.registry.host, env=self.env)
        terminal.expect("Username: ")
        terminal.type("me\n")
        terminal.expect("Password: ")
        terminal.type("secret\n")
        terminal.expect("Login Succeeded!")
        self.assertEqual(terminal.wait(), 0)
        self.assertNotIn("secret", terminal.output)

    def test_a_program_keeps_credentials_when_the_file_says_so(self):
        folder = self.temporary_folder()
        helper = folder / "docker-credential-test"
        helper.write_text(f"#!/bin/sh\ncd {folder}\ncase $1 in store) cat >kept;; get) cat kept 2>/dev/null ||\n"
                          "{ echo credentials not found in native keychain; exit 1; };; erase) rm kept;; esac\n")
        helper.chmod(0o755)
        self.file.write_text(json.dumps({"credHelpers": {self.registry.host: "test"}}))
        self.env["PATH"] = f"{folder}:{os.environ['PATH']}"
        self.login("-u", "me", "-p", "secret")
        self.assertEqual(json.loads((folder / "kept").read_text())["Secret"], "secret")
        self.assertNotIn("auths", json.loads(self.file.read_text()))
        self.pull(self.registry.add("app", Image(layer("one"))), env=self.env)
        self.assertEqual(self.login("--get-login").stdout, "me\n")
        self.haulout("logout", self.registry.host, env=self.env)
        self.assertFalse((folder / "kept").exists())

    def test_two_logins_at_once_are_both_kept(self):
        other = Registry(self)
        other.password = "you:secret"
        logins = []
        for _ in range(5):
            for registry, user in ((self.registry, "me"), (other, "you")):
                command = ["haulout", "login", "--tls-verify=false", "-u", user, "-p", "secret", registry.host]
                logins.append(self.spawn(*command, env=self.env))
        for login in logins:
            login.communicate(timeout=60)
            self.assertEqual(login.returncode, 0)
        self.assertEqual(set(json.loads(self.file.read_text())["auths"]), {self.registry.host, other.host})
