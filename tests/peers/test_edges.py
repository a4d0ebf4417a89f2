# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is rarely said on a command line, and what is said in two ways: as Podman has it."""

import json
import os

from peers.peers import BUSYBOX, PeerTest, run
from session import DATA, wait_until


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

    def test_a_volume_begins_with_the_files_of_an_image(self):
        image = ["--driver=image", f"--opt=image={BUSYBOX}"]
        wrong = [["--driver=image"], ["--driver=image", "--opt=image="], ["--driver=image", "--opt=image=localhost/nowhere"]]
        for words in [*wrong, [*image, "--opt=o=ro"], ["--opt=image=x"], [*image, "--driver=other"]]:
            self.same("volume", "create", *words, "edge-q")
        for words in ([], [], ["--ignore"]):
            self.same("volume", "create", *image, *words, "edge")
        # What other tests have left of volumes without a name.
        self.both("volume", "prune", "--force")
        for words in ("driver=image", "driver=local", "name=edge"):
            self.same("volume", "ls", "--filter", words, "--format", "{{.Driver}} {{.Name}} {{.Options}}")
        self.same("run", "--rm", "-v", "edge:/x", BUSYBOX, "sh", "-c", "stat -c '%n %A %u %g' /x /x/* /x/bin/sh; echo kept > /x/etc/new")
        self.same("run", "--rm", "-v", "edge:/x:ro", BUSYBOX, "cat", "/x/etc/new")
        self.same("volume", "create", *image, "edge-a")
        self.same("run", "--rm", "-v", "edge-a:/x", BUSYBOX, "ls", "/x/etc/new")

    def test_a_volume_of_an_image_is_its_own_and_packed_as_any_other(self):
        # Podman packs it only while it is mounted, and keeps the image as long as there is the volume.
        self.haulout("tag", BUSYBOX, "localhost/edge:1")
        self.haulout("volume", "create", "--driver=image", "--opt=image=localhost/edge:1", "edge")
        self.haulout("untag", BUSYBOX, "localhost/edge:1")
        names = run("sh", "-c", "haulout volume export edge | tar t").stdout.split()
        self.assertIn("bin/busybox", [name.removeprefix("./") for name in names])

    def test_a_volume_of_an_image_is_made_once(self):
        words = ["haulout", "volume", "create", "--ignore", "--driver=image", f"--opt=image={BUSYBOX}", "edge"]
        makers = [self.spawn(*words) for _ in range(6)]
        self.assertEqual([maker.wait(timeout=60) for maker in makers], [0] * 6)
        self.haulout("volume", "rm", "edge")
        self.assertEqual([path.name for path in (DATA / "volumes").iterdir() if path.name.startswith((".making", ".removing", "edge"))], [])

    def test_a_size_that_nobody_would_keep_is_refused(self):
        for words in (["o=size=1m"], ["o=inodes=5"], ["type=bind", "device=/tmp", "o=bind,size=1m"], ["type=tmpfs", "device=tmpfs", "o=size=1m"]):
            self.same("volume", "create", *(f"--opt={word}" for word in words), "edge-q")


class Options(PeerTest):
    def test_a_name_may_have_a_slash_before_it(self):
        self.same("create", "--name", "/edge", BUSYBOX, "true")
        self.same("ps", "-a", "--format", "{{.Names}}")
        for line in ["start /edge", "wait /edge", "logs /edge", "rename /edge /other", "stop /other", "rm /other"]:
            self.same(*line.split())
        for name in ("/", "//x", "/a/b", "a/"):
            self.same("create", "--name", name, BUSYBOX)

    def test_what_cannot_be_is_refused(self):
        for line in [
            "--init --pid host",
            "--init --pid container:x",
            "--init --systemd always",
            "--tz ../x",
            "--tz /etc/passwd",
            r"--tz \x",
            "--tz a..b",
            "--restart on-failure:-1",
            "--restart on-failure:x",
            "--hosts-file none --no-hosts",
        ]:
            self.same("create", *line.split(), BUSYBOX)

    def test_who_is_killed_first_is_told_when_it_cannot_be(self):
        for score in (1001, 1000, 0, -1, -1000, -1001):
            self.same("run", "--rm", f"--oom-score-adj={score}", BUSYBOX, "cat", "/proc/self/oom_score_adj")

    def test_signals_have_the_names_that_kill_lists(self):
        for signal in ("34", "35", "49", "50", "63", "64", "RTMAX", "sigrtmax-14", "POLL"):
            for program in ("podman", "haulout"):
                run(program, "rm", "--ignore", "edge")
            self.same("create", "--name", "edge", "--stop-signal", signal, BUSYBOX)
            podman, haulout = self.both("inspect", "edge", "--format", "{{.Config.StopSignal}}")
            # Where a number has two names, each is right.
            names = {"SIGPOLL": "SIGIO"}
            self.assertEqual(names.get(haulout.stdout.strip(), haulout.stdout.strip()), names.get(podman.stdout.strip(), podman.stdout.strip()))
        for signal in ("RTMIN+2147483647", "RTMAX-2147483647", "RTMINü", "65", "0", "FOO"):
            self.same("create", "--stop-signal", signal, BUSYBOX)

    def test_variables_that_are_no_text(self):
        script = 'printf %s "$EDGE_BYTES" | od -An -c'
        for flag in ("--env-host", "--env=EDGE_*", "--env=EDGE_BYTES"):
            self.same("run", "--rm", flag, BUSYBOX, "sh", "-c", script, env={"EDGE_BYTES": os.fsdecode(b"a\xff\xfeb")})


class Flags(PeerTest):
    def test_the_older_names_of_flags_are_known(self):
        health = [f"--healthcheck-{word}" for word in ("command=true", "interval=1h", "retries=5", "start-period=1m", "timeout=9s")]
        self.same("create", "--name", "edge", *health, "--override-os=linux", "--override-arch=amd64", BUSYBOX)
        self.same("inspect", "edge", "--format", "{{json .Config.Healthcheck}}")
        for line in ["ps -a --storage --notruncate --format {{.Names}}", "history --notruncate --format {{.Size}} " + BUSYBOX, "rm --storage edge"]:
            self.same(*line.split(), normal=lambda text: "" if "history" in line else text)

    def test_the_client_answers_for_the_server(self):
        # docker version --format is how many ask whether there is anybody.
        for field in ("Os", "OsArch"):
            self.same("version", "--format", "{{.Server.%s}}" % field)
        self.assertEqual(self.haulout("version", "--format", "{{.Server.Version}}").stdout, self.haulout("--version").stdout.split()[-1] + "\n")

    def test_restarts_are_counted_where_they_are_listed(self):
        for program in ("podman", "haulout"):
            self.check(0, program, "run", "--detach", "--name", "edge", "--restart", "on-failure:2", BUSYBOX, "false")
        listed = ("ps", "--all", "--format", "{{.Restarts}} {{.State}}")
        for program in ("podman", "haulout"):
            wait_until(lambda: run(program, *listed).stdout == "2 exited\n", f"restarts of {program}: {run(program, *listed).stdout}", 60)
        self.assertIn('"Restarts": 2', self.haulout("ps", "--all", "--format", "json").stdout)

    def test_an_archive_to_standard_output_is_all_that_is_said(self):
        self.assertEqual(self.same("save", "--output=", BUSYBOX, normal=lambda text: bool(text)).stderr, "")
        self.same("create", "--name", "edge", BUSYBOX)
        self.same("export", "--output=", "edge", normal=lambda text: bool(text))

    def test_nothing_is_the_latest_where_there_is_nothing(self):
        self.same("rm", "--latest")


class Idioms(PeerTest):
    """What scripts for Podman say."""

    def test_the_version_is_asked_for_with_and_without_the_client(self):
        for text in ("{{.APIVersion}}", "{{.OsArch}}|{{.Os}}", "{{.Client.Os}}", "{{.Foo}}"):
            self.same("version", "--format", text, stderr=False)
        self.assertEqual(self.haulout("version", "-f", "{{.Version}}").stdout, self.haulout("version", "-f", "{{.Client.Version}}").stdout)

    def test_how_long_a_health_check_waits_is_a_duration(self):
        for program in ("podman", "haulout"):
            run(program, "create", "--name", "idiom", "--health-cmd", "true", "--health-interval", "1m30s", "--health-timeout", "500ms", BUSYBOX)
        for text in (
            "{{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.Timeout}} {{.Config.Healthcheck.StartPeriod}}",
            "{{.Config.Healthcheck.Interval.Seconds}} {{.Config.Healthcheck.Timeout.Milliseconds}} {{.Config.Healthcheck.Interval.Minutes}}",
            "{{json .Config.Healthcheck}}",
        ):
            self.same("inspect", "--format", text, "idiom")

    def test_a_port_that_is_said_twice_is_published_once(self):
        for ports in (["8083:80"] * 2, ["8083-8084:80-81", "8083:80"], ["8083:80", "8083-8084:80-81"], ["8083:80", "8083:80/udp"]):
            flags = [word for port in ports for word in ("--publish", port)]
            # Not with Podman, whose pasta may have the port a moment longer.
            self.haulout("run", "--rm", *flags, BUSYBOX, "true")
            self.same("create", "--replace", "--name", "idiom", *flags, BUSYBOX, "true")
            self.same("inspect", "--format", "{{json .HostConfig.PortBindings}}", "idiom")

    def test_a_source_that_nobody_has_set_is_not_the_working_folder(self):
        for words in ("type=bind,src=,dst=/x", "type=volume,src=,dst=/x", "type=glob,src=,dst=/x", "type=image,src=,dst=/x"):
            self.same("run", "--rm", "--mount", words, BUSYBOX, "true")

    def test_a_mount_with_ids_of_its_own_is_not_made_without_them(self):
        for flags in (["-v", "/tmp:/x:idmap=foo"], ["--mount", "type=bind,src=/tmp,dst=/x,idmap=uids=0-1-10;gids=0-1-10"]):
            podman, haulout = self.both("run", "--rm", *flags, BUSYBOX, "true")
            self.assertEqual((podman.returncode, haulout.returncode), (126, 125))
            self.assertIn("--userns", haulout.stderr)

    def test_what_is_set_outranks_that_it_is_to_be_unset(self):
        for flags in (["--unsetenv", "A", "-e", "A=b"], ["-e", "A=b", "--unsetenv", "A"], ["--unsetenv", "HOME", "--unsetenv", "PATH", "-e", "PATH=/bin"]):
            self.same("run", "--rm", *flags, BUSYBOX, "sh", "-c", "env | grep -v HOSTNAME | sort")

    def test_an_image_for_another_machine_is_not_taken_for_the_one_that_is_asked_for(self):
        for flags in (["--arch", "arm64"], ["--platform", "linux/arm64/v8"], ["--os", "windows"], ["--arch", "x86_64"], ["--platform", "linux/amd64/v1"]):
            self.same("run", "--rm", "--pull", "never", *flags, BUSYBOX, "true")
        self.assertNotIn("Trying to pull", self.haulout("run", "--rm", "--arch", "x86_64", BUSYBOX, "true").stderr)

    def test_an_image_that_is_tried_again_is_announced_once(self):
        for program in ("podman", "haulout"):
            told = run(program, "pull", "--retry", "2", "--retry-delay", "10ms", "localhost:1/nowhere").stderr
            self.assertEqual((told.count("Trying to pull"), told.count("Failed, retrying")), (1, 2), told)

    def test_the_tag_of_the_log_says_which_container_it_is(self):
        for tag in ("{{.Name}}", "{{.ImageName}}/{{ .Name }}", "{{.Config.Labels.kind}}", '{{index .Config.Labels "kind"}}', "plain", ""):
            tags = []
            for program in ("podman", "haulout"):
                words = ["--name", "idiom", "--label", "kind=edge", "--log-driver", "journald", "--log-opt", f"tag={tag}"]
                made = run(program, "run", "--detach", *words, BUSYBOX, "echo", program)
                self.assertEqual(made.returncode, 0, made.stderr)
                ask = ["journalctl", "--user", "--output", "json", f"CONTAINER_ID_FULL={made.stdout.strip()}"]
                told = wait_until(lambda ask=ask: run(*ask, "--lines", "1").stdout, f"no line of {program} in the journal")
                entry = json.loads(told)
                tags.append((entry.get("CONTAINER_TAG"), entry["SYSLOG_IDENTIFIER"]))
                run(program, "rm", "--force", "--time", "0", "idiom")
            self.assertEqual(tags[1], tags[0], tag)
        for tag in ("{{.Nome}}", "{{"):
            refused = self.haulout("create", "--log-driver", "journald", "--log-opt", f"tag={tag}", BUSYBOX, status=125)
            self.assertIn("known are .ID, .Name", refused.stderr)
