# SPDX-License-Identifier: Apache-2.0 OR MIT
"""One image with everything in it that a layer can hold, beside Podman: what a container sees of it, and what goes out of it again."""

import hashlib
import io
import json
import re
import tarfile
import unittest

from peers.peers import PeerTest, run

LONG = "/".join(["folder-" + letter * 90 for letter in "abc"] + ["file-" + "n" * 240])
# Names, kinds, owners, modes, sizes, links, times to the nanosecond, contents, attributes: all that a container can see.
LOOK = """
cd / && find . -xdev ! -path './proc*' ! -path './sys*' ! -path './dev*' ! -path './run*' ! -path './etc*' ! -name bin ! -path './bin/*' |
sort | while read -r f; do
    if [ -d "$f" ]; then size=-; links=-; else size=$(stat -c %s "$f"); links=$(stat -c %h "$f"); fi
    case $f in .) times=-;; *) times=$(stat -c %y "$f");; esac
    echo "$f|$(stat -c '%F %u:%g %a' "$f")|$size $links|$(stat -c '%N' "$f")|$times"
done
find /sparse /hard /data -type f | sort | while read -r f; do md5sum "$f"; done 2>/dev/null
"""


class Layer:
    """A layer that is being written."""

    def __init__(self):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, content=None, kind=tarfile.REGTYPE, mode=0o644, owner=(0, 0), time="1600000000", pax=None, **more):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.mtime = kind, mode, float(time)
        info.uid, info.gid = owner
        for key, value in more.items():
            setattr(info, key, value)
        if "." in time:
            info.pax_headers["mtime"] = time
        for key, value in (pax or {}).items():
            # Python writes attributes as UTF-8; what is no text is written as it is.
            info.pax_headers[f"SCHILY.xattr.{key}"] = value
        info.size = len(content or b"")
        self.tar.addfile(info, io.BytesIO(content or b""))

    def folder(self, name, mode=0o755, **more):
        self.add(name, kind=tarfile.DIRTYPE, mode=mode, **more)

    def done(self):
        self.tar.close()
        return self.bytes.getvalue()


def busybox_layer():
    """The programs that look."""
    layer = Layer()
    for name in ("bin", "proc", "sys", "dev", "etc", "run", "tmp"):
        layer.folder(name, mode=0o1777 if name == "tmp" else 0o755)
    with open("/usr/bin/busybox", "rb") as file:
        layer.add("bin/busybox", file.read(), mode=0o755)
    for name in ("sh", "find", "sort", "stat", "md5sum", "cat", "sleep", "true", "ls", "chmod", "mv", "rm", "touch", "cp"):
        layer.add(f"bin/{name}", kind=tarfile.LNKTYPE, linkname="bin/busybox", mode=0o755)
    return layer.done()


def lower_layer():
    layer = Layer()
    layer.folder("data")
    layer.add("data/plain", b"plain", time="1234567890.123456789")
    layer.add("data/late", b"late", time="4294967297.5")
    layer.add("data/gone", b"gone")
    layer.add("data/replaced", b"before", mode=0o600)
    layer.add("data/modes", b"", mode=0o6755, owner=(33, 1000))
    layer.add("data/ünï-çødé \\ \t name", b"odd")
    layer.add("data/link", kind=tarfile.SYMTYPE, linkname="/data/plain", time="1234567890.987654321")
    layer.add("data/dangling", kind=tarfile.SYMTYPE, linkname="../../../nowhere")
    layer.add("data/pipe", kind=tarfile.FIFOTYPE, mode=0o622)
    layer.add("data/attributes", b"a", pax={"user.one": "1", "user.empty": "", "user.long": "x" * 3000})
    layer.folder("opaque", mode=0o700)
    layer.add("opaque/hidden", b"hidden")
    layer.folder("opaque/inner")
    layer.add("opaque/inner/hidden", b"hidden")
    layer.folder("tree")
    layer.add("tree/a", b"a")
    layer.folder("whole-too")
    layer.add("whole-too/a", b"a")
    layer.folder("whole")
    layer.add("whole/a", b"a")
    layer.folder("was-folder")
    layer.add("was-folder/in", b"in")
    layer.add("was-file", b"file")
    layer.folder("was-link-target")
    layer.add("was-link", kind=tarfile.SYMTYPE, linkname="was-link-target")
    layer.folder("hard")
    layer.add("hard/one", b"shared" * 1000)
    layer.add("hard/two", kind=tarfile.LNKTYPE, linkname="hard/one")
    layer.add("hard/link", kind=tarfile.SYMTYPE, linkname="one")
    layer.add("hard/to-link", kind=tarfile.LNKTYPE, linkname="hard/link")
    layer.folder("sticky", mode=0o1777, owner=(1000, 33))
    layer.folder("setgid", mode=0o2775, owner=(0, 33))
    for index in range(1, LONG.count("/") + 1):
        layer.folder("/".join(LONG.split("/")[:index]))
    layer.add(LONG, b"long")
    layer.folder("sparse")
    # GNU's sparse format 1.0: the map is the beginning of what comes.
    sparse_map = b"2\n1048576\n4\n3145728\n0\n"
    content = sparse_map + bytes(512 - len(sparse_map)) + b"data"
    info = tarfile.TarInfo("sparse/GNUSparseFile.0/holes")
    info.size, info.mode, info.mtime = len(content), 0o644, 1600000000
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "sparse/holes",
        "GNU.sparse.realsize": "3145728",
    }
    layer.tar.addfile(info, io.BytesIO(content))
    return layer.done()


def upper_layer():
    layer = Layer()
    layer.add("data/.wh.gone")
    layer.add("data/replaced", b"after", mode=0o640, owner=(33, 2))
    layer.add("data/.wh.never-was")
    layer.folder("opaque", mode=0o750)
    layer.add("opaque/.wh..wh..opq")
    layer.add("opaque/seen", b"seen")
    layer.folder("tree")
    layer.add("tree/b", b"b")
    layer.add(".wh.whole")
    layer.folder("data")
    layer.folder("hard")
    layer.add("was-folder", b"now a file")
    layer.folder("was-file")
    layer.add("was-file/in", b"in")
    layer.folder("was-link")
    layer.add("was-link/in", b"in")
    # A link to a file of a layer below is a file of its own.
    layer.add("hard/three", b"new")
    layer.add("hard/four", kind=tarfile.LNKTYPE, linkname="hard/three")
    layer.add(".wh..wh.plnk", b"aufs's own")
    return layer.done()


def archive(path, layers):
    """A docker archive of these layers."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]},
        "history": [{"created_by": f"layer {number}"} for number in range(len(layers))],
    }
    config = json.dumps(config).encode()
    names = [f"{number}.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": ["localhost/everything:latest"], "Layers": names}]
    with tarfile.open(path, "w") as tar:
        for name, content in [("config.json", config), *zip(names, layers), ("manifest.json", json.dumps(manifest).encode())]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


class Everything(PeerTest):
    """See the module."""

    images = ()

    def setUp(self):
        super().setUp()
        self.archive = self.temporary_folder() / "archive"
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "rmi", "--all", "--force")

    def load(self, *layers):
        archive(self.archive, [busybox_layer(), *layers])
        for program in ("podman", "haulout"):
            loaded = run(program, "load", "--input", self.archive)
            self.assertEqual(loaded.returncode, 0, f"{program}: {loaded.stderr}")

    def look(self, image="localhost/everything", normal=str, **options):
        """What containers of both see."""
        return self.same("run", "--rm", "--network", "none", image, "sh", "-c", LOOK, normal=normal, **options)

    def test_a_container_sees_the_same(self):
        self.load(lower_layer(), upper_layer())
        seen = self.look()
        for line in ("./opaque/seen|", "./was-link/in|", "2009-02-13 23:31:30.123456789", "./tree/a|", "./tree/b|"):
            self.assertIn(line, seen.stdout)
        for gone in ("./opaque/hidden", "./opaque/inner", "./data/gone", "./whole|", "./whole/a", "./was-folder/in", ".wh."):
            self.assertNotIn(gone, seen.stdout)

    def test_one_with_other_ids_sees_the_same(self):
        self.load(lower_layer(), upper_layer())
        # Podman changes folders when it copies.
        links = lambda text: re.sub(r"(?m)(\|directory .*)\|[^|]*$", r"\1", text)
        self.same("run", "--rm", "--network", "none", "--userns", "keep-id", "--user", "0:0", "localhost/everything", "sh", "-c", LOOK, normal=links)

    def test_a_whiteout_hides_what_is_below_and_not_what_its_own_layer_has(self):
        """As the OCI image specification has it; Podman shows what is below as well when a folder comes after its whiteout."""
        upper = Layer()
        upper.add(".wh.tree")
        upper.folder("tree")
        upper.add("tree/b", b"b")
        upper.folder("opaque")
        upper.add("opaque/seen", b"seen")
        upper.add(".wh.opaque")
        archive(self.archive, [busybox_layer(), lower_layer(), upper.done()])
        self.haulout("load", "--input", self.archive)
        out = self.haulout("run", "--rm", "--network", "none", "localhost/everything", "ls", "/tree", "/opaque").stdout
        self.assertEqual(out.split(), ["/opaque:", "seen", "/tree:", "b"])

    def test_attributes_and_capabilities_are_what_they_were(self):
        self.load(lower_layer())
        script = "import os; f='{}'; print(sorted((n, os.getxattr(f, n)[:9]) for n in os.listxattr(f) if n.startswith('user.')))"
        found = []
        for program in ("podman", "haulout"):
            layers = run(program, "image", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", "localhost/everything").stdout.strip()
            found.append(run("podman", "unshare", "python3", "-c", script.format(f"{layers}/data/attributes")).stdout)
        self.assertEqual(found[0], found[1])
        self.assertIn("user.one", found[1])

    def test_commit_diff_and_save_of_it_are_the_same(self):
        self.load(lower_layer(), upper_layer())
        change = "cd /data && chmod 700 plain && mv replaced moved && rm link && echo x >>/hard/one && rm -r /whole-too && mkdir /new && cp /tree/b /new && touch -d @5 late /hard/one /new/b"
        for program in ("podman", "haulout"):
            ran = run(program, "run", "--name", "c", "--network", "none", "localhost/everything", "sh", "-c", change)
            self.assertEqual(ran.returncode, 0, ran.stderr)
        self.same("diff", "c", normal=lambda text: sorted(text.splitlines()))
        exported = {}
        for program in ("podman", "haulout"):
            self.assertEqual(run(program, "commit", "--quiet", "c", "localhost/committed").returncode, 0)
            path = self.archive.parent / program
            self.assertEqual(run(program, "export", "--output", path, "c").returncode, 0)
            with tarfile.open(path) as tar:
                kept = {}
                for member in tar.getmembers():
                    if not member.name.startswith(("bin", "etc", "run", "dev", "proc", "sys")):
                        link = member.linkname if member.issym() else ""
                        size = member.size if member.isfile() else 0
                        times = int(member.mtime) if member.isfile() and member.name.startswith("data") else 0
                        kind = "file" if member.islnk() else member.type
                        kept[member.name.rstrip("/")] = (link, kind if not member.isfile() else "file", oct(member.mode), member.uid, member.gid, times)
                        del size
                exported[program] = kept
        for name in ("data/moved",):
            for kept in exported.values():
                kept.pop(name, None)
        self.assertEqual(exported["haulout"], exported["podman"])
        # How many links a file of a lower layer has, of which one was replaced above, is said in either way; and Podman does not always
        # keep the times of folders in which something was changed.
        unlinked = lambda text: re.sub(r"(?m)\|(\d+) \d+\||(\|directory .*)\|[^|]*$", r"|\1|\2", text)
        seen = self.look("localhost/committed", normal=unlinked, stderr=False)
        self.assertIn("./new/b|", seen.stdout)
        self.assertNotIn("./whole-too", seen.stdout)
        # What Haulout wrote Podman reads.
        out = self.archive.parent / "saved"
        self.haulout("save", "--output", out, "localhost/committed")
        run("podman", "rmi", "--force", "localhost/committed")
        self.podman("load", "--input", out)
        self.look("localhost/committed", normal=unlinked, stderr=False)

    def test_a_layer_does_not_say_how_layers_are_stacked(self):
        """Podman takes overlay's own attributes as they come: what is below is not seen then, or nothing works."""
        for what, pax in [
            ("overlay's own", {"user.overlay.opaque": "y"}),
            ("a redirect", {"user.overlay.redirect": "/bin"}),
            ("trusted", {"trusted.overlay.opaque": "y"}),
            ("trusted of anybody's", {"trusted.x": "y"}),
            ("security of a module that is not here", {"security.selinux": "system_u:object_r:x:s0"}),
        ]:
            with self.subTest(what=what):
                layer = Layer()
                layer.folder("data", pax=pax)
                layer.add("data/file", b"x", pax=pax)
                below = Layer()
                below.folder("data")
                below.add("data/below", b"below")
                archive(self.archive, [busybox_layer(), below.done(), layer.done()])
                podman, haulout = self.both("load", "--input", self.archive)
                self.assertEqual(haulout.returncode, podman.returncode, f"{podman.stderr}{haulout.stderr}")
                if podman.returncode == 0:
                    look = ("run", "--rm", "--network", "none", "localhost/everything", "sh", "-c", "cd /data; ls; cat *")
                    self.assertEqual(self.haulout(*look).stdout, "below\nfile\nbelowx")

    def test_a_device_in_a_layer_is_dealt_with_as_podman_does(self):
        layer = Layer()
        layer.folder("data")
        layer.add("data/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
        layer.add("data/disk", kind=tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o660)
        layer.add("data/plain", b"x")
        archive(self.archive, [busybox_layer(), layer.done()])
        podman, haulout = self.both("load", "--input", self.archive)
        self.assertEqual(haulout.returncode, podman.returncode, f"{podman.stderr}{haulout.stderr}")
        if podman.returncode == 0:
            self.same("run", "--rm", "--network", "none", "localhost/everything", "ls", "/data")


if __name__ == "__main__":
    unittest.main()
