# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Several who bring images in, read them and remove them at once: each ends as if it had been alone, or says what another did."""

import random
import tarfile

from cli.test_registry import RegistryTest, kept, recorded
from registry import Image, layer


class Together(RegistryTest):
    def setUp(self):
        super().setUp()
        self.app = Image(layer("one"), layer("two", 3_000_000))
        self.name = self.registry.add("app", self.app)
        self.folder = self.temporary_folder()

    def begin(self, *command):
        return self.spawn("haulout", *command)

    def end(self, processes):
        """What each came to: status and what it said."""
        ended = [(process.communicate(timeout=120), process.returncode) for process in processes]
        return [(status, out, err) for (out, err), status in ended]

    def pulling(self, name=None):
        return self.begin("pull", "-q", "--tls-verify=false", name or self.name)

    def test_ten_who_pull_the_same_image_fetch_it_once(self):
        for status, out, err in self.end([self.pulling() for _ in range(10)]):
            self.assertEqual((status, out), (0, self.app.id + "\n"), err)
        fetched = [str(path) for path in self.registry.asked if "/blobs/" in str(path)]
        # The configuration and two layers, each once.
        self.assertEqual(len(fetched), 3, fetched)
        self.assertEqual(kept(), recorded())

    def test_ten_who_pull_images_that_share_a_layer_all_have_theirs(self):
        shared = layer("shared", 2_000_000)
        names = [self.registry.add(f"app{number}", Image(shared, layer(f"own{number}"))) for number in range(10)]
        for status, _, err in self.end([self.pulling(name) for name in names]):
            self.assertEqual(status, 0, err)
        for name in names:
            self.haulout("image", "exists", name)
        self.assertEqual(kept(), recorded())

    def test_a_save_beside_a_removal_is_whole_or_says_that_the_image_is_gone(self):
        for delay in range(6):
            self.pull(self.name)
            archive = self.folder / f"{delay}.tar"
            saving = self.begin("save", "-q", "-o", str(archive), self.name)
            if delay:
                self.haulout("images", "-q")
            removing = self.begin("rmi", "--force", self.name)
            (saved, _, said), (removed, _, refused) = self.end([saving, removing])
            self.assertEqual(removed, 0, refused)
            if saved == 0:
                with tarfile.open(archive) as members:
                    self.assertIn("manifest.json", members.getnames())
                self.haulout("load", "-q", "-i", archive)
                self.haulout("rmi", "--force", self.name)
            else:
                self.assertIn("image not known", said)
                self.assertFalse(archive.exists())
        self.assertEqual(kept(), recorded())

    def test_two_loads_of_one_archive_leave_one_image(self):
        self.pull(self.name)
        archive = self.folder / "app.tar"
        self.haulout("save", "-q", "-o", archive, self.name)
        self.haulout("rmi", self.name)
        for status, out, err in self.end([self.begin("load", "-q", "-i", str(archive)) for _ in range(4)]):
            self.assertEqual((status, out), (0, f"Loaded image: {self.name}\n"), err)
        self.assertEqual(self.haulout("images", "-q", "--no-trunc", self.name).stdout, f"sha256:{self.app.id}\n")
        self.assertEqual(kept(), recorded())

    def test_a_prune_beside_pulls_takes_nothing_that_is_needed(self):
        names = [self.registry.add(f"app{number}", Image(layer("base"), layer(f"own{number}", 500_000))) for number in range(4)]
        choice = random.Random(5)
        for _ in range(3):
            working = [self.pulling(name) for name in names]
            pruning = [self.begin("image", "prune", "--force") for _ in range(3)]
            choice.shuffle(pruning)
            for status, _, err in self.end(working + pruning):
                self.assertEqual(status, 0, err)
            for name in names:
                self.assertEqual(self.haulout("save", "-q", "-o", self.folder / "x.tar", name).stderr, "")
                (self.folder / "x.tar").unlink()
                self.haulout("rmi", name)
        self.assertEqual(kept(), recorded())

    def test_a_prune_of_everything_beside_pulls_leaves_whole_images_or_none(self):
        names = [self.registry.add(f"app{number}", Image(layer("base"), layer(f"own{number}", 500_000))) for number in range(4)]
        working = [self.pulling(name) for name in names]
        pruning = [self.begin("image", "prune", "--all", "--force", "--filter", "reference=127.0.0.1:*/*") for _ in range(3)]
        for status, _, err in self.end(working + pruning):
            self.assertEqual(status, 0, err)
        for name in [name for name in names if name in self.names()]:
            self.haulout("save", "-q", "-o", self.folder / "x.tar", name)
            (self.folder / "x.tar").unlink()
        self.assertEqual(kept(), recorded())
