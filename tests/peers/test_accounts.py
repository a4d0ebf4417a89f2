# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Who a container's process is, and what its /etc/passwd and /etc/group are told of it."""

from peers.peers import BUSYBOX, PeerTest, normal

SHOW = ["sh", "-c", "cat /etc/passwd /etc/group; id; echo $HOME; pwd"]


class Accounts(PeerTest):
    def test_the_files_have_the_same_entries(self):
        template = "$USERNAME:x:$UID:$GID:$NAME:$HOME:/bin/foo"
        group = "$GROUPNAME:x:$GID:$USERLIST"
        for flags in [
            ["--user=77", "--passwd-entry", template],
            ["--user=77", "--workdir=/tmp", "--passwd-entry", "$USERNAME:x:$UID:$GID:${NAME}:$HOME/$UIDX:/bin/sh"],
            ["--user=guest:99", "--passwd-entry", template],
            ["--user=77:88", "--group-entry", group],
            ["--user=77", "--group-entry", group],
            ["--user=guest", "--group-entry", group],
            ["--group-entry=foo"],
            ["--user=77", "--passwd=false"],
            ["--hostuser=daemon,bin"],
            ["--hostuser=bin", "--user=bin"],
            ["--hostuser=2", "--passwd-entry", template],
            ["--userns=keep-id", "--group-entry", group],
        ]:
            self.same("run", "--rm", *flags, BUSYBOX, *SHOW)

    def test_a_user_that_the_host_has_not_is_told_alike(self):
        self.same("run", "--rm", "--hostuser=nope", BUSYBOX, "true")
        self.same("create", "--passwd=false", BUSYBOX, "true")

    def test_who_is_nobody_is_refused_alike(self):
        for user in ("-1", "nope", "4294967295", "99999999999", "0:nope", "nope:0", "0:-1", "1.5", "guest:nope", "5:", ":5", "1000:1000:3", ""):
            for line in (["run", "--rm", "--network=none", "--user", user, BUSYBOX, "id"],):
                podman, haulout = self.both(*line)
                with self.subTest(user=user):
                    self.assertEqual((haulout.returncode, haulout.stdout), (podman.returncode, podman.stdout))
                    self.assertIn(podman.stderr.removeprefix("Error: "), haulout.stderr)
        for group in ("nope", "-1", "4294967296"):
            podman, haulout = self.both("run", "--rm", "--network=none", "--group-add", group, BUSYBOX, "id")
            with self.subTest(group=group):
                self.assertEqual(haulout.returncode, podman.returncode)
                for words in normal(podman.stderr).removeprefix("Error: ").strip().split(": "):
                    self.assertIn(words, normal(haulout.stderr))

    def test_an_init_of_ones_own_is_looked_for(self):
        self.same("run", "--rm", "--init", "--init-path=/nope", BUSYBOX, "true")
        self.same("run", "--rm", "--init", "--init-path=/usr/bin/catatonit", BUSYBOX, "cat", "/proc/1/cmdline")
        self.same("run", "--rm", "--init-path=/nope", BUSYBOX, "true")

    def test_folders_to_change_the_root_to_have_hosts_and_name_servers(self):
        self.same("run", "--rm", "--chrootdirs=/foo", "--chrootdirs=../bar/baz", BUSYBOX, "ls", "/foo/etc", "/bar/baz/etc")
        self.same("run", "--rm", "--chrootdirs=/foo", "--no-hosts", BUSYBOX, "ls", "/foo/etc")

    def test_an_entrypoint_is_a_word_a_list_or_nothing(self):
        for entrypoint in ["", "[]", '["echo","a"]', "echo"]:
            self.same("run", "--rm", "--entrypoint", entrypoint, BUSYBOX, "echo", "b")
        self.same("run", "--rm", "--entrypoint", '["echo","a"', BUSYBOX, "b")

    def test_a_profile_of_the_images_is_missed_and_a_policy_that_is_none_refused(self):
        for policy in ["foo", "image", "default", ""]:
            self.same("run", "--rm", "--seccomp-policy", policy, BUSYBOX, "true")
