# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Namespaces, limits, devices, names and the like: what the container sees of its flags is what it sees with Podman."""

import json

from peers.peers import BUSYBOX, PeerTest, run

# What a flag changes, and how the container sees it.
SEEN = [
    ("--pid host", "test $(ls -d /proc/[0-9]* | wc -l) -gt 5 && echo many; grep ' /proc ' /proc/self/mountinfo | cut -d' ' -f5,6"),
    ("--pid private", "echo $$"),
    ("--ipc host", "ls -d /dev/shm /dev/mqueue; grep -c ' /dev/shm ' /proc/self/mountinfo"),
    ("--ipc none", "ls -d /dev/shm 2>&1"),
    ("--ipc private", "df /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2,6"),
    ("--uts host", "cat /proc/sys/kernel/hostname /etc/hostname"),
    ("--uts private --hostname x", "hostname"),
    ("--cgroupns private", "cat /proc/self/cgroup"),
    ("--ulimit nofile=10:20 --ulimit core=0", "ulimit -n; ulimit -Hn; ulimit -c"),
    ("--ulimit host", "ulimit -n; ulimit -Hn"),
    ("--ulimit fsize=-1", "ulimit -f"),
    ("--shm-size 1m", "df /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2"),
    ("--sysctl net.core.somaxconn=99 --sysctl kernel.shmmax=77777", "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax"),
    ("--sysctl net.ipv4.ping_group_range=0\t5", "cat /proc/sys/net/ipv4/ping_group_range"),
    ("--group-add 77 --group-add nobody", "id -G"),
    ("-u guest --group-add 77", "id -G"),
    ("--group-add keep-groups", "id -G"),
    ("--umask 0077", "umask; touch /x; stat -c %a /x"),
    ("--tz Asia/Shanghai", "date +%z"),
    ("--tz local", "date +%z"),
    ("--oom-score-adj 500", "cat /proc/self/oom_score_adj"),
    ("--unsetenv PATH --unsetenv TERM", "env | sort | grep -v HOSTNAME"),
    ("--unsetenv-all -e A=b", "env | sort"),
    ("-e A=1 --env-merge A=${A}-x --env-merge B=$A${NOPE}y", "echo $A $B"),
    ("--dns 1.1.1.1 --dns-search a.b --dns-option c", "cat /etc/resolv.conf"),
    ("--dns-search .", "grep -c search /etc/resolv.conf"),
    ("--dns none", "cat /etc/resolv.conf 2>&1 | wc -l"),
    ("--no-hosts", "cat /etc/hosts 2>&1 | wc -l"),
    ("--no-hostname", "ls /etc/hostname 2>&1"),
    ("--hosts-file none", "grep -v containers /etc/hosts | wc -l"),
    ("--hosts-file image", "cat /etc/hosts | wc -l"),
    ("--device /dev/null:/dev/x", "ls -l /dev/x | cut -c 1-10; grep ' /dev/x ' /proc/self/mountinfo | cut -d' ' -f5,6; echo y > /dev/x"),
    ("--device /dev/zero:/dev/x:r", "grep ' /dev/x ' /proc/self/mountinfo | cut -d' ' -f5,6"),
    ("--security-opt unmask=/proc/acpi", "ls -d /proc/acpi; grep -c acpi /proc/self/mountinfo"),
    ("--security-opt unmask=ALL", "grep -cE ' /proc/' /proc/self/mountinfo"),
    ("--security-opt systempaths=unconfined", "grep -cE ' /proc/' /proc/self/mountinfo"),
    ("--security-opt mask=/etc/passwd:/tmp", "cat /etc/passwd; ls /tmp"),
    ("--security-opt proc-opts=hidepid=2", "grep ' /proc ' /proc/self/mountinfo | grep -c hidepid"),
    ("--read-only", "touch /tmp/x /run/x && echo ok"),
    ("--read-only --read-only-tmpfs=false", "touch /tmp/x 2>&1; touch /run/x 2>&1"),
    ("--http-proxy=false", "env | grep -ci proxy"),
]

REFUSED = [
    "--pid foo", "--pid container:nope", "--pid ns:/nope", "--ipc foo", "--ipc container:nope", "--uts foo",
    "--uts host --hostname x", "--cgroupns foo", "--ulimit nofile", "--ulimit foo=1", "--ulimit nofile=20:10",
    "--ulimit nproc=host", "--sysctl foo", "--sysctl kernel.foo=1", "--sysctl net.core.somaxconn=5 --network host",
    "--shm-size x", "--oom-score-adj x", "--umask 9", "--umask 00077", "--tz foo", "--env-merge foo",
    "--group-add keep-groups,5", "--dns foo", "--dns 1.1.1.1 --network none", "--dns-search a/b",
    "--no-hosts --add-host a:1.1.1.1", "--expose foo", "--expose 80/foo", "--device /nope", "--device /dev/null:x",
    "--device /dev/null:/dev/x:q", "--cpu-quota 1000 --cpus 1", "--blkio-weight x", "--security-opt apparmor=foo",
    "--security-opt label=nested",
]

SHOWN = [
    "--pid host --ipc host --uts host --cgroupns host", "--ipc none", "--ipc private",
    "--dns 1.1.1.1 --dns-search a --dns-option b", "--group-add 5", "--shm-size 1m", "--oom-score-adj 5", "--umask 0077",
    "--cpu-shares 512 --cpu-period 50000 --cpu-quota 25000 --cpuset-cpus 0", "--memory 100m --memory-reservation 50m",
    "--hosts-file none",
]
FIELDS = [
    "PidMode", "IpcMode", "UTSMode", "CgroupMode", "Dns", "DnsOptions", "DnsSearch", "GroupAdd", "ShmSize", "OomScoreAdj",
    "CpuShares", "CpuPeriod", "CpuQuota", "CpusetCpus", "CpusetMems", "Memory", "MemoryReservation", "HostsFile",
]


class Processes(PeerTest):
    def test_the_container_sees_what_was_asked_for(self):
        for words, script in SEEN:
            self.same("run", "--rm", *words.split(" "), BUSYBOX, "sh", "-c", script)

    def test_what_makes_no_sense_is_refused_alike(self):
        for line in REFUSED:
            self.same("create", *line.split(), BUSYBOX, "true")

    def test_inspect_shows_it(self):
        for line in SHOWN:
            seen = []
            for program in ("podman", "haulout"):
                run(program, "create", "--name", "c", *line.split(), BUSYBOX, "true")
                config = json.loads(run(program, "inspect", "c").stdout)[0]
                run(program, "rm", "--force", "c")
                seen.append([{field: config["HostConfig"][field] for field in FIELDS}, config["Config"]["Umask"]])
            with self.subTest(words=line):
                self.assertEqual(seen[1], seen[0])

    def test_namespaces_are_shared_with_a_container_that_runs(self):
        for program in ("podman", "haulout"):
            run(program, "run", "-d", "--name", "c", "--hostname", "other", BUSYBOX, "sleep", "60")
        self.same("run", "--rm", "--pid=container:c", "--uts=container:c", "--ipc=container:c", BUSYBOX, "sh", "-c", "ps | grep -c sleep; hostname")
        for kind in ("pid", "uts", "ipc"):
            mine = self.haulout("exec", "c", "readlink", f"/proc/self/ns/{kind}").stdout
            other = self.haulout("run", "--rm", f"--{kind}=container:c", BUSYBOX, "readlink", f"/proc/self/ns/{kind}").stdout
            self.assertEqual(mine, other)

    def test_exposed_ports_are_published_when_all_shall_be(self):
        self.haulout("create", "--name", "c", "-P", "--expose", "80", "--expose", "90-91/udp", BUSYBOX, "true")
        ports = self.inspect("c")["HostConfig"]["PortBindings"]
        self.assertEqual(sorted(ports), ["80/tcp", "90/udp", "91/udp"])

    def test_a_limit_that_the_machine_does_not_have_is_done_without_and_said_once(self):
        words = ["--memory=100m", "--memory-swap=150m", "--cpu-shares=512", "--cpuset-cpus=0", "--blkio-weight=100"]
        done = self.haulout("run", "--rm", *words, BUSYBOX, "cat", "/sys/fs/cgroup/cgroup.controllers")
        missing = [name for name in ("memory", "cpu", "cpuset", "io") if name not in done.stdout.split()]
        self.assertEqual(done.stderr.count("level=warning"), min(1, len(missing)))
        for name in missing:
            self.assertIn(f"(controller {name})", done.stderr)
