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

    def test_a_volume_is_labelled_by_mount_as_by_volume(self):
        for word in ("z", "Z", "relabel=shared", "relabel=private"):
            self.same("run", "--rm", "--mount", f"type=volume,src=edge,dst=/x,ro,{word}", BUSYBOX, "true")

    def test_a_volume_with_a_name_may_be_covered_and_more(self):
        self.same("run", "--rm", "-v", "edge:/x", BUSYBOX, "touch", "/x/kept")
        for words in ("O,U", "U,O", "rw,O", "O,z"):
            self.same("run", "--rm", "-v", f"edge:/x:{words}", BUSYBOX, "sh", "-c", "ls /x; touch /x/new; ls /x")
        # Podman forgets the ro.
        self.haulout("run", "--rm", "-v", "edge:/x:O,ro", BUSYBOX, "touch", "/x/new", status=1)
        self.same("run", "--rm", "-v", "/tmp:/x:O,ro", BUSYBOX, "true")
        self.same("run", "--rm", "-v", "edge:/x", BUSYBOX, "ls", "/x")

    def test_filters_and_names_of_volumes(self):
        for program in ("podman", "haulout"):
            run(program, "volume", "create", "edge-a")
        for line in ["ls -q --filter name!=edge-a", "ls -q --filter foo", "exists edge-a", "exists edge-", "exists edge-b", "rm edge-"]:
            self.same("volume", *line.split())

    def test_a_size_that_nobody_would_keep_is_refused(self):
        for words in (["o=size=1m"], ["o=inodes=5"], ["type=bind", "device=/tmp", "o=bind,size=1m"], ["type=tmpfs", "device=tmpfs", "o=size=1m"]):
            self.same("volume", "create", *(f"--opt={word}" for word in words), "edge-q")
