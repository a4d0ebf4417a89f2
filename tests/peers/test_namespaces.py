# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Namespaces that are shared with another container, or that a path stands for."""

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import wait_until


class Namespaces(PeerTest):
    def test_a_network_is_shared_with_its_names(self):
        self.both("run", "--detach", "--name=base", "--hostname=first", BUSYBOX, "sleep", "60")
        self.both("run", "--detach", "--name=alone", "--network=none", BUSYBOX, "sleep", "60")
        self.both("run", "--detach", "--name=open", "--network=host", BUSYBOX, "sleep", "60")
        shared = ("run", "--rm", "--network=container:base", "--name=second", "--hostname=second")
        self.same(*shared, BUSYBOX, "sh", "-c", "hostname; cat /etc/hosts /etc/resolv.conf; ls /sys/class/net; ip -o -4 addr")
        self.same("run", "--rm", "--network=container:base", "--userns=keep-id", BUSYBOX, "id")
        self.same("run", "--rm", "--network=container:alone", BUSYBOX, "ip", "-o", "addr")
        self.same("run", "--rm", "--network=container:open", BUSYBOX, "sh", "-c", "hostname; ls /sys/class/net")
        self.same("run", "--rm", "--network=container:base", "--publish=80", BUSYBOX, "true")
        self.same("run", "--rm", "--network=container:base", "--no-hosts", BUSYBOX, "cat", "/etc/hosts")
        for program in ("podman", "haulout"):
            inside = [
                run(program, *words, "readlink", "/proc/self/ns/net").stdout
                for words in (["exec", "base"], ["run", "--rm", "--network=container:base", BUSYBOX])
            ]
            self.assertEqual(inside[0], inside[1], program)

    def test_shared_memory_comes_with_the_messages(self):
        write = ["sh", "-c", "echo word > /dev/shm/file; sleep 60"]
        see = ["sh", "-c", "cat /dev/shm/file; df -k /dev/shm | tail -1 | cut -c1-40; echo more > /dev/shm/other"]
        self.both("run", "--detach", "--name=base", "--shm-size=1m", BUSYBOX, *write)
        self.both("run", "--detach", "--name=ours", "--ipc=shareable", "--userns=keep-id", BUSYBOX, *write)
        self.both("run", "--detach", "--name=alone", "--ipc=private", BUSYBOX, *write)
        self.both("run", "--detach", "--name=empty", "--ipc=none", BUSYBOX, "sleep", "60")
        self.both("run", "--detach", "--name=open", "--ipc=host", BUSYBOX, "sleep", "60")
        for program in ("podman", "haulout"):
            self.wait_for_file(program, "base")
        self.same("run", "--rm", "--ipc=container:base", BUSYBOX, *see)
        self.same("exec", "base", "cat", "/dev/shm/other")
        # A third one has it of the second.
        self.both("run", "--detach", "--name=second", "--ipc=container:base", BUSYBOX, "sleep", "60")
        self.same("run", "--rm", "--ipc=container:second", BUSYBOX, "cat", "/dev/shm/file")
        self.same("run", "--rm", "--read-only", "--ipc=container:base", BUSYBOX, "cat", "/dev/shm/file")
        self.same("run", "--rm", "--ipc=container:alone", BUSYBOX, "true")
        self.same("run", "--rm", "--ipc=container:empty", BUSYBOX, "ls", "/dev/shm")
        self.same("run", "--name=host", "--ipc=container:open", BUSYBOX, "true")
        self.same("inspect", "host", "--format", "{{.HostConfig.IpcMode}}")
        # Whose user namespace is another shares it as well.
        self.assertEqual(self.haulout("run", "--rm", "--ipc=container:ours", "--userns=container:ours", BUSYBOX, "cat", "/dev/shm/file").stdout, "word\n")

    def wait_for_file(self, program, name):
        wait_until(lambda: run(program, "exec", name, "test", "-e", "/dev/shm/file").returncode == 0, f"{program} has no file")

    def test_what_does_not_go_together_is_refused_in_the_same_words(self):
        for line in [
            "--network=container:nope",
            "--network=container:",
            "--network=ns:",
            "--network=ns:/nope",
            "--network=container:x --dns=1.1.1.1",
            "--network=container:x --dns-search=a",
            "--network=none --dns-option=a",
            "--network=container:x --add-host=a:1.1.1.1",
            "--network=container:x --network=none",
            "--network=container:x --ip=1.1.1.1",
            "--ip=1.1.1.1",
            "--ip=foo",
            "--mac-address=foo",
            "--network-alias=a",
            "--network=none --mac-address=92:d0:c6:0a:29:33",
            "--pid=container:",
            "--pid=ns:",
            "--pid=ns:/nope",
            "--uts=container:x --hostname=a",
        ]:
            self.same("run", "--rm", *line.split(), BUSYBOX, "true")

    def test_whose_namespace_is_shared_is_started_first_and_removed_last(self):
        for flag in ("--network", "--pid", "--ipc", "--uts"):
            for program in ("podman", "haulout"):
                run(program, "create", "--name", "owner", BUSYBOX, "sleep", "1000")
                run(program, "create", "--name", "guest", flag, "container:owner", BUSYBOX, "sleep", "1000")
            self.same("start", "guest")
            self.same("ps", "--all", "--format", "{{.Names}} {{.State}}")
            for name in ("guest", "owner"):
                self.same("stop", "--time", "0", name)
            self.assertEqual(self.same("rm", "owner").returncode, 125)
            # Podman says those who are removed in whatever order its map has them.
            removed = self.same("rm", "--depend", "owner", normal=lambda said: sorted(normal(said).split()))
            self.assertEqual(removed.returncode, 0)

    def test_whose_namespace_is_shared_has_to_run(self):
        for kind in ("network", "pid", "ipc", "uts", "cgroupns"):
            options = () if kind == "network" else ("--network=none",)
            self.both("create", "--name", "owner", "--network=none", BUSYBOX, "true")
            self.both("create", "--name", "guest", f"--{kind}=container:owner", *options, BUSYBOX, "true")
            # It is started, and has ended then: nobody who shares with it can be.
            for words, status in ((("run", "--rm", f"--{kind}=container:owner", *options, BUSYBOX, "true"), 126), (("start", "guest"), 125)):
                podman, haulout = self.both(*words)
                said = "cannot get namespace path unless container <id> is running: container is stopped\n"
                with self.subTest(words=words):
                    self.assertEqual(haulout.returncode, status, haulout.stderr)
                    self.assertTrue(normal(haulout.stderr).endswith(said), haulout.stderr)
                    # Podman meets its end at one moment or another.
                    if "cannot get" in podman.stderr:
                        self.assertEqual((podman.returncode, normal(podman.stderr)), (status, normal(haulout.stderr)))
            self.assertEqual(self.haulout("ps", "--all", "--format", "{{.Names}}").stdout, "owner\nguest\n")
            self.both("rm", "--all", "--force", "--time", "0")

    def test_a_namespace_whose_owner_ends_meanwhile_is_said_to_be_so(self):
        # At any moment of the other's start.
        seen = set()
        for number in range(40):
            self.haulout("run", "--detach", "--name", "owner", "--network=none", BUSYBOX, "usleep", str(number * 2000))
            done = run("haulout", "run", "--rm", "--network=container:owner", BUSYBOX, "true")
            seen.add((done.returncode, normal(done.stderr)))
            self.haulout("rm", "--force", "--time", "0", "owner")
        said = "Error: cannot get namespace path unless container <id> is running: container is stopped\n"
        self.assertLessEqual(seen, {(0, ""), (126, said)})

    def test_a_namespace_that_is_not_ones_own_cannot_be_joined(self):
        for kind in ("network", "pid", "uts", "ipc", "cgroupns"):
            name = {"network": "net", "cgroupns": "cgroup"}.get(kind, kind)
            self.same("run", "--rm", f"--{kind}=ns:/proc/self/ns/{name}", BUSYBOX, "true")
