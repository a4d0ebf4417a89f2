# SPDX-License-Identifier: Apache-2.0 OR MIT
"""history, tree, untag, save, push, search, login and prune: what is said, as Podman says it."""

import functools
import http.server
import json
import re
import threading

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import REGISTRY


def unsized(text):
    """Without the size of an image, in which Podman counts its own documents."""
    return re.sub(r"Size:  \S+", "Size:", normal(text))


class Images(PeerTest):
    def setUp(self):
        super().setUp()
        for program in ("podman", "haulout"):
            for name in ("localhost/first:1", "localhost/second:latest"):
                run(program, "tag", BUSYBOX, name)
                self.addCleanup(run, program, "untag", BUSYBOX, name)

    def forgets(self, program, name):
        """The image, and those that it was before, go at the end, with their containers."""
        self.addCleanup(run, program, "image", "prune", "--force")
        self.addCleanup(run, program, "rmi", "--force", name)
        self.addCleanup(run, program, "rm", "--all", "--force", "--time", "0")

    def test_history_is_the_same(self):
        for line in [
            ["history", BUSYBOX], ["history", "--no-trunc", BUSYBOX], ["history", "-q", BUSYBOX], ["image", "history", BUSYBOX],
            ["history", "--human=false", BUSYBOX], ["history", "nothere"], ["history"], ["history", "a", "b"],
            ["history", "--format", "{{.ID}} {{.Size}} {{.CreatedBy}} {{.CreatedAt}} {{.CreatedSince}} {{.Comment}}", BUSYBOX],
            ["history", "--format", "table {{.ID}}\t{{.Size}}", BUSYBOX],
        ]:
            self.same(*line)

    def test_a_tree_is_the_same(self):
        for line in (["tree", BUSYBOX], ["tree", "--whatrequires", BUSYBOX], ["tree", "nothere"], ["tree"]):
            podman, haulout = self.both("image", *line)
            # In whatever order, and without what others may have called it.
            ours = {BUSYBOX, "localhost/first:1", "localhost/second:latest"}
            sort = lambda text: re.sub(r"\[(.*?)\]", lambda names: str(sorted(ours & set(names[1].split()))), unsized(text))
            self.assertEqual((haulout.returncode, sort(haulout.stdout)), (podman.returncode, sort(podman.stdout)))
            self.assertEqual(normal(haulout.stderr), normal(podman.stderr))

    def test_an_image_s_changes_are_the_same(self):
        archive = self.temporary_folder() / "two.tar"
        run("haulout", "run", "--name", "two", "--network", "none", BUSYBOX, "sh", "-c",
            "echo x >/etc/new; rm /etc/group; echo y >>/etc/passwd; mkdir -p /var/a/b; rm -r /var/www")
        self.haulout("commit", "-q", "two", "localhost/two:1")
        self.haulout("rm", "two")
        self.haulout("save", "-q", "-o", archive, "localhost/two:1")
        self.podman("load", "-q", "-i", archive)
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "rmi", "--force", "localhost/two:1")
        for line in (["two:1"], ["--format", "json", "two:1"], ["two:1", BUSYBOX], ["two:1", "two:1"], ["nothere"], [],
                     ["two:1", "nothere"], ["a", "b", "c"], ["--format", "x", "two:1"]):
            self.same("image", "diff", *line)
        self.same("diff", "two:1")

    def test_a_tar_is_imported_for_another_machine_and_from_a_web_server(self):
        folder = self.temporary_folder()
        (folder / "f").write_text("hello")
        run("tar", "--create", "--file", folder / "t.tar", "--directory", folder, "f")
        for program in ("podman", "haulout"):
            self.forgets(program, "localhost/imported:1")
        show = ["image", "inspect", "--format", "{{.Id}} {{.Architecture}} {{.Os}}", "imported:1"]
        for flags in (["--arch", "arm64", "--variant", "v8"], ["--os", "windows"], ["--arch", "nonsense", "-m", "why"]):
            self.same("import", "-q", *flags, folder / "t.tar", "imported:1", normal=str)
            self.same(*show, normal=str)
        web = http.server.ThreadingHTTPServer(
            ("localhost", 0), functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder))
        http.server.SimpleHTTPRequestHandler.log_message = lambda *_: None
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        url = f"http://localhost:{web.server_port}"
        self.same("import", "-q", f"{url}/t.tar", "imported:1")
        self.assertEqual(self.haulout("run", "--rm", "--network=none", "--entrypoint", "/f", "imported:1", status=None).returncode, 126)
        before = self.haulout("images", "-q", "-a").stdout
        nothing = self.haulout("import", f"{url}/nothere", "imported:2", status=125)
        self.assertIn(f"Error: downloading {url}/nothere: StatusCode: 404", nothing.stderr)
        self.assertEqual(self.haulout("images", "-q", "-a").stdout, before)

    def test_a_configuration_goes_over_that_of_a_committed_container(self):
        folder = self.temporary_folder()
        (folder / "c.json").write_text(
            '{"Hostname":"h","User":"1000","Env":["A=2","PATH=/x"],"Cmd":["x"],"Entrypoint":["e"],"Labels":{"l":"v"},'
            '"ExposedPorts":{"80/tcp":{}},"Volumes":{"/v":{}},"WorkingDir":"/w","StopSignal":"9","Shell":["/bin/zsh"]}')
        (folder / "unknown.json").write_text('{"Foo":1}')
        (folder / "broken.json").write_text("x")
        for program in ("podman", "haulout"):
            run(program, "create", "--name", "one", "-e", "A=1", "-l", "q=r", BUSYBOX, "echo", "hi")
            self.forgets(program, "localhost/configured:1")
        show = ["image", "inspect", "--format", "{{json .Config}}", "configured:1"]

        def plain(text):
            shown = json.loads(normal(text))
            # Podman takes the variables of both from a map, in any order.
            shown["Env"] = sorted(value for value in shown["Env"] if value != "container=podman")
            return shown

        for flags in (["--config", "c.json"], ["--config", "c.json", "-c", "CMD=zz", "-c", "ENV=B=3"], ["--config", "unknown.json"]):
            self.same("commit", "-q", *flags, "one", "configured:1", cwd=folder)
            self.same(*show, normal=plain, stderr=False)
        self.same("commit", "-q", "--config", "nothere.json", "one", cwd=folder)
        broken = self.same("commit", "-q", "--config", "broken.json", "one", cwd=folder, stderr=False)
        self.assertEqual(broken.returncode, 125)
        self.assertIn("expected value at line 1 column 1", broken.stderr)

    def test_a_manifest_list_is_an_image_too(self):
        for program in ("podman", "haulout"):
            for name in ("localhost/list:1", "localhost/list:2", "localhost/empty:1"):
                self.addCleanup(run, program, "manifest", "rm", name)
        listed = ["images", "--noheading", "--format", "{{.Repository}}:{{.Tag}}", "--filter"]
        for line in (
            ["manifest", "create", "list:1"], ["manifest", "add", "list:1", BUSYBOX], ["image", "exists", "list:1"],
            ["image", "inspect", "--format", "{{.Id}}", "list:1"], ["inspect", "--format", "{{.Id}}", "list:1"], ["history", "list:1"],
            ["run", "--rm", "--network=none", "list:1", "echo", "hi"], ["tag", "list:1", "list:2"], [*listed, "manifest=true"],
            [*listed, "manifest=false", "--filter", "dangling=false"], ["manifest", "inspect", "list:2"], ["manifest", "create", "first:1"],
            ["manifest", "exists", "first:1"], ["manifest", "exists", "list:2"], ["manifest", "exists", "nothere"],
            ["manifest", "add", "first:1", BUSYBOX], ["manifest", "rm", "first:1"], ["manifest", "rm", "list:1"],
            [*listed, "manifest=true"], ["manifest", "rm", "list:2"], ["manifest", "rm", "list:2"], [*listed, "manifest=true"],
            ["manifest", "create", "empty:1"], ["image", "exists", "empty:1"], ["rmi", "empty:1"], ["image", "exists", "empty:1"],
        ):
            self.same(*line, normal=(lambda text: sorted(normal(text).splitlines())) if line[0] == "images" else normal)

    def test_untag_says_the_same(self):
        for line in (["first:1"], ["first:1"], ["nothere"], [], ["second", "second"], ["second"]):
            self.same("untag", *line)

    def test_pushes_say_the_same(self):
        for line in [
            [BUSYBOX, f"{REGISTRY}/peers/push:1"], ["-q", BUSYBOX, f"{REGISTRY}/peers/push:1"], ["nothere"], [], ["a", "b", "c"],
            ["--format", "x", BUSYBOX], ["--compression-format", "x", BUSYBOX], ["first:1", f"docker://{REGISTRY}/peers/push:2"],
        ]:
            self.same("push", *line)

    def test_an_image_layout_calls_an_image_what_a_push_says(self):
        for name in ("v1", "some.where/it:2", None):
            said = {}
            for program in ("podman", "haulout"):
                folder = self.temporary_folder() / "layout"
                where = f"oci:{folder}" + (f":{name}" if name else "")
                self.check(0, program, "push", "--quiet", BUSYBOX, where)
                [manifest] = json.loads((folder / "index.json").read_text())["manifests"]
                said[program] = manifest.get("annotations")
                if name:
                    self.check(0, "podman", "pull", "--quiet", where)
            with self.subTest(name=name):
                self.assertEqual(said["haulout"], said["podman"])

    def test_saves_say_the_same(self):
        folder = self.temporary_folder()
        number = 0
        for line in [
            [BUSYBOX], ["-q", BUSYBOX], ["--format", "oci-archive", BUSYBOX], ["--format", "oci-dir", BUSYBOX],
            ["--format", "docker-dir", BUSYBOX], ["--compress", "--format", "docker-dir", BUSYBOX], ["-m", BUSYBOX, "first:1"],
            ["--format", "x", BUSYBOX], ["--compress", BUSYBOX], ["nothere"], ["-m", "--format", "oci-archive", BUSYBOX],
        ]:
            number += 1
            results = [run(program, "save", "-o", folder / f"{program}{number}", *line) for program in ("podman", "haulout")]
            podman, haulout = results
            self.assertEqual((haulout.returncode, haulout.stdout), (podman.returncode, podman.stdout), line)
            self.assertEqual(haulout.stderr.replace("haulout", "podman"), podman.stderr, line)
        for program in ("podman", "haulout"):
            # What is loaded takes the place of what was pulled.
            self.addCleanup(run, program, "pull", "-q", BUSYBOX)
            for path in sorted(folder.iterdir()):
                self.assertEqual(run(program, "load", "-q", "-i", path).returncode, 0, path)

    def test_searches_find_the_same(self):
        for line in [
            [f"{REGISTRY}/busybox"], ["busybox"], ["--list-tags", f"{REGISTRY}/busybox"], [f"{REGISTRY}/nothing-like-it"],
            ["--format", "json", f"{REGISTRY}/busybox"], ["--format", "json", "--list-tags", f"{REGISTRY}/busybox"],
            ["--format", "{{.Name}} {{.Tag}}", "--list-tags", f"{REGISTRY}/busybox"], [], ["--no-trunc", f"{REGISTRY}/busy"],
            ["--compatible", f"{REGISTRY}/busybox"], ["--filter", "is-official", f"{REGISTRY}/busybox"],
            ["--filter", "stars=1", f"{REGISTRY}/busybox"], ["--filter", "foo", f"{REGISTRY}/busybox"],
            ["--format", "table {{.Index}} {{.Name}}", f"{REGISTRY}/busybox"],
        ]:
            self.same("search", *line)

    def test_logins_say_the_same(self):
        file = self.temporary_folder() / "auth.json"
        for line in [
            ["login", "--get-login", REGISTRY], ["login", "-u", "a", "-p", "b", REGISTRY], ["login", "--get-login", REGISTRY],
            ["login", REGISTRY], ["login", "--password-stdin", REGISTRY], ["login", "-u", "a", "-p", "b", "--password-stdin", REGISTRY],
            ["login", "-v", "-u", "x", "-p", "y", f"{REGISTRY}/foo"], ["login", "-u", "x", "-p", "y", f"{REGISTRY}/foo:tag"],
            ["login", "-u", "a", "-p", "b", "--tls-verify=true", REGISTRY], ["login", "a", "b"], ["login", "--get-login"],
            ["logout", "nowhere"], ["logout", f"{REGISTRY}/foo"], ["logout", f"{REGISTRY}/foo"], ["logout", "-a", REGISTRY],
            ["logout", "-a"], ["logout", "-a"], ["logout", "--authfile", "/no/such", REGISTRY], ["logout", "a", "b"],
        ]:
            results = []
            for program in ("podman", "haulout"):
                path = f"{file}.{program}"
                done = run(program, *line, env={"REGISTRY_AUTH_FILE": path})
                words = [text.replace("haulout", "podman") for text in (done.stdout, done.stderr)]
                kept = open(path, encoding="utf-8").read() if run("test", "-e", path).returncode == 0 else None
                results.append((done.returncode, *words, kept))
            self.assertEqual(results[1], results[0], line)

    def test_prune_asks_and_removes_what_nobody_needs(self):
        for line in [["image", "prune"], ["image", "prune", "-f"], ["image", "prune", "-a", "-f", "--filter", "label=x"],
                     ["image", "prune", "x"]]:
            self.same(*line)
        self.same("image", "prune", stdin="n\n")

    def test_trust_is_shown_and_set_the_same(self):
        begin = '{"default": [{"type": "insecureAcceptAnything"}]}'
        folder = self.temporary_folder()
        for program in ("podman", "haulout"):
            (folder / program).write_text(begin)
        (folder / "registries.d").mkdir()
        places = "lookaside: https://a.example/b\n    lookaside-staging: file:///var/x"
        (folder / "registries.d/one.yaml").write_text(f"docker:\n  docker.io:\n    {places}\n")
        for line in [
            ["show"], ["show", "--json"], ["set", "-t", "reject", "docker.io"], ["set", "-t", "accept", "docker.io/library"],
            ["set", "-t", "reject", "default"], ["show"], ["show", "--json"], ["show", "--raw"], ["set", "-t", "foo", "docker.io"],
            ["set", "-t", "accept", "bad name"], ["set", "-t", "accept", "REG/x"],
            ["show", "--registrypath", folder / "registries.d"], ["show", "--json", "--registrypath", folder / "registries.d"],
            ["set"], ["set", "a", "b"], ["set", "quay.io"], ["set", "-t", "accept", "-f", "/etc/passwd", "quay.io"], ["set", "-f", "/etc/passwd", "-t", "signedBy", "quay.io"],
        ]:
            results = []
            for program in ("podman", "haulout"):
                done = run(program, "image", "trust", line[0], "--policypath", folder / program, *line[1:])
                results.append((done.returncode, done.stdout, done.stderr, (folder / program).read_text()))
            self.assertEqual(results[1], results[0], line)

    def test_trust_is_shown_whatever_a_requirement_is(self):
        folder = self.temporary_folder()
        accept = '{"type": "insecureAcceptAnything"}'
        for policy in (
            '{"default": [{"type": "foo"}]}',
            '{"default": [%s], "transports": {"docker": {"q.io": [{"type": "foo", "x": {"y": 1}}, {"type": "reject"}]}}}' % accept,
            '{"default": [%s], "transports": {"foo": {"": [{"type": "reject"}]}}}' % accept,
            '{"default": [{"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}]}',
            '{"default": [{"x": 1}]}', '{"default": []}', "{}", '{"default": [{"type": "insecureAcceptAnything", "x": 1}]}',
            '{"default": [{"type": "sigstoreSigned", "fulcio": {}}]}', '{"default": [{"type": "signedBy"}]}',
        ):
            path = folder / "policy.json"
            for line in (["show"], ["show", "--json"], ["show", "--raw"], ["set", "-t", "accept", "q.io/x"], ["show"]):
                path.write_text(policy)
                results = []
                for program in ("podman", "haulout"):
                    path.write_text(policy)
                    done = run(program, "image", "trust", line[0], "--policypath", path, *line[1:])
                    results.append((done.returncode, normal(done.stdout), normal(done.stderr), path.read_text()))
                self.assertEqual(results[1], results[0], (policy, line))
        for policy in ("x", "[]", '{"default": "x"}'):
            path.write_text(policy)
            podman, haulout = self.both("image", "trust", "show", "--policypath", path)
            self.assertEqual((podman.returncode, haulout.returncode), (125, 125))
            words = f"Error: could not show trust policies: could not read trust policies: could not parse trust policies from {path}: "
            self.assertTrue(podman.stderr.startswith(words) and haulout.stderr.startswith(words), haulout.stderr)

    def test_a_policy_that_is_named_decides_what_is_let_in(self):
        folder = self.temporary_folder()
        no, yes = folder / "no.json", folder / "yes.json"
        no.write_text('{"default": [{"type": "reject"}]}')
        yes.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        name, archive = f"{REGISTRY}/peers/policy:1", folder / "image.tar"
        for command in (["create", "--name", "maker", BUSYBOX, "true"], ["commit", "-q", "maker", name], ["push", "-q", name],
                        ["save", "-q", "-o", archive, name], ["rm", "maker"]):
            self.podman(*command)
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "rmi", "--ignore", name, "localhost/policy:1")
        self.podman("rmi", name)
        for verb, *words in (
            ["pull", "--quiet", name],
            ["pull", "--quiet", f"docker-archive:{archive}"],
            ["run", "--rm", "--quiet", "--network=none", "--pull=always", name, "true"],
            ["push", "--quiet", name, f"{REGISTRY}/peers/policy:2"],
            ["save", "--quiet", "--output", "/dev/null", name],
            ["import", "--quiet", archive, "localhost/policy:1"],
            ["load", "--quiet", "--input", archive],
        ):
            for policy in (no, yes, "", "/nonexistent"):
                # Podman tells of everything that it tries to read an archive as, and where its store is.
                stderr = verb not in ("load", "save") or policy == yes
                self.same(verb, "--signature-policy", policy, *words, stderr=stderr)

    def test_a_newer_image_is_one_that_the_registry_has_otherwise(self):
        name = f"{REGISTRY}/peers/newer:1"
        line = ["run", "--pull=newer", "--rm", "--network=none"]

        def remake(words):
            """Another image by that name in the registry."""
            for command in (["create", "--name", "maker", BUSYBOX, "echo", words], ["commit", "-q", "maker", name], ["push", "-q", name],
                            ["rm", "maker"], ["rmi", name]):
                self.podman(*command)

        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "rmi", "--ignore", name, "localhost:5001/gone:1")
        remake("one")
        # Not here; here and nothing is newer; newer; and again not.
        self.same(*line, name, stderr=False)
        self.assertEqual(self.same(*line, name).stderr, "")
        podman_has = run("podman", "image", "inspect", "--format", "{{.Id}}", name).stdout.strip()
        run("podman", "tag", podman_has, "localhost/kept:1")
        self.addCleanup(run, "podman", "rmi", "--ignore", "localhost/kept:1")
        remake("two")
        run("podman", "tag", "localhost/kept:1", name)
        podman, haulout = self.both(*line, name)
        self.assertEqual((podman.stdout, haulout.stdout), ("two\n", "two\n"))
        self.assertEqual(haulout.stderr.splitlines()[0], podman.stderr.splitlines()[0])
        self.assertEqual(self.same(*line, name).stderr, "")
        # Who has nothing to ask takes what is here, and says nothing.
        for program in ("podman", "haulout"):
            run(program, "tag", BUSYBOX, "localhost:5001/gone:1")
        identity = self.inspect(BUSYBOX, "--type=image")["Id"]
        for image in ("localhost:5001/gone:1", identity, identity[:12], BUSYBOX):
            self.assertEqual(self.same(*line, image, "echo", "hi").stderr, "")
        self.same(*line, f"{REGISTRY}/peers/nothere", "true")

    def test_manifest_lists_are_the_same(self):
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "manifest", "rm", "peers")
        for line in [
            ["create", "peers"], ["create"], ["inspect", "peers"], ["add", "peers", BUSYBOX], ["add", "peers"], ["exists", "peers"],
            ["exists", "nothere"], ["add", "peers", f"docker://{BUSYBOX}", "--os", "linux", "--arch", "arm64", "--variant", "v8"],
            ["inspect", "peers"], ["push", "peers", f"{REGISTRY}/peers/list:1"], ["inspect", f"{REGISTRY}/peers/list:1"],
            ["push"], ["push", "nothere", f"{REGISTRY}/peers/list:1"], ["inspect", BUSYBOX], ["remove", "peers"], ["rm", "peers"],
            ["rm", "peers"], ["rm"], ["inspect", "nothere"],
        ]:
            self.same("manifest", *line)
