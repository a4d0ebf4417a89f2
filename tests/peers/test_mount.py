# SPDX-License-Identifier: Apache-2.0 OR MIT
"""mount and unmount of containers, in unshare and outside of it."""

import json

from peers.peers import BUSYBOX, PeerTest, normal, run


class Mount(PeerTest):
    def create(self, name="c", command=("sleep", "1000")):
        for program in ("podman", "haulout"):
            self.check(0, program, "create", "--name", name, BUSYBOX, *command)

    def inside(self, script):
        """The same script in an unshare of each, PROGRAM replaced; Podman's answer, then Haulout's."""
        return [run(program, "unshare", "sh", "-c", script.replace("PROGRAM", program)) for program in ("podman", "haulout")]

    def test_outside_of_unshare_it_is_refused(self):
        self.create()
        for line in ["mount", "mount c", "mount nope", "container mount --format json", "mount --all", "mount --latest",
                     "umount c", "unmount nope", "umount", "container unmount --all", "umount --all c", "umount --all --latest"]:
            self.same(*line.split())

    def test_what_is_changed_in_a_mounted_container_is_there_when_it_runs(self):
        self.create(command=("cat", "/new"))
        script = "m=$(PROGRAM mount c) && ls $m && echo new > $m/new && PROGRAM umount c"
        podman, haulout = self.inside(script)
        self.assertEqual((haulout.stdout, haulout.returncode), (podman.stdout, podman.returncode), haulout.stderr)
        self.same("start", "--attach", "c")

    def test_several_are_mounted_and_listed(self):
        self.create("one")
        self.create("two")
        for script in ["PROGRAM mount one two | wc -l", "PROGRAM mount nope one", "PROGRAM mount --all | wc -l", "PROGRAM mount --all one",
                       "PROGRAM mount --format yaml", "PROGRAM umount one; PROGRAM umount nope"]:
            podman, haulout = self.inside(script)
            self.assertEqual((normal(haulout.stdout), haulout.returncode), (normal(podman.stdout), podman.returncode), script)
            self.assertEqual(normal(haulout.stderr), normal(podman.stderr), script)
        script = "PROGRAM mount one >/dev/null; PROGRAM mount --format json; PROGRAM umount one"
        for answer in self.inside(script):
            # Podman still lists others that ended with an earlier unshare.
            entries = json.loads(answer.stdout[:answer.stdout.rindex("]") + 1])
            entry, = [entry for entry in entries if entry["Names"] == ["one"]]
            self.assertTrue(entry["mountpoint"].endswith("/merged"))

    def test_a_mount_ends_with_who_made_it(self):
        self.haulout("create", "--name", "c", BUSYBOX, "sleep", "1000")
        self.haulout("unshare", "haulout", "mount", "c")
        self.assertEqual(self.haulout("unshare", "haulout", "mount").stdout, "")
        self.haulout("start", "c")

    def test_the_files_of_a_running_one_are_shown_without_what_is_mounted_in_it(self):
        self.haulout("run", "--detach", "--name", "c", BUSYBOX, "sh", "-c", "echo here > /here; sleep 1000")
        script = "m=$(haulout mount c); cat $m/here; ls $m/proc; echo there > $m/there; haulout umount c"
        shown = self.haulout("unshare", "sh", "-c", script)
        self.assertEqual(shown.stdout, "here\nc\n")
        self.assertEqual(self.haulout("exec", "c", "cat", "/there").stdout, "there\n")
