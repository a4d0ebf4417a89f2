# SPDX-License-Identifier: Apache-2.0 OR MIT
"""containers-transports(5): images that are elsewhere than in a registry, read by pull, load and run and written by push and save."""

import json
import re

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import REGISTRY

OTHER = f"{REGISTRY}/transports:other"


class Transports(PeerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A second image, whose configuration is another one.
        run("podman", "create", "--name", "transports", BUSYBOX, "echo", "other")
        run("podman", "commit", "-q", "transports", OTHER)
        run("podman", "rm", "transports")
        run("podman", "push", "-q", OTHER)

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.addCleanup(self.begin_again)
        self.begin_again()

    def begin_again(self):
        for program in ("podman", "haulout"):
            run(program, "rm", "--all", "--force", "--time", "0")
            run(program, "rmi", "--all", "--force")
            run(program, "pull", "--quiet", BUSYBOX)

    def forget(self):
        for program in ("podman", "haulout"):
            run(program, "rmi", "--all", "--force")

    def write(self):
        """What Podman writes in every form, of one image and of several."""
        run("podman", "tag", BUSYBOX, "localhost/two:2")
        run("podman", "pull", "-q", OTHER)
        for line in (
            ["save", "-q", "-m", "-o", "names.tar", BUSYBOX, "localhost/two:2"], ["save", "-q", "-m", "-o", "many.tar", BUSYBOX, OTHER],
            ["save", "-q", "-o", "one.tar", BUSYBOX], ["save", "-q", "--format", "oci-archive", "-o", "oci.tar", BUSYBOX],
            ["push", "-q", BUSYBOX, "oci:several:foo:bar"], ["push", "-q", OTHER, "oci:several:q.io/x:y"], ["push", "-q", BUSYBOX, "oci:several"],
            ["push", "-q", BUSYBOX, "oci:short:foo"], ["push", "-q", BUSYBOX, "oci:upper:Foo"], ["push", "-q", BUSYBOX, "oci-archive:named.tar:x:y"],
            ["push", "-q", BUSYBOX, "oci-archive:nameless.tar"], ["push", "-q", BUSYBOX, "dir:dir"], ["push", "-q", BUSYBOX, "oci:nameless"],
        ):
            self.check(0, "podman", *line, cwd=self.folder)

    def names(self):
        """The names that the images have."""
        said = [run(program, "images", "--all", "--noheading", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}").stdout
                for program in ("podman", "haulout")]
        podman, haulout = (sorted(text.split("\n")) for text in said)
        self.assertEqual(haulout, podman)
        return podman

    def test_a_pull_takes_what_is_meant_and_calls_it_as_podman_does(self):
        self.write()
        for place in (
            "docker-archive:one.tar", "docker-archive:names.tar", "docker-archive:names.tar:localhost/two:2", "docker-archive:names.tar:two:2",
            "docker-archive:many.tar", "docker-archive:many.tar:@1", "docker-archive:many.tar:@2", "docker-archive:many.tar:@-1",
            "docker-archive:many.tar:@x", f"docker-archive:many.tar:{OTHER}", "docker-archive:nothere.tar", "docker-archive:oci.tar",
            "docker-archive:", f"docker-archive:one.tar:a@sha256:{'0' * 64}", "oci-archive:oci.tar", f"oci-archive:oci.tar:{BUSYBOX}",
            "oci-archive:oci.tar:busybox", "oci-archive:named.tar", "oci-archive:named.tar:x:y", "oci-archive:nameless.tar",
            "oci-archive:nothere.tar", "oci:short", "oci:short:foo", "oci:upper", "oci:nameless", "oci:several", "oci:several:foo:bar",
            "oci:several:q.io/x:y", "oci:several:nope", "oci:nothere", "oci:one.tar", "oci:dir", "dir:dir", f"dir:{self.folder}/dir",
            "dir:nothere", "dir:one.tar", "dir:short", "dir:dir:x", "ostree:x", "containers-storage:",
        ):
            self.forget()
            self.same("pull", place, cwd=self.folder)
            with self.subTest(place=place):
                self.names()

    def test_a_load_reads_every_form(self):
        self.write()
        for name in ("one.tar", "names.tar", "many.tar", "oci.tar", "named.tar", "nameless.tar", "short", "nameless", "dir", "nothere"):
            self.forget()
            self.same("load", "-q", "-i", name, cwd=self.folder)
            with self.subTest(name=name):
                self.names()
        self.forget()
        refused = self.haulout("load", "-q", "-i", "several", status=125, cwd=self.folder)
        self.assertIn("more than one image in oci, choose an image", refused.stderr)

    def test_a_container_is_made_of_what_is_elsewhere_whatever_the_policy(self):
        self.write()
        show = ["ps", "-a", "--format", "{{.Names}} {{.Image}} {{.Command}}"]
        for policy in ("missing", "always", "newer", "never"):
            self.forget()
            for number, place in enumerate(("docker-archive:one.tar", "dir:dir", "oci:several:foo:bar", "oci-archive:named.tar", "oci:several", "dir:no")):
                self.same("create", "--pull", policy, "--name", f"n{number}", place, "true", cwd=self.folder)
            self.same(*show, normal=lambda text: sorted(normal(text).splitlines()))
            for program in ("podman", "haulout"):
                run(program, "rm", "--all", "--force")
        self.forget()
        self.same("run", "--rm", "--network=none", "-q", "dir:dir", "echo", "hello", cwd=self.folder)

    def test_there_is_no_docker_daemon_and_one_store(self):
        for verb in (["pull"], ["create"], ["push", BUSYBOX]):
            done = self.haulout(*verb, "docker-daemon:x:y", status=125)
            self.assertIn("docker save x:y | haulout load", done.stderr)
            done = self.haulout(*verb, "containers-storage:[overlay@/x]y", status=125)
            self.assertIn("additionalimagestores in storage.conf", done.stderr)
        self.same("pull", f"containers-storage:{BUSYBOX}")
        self.same("push", "-q", BUSYBOX, "containers-storage:localhost/pushed:1")
        self.same("push", "-q", BUSYBOX, "containers-storage:pushed")
        self.names()
        done = self.haulout("pull", "containers-storage:nothere", status=125)
        self.assertIn('reference "docker.io/library/nothere:latest" does not resolve to an image ID', done.stderr)

    def kinds(self, path):
        """The media types of a manifest and what it names."""
        return re.findall(r'"mediaType":\s*"([^"]*)"', path.read_text())

    def written(self, program):
        """The manifest that lies in `program`, a dir or an image layout."""
        index = self.folder / program / "index.json"
        if not index.exists():
            return self.folder / program / "manifest.json"
        [entry] = json.loads(index.read_text())["manifests"]
        return self.folder / program / "blobs/sha256" / entry["digest"].removeprefix("sha256:")

    def test_a_push_writes_what_podman_writes(self):
        for transport, flags in (
            ("dir", []), ("dir", ["--format", "oci"]), ("dir", ["--format", "v2s2"]), ("dir", ["--compress"]), ("dir", ["--compression-format", "zstd"]),
            ("oci", []), ("oci", ["--format", "v2s2"]), ("oci", ["--compression-format", "zstd"]),
        ):
            said = []
            for program in ("podman", "haulout"):
                digest = self.folder / "digest"
                self.check(0, program, "push", "-q", "--digestfile", digest, *flags, BUSYBOX, f"{transport}:{self.folder / program}")
                manifest = self.written(program)
                said.append(self.kinds(manifest))
                sum_of = run("sha256sum", manifest).stdout.split()[0]
                self.assertEqual(digest.read_text(), f"sha256:{sum_of}", flags)
                # It is read again.
                self.check(0, "podman", "pull", "-q", f"{transport}:{self.folder / program}")
                run("podman", "rmi", "--all", "--force")
                run("podman", "pull", "-q", BUSYBOX)
                run("rm", "-r", self.folder / program)
            with self.subTest(transport=transport, flags=flags):
                self.assertEqual(said[1], said[0])

    def test_a_transport_that_nobody_knows_is_refused_alike(self):
        for place in (
            "foo:/x", "foo://x", "foo:bar:/x", "foo:/", ":/x", "/x", "x:", "atomic:x/y", "http://x", "https://localhost:5000/x", "file:///x",
            "DIR:/x", "Dir:x", "dir :/x", "localhost:5000/UP", "localhost:5000/x:y:z", "localhost:5000/x@sha256:00", "a b",
            "ostree:a@/b", "docker-archive:", "containers-storage:",
        ):
            self.same("push", "-q", BUSYBOX, place)
            self.same("push", BUSYBOX, place)
        self.same("push", "-q", BUSYBOX, "")

    def test_a_save_writes_layers_as_asked(self):
        for flags in (["--format", "docker-dir"], ["--format", "docker-dir", "--compress"], ["--format", "oci-dir"],
                      ["--format", "oci-dir", "--uncompressed"]):
            said = []
            for program in ("podman", "haulout"):
                self.check(0, program, "save", "-q", "-o", self.folder / program, *flags, BUSYBOX)
                said.append(self.kinds(self.written(program)))
                run("rm", "-r", self.folder / program)
            with self.subTest(flags=flags):
                self.assertEqual(said[1], said[0])

    def test_a_docker_archive_calls_an_image_what_a_push_says(self):
        for name in ("", ":foo", ":foo:bar", ":q.io/x:y", ":localhost/z", ":@0", ":Foo"):
            said = []
            for program in ("podman", "haulout"):
                path = self.folder / f"{program}.tar"
                done = run(program, "push", "-q", BUSYBOX, f"docker-archive:{path}{name}")
                manifest = run("tar", "-xOf", path, "manifest.json").stdout
                said.append((done.returncode, manifest and json.loads(manifest)[0]["RepoTags"]))
                run("rm", "-f", path)
            with self.subTest(name=name):
                self.assertEqual(said[1], said[0])

    def test_a_folder_of_something_else_is_not_written_to_and_one_of_an_image_is_replaced(self):
        for program in ("podman", "haulout"):
            for name in ("full", "empty"):
                (self.folder / program / name).mkdir(parents=True)
            (self.folder / program / "full/letter").write_text("dear")
        for name in ("full", "empty", "new"):
            results = [run(program, "push", "-q", BUSYBOX, f"dir:{name}", cwd=self.folder / program) for program in ("podman", "haulout")]
            self.assertEqual(results[1].stderr, results[0].stderr)
            listed = [sorted(path.name for path in (self.folder / program / name).iterdir()) for program in ("podman", "haulout")]
            self.assertEqual(listed[1], listed[0])
        for program in ("podman", "haulout"):
            run(program, "pull", "-q", OTHER)
            (self.folder / program / "new/signature-1").write_text("of the other image")
            self.check(0, program, "push", "-q", OTHER, "dir:new", cwd=self.folder / program)
        listed = [len(list((self.folder / program / "new").iterdir())) for program in ("podman", "haulout")]
        self.assertEqual(listed[1], listed[0])

    def test_a_layout_keeps_the_images_that_it_has(self):
        said = []
        for program in ("podman", "haulout"):
            run(program, "pull", "-q", OTHER)
            for image, name in ((BUSYBOX, ":a"), (OTHER, ":b"), (OTHER, ":a"), (BUSYBOX, ""), (OTHER, ""), (BUSYBOX, "")):
                self.check(0, program, "push", "-q", image, f"oci:{self.folder / program}{name}")
            entries = json.loads((self.folder / program / "index.json").read_text())["manifests"]
            said.append(sorted(str(entry.get("annotations")) for entry in entries))
        self.assertEqual(said[1], said[0])
