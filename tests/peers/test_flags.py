# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is wrong with a command line is said in Podman's words, with its exit status."""

import re

from peers.peers import BUSYBOX, PeerTest, run


VERBS = [
    "attach", "commit", "cp", "create", "diff", "events", "exec", "export", "history", "images", "import", "info", "init", "inspect", "kill", "load",
    "login", "logout", "logs", "pause", "port", "ps", "pull", "push", "rename", "restart", "rm", "rmi", "run", "save", "search", "start", "stats", "stop",
    "tag", "top", "unpause", "unshare", "untag", "update", "wait", "volume create", "volume export", "volume import", "volume inspect", "volume ls",
    "volume prune", "volume rm", "image prune", "container prune", "generate spec", "manifest add", "manifest annotate", "manifest create",
    "manifest inspect", "manifest push", "secret create", "secret inspect", "secret ls", "secret rm", "system df", "system prune",
]


class Flags(PeerTest):
    def test_what_is_no_flag_or_no_verb_is_refused_alike(self):
        for line in [
            "ps --foo",
            "ps -Z",
            "ps -aZ",
            "ps foo",
            "ps --all=maybe",
            "ps -a=maybe",
            "ps --last",
            "ps -n",
            "ps --last=x",
            "ps --format",
            "ps --sort foo",
            "ps --filter foo",
            "ps --filter foo=bar",
            "ps --filter status=foo",
            "ps --filter until=foo",
            "ps --filter exited=x",
            "ps --filter before=zz",
            "ps -l -n 1",
            "ps --size --ns",
            "images --filter foo=bar",
            "images --filter dangling=foo",
            "container foo",
            "image foo",
            "--foo ps",
            "run",
            "run -d",
            "run --foo img",
            "run -e",
            "run --rm=maybe img",
            "create -d img",
            "start",
            "stop",
            "stop -a c1",
            "stop -t x c1",
            "kill",
            "kill -s FOO c1",
            "kill -s 99 c1",
            "kill -s 0 c1",
            "rm",
            "rm -a c1",
            "rm -t 3 c1",
            "wait",
            "wait -i x c3",
            "container exists",
            "container exists a b",
            "image exists",
            "inspect",
            "inspect -t foo nope",
            "image inspect",
            "rmi",
            "tag",
            "tag img",
            "pull",
            "exec",
            "exec -a c true",
            "logs",
            "logs --since foo c",
            "attach",
            "attach a b",
            "load -i /nonexistent",
            "load x",
            "import",
            "import /nonexistent",
            "events --foo",
            "events --since foo --stream=false",
            "events --filter foo --stream=false",
            "images a b",
            "info x",
            "version x",
            "unshare --foo",
        ]:
            self.same(*line.split())

    def test_help_is_given_alike(self):
        for line in ["ps -h", "-h", "--help", "ps --help foo", "ps --foo --help", "container ls --help", "container --help", "run --help --foo"]:
            self.same(*line.split(), normal=lambda text: [each for each in text.splitlines() if each.startswith(("Error", "Options"))])

    def test_every_flag_of_podman_s_is_in_the_help(self):
        # Pods are not there yet, and containers are not checkpointed.
        missing = {"pod", "pod-id-file", "init-ctr"}

        def flags(program, verb):
            return set(re.findall(r"^ +(?:-\w, )?--([\w-]+)", run(program, *verb.split(), "--help").stdout, re.M))

        for verb in VERBS:
            left = flags("podman", verb) - flags("haulout", verb) - missing - {"help"}
            self.assertEqual(left, set(), verb)
            text = run("haulout", *verb.split(), "--help").stdout
            self.assertIn(f"\nExamples:\n  haulout {verb}", text.replace("container exec", "exec"))
            self.assertLess(text.index("Usage:"), text.index("Examples:"))
        self.assertNotIn("of.", run("haulout", "--help").stdout)

    def test_what_is_not_there_is_missed_alike(self):
        for line in [
            "start nope",
            "stop nope",
            "stop --ignore nope",
            "kill nope",
            "rm nope",
            "rm -f nope",
            "rm -i nope",
            "wait nope",
            "wait --ignore nope",
            "container exists nope",
            "image exists nope",
            "image exists ''",
            "inspect nope",
            "inspect -t image nope",
            "inspect -t container nope",
            "image inspect nope",
            "container inspect nope",
            "rmi nope",
            "rmi -i nope",
            "rmi nope1 nope2",
            "tag nope a",
            "exec nope ls",
            "logs nope",
            "attach nope",
            "rm --cidfile /nonexistent",
            "stop --cidfile /nonexistent",
            "rm --cidfile /nonexistent --ignore",
            "logs -l",
        ]:
            self.same(*[word.strip("'") for word in line.split()])

    def test_options_of_a_container_that_make_no_sense_are_refused_alike(self):
        for line in [
            "-p foo",
            "-p 99999",
            "-p 0:80",
            "-p 82-80:80",
            "-p 80-",
            "-p :",
            "-p a:80",
            "-p 1:2:3:4",
            "-p [::1:80:80",
            "-p [::1]",
            "-p ::80",
            "-p 127.0.0.1:80",
            "-p 80:80/",
            "-p 80:80/foo",
            "-p 80/tcp/udp",
            "-p 8080-8082:80",
            "-p 300.1.1.1:80:80",
            "-v /nonexistent:/x",
            "-v :/x",
            "-v /tmp:x",
            "-v x",
            "-v x:",
            "-v /tmp:/x:foo",
            "-v /tmp:/x:",
            "-v /tmp:/x:ro,rw",
            "-v /tmp:/x:shared,slave",
            "-v a:b:c:d",
            "-v x!y:/x",
            "-v ./foo:/x",
            "-v /tmp:/x -v /etc:/x",
            "-v /tmp:/x --tmpfs /x",
            "--tmpfs /x:ro --tmpfs /x",
            "--tmpfs foo",
            "--tmpfs /foo:bar",
            "--tmpfs /x:",
            "--network foo",
            "--network none --network host",
            "--network none:foo",
            "--network host:foo",
            "--network private:foo",
            "--userns foo",
            "--security-opt foo",
            "--security-opt foo=bar",
            "--security-opt no-new-privileges:foo",
            "--security-opt seccomp=/nonexistent",
            "--cap-add foo",
            "--cap-add net_admin --cap-drop NET_ADMIN",
            "--log-driver foo",
            "--log-opt x",
            "--log-opt max-size=x",
            "--restart foo",
            "--restart always:3",
            "--restart on-failure:x",
            "--rm --restart always",
            "--pull foo",
            "--cgroups foo",
            "--name a!b",
            "--name -x",
            "--replace",
            "--add-host foo",
            "--add-host foo:bar",
            "--add-host :1.2.3.4",
            "--add-host a:",
            "--annotation foo",
            "--label =foo",
            "--label-file /nonexistent",
            "--env-file /nonexistent",
            "-e =x",
            "--stop-signal FOO",
            "--stop-signal 0",
            "--stop-signal 99",
            "--stop-timeout x",
            "--stop-timeout -1",
            "--timeout x",
            "--pids-limit x",
            "--cpus x",
            "--memory x",
            "--memory -1",
            "--cidfile /nonexistent/x",
            "--arch arm64 --platform linux/amd64",
        ]:
            self.same("create", *line.split(), BUSYBOX, "true")
        self.same("run", "--attach", "foo", BUSYBOX, "true")
        self.same("run", "--detach-keys", "foo", "--rm", BUSYBOX, "true")

    def test_options_that_make_sense_are_taken_alike(self):
        for line in [
            "-p 127.0.0.1::80",
            "-p [::1]:8080:80",
            "-p 80-82",
            "-p 80:80/TCP",
            "-v /tmp:/x:rslave,rbind,nodev,noexec,nosuid",
            "-v /x/../tmp:/x/../y" if run("test", "-d", "/x").returncode == 0 else "-v /tmp:/x/../y",
            "-v x:/y:nocopy",
            "-v .:/x",
            "--tmpfs /x:size=3m,mode=777 --tmpfs /y --tmpfs /y",
            "--network pasta:-t,80",
            "--network private",
            "--net none",
            "--network none -p 80:80",
            "--network host -p 80:80",
            "--security-opt no-new-privileges:true --security-opt seccomp:unconfined --security-opt label=disable",
            "--cap-add ALL --cap-drop net_admin",
            "--privileged",
            "--restart on-failure:3",
            "--restart never",
            "--pull never",
            "--log-driver json-file",
            "--kernel-memory 5m",
            "--log-opt foo=bar --log-opt max-size=1m",
            "--label a --label b=c=d",
            "--annotation a=",
            "--add-host a:1.2.3.4,b:host-gateway --add-host c;d:::1",
            "-e NO_SUCH_VARIABLE -e HOM*",
            "--entrypoint [\"a\",\"b\"]",
            "--stop-signal RTMIN+3",
            "--memory 0 --cpus -1 --pids-limit 0",
            "--hostname= --workdir= --user= --name= --cidfile=",
            "--init -it --read-only --stop-timeout 3 --timeout 4",
            "--rm=false --tty=0",
        ]:
            self.same("create", *line.split(), BUSYBOX, "true")

    def test_devices_and_security_options_are_as_podmans(self):
        folder = self.temporary_folder()
        (folder / "file").touch()
        for device in [folder, folder / "file", "/dev/null:/dev/q:rr", "/dev/nope", "/dev/null:w"]:
            self.same("run", "--rm", "--device", device, BUSYBOX, "true")
        see = "grep -E ' (/proc|/sys/fs/cgroup) ' /proc/self/mountinfo | cut -d' ' -f5,6; grep -o hidepid=.* /proc/self/mountinfo"
        for option in ["unmask=/sys/fs/cgroup", "unmask=ALL", "unmask=/sys/fs/*", "proc-opts=hidepid=2", "proc-opts=nosuid,exec", "proc-opts=ro"]:
            self.same("run", "--rm", "--security-opt", option, BUSYBOX, "sh", "-c", see)
        words = ["label=type:a", "label=level:s0", "label=disable", "no-new-privileges", "seccomp=unconfined", "apparmor=unconfined", "proc-opts=ro"]
        flags = [word for option in words for word in ("--security-opt", option)]
        self.both("create", "--name", "c", *flags, "--log-opt", "max-size=1.5m", BUSYBOX)
        self.same("inspect", "c", "--format", "{{json .HostConfig.SecurityOpt}} {{.HostConfig.LogConfig.Size}}")

    def test_a_port_that_is_exposed_is_one(self):
        for port in ["80-70", "x", "80-x", "0", "70000", "80/foo"]:
            self.same("create", "--expose", port, BUSYBOX)
        show = "{{json .NetworkSettings.Ports}} {{json .HostConfig.PortBindings}} {{json .Config.ExposedPorts}}"
        for flags in [
            "", "--expose 90 --expose 91-93/udp", "--expose 90 --expose 91/sctp -p 8088:90", "--expose 90 --network none", "--expose 90 --network host",
            "-p 8089:80/sctp", "-p 8089:80/sctp --network none", "-p 8089:80/SCTP",
        ]:
            self.both("create", "--replace", "--name", "c", *flags.split(), BUSYBOX)
            for line in (["inspect", "c", "--format", show], ["ps", "-a", "--format", "{{.Ports}}"], ["port", "c"]):
                self.same(*line)
        self.same("run", "-d", "-p", "8089:80/sctp", BUSYBOX, "true")

    def test_what_the_manual_page_says_of_an_option_holds(self):
        for flags, command in [
            ("--dns none --dns-search x", "true"),
            ("--dns none --dns-option x", "true"),
            ("--dns-search= --dns-option=", "true"),
            ("--hosts-file /nope", "true"),
            ("-w /etc/passwd", "pwd"),
            ("-w nope", "pwd"),
            ("--userns keep-id:foo", "true"),
            ("--userns container:", "true"),
            ("--preserve-fd 1", "true"),
            ("--preserve-fds x", "true"),
            ("--health-retries -1", "true"),
            ("--health-max-log-count x", "true"),
            ("--authfile /nope", "true"),
            ("--authfile= --cidfile= --pidfile=", "true"),
            ("--unsetenv-all -e A=b", "env | sort"),
            ("-a stdin", "echo unseen"),
            ("-a stderr", "echo unseen; echo seen >&2"),
        ]:
            self.same("run", "--rm", *flags.split(), BUSYBOX, "sh", "-c", command)
        self.both("run", "-d", "--name", "c", BUSYBOX, "sleep", "60")
        self.both("run", "-d", "--name", "named", "-h", "name", BUSYBOX, "sleep", "60")
        for name in ("c", "named"):
            self.same("exec", "-e", "A=b", name, "sh", "-c", "env | sort")
        for command in ["nope", "/etc", "/etc/passwd"]:
            self.same("exec", "c", command)
        self.same("exec", "-w", "/nope", "c", "pwd")
        self.same("exec", "-it", "c", "tty")
