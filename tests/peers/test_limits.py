# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a container may use: flags that are read, refused and shown as Podman does it."""

import json
import os
import tempfile

from peers.peers import BUSYBOX, PeerTest, run

FLAGS = [
    "--blkio-weight-device=/dev/null:100",
    "--device-read-bps=/dev/null:1mb",
    "--device-write-bps=/dev/zero:2mb",
    "--device-read-iops=/dev/null:10",
    "--device-write-iops=/dev/zero:20",
    "--cgroup-conf=memory.high=1g",
    "--cgroup-parent=foo.slice",
    "--memory-swappiness=50",
    "--oom-kill-disable",
    "--rdt-class=x",
]


# Of setrlimit(2)'s, those that a process shows; -1 is without end, which for an ordinary user is the hard limit.
ULIMITS = ["nofile=-1", "nofile=-1:-1", "nofile=100:-1", "nofile=100:200", "nofile=100", "nproc=-1", "nproc=1000:2000", "core=-1", "memlock=-1", "host"]


class Limits(PeerTest):
    def test_the_limits_of_processes_are_the_same(self):
        show = [BUSYBOX, "cat", "/proc/self/limits"]
        for limit in ULIMITS:
            self.same("run", "--rm", "--ulimit", limit, *show)
        self.same("run", "--rm", "--ulimit", "nofile=100,nproc=1000", "--ulimit", "nofile=200", *show)
        self.same("run", "--rm", "--ulimit", "RLIMIT_NOFILE=100", "--ulimit", "", *show)
        for flags in (["--ulimit", "nofile=100", "--ulimit", "nproc=-1", "--ulimit", "core=-1"], ["--ulimit", "host"], []):
            self.both("run", "--replace", "--name", "c", *flags, BUSYBOX, "true")
            self.same("inspect", "c", "--format", "{{json .HostConfig.Ulimits}}")

    def test_a_limit_that_is_none_is_refused_in_the_same_words(self):
        for limit in ["foo=1", "foo", "nofile=", "nofile=x", "nofile=1:x", "nofile=1:2:3", "nofile=200:100", "nofile=-2", "nofile=10000000000"]:
            self.same("run", "--rm", "--ulimit", limit, BUSYBOX, "true")

    def test_a_bad_limit_is_refused_in_the_same_words(self):
        for line in [
            "--blkio-weight-device foo",
            "--blkio-weight-device /dev/null:5",
            "--blkio-weight-device foo:100",
            "--blkio-weight-device /dev/nope:100",
            "--cgroup-conf foo",
            "--cgroup-parent foo",
            "--cgroup-parent user.slice --cgroups split",
            "--cgroup-parent foo.slice --cgroups disabled",
            "--cpu-rt-period x",
            "--device-cgroup-rule foo",
            "--device-cgroup-rule x_1:3_rwm",
            "--device-cgroup-rule c_1:3_xx",
            "--device-cgroup-rule c_a:3_rwm",
            "--device-cgroup-rule c_1:3_rwm",
            "--device-read-bps foo",
            "--device-read-bps /dev/null:x",
            "--device-read-bps /dev/nope:1mb",
            "--device-read-bps dev/null:1mb",
            "--device-read-iops /dev/null:1mb",
            "--device-write-iops foo:1",
            "--memory-swappiness x",
            "--shm-size-systemd x",
        ]:
            words = [word.replace("_", " ") for word in line.split()]
            self.same("run", "--rm", *words, BUSYBOX, "true")

    def test_what_the_kernel_does_not_have_is_said_alike(self):
        for line in ["--memory-swappiness=50", "--oom-kill-disable", "--rdt-class=x", "--cpu-rt-period=1000000"]:
            self.same("run", "--rm", line, BUSYBOX, "true")
        self.same("run", "--rm", "--personality=LINUX32", BUSYBOX, "uname", "-m")

    def test_limits_are_shown_as_podman_shows_them(self):
        shown = []
        for program in ("podman", "haulout"):
            made = run(program, "create", "--name=limited", *FLAGS, BUSYBOX, "true")
            self.assertEqual(made.returncode, 0, made.stderr)
            shown.append(json.loads(run(program, "inspect", "limited").stdout)[0]["HostConfig"])
        podman, haulout = shown
        for key in podman:
            if key.startswith("Blkio") or key in ("CgroupConf", "CgroupParent", "IntelRdtClosID"):
                self.assertEqual(haulout[key], podman[key], key)
        for key in ("MemorySwappiness", "OomKillDisable"):
            self.assertEqual(haulout[key], podman[key], key)

    def test_a_container_is_in_the_slice_that_was_asked_for(self):
        self.both("run", "--detach", "--name=inside", "--cgroup-parent=foo-bar.slice", "--cgroupns=host", BUSYBOX, "sleep", "60")
        for program in ("podman", "haulout"):
            cgroup = run(program, "exec", "inside", "grep", "0::", "/proc/self/cgroup").stdout
            self.assertIn("/foo.slice/foo-bar.slice/", cgroup, program)

    def test_the_id_file_goes_with_the_container(self):
        with tempfile.TemporaryDirectory() as folder:
            for program in ("podman", "haulout"):
                path = os.path.join(folder, program)
                made = run(program, "create", "--cidfile", path, BUSYBOX, "true")
                with open(path, encoding="ascii") as file:
                    self.assertEqual(file.read(), made.stdout.strip())
                shown = run(program, "inspect", "--format={{.HostConfig.ContainerIDFile}}", made.stdout.strip())
                self.assertEqual(shown.stdout.strip(), path)
                run(program, "rm", made.stdout.strip())
                self.assertFalse(os.path.exists(path), program)

    def test_the_last_of_two_limits_of_a_process_counts(self):
        limits = ["--ulimit=nofile=30", "--ulimit=RLIMIT_NOFILE=40,core=0"]
        self.same("run", "--rm", *limits, BUSYBOX, "sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c")
