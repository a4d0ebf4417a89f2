# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Manifest lists: artifacts, images of archives and folders, subjects, and how they are pushed."""

import json
import urllib.request

from peers.peers import BUSYBOX, PeerTest, run
from session import REGISTRY

ACCEPT = ", ".join((
    "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
))


def published(repository, name):
    """The bytes of a manifest in the registry."""
    request = urllib.request.Request(f"http://{REGISTRY}/v2/{repository}/manifests/{name}", headers={"Accept": ACCEPT})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


class Manifests(PeerTest):
    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        (self.folder / "f1.txt").write_text("hello\n")
        (self.folder / "page.html").write_text("hello\n")
        (self.folder / "f2.json").write_text('{"a":1}\n')
        (self.folder / "f3.bin").write_bytes(bytes(range(256)))
        (self.folder / "empty").write_text("")
        for program in ("podman", "haulout"):
            run(program, "pull", "-q", BUSYBOX)
            run(program, "manifest", "create", "peers")
            self.addCleanup(run, program, "manifest", "rm", "peers")

    def manifest(self, *line, **options):
        return self.same("manifest", *line, cwd=self.folder, **options)

    def again(self):
        for program in ("podman", "haulout"):
            run(program, "manifest", "rm", "peers")
            run(program, "manifest", "create", "peers")

    def pushed(self, *flags, same=True):
        """What a push puts into the registry: list and members of each."""
        lists = {}
        for program in ("podman", "haulout"):
            self.check(0, program, "manifest", "push", "-q", *flags, "peers", f"{REGISTRY}/manifests/{program}:1", cwd=self.folder)
            lists[program] = published(f"manifests/{program}", "1")
        if same:
            self.assertEqual(lists["haulout"], lists["podman"])
        return {program: json.loads(text) for program, text in lists.items()}

    def test_an_artifact_is_added_shown_and_pushed_to_the_byte(self):
        for flags, files in (
            ([], ["f1.txt"]), ([], ["f1.txt", "f2.json", "page.html", "f3.bin", "empty"]),
            (["--artifact-type", "application/x-test", "--artifact-config", "f2.json", "--artifact-config-type", "application/x-conf",
              "--artifact-layer-type", "text/plain"], ["f1.txt", "f2.json"]),
            (["--artifact-exclude-titles", "--annotation", "c=d", "--arch", "amd64", "--os", "linux"], ["f3.bin"]),
            (["--artifact-config", "f2.json"], ["page.html"]), (["--artifact-config-type", "application/x-c"], ["f1.txt"]),
            (["--artifact-type", ""], ["f1.txt"]), (["--artifact-subject", BUSYBOX], ["f1.txt"]),
        ):
            self.again()
            self.manifest("add", "--artifact", *flags, "peers", *files)
            # Podman lists the files in any order.
            self.manifest("inspect", "peers", normal=lambda text: sorted(line.strip(" ,") for line in text.splitlines()))
            self.pushed()
            digest = json.loads(published("manifests/haulout", "1"))["manifests"][0]["digest"]
            self.assertEqual(published("manifests/haulout", digest), published("manifests/podman", digest))

    def test_what_cannot_be_an_artifact_is_said(self):
        for line in (
            ["--artifact", "peers", "nothere"], ["--artifact", "peers", "."], ["--artifact", "peers"],
            ["--artifact", "--artifact-config", "nothere", "peers", "f1.txt"], ["--artifact-type", "x", "peers", "f1.txt"],
            ["--artifact-config", "x", "peers", "f1.txt"], ["--artifact-config-type", "x", "peers", "f1.txt"],
            ["--artifact-layer-type", "x", "peers", "f1.txt"], ["--artifact-subject", "x", "peers", "f1.txt"],
            ["--artifact-exclude-titles", "peers", "f1.txt"],
        ):
            self.manifest("add", *line)
        self.manifest("inspect", "peers", normal=str)

    def test_a_file_that_changed_is_not_what_was_added(self):
        self.haulout("manifest", "add", "--artifact", "peers", self.folder / "f1.txt")
        (self.folder / "f1.txt").write_text("jello\n")
        for name in ("blobless", "blobless/again"):
            done = self.haulout("manifest", "push", "-q", "peers", f"{REGISTRY}/manifests/{name}:1", status=125)
            self.assertIn("f1.txt is not what was added to the list any more: add it again", done.stderr)

    def test_images_of_archives_and_folders_are_added_and_pushed(self):
        for line in (["save", "-q", "--format", "oci-archive", "-o", "oci.tar", BUSYBOX], ["push", "-q", BUSYBOX, "dir:dir"],
                     ["push", "-q", BUSYBOX, "oci:layout:foo:bar"], ["push", "-q", BUSYBOX, "oci:layout:two"]):
            self.check(0, "podman", *line, cwd=self.folder)
        for place in ("dir:dir", "oci-archive:oci.tar", "oci:layout:foo:bar"):
            self.again()
            self.manifest("add", "peers", place)
            self.manifest("inspect", "peers", normal=str)
            # Podman packs layers anew, or takes others that it knows the registry to have.
            lists = self.pushed(same=False)
            said = [[(member["platform"], member["mediaType"]) for member in one["manifests"]] for one in lists.values()]
            self.assertEqual(said[1], said[0])
            self.assertEqual(run("podman", "run", "--rm", "--network=none", f"{REGISTRY}/manifests/haulout:1", "echo", "hi").stdout, "hi\n")
            run("podman", "rmi", f"{REGISTRY}/manifests/haulout:1")
        self.again()
        for place, words in (("oci:layout", "more than one image in oci, choose an image"), ("dir:nothere", "open nothere/manifest.json: no such file"),
                             ("docker-daemon:x:y", "does not speak to the Docker daemon"), ("containers-storage:nothere", "image not known")):
            done = self.haulout("manifest", "add", "peers", place, status=125, cwd=self.folder)
            self.assertIn(words, done.stderr.replace(str(self.folder) + "/", ""))
        self.manifest("inspect", "peers", normal=str)
        self.haulout("manifest", "add", "peers", "dir:dir", cwd=self.folder)
        run("podman", "push", "-q", "--compress", BUSYBOX, "dir:dir", cwd=self.folder)
        done = self.haulout("manifest", "push", "peers", f"{REGISTRY}/manifests/haulout:2", status=125)
        self.assertIn("is not what was added to the list any more", done.stderr)

    def test_the_list_itself_is_annotated_and_has_a_subject(self):
        self.manifest("add", "peers", BUSYBOX)
        digest = run("podman", "image", "inspect", "--format", "{{.Digest}}", BUSYBOX).stdout.strip()
        for line in (
            ["--index", "--annotation", "k=v", "peers"], ["--index", "--subject", BUSYBOX, "peers"], ["--index", "peers", digest],
            ["--subject", BUSYBOX, "peers"], ["--subject", BUSYBOX, "peers", digest], ["peers"], ["peers", digest],
            ["--index", "--arch", "x", "peers"], ["--index", "--os", "x", "peers"], ["--index", "--os-version", "x", "peers"],
            ["--index", "--variant", "x", "peers"], ["--index", "--features", "x", "peers"], ["--index", "--os-features", "x", "peers"],
            ["--annotation", "kv", "peers", digest], ["--annotation", "x=y", "--arch", "arm", "peers", BUSYBOX],
            ["--arch", "arm", "peers", f"sha256:{'0' * 64}"],
        ):
            self.manifest("annotate", *line)
        self.manifest("inspect", "peers", normal=str)
        self.pushed()
        self.manifest("create", "--annotation", "kv", "other")

    def test_a_list_is_amended(self):
        for line in (["peers"], ["--amend", "peers"], ["--amend", "peers", BUSYBOX], ["-a", "peers", BUSYBOX]):
            self.manifest("create", *line)
        self.manifest("inspect", "peers", normal=str)

    def test_images_are_added_with_another_compression_or_not_at_all(self):
        self.manifest("add", "peers", BUSYBOX)
        for flags in (["--add-compression", "zstd"], ["--add-compression", "gzip,zstd"], ["--compression-format", "zstd"],
                      ["--compression-format", "zstd", "--force-compression"], ["--format", "oci"]):
            lists = self.pushed(*flags, same=False)
            # Blobs that are packed by others are other blobs.
            said = [[(member.get("annotations"), member["platform"], member["mediaType"]) for member in one["manifests"]] for one in lists.values()]
            with self.subTest(flags=flags):
                self.assertEqual(said[1], said[0])
            for member in lists["haulout"]["manifests"]:
                packed = "zstd" if member.get("annotations") else "gzip"
                self.assertIn(f"tar+{packed}", published("manifests/haulout", member["digest"]))
        self.manifest("push", "-q", "--add-compression", "foo", "peers", f"{REGISTRY}/manifests/x:1")
        done = [run(program, "manifest", "push", "--all=false", "peers", f"{REGISTRY}/manifests/none/{program}:1") for program in ("podman", "haulout")]
        self.assertEqual([one.returncode for one in done], [125, 125])
        self.assertIn("Copying 0 images generated from 1 images in list", done[1].stderr)
        self.assertIn("blob unknown to registry", done[1].stderr)
        self.pushed()
        self.pushed("--all=false")

    def test_what_a_registry_has_is_inspected(self):
        self.manifest("add", "peers", BUSYBOX)
        self.pushed()
        self.manifest("inspect", f"{REGISTRY}/manifests/podman:1", normal=str)
        for name in (BUSYBOX, f"{REGISTRY}/nothere", f"{REGISTRY}/manifests/podman:nothere"):
            self.manifest("inspect", name)
