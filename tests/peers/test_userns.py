# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The user namespaces of --userns, --uidmap and --gidmap are what Podman makes of them."""

import json
import os

from peers.peers import BUSYBOX, PeerTest, normal, run

SEE = """
id; echo $HOME; cat /proc/self/uid_map /proc/self/gid_map; tail -1 /etc/passwd; tail -1 /etc/group
stat -c '%n %u:%g %a' / /etc /etc/hosts /etc/resolv.conf /run/.containerenv /bin/sh /sys/fs/cgroup /home/guest /tmp
grep CapEff /proc/self/status; ls /proc/sys/net >/dev/null && echo net; ls -l /dev/null | cut -c 1-10
"""

MODES = [
    "--userns=keep-id",
    "--userns=keep-id -u root",
    "--userns=keep-id -u 5:6",
    "--userns=keep-id --network host",
    "--userns=keep-id --network none",
    "--userns=keep-id:uid=5,gid=6",
    "--userns=keep-id:size=65536",
    "--userns=nomap",
    "--userns=auto",
    "--userns=auto:size=100",
    "--userns=auto:uidmapping=0:0:1",
    "--userns=auto:uidmapping=0:0:1,gidmapping=0:0:1",
    "--userns=auto:size=10,uidmapping=5:@{uid}:1",
    "--userns=auto:size=10,uidmapping=5:7:3,gidmapping=8:7",
    "--userns=auto:size=10,uidmapping=20:7:3",
    "--userns=auto:size=10,uidmapping=0:7:1,uidmapping=3:9:1",
    "--userns=auto:uidmapping=2000:0:1",
    "--userns=auto:size=10,uidmapping=0:1:20",
    "--uidmap=0:1:3",
    "--uidmap=0:0:1 --gidmap=0:0:1 --uidmap=1:1:100",
    "--uidmap=+5:0:1",
    "--uidmap=+5:@{uid}:1",
    "--uidmap=0:1:3,10:20:3",
    "--uidmap=0:0:10 --uidmap=+20:5:1 --uidmap=5:11:1",
    "--uidmap=+20:5:3 --uidmap=+19:7:2",
    "--uidmap=+0:0:1 --uidmap=3:3:3",
    "--uidmap=u0:1:3",
    "--uidmap=+g5:1:3",
    "--gidmap=0:0:1000 --gidmap=g2000:2000:1",
    "--uidmap=u0:1:3 --gidmap=u0:0:5",
    "--uidmap=0:0:5 --gidmap=0:1:0",
    "--uidmap= --gidmap=",
    "--userns=keep-id:size=0",
    "--userns=auto:size=0",
]


class UserNamespaces(PeerTest):
    @classmethod
    def tearDownClass(cls):
        # Podman has made copies of the image with other owners, which it counts to the image's size.
        run("podman", "rmi", "--force", BUSYBOX)
        run("podman", "pull", "--quiet", BUSYBOX)

    def test_who_is_who_inside(self):
        for line in MODES:
            words = line.format(uid=os.getuid()).split()
            self.same("run", "--rm", *words, BUSYBOX, "sh", "-c", SEE)

    def test_inspect_tells_the_maps(self):
        for line in MODES:
            words = line.format(uid=os.getuid()).split()
            seen = []
            for program in ("podman", "haulout"):
                run(program, "create", "--name", "c", *words, BUSYBOX, "true")
                config = json.loads(run(program, "inspect", "c").stdout)[0]
                host = config["HostConfig"]
                seen.append([host["UsernsMode"], host.get("IDMappings"), config["Config"]["User"]])
                run(program, "rm", "--force", "c")
            with self.subTest(words=line):
                self.assertEqual(seen[1], seen[0])

    def test_what_is_written_is_the_users_outside(self):
        folder = self.temporary_folder()
        self.haulout("run", "--rm", "--userns=keep-id", "-v", f"{folder}:/x", BUSYBOX, "touch", "/x/file")
        self.assertEqual((folder / "file").stat().st_uid, os.getuid())
        self.haulout("run", "--rm", "--userns=keep-id", "-u", "root", "-v", f"{folder}:/x:U", "-v", "v:/v", BUSYBOX, "touch", "/x/root", "/v/f")
        self.assertNotEqual(folder.stat().st_uid, os.getuid())
        self.addCleanup(run, "haulout", "volume", "rm", "--force", "v")

    def test_files_can_be_changed_run_again_and_looked_at_from_outside(self):
        self.haulout("create", "--name", "c", "--userns=keep-id", "-u", "0", BUSYBOX, "sh", "-c", "cat /x 2>/dev/null; echo kept > /x; chown 7 /bin/sh; stat -c %u /bin/sh; head -c 4 /bin/sh | od -c | head -1; sleep 0.2")
        first = self.haulout("start", "-a", "c").stdout
        self.assertEqual(self.haulout("start", "-a", "c").stdout, "kept\n" + first)
        self.haulout("run", "-d", "--name", "d", "--userns=keep-id", BUSYBOX, "sleep", "60")
        self.assertEqual(self.haulout("exec", "d", "id", "-u").stdout, f"{os.getuid()}\n")
        self.assertEqual(self.haulout("exec", "-u", "root", "d", "id", "-u").stdout, "0\n")

    def test_what_is_copied_exported_and_committed_has_the_containers_own_ids(self):
        make = "mkdir /made; touch /made/root; touch /made/guest; chown 1000:1000 /made/guest; touch /made/other; chown 7:8 /made/other"
        listed = "tar --list --verbose --numeric-owner | grep made | awk '{print $1, $2, $6}' | sort"
        committed = []
        for program in ("podman", "haulout"):
            run(program, "run", "--name", "c", "--userns=keep-id", "-u", "root", BUSYBOX, "sh", "-c", make)
            run("sh", "-c", f"cd /etc && tar --create --owner=1000 --group=8 hostname | {program} cp --archive=false - c:/made")
            run(program, "commit", "--quiet", "c", "mapped")
            committed.append(run(program, "run", "--rm", "mapped", "sh", "-c", "stat -c '%n %u:%g' /made/*").stdout)
            run(program, "rmi", "--force", "mapped")
        self.assertEqual(committed[1], committed[0])
        self.assertIn("/made/other 7:8\n", committed[1])
        # Podman's archives have the ids of the rootless namespace instead, which mean nothing anywhere else.
        for what in ("cp c:/made -", "export c"):
            lines = run("sh", "-c", f"haulout {what} | {listed}").stdout
            self.assertIn(" 7/8 made/other\n", lines, what)
            self.assertIn(" 1000/8 made/hostname\n", lines, what)
            self.assertIn(" 0/0 made/root\n", lines, what)
        run("podman", "rm", "--force", "c")

    def test_a_namespace_is_shared(self):
        for program in ("podman", "haulout"):
            run(program, "run", "-d", "--name", "c", "--userns=keep-id", BUSYBOX, "sleep", "60")
        self.same("run", "--rm", "--userns=container:c", BUSYBOX, "sh", "-c", SEE)
        done = self.haulout("exec", "c", "readlink", "/proc/self/ns/user").stdout
        other = self.haulout("run", "--rm", "--userns=container:c", BUSYBOX, "readlink", "/proc/self/ns/user").stdout
        self.assertEqual(done, other)
        # Whose it is is started when it does not run.
        self.same("stop", "-t", "0", "c")
        self.same("run", "--rm", "--userns=container:c", BUSYBOX, "true")
        self.same("ps", "--format", "{{.Names}} {{.State}}")

    def test_two_automatic_ones_have_no_id_in_common(self):
        maps = set()
        for name in ("c", "d"):
            self.haulout("create", "--name", name, "--userns=auto", BUSYBOX, "cat", "/proc/self/uid_map")
            maps.add(normal(self.haulout("start", "-a", name).stdout))
        self.assertEqual(len(maps), 2)

    def test_automatic_ones_have_what_is_left_between_others(self):
        see = ("run", "--rm", "--network=none", "--userns=auto:size=30", BUSYBOX, "cat", "/proc/self/uid_map", "/proc/self/gid_map")
        self.same("create", "--name", "c", "--userns=auto:size=10,uidmapping=0:20:1", BUSYBOX)
        self.same(*see)
        self.same("create", "--name", "d", "--userns=auto:size=30,gidmapping=0:50:1", BUSYBOX)
        self.same("rm", "c")
        self.same(*see)
        # What is asked for by its number is had by both.
        self.same("run", "--rm", "--network=none", "--userns=auto:size=30,uidmapping=0:3:1", BUSYBOX, "cat", "/proc/self/uid_map")

    def test_a_variable_names_the_mode_when_no_flag_does(self):
        for words in [[], ["--userns=host"]]:
            self.same("run", "--rm", *words, BUSYBOX, "id", env={"PODMAN_USERNS": "keep-id"})

    def test_files_with_other_owners_go_with_their_image(self):
        image = BUSYBOX.split("/")[0] + "/mapped:1"
        for words in [
            ["from", "--quiet", "--pull-never", "--name", "mapped-maker", BUSYBOX],
            ["config", "--label", "mapped=1", "mapped-maker"],
            ["commit", "--quiet", "mapped-maker", image],
            ["push", "--quiet", "--tls-verify=false", image],
            ["rm", "mapped-maker"],
            ["rmi", image],
        ]:
            self.check(0, "buildah", *words)
        from session import DATA

        before = sorted((DATA / "mapped").glob("*"))
        self.haulout("run", "--quiet", "--rm", "--userns=keep-id", image, "true")
        self.assertNotEqual(sorted((DATA / "mapped").glob("*")), before)
        self.haulout("rmi", image)
        self.assertEqual(sorted((DATA / "mapped").glob("*")), before)

    def test_what_makes_no_sense_is_refused_alike(self):
        for line in [
            "--userns keep-id:foo=3",
            "--userns keep-id:uid=x",
            "--userns nomap:x",
            "--userns auto:foo=1",
            "--userns container:nope",
            "--userns ns:/nope",
            "--userns private",
            "--userns host --uidmap 0:1:3",
            "--userns keep-id --uidmap 0:1:3",
            "--uidmap x",
            "--uidmap 0:1:1,x",
            "--uidmap :1",
            "--uidmap 0:",
            "--uidmap 0:1:",
            "--uidmap 0:1:2:3",
            "--uidmap a:1:2",
            "--uidmap +:1",
            "--uidmap -1:1:2",
            "--uidmap 0:-1:2",
            "--uidmap 0:+5:1",
            "--uidmap 0:@x:2",
            "--uidmap 0:1:4294967296",
            "--uidmap 0:0:0",
            "--uidmap 0:0:10 --uidmap 5:100:10",
            "--uidmap 0:0:10 --uidmap 20:5:10",
            "--uidmap 0:0:10 --gidmap 0:0:10 --gidmap 5:100:3",
            "--uidmap +20:5:1 --uidmap 0:0:10",
            "--gidmap x",
            "--uidmap 0:0:5 --gidmap x",
            "--uidmap 0:0:5 --gidmap 0:",
            "--userns= --uidmap 0:1:3",
            "--userns keep-id:uid=-1",
            "--userns keep-id:uid=+5",
            "--userns keep-id:gid=99999999999",
            "--userns auto:",
            "--userns auto:size",
            "--userns auto:uidmapping",
            "--userns auto:uidmapping=",
            "--userns auto:uidmapping=x,size=x",
            "--userns auto:size=x,uidmapping=x",
            "--userns auto:gidmapping=x,uidmapping=y",
            "--userns auto:gidmapping=0:1:2:3",
            "--userns auto:uidmapping=:1",
            "--userns auto:uidmapping=0:",
            "--userns auto:uidmapping=:",
            "--userns auto:uidmapping=0:1:",
            "--userns auto:uidmapping=+0:1:1",
            "--userns auto:uidmapping=g0:1:1",
            "--userns auto:uidmapping=a:b:c",
            "--userns auto:uidmapping=1:b:c",
            "--userns auto:uidmapping=0:@:1",
            "--userns auto:uidmapping=0:4294967296:1",
            "--userns auto:size=10,uidmapping=0:9:1,uidmapping=0:7:1",
            "--userns auto:size=10,uidmapping=3:7:1,uidmapping=1:5:3",
            "--subuidname nope",
        ]:
            self.same("create", *line.split(), BUSYBOX, "true")
        for line in ["--uidmap=0:1:70000", "--uidmap=0:@5:1", "--userns=auto:size=70000", "--userns=auto:uidmapping=0:70000:2"]:
            refused = self.haulout("create", line, BUSYBOX, "true", status=125)
            self.assertIn("user namespace", refused.stderr)
        for line, words in (("--uidmap 5:0:1", "doesn't map UID 0"), ("--uidmap 0:1:5 --user 7", "doesn't map UID 7"), ("--uidmap 0:0:1 --user 5", "doesn't map UID 5")):
            for done in self.both("run", "--rm", "--network=none", *line.split(), BUSYBOX, "true"):
                self.assertEqual(done.returncode, 126, done.stderr)
                self.assertIn(words, done.stderr)
        # Podman's words, and what they mean.
        for line in ["--uidmap 0:@5:1", "--uidmap 0:@1000:3", "--uidmap 0:0:5 --gidmap 0:@5:1", "--userns auto:size=70000", "--userns auto:uidmapping=0:@5:1", "--userns auto:gidmapping=0:@1000:3"]:
            podman, haulout = self.both("create", *line.split(), BUSYBOX, "true")
            with self.subTest(line=line):
                self.assertEqual(haulout.returncode, podman.returncode)
                self.assertTrue(haulout.stderr.startswith(podman.stderr.rstrip("\n") + ": "), haulout.stderr)
