# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is rarely said on a command line, and what is said in two ways: as Podman has it."""

from peers.peers import BUSYBOX, PeerTest, run


class Volumes(PeerTest):
    def setUp(self):
        super().setUp()
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "volume", "rm", "--force", "edge", "edge-a", "edge-b", "edge-q")

    def test_a_new_volume_may_be_mounted_in_two_places(self):
        self.same("run", "--rm", "-v", "edge:/bin", "-v", "edge:/y", BUSYBOX, "/y/ls", "-d", "/bin/ls", "/y/ls")
        self.same("run", "--rm", "-v", "edge:/x", "-v", "edge:/y", BUSYBOX, "ls", "-d", "/x/ls", "/y/ls")

    def test_two_containers_that_fill_each_others_volumes_do_not_wait_for_ever(self):
        for _ in range(4):
            lines = [("edge-a:/a", "edge-b:/b"), ("edge-b:/a", "edge-a:/b")] * 2
            runs = [self.spawn("haulout", "run", "--rm", "-v", one, "-v", other, BUSYBOX, "true") for one, other in lines]
            for process in runs:
                self.assertEqual(process.wait(timeout=30), 0)
            self.haulout("volume", "rm", "edge-a", "edge-b")
