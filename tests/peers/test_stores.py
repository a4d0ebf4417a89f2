# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Additional stores of images beside Podman: one of its own making, read in place by both."""

import fcntl
import json
import os
import shutil
import struct
import subprocess
import unittest
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import DATA, ENVIRONMENT, wait_until

CONTAINERFILE = f"""FROM {BUSYBOX}
RUN rm /bin/wget; echo hi >/new; rm -rf /var; mkdir /var; touch /var/y; ln /new /linked; mkdir -p /w; chown 33:1000 /w
RUN rm -rf /var/y; echo more >>/new
"""
LOOK = "ls -a /var /w; ls /bin/wget; cat /linked /new; stat -c '%F %u %g %a %s' /w /new /linked /bin/sh"


class AdditionalStore(PeerTest):
    """See the module."""

    images = ()

    def setUp(self):
        super().setUp()
        self.store = self.temporary_folder() / "store"
        self.podman("pull", "--quiet", BUSYBOX)
        file = self.store.parent / "Containerfile"
        file.write_text(CONTAINERFILE)
        self.podman("build", "--quiet", "--tag", "built", "--file", file, self.store.parent)
        self.env = {"STORAGE_OPTS": f"additionalimagestore={self.store}"}
        self.addCleanup(run, "podman", "unshare", "rm", "-rf", self.store)
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "rmi", "--all", "--force")

    def podman(self, *arguments):
        """Runs Podman on the store itself."""
        runroot = self.store.parent / "run"
        done = run("podman", "--root", self.store, "--runroot", runroot, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def same(self, *command, **options):
        return super().same(*command, env=self.env, **options)

    def here(self, *arguments, **options):
        """Runs haulout with the store."""
        return self.haulout(*arguments, env=self.env, **options)

    def test_its_images_are_shown_as_read_only_and_run_with_their_own_files(self):
        self.same("images")
        self.same("images", "--format", "{{.Repository}} {{.Tag}} {{.ID}} {{.Digest}} {{.Size}} {{.ReadOnly}}")
        for filter_ in ("readonly=true", "readonly=false"):
            self.same("images", "--quiet", "--filter", filter_)
        self.same("image", "exists", "built")
        self.same("run", "--rm", "--network", "none", "built", "sh", "-c", LOOK)
        self.same("run", "--rm", "--network", "none", "--userns", "keep-id", "built", "sh", "-c", LOOK)
        # Podman refuses that.
        mount = "type=image,source=built,destination=/m"
        self.assertEqual(self.here("run", "--rm", "--network", "none", "--mount", mount, BUSYBOX, "cat", "/m/new").stdout, "hi\nmore\n")
        for keys in ("{{.GraphDriver.Data.LowerDir}} {{.GraphDriver.Data.UpperDir}}", "{{.Id}} {{.Digest}} {{.RepoDigests}} {{.RootFS.Layers}}"):
            self.same("image", "inspect", "built", "--format", keys, normal=str)
        self.assertEqual(self.here("info", "--format", "{{.Store.ImageStore.Number}}").stdout, "2\n")
        created = json.loads(self.here("images", "--format", "json").stdout)
        self.assertTrue(all(image["ReadOnly"] for image in created))
        self.assertEqual(list((DATA / "layers").glob("[0-9a-f]*")), [])

    def test_none_is_changed_or_removed(self):
        before = sorted(str(path) for path in self.store.glob("overlay*/*"))
        self.same("rmi", "built")
        self.same("rmi", "--force", "built")
        self.same("rmi", "--all", "--force")
        self.same("image", "prune", "--all", "--force")
        self.same("images")
        self.assertEqual(sorted(str(path) for path in self.store.glob("overlay*/*")), before)

    def test_one_that_is_tagged_becomes_ours_with_all_its_names(self):
        self.same("tag", "built", "other")
        self.same("images", "--filter", "readonly=false", "--format", "{{.ID}} {{.Repository}}", normal=lambda text: sorted(text.split()))
        self.podman("rmi", "built")
        self.assertEqual(self.haulout("run", "--rm", "--network", "none", "other", "cat", "/new").stdout, "hi\nmore\n")
        self.haulout("system", "check")

    def test_one_that_is_pulled_as_well_is_shown_twice_and_ours_is_removed(self):
        for program in ("podman", "haulout"):
            self.assertEqual(run(program, "pull", "--quiet", BUSYBOX, env=self.env).returncode, 0)
        self.same("images")
        self.same("images", "--quiet")
        podman, haulout = self.both("rmi", BUSYBOX, env=self.env)
        self.assertEqual((podman.returncode, haulout.returncode), (0, 0), haulout.stderr)
        self.same("images")

    def test_an_image_committed_on_one_is_whole_without_the_store(self):
        self.here("run", "--name", "c", "--network", "none", "built", "sh", "-c", "echo mine >/mine; rm /linked")
        self.same("run", "--name", "d", "--network", "none", "built", "true")
        self.here("commit", "--quiet", "c", "mine")
        shutil.rmtree(self.store / "overlay-images")
        look = "cat /mine /new; ls /var; ls /linked /bin/wget"
        out = self.haulout("run", "--rm", "--network", "none", "mine", "sh", "-c", look, status=1)
        self.assertEqual(out.stdout, "mine\nhi\nmore\n")
        self.haulout("rm", "--force", "c", "d")
        self.haulout("system", "check")

    def test_it_is_saved_and_pushed_to_the_byte(self):
        archive = self.store.parent / "a.tar"
        self.here("save", "--output", archive, "built")
        self.here("push", "--quiet", "built", "localhost:5000/of-store")
        config = self.here("image", "inspect", "--format", "{{.Id}}", "built").stdout.strip()
        self.haulout("load", "--input", archive)
        self.assertEqual(self.haulout("image", "inspect", "--format", "{{.Id}}", "built").stdout.strip(), config)
        self.haulout("system", "check")
        self.haulout("pull", "--quiet", "localhost:5000/of-store")
        self.assertEqual(self.haulout("image", "inspect", "--format", "{{.Id}}", "of-store").stdout.strip(), config)

    def test_a_container_whose_store_is_not_named_any_more_can_be_looked_at_and_removed_and_not_started(self):
        for program in ("podman", "haulout"):
            self.assertEqual(run(program, "create", "--name", "c", "built", "true", env=self.env).returncode, 0)
        podman, haulout = self.both("start", "c")
        self.assertEqual((podman.returncode, haulout.returncode), (125, 125))
        self.assertIn("localhost/built:latest: image not known", haulout.stderr)
        shown = self.haulout("inspect", "--format", "{{.ImageName}} {{.State.Status}}", "c").stdout
        self.assertEqual(shown, "localhost/built:latest created\n")
        self.assertEqual(super().same("ps", "--all").returncode, 0)
        self.assertEqual(super().same("rm", "c").returncode, 0)

    def test_one_that_was_removed_there_is_said_to_be_gone(self):
        self.here("create", "--name", "c", "built", "true")
        self.podman("rmi", "built")
        self.assertIn("image not known", self.here("start", "c", status=125).stderr)
        self.assertIn("image not known", self.here("run", "--pull=never", "built", status=125).stderr)
        self.here("rm", "c")

    def test_a_start_waits_for_one_who_changes_the_store(self):
        self.here("create", "--name", "c", "--network", "none", "built", "true")
        with open(self.store / "overlay-layers/layers.lock", "r+b") as lock:
            # As Podman does it: fcntl(2), the whole file, of the open file.
            whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            fcntl.fcntl(lock, 37, whole)
            start = subprocess.Popen(["haulout", "start", "c"], env=ENVIRONMENT | self.env)
            waits = lambda: any(
                line.split()[1] == "->" for line in Path("/proc/locks").read_text().splitlines() if len(line.split()) > 1
            )
            wait_until(waits, "somebody waits for the lock")
            self.assertIsNone(start.poll())
        self.assertEqual(start.wait(20), 0)
        self.here("rm", "--force", "c")

    def test_podmans_own_store_is_named_in_haulouts_own_settings(self):
        pulled = run("podman", "pull", "--quiet", BUSYBOX)
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        config = self.temporary_folder()
        (config / "haulout").mkdir()
        (config / "haulout/config.toml").write_text('additionalimagestores = ["$HOME/.local/share/containers/storage"]\n')
        env = {"XDG_CONFIG_HOME": str(config)}
        self.assertIn("true", self.haulout("images", env=env).stdout)
        out = self.haulout("run", "--rm", "--network", "none", "--pull=never", BUSYBOX, "echo", "there", env=env)
        self.assertEqual(out.stdout, "there\n")

    def test_one_whose_layers_the_kernel_cannot_mount_is_refused(self):
        """What was removed in them would be seen."""
        store = self.temporary_folder() / "fuse"
        options = ["--root", store, "--runroot", store.parent / "run", "--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs"]
        pulled = run("podman", *options, "pull", "--quiet", BUSYBOX)
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        refused = self.haulout("images", env={"STORAGE_OPTS": f"additionalimagestore={store}"}, status=125)
        self.assertIn(f"the image store {store} was made with a mount program", refused.stderr)

    def test_one_that_is_broken_is_said_to_be(self):
        (self.store / "overlay-images/images.json").write_text("x")
        podman, haulout = self.both("images", env=self.env)
        self.assertEqual((podman.returncode, haulout.returncode), (125, 125))
        self.assertIn(f'loading "{self.store}/overlay-images/images.json": ', haulout.stderr)
        for option in ("additionalimagestore=/nope", "additionalimagestore=relative"):
            podman, haulout = self.both("images", env={"STORAGE_OPTS": option})
            self.assertEqual((haulout.returncode, haulout.stderr), (podman.returncode, podman.stderr))


class StoreOfOurKind(PeerTest):
    """A store that Haulout itself made elsewhere."""

    images = ()

    def test_its_images_are_used_even_where_nobody_can_write(self):
        store = self.temporary_folder() / "store"
        self.haulout("--root", store, "pull", "--quiet", BUSYBOX)
        self.addCleanup(run, "podman", "unshare", "rm", "-rf", store)
        env = {"STORAGE_OPTS": f"additionalimagestore={store}"}
        for writable in (True, False):
            self.addCleanup(run, "chmod", "-R", "u+w", store)
            if not writable:
                run("chmod", "u-w", store / "haulout", store / "haulout/layers")
            with self.subTest(writable=writable):
                self.assertIn("true", self.haulout("images", env=env).stdout)
                out = self.haulout("run", "--rm", "--network", "none", "--pull=never", BUSYBOX, "echo", "hi", env=env)
                self.assertEqual(out.stdout, "hi\n")
                stderr = self.haulout("rmi", BUSYBOX, env=env, status=125).stderr
                self.assertIn("cannot remove read-only image", stderr)
        self.assertEqual(self.haulout("images", "--quiet").stdout, "")


if __name__ == "__main__":
    unittest.main()
