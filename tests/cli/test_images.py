# SPDX-License-Identifier: Apache-2.0 OR MIT
"""pull, images, rmi, tag, import, load, image inspect and exists."""

import io
import json
import tarfile
import time

from session import BUSYBOX, SessionTest, run


def tarball(files):
    """A tar of files by name."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return data.getvalue()


class Images(SessionTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.forget_names)

    def forget_names(self):
        names = run("haulout", "images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").stdout.splitlines()
        for line in names:
            name, identity = line.split()
            if name != BUSYBOX:
                run("haulout", "rmi", "--force", identity if "<none>" in name else name)

    def test_a_pull_says_where_from_and_prints_the_id(self):
        done = self.haulout("pull", BUSYBOX)
        identity = self.inspect(BUSYBOX, "--type", "image")["Id"]
        self.assertEqual(done.stdout, identity + "\n")
        self.assertEqual(done.stderr.splitlines()[0], f"Trying to pull {BUSYBOX}...")
        self.assertEqual(self.haulout("pull", "--quiet", BUSYBOX).stderr, "")
        self.assertEqual(self.haulout("pull", "-q", f"docker://{BUSYBOX}").stdout, identity + "\n")

    def test_of_several_that_can_be_pulled_are(self):
        done = self.haulout("pull", "localhost:5000/nope", BUSYBOX, status=125)
        self.assertRegex(done.stdout, r"^[0-9a-f]{64}\n$")
        self.assertIn("localhost:5000/nope", done.stderr.splitlines()[-1])

    def test_a_digest_is_a_name_too(self):
        digest = self.inspect(BUSYBOX, "--type", "image")["Digest"]
        identity = self.haulout("pull", "-q", f"localhost:5000/busybox@{digest}").stdout
        self.assertEqual(identity, self.haulout("pull", "-q", BUSYBOX).stdout)
        self.haulout("pull", "-q", "localhost:5000/busybox@sha256:" + "0" * 64, status=125)

    def test_an_image_has_many_names_and_goes_with_the_last(self):
        self.haulout("import", "-q", self.file(tarball({"a": "x"})), "localhost/first:1")
        self.haulout("tag", "localhost/first:1", "second", "localhost/third:x")
        names = self.haulout("images", "--format", "{{.Repository}}:{{.Tag}}", "first").stdout.split()
        self.assertEqual(names, ["localhost/third:x", "localhost/second:latest", "localhost/first:1"])
        self.assertEqual(self.haulout("rmi", "second").stdout, "Untagged: localhost/second:latest\n")
        identity = self.inspect("localhost/first:1")["Id"]
        done = self.haulout("rmi", identity, status=125)
        self.assertIn("please force removal", done.stderr)
        self.haulout("rmi", "localhost/first:1")
        self.assertEqual(
            self.haulout("rmi", "localhost/third:x").stdout, f"Untagged: localhost/third:x\nDeleted: {identity}\n"
        )
        self.haulout("image", "exists", identity, status=1)

    def test_an_image_in_use_stays_unless_forced(self):
        self.haulout("import", "-q", self.file(tarball({"a": "x"})), "localhost/used")
        identity = self.haulout("create", "localhost/used", "x").stdout.strip()
        done = self.haulout("rmi", "localhost/used", status=2)
        self.assertIn(identity, done.stderr)
        self.haulout("rmi", "--force", self.inspect("localhost/used")["Id"])
        self.haulout("container", "exists", identity, status=1)

    def file(self, data, name="tar"):
        path = self.temporary_folder() / name
        path.write_bytes(data)
        return path

    def test_a_tarball_becomes_an_image(self):
        tar = self.file(tarball({"hello": "world", "etc/passwd": "root:x:0:0::/:/bin/sh\n"}))
        done = self.haulout("import", "-c", "CMD [\"a\", \"b\"]", "-c", "ENV A=b", "-c", "LABEL k=v", "-m", "words", tar, "made:x")
        identity = done.stdout.strip().removeprefix("sha256:")
        details = self.inspect("localhost/made:x")
        self.assertEqual(details["Id"], identity)
        self.assertEqual(details["Config"]["Cmd"], ["a", "b"])
        self.assertEqual(details["Config"]["Env"], ["A=b"])
        self.assertEqual(details["Labels"], {"k": "v"})
        self.assertEqual(details["Comment"], "words")
        done = self.haulout("import", "-c", "FOO bar", tar, status=125)
        self.assertEqual(done.stderr, 'Error: invalid change "FOO bar" - invalid instruction FOO\n')
        with tar.open("rb") as file:
            done = self.spawn("haulout", "import", "-q", "-", "made:y", stdin=file)
            self.assertEqual(done.wait(30), 0)
        self.haulout("image", "exists", "made:y")

    def test_an_archive_of_podmans_is_loaded(self):
        folder = self.temporary_folder()
        self.podman("pull", "-q", BUSYBOX)
        self.haulout("rmi", "--force", BUSYBOX)
        for kind in ("docker-archive", "oci-archive"):
            file = folder / kind
            self.podman("save", "-q", "--format", kind, "-o", file, BUSYBOX)
            done = self.haulout("load", "-i", file)
            self.assertEqual(done.stdout, f"Loaded image: {BUSYBOX}\n")
            self.assertIn("Writing manifest", done.stderr)
            self.assertEqual(self.haulout("run", "--rm", "--network", "none", BUSYBOX, "echo", "x").stdout, "x\n")
            self.haulout("rmi", BUSYBOX)
            with file.open("rb") as opened:
                done = self.spawn("haulout", "load", "-q", stdin=opened)
                self.assertEqual(done.communicate(timeout=30)[0], f"Loaded image: {BUSYBOX}\n")
            self.haulout("rmi", BUSYBOX)
        self.haulout("load", "-i", "/etc/passwd", status=125)
        self.haulout("pull", "-q", BUSYBOX)

    def test_a_list_is_a_line_a_name(self):
        self.haulout("tag", BUSYBOX, "localhost/other:tag")
        text = self.haulout("images").stdout
        self.assertRegex(text, r"^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\n")
        self.assertRegex(text, r"(?m)^localhost/other +tag +[0-9a-f]{12} +.* ago +[\d.]+ MB$")
        self.assertEqual(self.haulout("images", "-q", "other").stdout, self.inspect(BUSYBOX)["Id"][:12] + "\n")
        listed = json.loads(self.haulout("images", "--format", "json", "other").stdout)
        self.assertIn("localhost/other:tag", listed[0]["Names"])

    def test_an_image_is_mounted_to_be_looked_at_where_that_can_be(self):
        self.assertIn("must execute `haulout unshare` first", self.haulout("image", "mount", BUSYBOX, status=125).stderr)
        self.haulout("run", "--name", "two", "--network", "none", BUSYBOX, "sh", "-c", "echo new >/etc/new; rm /etc/group")
        self.haulout("commit", "-q", "two", "localhost/two:1")
        self.haulout("rm", "two")
        script = """set -e
        at=$(haulout image mount $1); cat $at/etc/passwd >/dev/null; ! touch $at/x 2>/dev/null
        two=$(haulout image mount two:1); cat $two/etc/new; test ! -e $two/etc/group; ! touch $two/x 2>/dev/null
        test "$(haulout image mount two:1)" = "$two"
        haulout image mount | wc -l
        haulout image umount $1 >/dev/null; haulout image unmount -a >/dev/null; haulout image unmount two:1
        haulout image mount | wc -l; test ! -e $two"""
        self.assertEqual(self.haulout("unshare", "sh", "-c", script, "sh", BUSYBOX).stdout, "new\n2\n0\n")

    def test_an_image_without_a_name_is_dangling(self):
        self.haulout("import", "-q", self.file(tarball({"a": str(time.time())})))
        self.assertEqual(len(self.haulout("images", "-q", "--filter", "dangling=true").stdout.split()), 1)
        self.assertIn("<none>", self.haulout("images", "--filter", "dangling=true").stdout)

    def test_what_is_no_name_of_an_image_is_said(self):
        for words in (["pull", "UPPER/Case"], ["run", "--rm", "UPPER/Case"], ["image", "exists", ""]):
            self.assertIn("parsing reference", self.haulout(*words, status=125).stderr)


class Machine(SessionTest):
    """info and unshare: what is known of the machine, and being root of one's own ids."""

    def test_info_knows_the_store_and_the_programs(self):
        info = json.loads(self.haulout("info", "--format", "json").stdout)
        self.assertEqual(info["host"]["ociRuntime"]["name"], "crun")
        self.assertTrue(info["host"]["security"]["rootless"])
        self.assertEqual(info["store"]["graphDriverName"], "overlay")
        self.assertGreaterEqual(info["store"]["imageStore"]["number"], 1)
        self.assertEqual(self.haulout("info", "--format", "{{.Host.OCIRuntime.Name}}").stdout, "crun\n")
        self.assertNotIn("runc", self.haulout("info").stdout, "distrobox takes that for a sign of something else")
        self.assertRegex(self.haulout("info").stdout, r"(?m)^host:\n  arch: ")

    def test_unshare_is_root_in_the_containers_namespace(self):
        self.assertEqual(self.haulout("unshare", "id", "-u").stdout, "0\n")
        self.assertEqual(len(self.haulout("unshare", "cat", "/proc/self/uid_map").stdout.splitlines()), 2)
        self.haulout("unshare", "sh", "-c", "exit 7", status=7)
        self.haulout("unshare", "nonexistent", status=127)
        self.assertEqual(self.haulout("unshare", "cat", stdin="through").stdout, "through")
