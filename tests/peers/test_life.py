# SPDX-License-Identifier: Apache-2.0 OR MIT
"""From create to rm: the same words and the same exit statuses as Podman's."""

import json

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import wait_until


class Life(PeerTest):
    def test_what_does_not_start_is_said_alike(self):
        for command in ("nosuch", "/etc"):
            self.same("create", "--name", "bad", "--network", "none", BUSYBOX, command)
            self.same("start", "bad")
            self.same("start", "--attach", "bad")
            self.same("ps", "--all", "--format", "{{.Names}} {{.State}}")
            self.same("rm", "bad")

    def test_exit_statuses_of_run_are_the_same(self):
        for words in [
            ["true"],
            ["false"],
            ["sh", "-c", "exit 3"],
            ["sh", "-c", "kill -9 $$; sleep 1"],
            ["sh", "-c", "kill -TERM $$; exit 9"],
            ["sh", "-c", "echo out; echo err >&2; printf partial"],
            ["nonexistent"],
            ["/nonexistent"],
            ["/etc"],
            ["/etc/passwd"],
            ["--", "echo", "hi"],
            ["cat", "/etc/hostname", "/nope"],
        ]:
            self.same("run", "--rm", "--network", "none", "--hostname", "h", BUSYBOX, *words)

    def test_flags_of_run_do_the_same(self):
        show = ["sh", "-c"]
        for flags, command in [
            ([], ["id"]),
            (["-u", "1000"], ["id"]),
            (["-u", "guest:users"], ["id"]),
            (["-u", "nobodyx"], ["id"]),
            (["-u", "1:nog"], ["id"]),
            (["-u", "4294967296"], ["id"]),
            (["-w", "/tmp"], ["pwd"]),
            (["-w", "/new/place"], ["pwd"]),
            (["-e", "A=b", "-e", "EMPTY="], ["sh", "-c", "env | sort | grep -v HOSTNAME"]),
            (["--hostname", "some.name"], ["hostname"]),
            (["--hostname", "some.name"], ["cat", "/etc/hostname"]),
            (["--entrypoint", "echo"], ["a", "b"]),
            (["--entrypoint", "[\"echo\",\"x\"]"], ["a", "b"]),
            (["--read-only"], show + ["touch /x; touch /tmp/x && echo tmp; touch /run/x && echo run; touch /dev/shm/x && echo shm"]),
            (["--tmpfs", "/t:size=1m,mode=1777"], show + ["df -k /t | tail -1 | awk '{print $2}'; stat -c %a /t"]),
            (["--cap-drop", "all"], ["grep", "^Cap", "/proc/self/status"]),
            (["--cap-add", "net_admin,sys_ptrace"], ["grep", "^Cap", "/proc/self/status"]),
            (["--privileged"], ["grep", "^Cap", "/proc/self/status"]),
            (["-u", "1000"], ["grep", "^Cap", "/proc/self/status"]),
            (["--cap-add", "net_admin", "-u", "1000"], ["grep", "^Cap", "/proc/self/status"]),
            ([], ["grep", "^Cap", "/proc/self/status"]),
            (["--security-opt", "no-new-privileges"], ["grep", "NoNewPrivs", "/proc/self/status"]),
            (["--security-opt", "seccomp=unconfined"], ["grep", "Seccomp:", "/proc/self/status"]),
            ([], ["grep", "Seccomp:", "/proc/self/status"]),
            (["-v", "/etc:/x:ro"], show + ["touch /x/y; ls -d /x"]),
            (["-v", "/nonexistent/../etc/hostname:/x"], ["ls", "/x"]),
            (["-t"], show + ["tty; test -t 1 && echo terminal"]),
            (["--network", "none"], ["ls", "/sys/class/net"]),
            (["--network", "host"], ["ls", "/sys/class/net"]),
            (["--add-host", "a;b:1.2.3.4"], ["grep", "1.2.3.4", "/etc/hosts"]),
            ([], ["umask"]),
            ([], show + ["ulimit -c"]),
            ([], show + ["ls -ld /proc/kcore /proc/keys /proc/timer_list /sys/firmware 2>&1 | cut -c1-4"]),
            ([], show + ["for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel; do touch $f 2>&1; done"]),
            ([], ["ls", "/dev"]),
            (["--env-host"], show + ["echo $LANG $USER"]),
        ]:
            network = [] if "--network" in flags else ["--network", "none"]
            self.same("run", "--rm", *network, *flags, BUSYBOX, *command, env={"LANG": "C.UTF-8", "USER": "tester"})

    def test_standard_input_is_the_containers_only_when_asked_for(self):
        self.same("run", "--rm", "-i", "--network", "none", BUSYBOX, "cat", stdin="hello\nworld")
        self.same("run", "--rm", "--network", "none", BUSYBOX, "cat", stdin="hello")

    def test_a_name_can_be_had_once(self):
        self.same("create", "--name", "one", BUSYBOX)
        self.same("create", "--name", "one", BUSYBOX)
        self.same("create", "--name", "one", "--replace", BUSYBOX)
        self.same("rm", "one")
        self.same("rm", "one")

    def test_a_container_that_runs_is_not_removed_and_one_that_does_not_is_not_killed(self):
        self.same("run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sleep", "100")
        self.same("rm", "one")
        self.same("start", "one")
        self.same("rm", "one", "nope")
        self.same("kill", "--signal", "CONT", "one")
        self.same("stop", "--time", "0", "one")
        self.same("stop", "one")
        self.same("kill", "one")
        self.same("wait", "one")
        self.same("exec", "one", "true")
        self.same("attach", "one")
        self.same("start", "one", "nope")
        self.same("ps", "--format", "{{.Names}}")
        self.same("rm", "--force", "--time", "0", "one")

    def test_start_attached_ends_as_the_container_does(self):
        self.same("create", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", "echo out; exit 4")
        self.same("start", "--attach", "one")
        self.same("start", "-ai", "one")
        self.same("logs", "one")
        self.same("start", "-a", "one", "one")

    def test_several_are_named_as_they_were_given(self):
        for name in ("one", "two"):
            self.same("run", "--detach", "--name", name, "--network", "none", BUSYBOX, "sleep", "100")
        # Podman prints them in the order in which they are done.
        for line in ["stop -t0 one two", "start one two", "kill one two", "rm -f one two three"]:
            self.same(*line.split(), normal=lambda text: sorted(normal(text).splitlines()))

    def test_exec_is_the_same(self):
        self.same("run", "--detach", "--name", "one", "--network", "none", "-e", "X=y", BUSYBOX, "sleep", "100")
        for words in [
            ["one", "true"],
            ["one", "sh", "-c", "exit 4"],
            ["one"],
            ["-u", "nobodyx", "one", "id"],
            ["-u", "1000", "one", "id"],
            ["-w", "/tmp", "one", "pwd"],
            ["-e", "A=b", "one", "sh", "-c", "env | sort | grep -v HOSTNAME"],
            ["-t", "one", "sh", "-c", "test -t 0 && test -t 1 && echo terminal"],
            ["--privileged", "one", "grep", "^Cap", "/proc/self/status"],
            ["one", "grep", "^Cap", "/proc/self/status"],
            ["-u", "1000", "one", "grep", "^Cap", "/proc/self/status"],
            ["-l", "true"],
            ["--detach-keys", "foo", "one", "true"],
            ["--env-file", "/nonexistent", "one", "true"],
            ["-d", "one", "true"],
            ["one", "sh", "-c", "echo out; echo err >&2"],
            # Whom the user namespace does not have.
            ["-u", "65537", "one", "id"],
            ["-u", "0:70000", "one", "id"],
            ["--privileged", "-u", "99999", "one", "id"],
            ["-t", "-u", "65537", "one", "id"],
            ["-d", "-u", "65537", "one", "id"],
            ["-u", "4294967294", "one", "id"],
            ["-u", "4294967296", "one", "id"],
            ["-w", "/etc/passwd", "one", "id"],
            ["-w", "/dev/null", "-d", "one", "id"],
        ]:
            self.same("exec", *words)
        # Haulout's runtime writes to the command's own standard error as well.
        for words in [["one", "nonexistent"], ["one", "/etc"], ["-w", "/nope", "one", "pwd"]]:
            self.same("exec", *words, normal=lambda text: normal(text).splitlines()[-1:])
        self.same("exec", "-i", "one", "cat", stdin="hello")
        self.same("exec", "one", "cat", stdin="hello")

    def test_logs_are_the_same(self):
        # Output and errors come through two pipes: each line is waited for in the log before the next is written.
        script = "echo out; until [ -e /turn/1 ]; do sleep 0.02; done; echo err >&2; until [ -e /turn/2 ]; do sleep 0.02; done; echo; printf partial"
        for program in ("podman", "haulout"):
            turn = self.temporary_folder()
            options = ["--name", "one", "--network", "none", "--log-driver", "k8s-file", "--volume", f"{turn}:/turn"]
            run(program, "run", "--detach", *options, BUSYBOX, "sh", "-c", script)
            for number, stream in enumerate(("stdout", "stderr"), 1):
                wait_until(lambda: getattr(run(program, "logs", "one"), stream), f"{program} has logged {stream}")
                (turn / str(number)).touch()
            run(program, "wait", "one")
            run(program, "run", "--name", "two", "--network", "none", "--log-driver", "none", BUSYBOX, "echo", "x")
        for line in [
            "logs one", "logs -t one", "logs -n one", "logs --tail 1 one", "logs --tail 0 one", "logs --tail -5 one", "logs --tail 2 one",
            "logs --since 1h one", "logs --until 1h one", "logs --color one", "logs -f one", "logs two", "logs nope", "logs -l",
        ]:
            self.same(*line.split())

    def test_images_get_and_lose_names_alike(self):
        self.same("tag", BUSYBOX, "foo", "bar:x")
        self.same("images", "--format", "{{.Repository}}:{{.Tag}}")
        self.same("rmi", "foo")
        self.same("tag", BUSYBOX, "A")
        self.same("image", "exists", "bar:x")
        self.same("image", "exists", "bar")
        self.same("rmi", "bar:x", "nope")
        self.same("rmi", "localhost/bar:x")
        self.same("run", "--rm", "--pull", "never", "localhost:5000/nonexistent")
        self.same("create", "--name", "one", BUSYBOX)
        self.same("rmi", BUSYBOX)
        self.same("rm", "one")

    def test_pulls_say_the_same(self):
        self.same("pull", BUSYBOX)
        self.same("pull", "--quiet", BUSYBOX)
        self.same("pull", "localhost:5000/nope")
        self.same("pull", "UPPER/Case")
        self.same("run", "--rm", "--network", "none", "localhost:5000/nope", "true")
        self.same("run", "--rm", "--network", "none", "UPPER/Case", "true")

    def test_unshare_is_root_of_the_same_ids(self):
        self.same("unshare", "id", "-u")
        self.same("unshare", "cat", "/proc/self/uid_map")
        self.same("unshare", "nonexist")
        self.same("unshare", "sh", "-c", "exit 7")
        self.same("unshare", "--", "echo", "-x")

    def test_a_containers_life_is_the_same_events(self):
        for program in ("podman", "haulout"):
            run(program, "run", "--detach", "--name", "life", "--network", "none", "--label", "a=b", BUSYBOX, "sleep", "100")
            run(program, "exec", "life", "sh", "-c", "exit 3")
            run(program, "kill", "life")
            run(program, "wait", "life")
            run(program, "rm", "life")
        template = "{{.Type}} {{.Status}} {{.Name}} {{.Image}} {{.Attributes}} {{.ContainerExitCode}}"
        line = ["events", "--stream=false", "--since", "1m", "--filter", "container=life", "--format", template]
        events = ("create", "init", "start", "exec", "exec_died", "kill", "died")
        # Podman says some of it twice.
        self.same(*line, normal=lambda text: list(dict.fromkeys(each for each in text.splitlines() if each.split()[1] in events)))

    def test_info_and_version_have_podmans_fields(self):
        podman, haulout = (json.loads(done.stdout) for done in self.both("info", "--format", "json"))
        other = {"buildahVersion", "cpuUtilization", "freeLocks", "networkBackendInfo", "slirp4netns", "configFile", "graphOptions",
                 "imageCopyTmpDir"}
        for part in ("host", "store", "version", "plugins"):
            self.assertEqual(podman[part].keys() - haulout[part].keys() - other, set())
        for field in ("arch", "cpus", "distribution", "hostname", "idMappings", "kernel", "os", "cgroupVersion", "memTotal"):
            self.assertEqual(haulout["host"][field], podman["host"][field])
        podman, haulout = (json.loads(done.stdout)["Client"] for done in self.both("version", "--format", "json"))
        self.assertEqual(haulout.keys(), podman.keys())
