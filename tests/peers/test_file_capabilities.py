# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A program with capabilities of its own (setcap(8)) keeps them on every way that an image goes, beside Podman."""

import tarfile
import unittest

from peers.peers import PeerTest, run
from peers.test_layers import Layer, archive, busybox_layer
from session import REGISTRY

IMAGE, REMOTE = "localhost/everything", f"{REGISTRY}/capped:latest"


def attribute(capability):
    """`security.capability` of one that is permitted and effective (capability.h: revision 2, two words of each set)."""
    permitted = (1 << capability).to_bytes(4, "little")
    return (b"\x01\x00\x00\x02" + permitted + bytes(12)).decode("ascii")


NET_BIND_SERVICE, SYS_ADMIN = 10, 21


def capped_layer():
    layer = Layer()
    layer.folder("tools")
    with open("/usr/bin/busybox", "rb") as file:
        program = file.read()
    # busybox is itself under every name that begins so. Of the one a container has the capability, of the other it has not.
    for folder in ("bin", "tools"):
        layer.add(f"{folder}/busybox-capped", program, mode=0o755, pax={"security.capability": attribute(NET_BIND_SERVICE)})
    layer.add("bin/busybox-strong", program, mode=0o755, pax={"security.capability": attribute(SYS_ADMIN)})
    return layer.done()


class FileCapabilities(PeerTest):
    images = ()

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.archive = self.folder / "archive"
        archive(self.archive, [busybox_layer(), capped_layer()])
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "rmi", "--force", IMAGE, "localhost/committed", REMOTE)
            self.addCleanup(run, program, "rm", "--all", "--force", "--time", "0")
            self.check(0, program, "load", "--quiet", "--input", self.archive)

    def look(self, image=IMAGE, *options, program="busybox-capped", user="1000"):
        """What capabilities the program has when the user runs it."""
        words = ["run", "--rm", "--network", "none", "--user", user, *options, image, program, "grep", "Cap", "/proc/self/status"]
        return self.same(*words, stderr=False)

    def assert_has_it(self, *arguments, **options):
        seen = self.look(*arguments, **options)
        self.assertIn("CapEff:\t0000000000000400\n", seen.stdout)

    def test_a_user_who_runs_it_has_them_as_with_podman(self):
        self.assert_has_it()
        self.assertIn("CapEff:\t0000000000000000\n", self.look(program="busybox").stdout)
        # What the container may not have is not had by a file.
        self.assertNotEqual(self.look(program="busybox-strong").returncode, 0)
        self.assertIn("CapEff:\t0000000000200000\n", self.look(IMAGE, "--cap-add", "sys_admin", program="busybox-strong").stdout)
        self.assertNotEqual(self.look(IMAGE, "--cap-drop", "all").returncode, 0)
        self.look(IMAGE, "--security-opt", "no-new-privileges")
        self.look(user="0")

    def test_another_map_of_ids_keeps_them(self):
        for options in (["--userns", "keep-id"], ["--userns", "keep-id:uid=1000,gid=1000"], ["--uidmap", "0:1:2000", "--gidmap", "0:1:2000"], ["--userns", "nomap"]):
            self.assert_has_it(IMAGE, *options)

    def test_a_push_and_a_pull_keep_them(self):
        self.haulout("push", "--quiet", IMAGE, REMOTE)
        for program in ("podman", "haulout"):
            run(program, "rmi", "--force", IMAGE)
            self.check(0, program, "pull", "--quiet", REMOTE)
        self.assert_has_it(REMOTE)

    def test_a_commit_and_an_archive_keep_them_and_what_was_copied_has_none(self):
        change = "cp /bin/busybox-capped /bin/busybox-copied; mv /bin/busybox-capped /bin/busybox-moved; chmod 700 /bin/busybox-strong"
        for program in ("podman", "haulout"):
            self.check(0, program, "run", "--name", "c", "--network", "none", IMAGE, "sh", "-c", change)
            self.check(0, program, "commit", "--quiet", "c", "localhost/committed")
        self.same("diff", "c", normal=lambda text: sorted(text.splitlines()))
        for name in ("busybox-moved", "busybox-copied"):
            self.look("localhost/committed", program=name)
        self.assert_has_it("localhost/committed", program="busybox-moved")
        # Each reads what the other has saved.
        for form in ("docker-archive", "oci-archive"):
            for program in ("podman", "haulout"):
                self.check(0, program, "save", "--quiet", "--format", form, "--output", self.folder / f"{program}.{form}", "localhost/committed")
            for program, other in (("podman", "haulout"), ("haulout", "podman")):
                self.check(0, program, "rmi", "--force", "localhost/committed")
                self.check(0, program, "load", "--quiet", "--input", self.folder / f"{other}.{form}")
            self.assert_has_it("localhost/committed", program="busybox-moved")

    def test_a_copy_out_and_in_and_an_export_have_what_podman_s_have(self):
        found = {}
        for program in ("podman", "haulout"):
            self.check(0, program, "create", "--name", "c", "--network", "none", IMAGE, "true")
            self.check(0, program, "create", "--name", "d", "--network", "none", "--user", "1000", IMAGE, "/tools/busybox-new", "grep", "Cap", "/proc/self/status")
            self.check(0, program, "export", "--output", self.folder / "export", "c")
            with tarfile.open(self.folder / "export") as tar:
                exported = tar.getmember("bin/busybox-capped").pax_headers.get("SCHILY.xattr.security.capability")
            self.check(0, program, "cp", "c:/bin/busybox-capped", "d:/tools/busybox-new")
            found[program] = (exported, run(program, "start", "--attach", "d").stdout)
        self.assertEqual(found["haulout"], found["podman"])

    def test_a_volume_that_takes_an_image_s_files_has_them(self):
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "volume", "rm", "--force", "capped")
        self.look(IMAGE, "--volume", "capped:/tools", program="/tools/busybox-capped")


__all__ = ["FileCapabilities"]

if __name__ == "__main__":
    unittest.main()
