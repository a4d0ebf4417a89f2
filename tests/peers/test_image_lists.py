# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which images are listed, named, counted as dangling and removed with what was built upon them, as Podman has it."""

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import REGISTRY

NAMES = ["images", "--noheading", "--format", "{{.Repository}}:{{.Tag}}"]


class Family(PeerTest):
    """busybox, a child and a grandchild."""

    def setUp(self):
        super().setUp()
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "pull", "-q", BUSYBOX)
            self.addCleanup(run, program, "rmi", "--all", "--force")
            self.addCleanup(run, program, "rm", "--all", "--force", "--time", "0")
        self.begin()

    def begin(self):
        for program in ("podman", "haulout"):
            run(program, "rm", "--all", "--force", "--time", "0")
            run(program, "rmi", "--all", "--force")
            run(program, "pull", "-q", BUSYBOX)
            for parent, child in ((BUSYBOX, "localhost/child:1"), ("localhost/child:1", "localhost/grand:1")):
                run(program, "create", "--name", "one", parent, "true")
                run(program, "commit", "-q", "one", child)
                run(program, "rm", "one")

    def listed(self, *flags):
        self.same(*NAMES, *flags, normal=lambda text: sorted(text.splitlines()))

    def both_listed(self):
        self.listed()
        self.listed("--all")

    def test_what_others_are_built_upon_is_hidden_kept_and_removed_with_the_last(self):
        for steps in (
            [["untag", "child:1"], ["image", "prune", "-f"], ["untag", "grand:1"], ["image", "prune", "-f"]],
            [["untag", "child:1"], ["rmi", "grand:1"]], [["untag", "child:1"], ["rmi", "--no-prune", "grand:1"]],
            [["rmi", BUSYBOX], ["rmi", "child:1"], ["rmi", "grand:1"]], [["rmi", "-f", BUSYBOX]], [["rmi", BUSYBOX, "child:1"]],
            [["image", "prune", "-af"]], [["create", "--name", "k", "grand:1"], ["image", "prune", "-af"]],
        ):
            self.begin()
            for step in steps:
                with self.subTest(step=step):
                    self.same(*step, normal=lambda text: sorted(normal(text).splitlines()))
                    self.both_listed()

    def test_filters_know_what_is_intermediate(self):
        for _ in range(2):
            for value in ("intermediate=true", "intermediate=false", "dangling=true", "dangling=false"):
                self.listed("--all", "--filter", value)
                self.listed("--filter", value)
            self.same("untag", "child:1")

    def test_an_image_says_what_it_was_built_upon(self):
        self.same("image", "inspect", "--format", "{{.Parent}} {{.RepoTags}}", BUSYBOX, "child:1")
        self.same(*NAMES[:3], "{{.Repository}} {{.ParentId}}", normal=lambda text: sorted(normal(text).splitlines()))

    def test_what_was_pulled_by_digest_is_not_dangling(self):
        digest = run("podman", "image", "inspect", "--format", "{{.Digest}}", BUSYBOX).stdout.strip()
        for program in ("podman", "haulout"):
            run(program, "rmi", "--all", "--force")
        self.same("pull", "-q", f"{REGISTRY}/busybox@{digest}")
        self.same("image", "prune", "-f")
        self.both_listed()


class Lists(PeerTest):
    def setUp(self):
        super().setUp()
        for program in ("podman", "haulout"):
            run(program, "rmi", "--all", "--force")
            run(program, "pull", "-q", BUSYBOX)
            self.addCleanup(run, program, "rmi", "--force", "localhost/b:2", "localhost/c")
            for name in ("localhost/b:2", "localhost/c"):
                run(program, "tag", BUSYBOX, name)
        self.image_id = run("podman", "images", "-q", "--no-trunc", BUSYBOX).stdout.split()[0].removeprefix("sha256:")
        self.digest = run("podman", "image", "inspect", "--format", "{{.Digest}}", BUSYBOX).stdout.strip()

    def test_filters_choose_the_same(self):
        for value in (
            "dangling=true", "dangling=x", "readonly=true", "readonly=false", "manifest=false", "manifest=x", "containers=true",
            "containers=false", "containers=x", f"id={self.image_id}", f"id={self.image_id[:5]}", "id=zz", f"digest={self.digest}",
            f"digest={self.digest[:20]}", "digest=zz", "label=x", "label!=x", f"since={BUSYBOX}", "since=nothere", f"before={BUSYBOX}",
            f"after={BUSYBOX}", "until=2020-01-01", "until=1h", "until=x", "reference=busybox", "reference=*busybox", "reference=localhost/*",
            "reference=localhost/*:2", "reference=*/busybox:latest", "reference=b", "reference=b:2", "reference=nothere",
            "reference!=busybox", "reference!=localhost/*", "name=x", "foo=bar", "foo", "reference", "label", f"id!={self.image_id}", "dangling!=true",
        ):
            self.same(*NAMES, "--sort", "repository", "--filter", value)
        self.same(*NAMES, "--filter", "reference=b", "--filter", "reference=c", "--sort", "tag")

    def test_lists_look_the_same(self):
        for line in (
            [], ["--history"], ["--digests"], ["--no-trunc"], ["--noheading", "--digests", "--no-trunc"], ["-q"], ["-q", "--no-trunc"], ["-a"],
            ["busybox"], ["b"], ["b:2"], ["nothere"], [self.image_id], ["local*"], ["a", "b"], ["-f", "reference=b", "b"], ["-f", "dangling=false", "b"],
            ["--quiet", "--format", "{{.Size}}", "b"], ["--format", "{{.Digest}} {{.ReadOnly}} {{.Names}} {{.History}}", "b"],
            ["--format", "table {{.Repository}}"], ["--sort", "size"], ["--sort", "tag"], ["--sort", "id"],
        ):
            self.same("images", *line, normal=str)

    def test_names_are_given_and_taken_the_same(self):
        for line in (
            ["tag", BUSYBOX, "x"], ["tag", BUSYBOX, f"localhost/y@{self.digest}"], ["tag", self.image_id, "z"], ["tag", self.image_id[:6], "zz:1"],
            ["tag", f"sha256:{self.image_id}", "q"], ["tag", f"{REGISTRY}/busybox@{self.digest}", "w"], ["tag", self.digest, "v"], ["tag", BUSYBOX, "A"],
            ["tag", BUSYBOX, "docker://x"], ["tag", f"docker://{BUSYBOX}", "x"], ["tag", BUSYBOX], ["untag", BUSYBOX, "nothere"],
            ["untag", f"{REGISTRY}/busybox@{self.digest}", "w"], ["untag", BUSYBOX, "zz:1"], ["untag", "x"],
        ):
            self.same(*line)
            self.same(*NAMES, normal=lambda text: sorted(text.splitlines()))

    def test_a_pull_of_what_cannot_be_is_refused_the_same(self):
        for line in (
            [self.image_id], [f"sha256:{self.image_id}"], ["--authfile", "/nothere", BUSYBOX], ["--retry-delay", "1", BUSYBOX], ["--retry-delay", "x", BUSYBOX],
            ["--decryption-key", "/nothere", BUSYBOX], ["--arch", "arm64", "--platform", "linux/arm64", BUSYBOX], ["--tls-verify=x", BUSYBOX],
            ["-a", BUSYBOX], ["-a", "dir:x"], ["-q", "--retry", "0", f"{REGISTRY}/nothere"], [""], [],
        ):
            self.same("pull", *line)
        for line in (["--variant", "v8"], ["--platform", "linux/amd64/v2"], ["--arch", "arm64"], ["--os", "windows"], ["--cert-dir", "/nothere"]):
            self.same("pull", *line, BUSYBOX)
        self.same("pull", f"{REGISTRY}/busybox:nope@{self.digest}")

    def test_keys_for_encrypted_images_are_refused_before_anything_is_done(self):
        folder = self.temporary_folder()
        (folder / "key").write_text("x")
        for verb in (["pull", BUSYBOX], ["run", "--rm", BUSYBOX, "true"]):
            done = self.haulout(verb[0], "--decryption-key", folder / "key", *verb[1:], status=125)
            self.assertIn("unable to obtain decryption config: Haulout does not decrypt images", done.stderr)
        done = self.haulout("push", "--encryption-key", f"jwe:{folder}/key", BUSYBOX, f"{REGISTRY}/encrypted:1", status=125)
        self.assertIn("unable to obtain encryption config: Haulout does not encrypt images", done.stderr)
        done = self.haulout("push", "--encryption-key", "jwe:/nothere", BUSYBOX, f"{REGISTRY}/encrypted:1", status=125)
        self.assertIn("invalid encryption keys: open /nothere: no such file or directory", done.stderr)
        self.assertEqual(self.haulout("pull", f"{REGISTRY}/encrypted:1", status=125).stdout, "")

    def test_an_image_is_copied_between_users_of_this_machine(self):
        for line in ([BUSYBOX], ["nothere"], [], ["a", "b", "c"], [BUSYBOX, "nosuchuser@localhost::"]):
            podman, haulout = self.both("image", "scp", *line)
            self.assertEqual((haulout.returncode, normal(haulout.stderr)), (podman.returncode, normal(podman.stderr)), line)
        done = self.haulout("image", "scp", BUSYBOX, "tester@localhost::localhost/copied:1")
        self.assertEqual(done.stdout, f"Loaded image: {BUSYBOX}\n")
        self.haulout("image", "exists", "localhost/copied:1")
        self.haulout("untag", "localhost/copied:1")
        done = self.haulout("image", "scp", BUSYBOX, "far.example::", status=125)
        self.assertIn("Haulout does not reach other machines yet: haulout save IMAGE | ssh HOST haulout load", done.stderr)
        self.assertEqual(self.haulout("image", "scp", "nothere", "tester@localhost::", status=125).stdout, "")

    def test_what_is_not_mounted_is_unmounted_the_same(self):
        for line in ([BUSYBOX], ["nothere"], [], ["-a"], ["-a", BUSYBOX]):
            self.same("image", "unmount", *line)

    def test_searches_are_refused_the_same(self):
        for line in (
            ["--list-tags", BUSYBOX], ["--list-tags", f"{REGISTRY}/busybox:nope"], ["--filter", "stars", f"{REGISTRY}/busy"],
            ["--filter", "stars=x", f"{REGISTRY}/busy"], ["--limit", "x", f"{REGISTRY}/busy"], ["--limit", "1", "--list-tags", f"{REGISTRY}/busybox"],
            ["--authfile", "/nothere", f"{REGISTRY}/busybox"], ["--cert-dir", "/nothere", f"{REGISTRY}/busybox"], ["a", "b"],
        ):
            self.same("search", *line)
