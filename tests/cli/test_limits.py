# SPDX-License-Identifier: Apache-2.0 OR MIT
"""How much an image may bring: what is over a limit is refused with its entry and the setting, and leaves nothing."""

from cli.test_registry import RegistryTest, kept
from registry import Image, layer, tar
from session import run


class Limits(RegistryTest):
    def setUp(self):
        super().setUp()
        self.settings = self.temporary_folder()
        self.app = Image(layer("one"), tar({"a/b/c/deep": b"x" * 5000, "last": b"y"}))
        self.name = self.registry.add("app", self.app)

    def limited(self, text):
        (self.settings / "haulout").mkdir(exist_ok=True)
        (self.settings / "haulout/config.toml").write_text(text)
        return {"XDG_CONFIG_HOME": str(self.settings)}

    def test_what_is_over_a_limit_is_refused_with_its_entry_and_the_setting(self):
        for limit, words in (
            ("entries = 1", 'over the limit of 1 entries at its entry "last": entries below [limits] in'),
            ("size = 4000", 'over the limit of 4000 bytes of files at its entry "a/b/c/deep": size below [limits] in'),
            ("tar-size = 2000", "over the limit of 2000 bytes of tar"),
            ("depth = 2", 'unpacking "a/b/c/deep": going deeper than depth below [limits] in'),
        ):
            said = self.refused(self.name, env=self.limited(f"[limits]\n{limit}\n"))
            self.assertIn(words, said)
            self.assertIn("haulout/config.toml", said)
        self.pull(self.name, env=self.limited("[limits]\nentries = 2\nsize = 5001\ndepth = 3\ntar-size = 100000\n"))

    def test_an_image_is_limited_as_a_whole_whichever_way_its_layers_come(self):
        many = self.registry.add("many", Image(*(tar({f"file{number}": bytes([number]) * 3000}) for number in range(5))))
        for copies in (1, 5):
            settings = self.settings / "containers.conf"
            settings.write_text(f"[engine]\nimage_parallel_copies = {copies}\n")
            env = self.limited("[limits]\nimage-size = 14999\n") | {"CONTAINERS_CONF_OVERRIDE": str(settings)}
            said = self.refused(many, env=env)
            self.assertIn("over the limit of 14999 bytes of files of an image", said)
            self.assertIn("image-size below [limits] in", said)
        self.pull(many, env=self.limited("[limits]\nimage-size = 15000\n"))

    def test_a_bomb_of_many_layers_stops_at_its_first_large_one(self):
        bomb = self.registry.add("bomb", Image(*(tar({f"zeroes{number}": bytes(3_000_000)}) for number in range(100))))
        said = self.refused(bomb, env=self.limited("[limits]\ntar-size = 1000000\n"))
        self.assertIn("over the limit of 1000000 bytes of tar", said)

    def test_more_layers_than_the_kernel_stacks_are_refused_before_one_is_fetched(self):
        tower = self.registry.add("tower", Image(*(tar({f"f{number}": b""}) for number in range(501))))
        self.registry.asked.clear()
        self.assertIn("it has 501 layers; the kernel stacks at most 500", self.refused(tower))
        self.assertFalse([path for path in self.registry.asked if "blobs" in str(path)])

    def test_an_import_and_a_load_are_limited_too(self):
        (self.settings / "f").write_bytes(b"x" * 5000)
        archive = self.settings / "t.tar"
        run("tar", "--create", "--file", archive, "--directory", self.settings, "f")
        saved = self.settings / "saved.tar"
        self.pull(self.name)
        self.haulout("save", "-q", "-o", saved, self.name)
        self.haulout("rmi", self.name)
        environment = self.limited("[limits]\nsize = 10\n")
        for verb in (["import", "-q", archive, "localhost/imported"], ["load", "-q", "-i", saved]):
            done = self.haulout(*verb, status=125, env=environment)
            self.assertIn("over the limit of 10 bytes of files", done.stderr)
            self.assertEqual(kept(), self.before)

    def test_a_setting_that_is_none_is_told_with_its_place(self):
        for text in ("[limits]\nentires = 5\n", "[limits]\nsize = -5\n", "[limits"):
            said = self.haulout("pull", "--tls-verify=false", self.name, status=125, env=self.limited(text)).stderr
            self.assertIn(f"parsing {self.settings}/haulout/config.toml: TOML parse error at line ", said)
