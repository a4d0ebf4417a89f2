# SPDX-License-Identifier: Apache-2.0 OR MIT
"""run and create: what every flag comes to inside the container, and outside."""

import json
import os
import signal
import socket
import tempfile
import time
import urllib.request
from pathlib import Path

from session import BUSYBOX, DATA, SessionTest, processes, run, wait_until


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Run(SessionTest):
    def one(self, *arguments, network="none", **options):
        """What a container prints that does one thing and goes."""
        return self.haulout("run", "--rm", "--network", network, *arguments, **options).stdout

    def detached(self, *arguments, network="none"):
        return self.haulout("run", "--detach", "--network", network, *arguments).stdout.strip()

    def test_a_detached_container_is_named_by_its_id_and_runs(self):
        identity = self.detached(BUSYBOX, "sleep", "100")
        self.assertRegex(identity, r"^[0-9a-f]{64}$")
        state = self.inspect(identity)["State"]
        self.assertEqual((state["Status"], state["Running"]), ("running", True))
        self.assertIn("sleep", [process.name for process in processes() if process.pid == state["Pid"]])

    def test_a_container_that_is_not_to_stay_is_gone_when_it_has_ended(self):
        self.one(BUSYBOX, "true")
        self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")
        identity = self.detached("--rm", BUSYBOX, "sleep", "0.2")
        wait_until(lambda: run("haulout", "container", "exists", identity).returncode == 1, "the container is removed")

    def test_a_folder_that_another_engine_uses_too_is_named_by_root_and_nothing_of_it_is_touched(self):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            kept = Path(folder, "volumes/theirs/_data/kept")
            kept.parent.mkdir(parents=True)
            kept.write_text("")
            there = ("--root", os.path.relpath(folder))
            self.haulout(*there, "pull", "--quiet", BUSYBOX)
            self.haulout(*there, "volume", "create", "ours")
            self.haulout(*there, "volume", "rm", "ours")
            self.haulout(*there, "run", "--detach", "--rm", "--network", "none", BUSYBOX, "sleep", "0.2")
            # What removes it is started in another folder, by a monitor that has to tell it where.
            wait_until(lambda: not self.haulout(*there, "ps", "--all", "--quiet").stdout, "the container is removed")
            self.assertTrue(kept.exists())
            self.haulout(*there, "rmi", "--all", "--force")
            self.assertEqual(sorted(path.name for path in Path(folder).iterdir()), ["haulout", "volumes"])

    def calls(self, which, *arguments):
        """The system calls of a command, and of whom it starts, in order."""
        log = self.temporary_folder() / "calls"
        self.check(0, "strace", "-f", "-qqq", "-o", log, "-e", f"trace={which}", "haulout", *arguments)
        return log.read_text().splitlines()

    def test_only_what_would_outlast_a_power_cut_waits_for_the_disk(self):
        # In a store of its own, whose log is never long enough to be written back.
        there = ("--root", self.temporary_folder() / "store")
        self.haulout(*there, "pull", "--quiet", BUSYBOX)
        self.haulout(*there, "volume", "create", "old")

        def syncs(*arguments):
            calls = self.calls("execve,fsync,fdatasync", *there, *arguments)
            monitor = next((place for place, call in enumerate(calls) if "haulout-monitor" in call), len(calls))
            return len([call for call in calls[:monitor] if "sync(" in call])

        words = ("--network", "none", BUSYBOX, "true")
        self.assertEqual(syncs("run", "--rm", *words), 0)
        self.assertEqual(syncs("run", "--rm", "--volume", "old:/old", *words), 0)
        self.assertGreater(syncs("run", "--rm", "--volume", "new:/new", *words), 0)
        self.assertGreater(syncs("run", *words), 0)
        self.assertGreater(syncs("create", "--rm", *words), 0)
        self.haulout(*there, "rm", "--all")

    def test_the_network_is_begun_before_the_root_is_mounted(self):
        self.one(BUSYBOX, "true")
        calls = self.calls("execve,fsopen", "run", "--rm", BUSYBOX, "true")
        pasta, root = (next(place for place, call in enumerate(calls) if what in call) for what in ("pasta", "overlay"))
        self.assertLess(pasta, root, calls)

    def test_exit_statuses_are_the_containers_own_or_say_why_it_did_not_start(self):
        for words, status in [
            (["true"], 0),
            (["sh", "-c", "exit 42"], 42),
            (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
            (["nonexistent"], 127),
            (["/etc/passwd"], 126),
        ]:
            done = self.haulout("run", "--rm", "--network", "none", BUSYBOX, *words, status=status)
            self.assertEqual(done.stderr.startswith("Error: "), status in (126, 127), done.stderr)
        self.haulout("run", "--rm", "--pull", "never", "localhost:5000/nope", status=125)

    def test_output_and_errors_are_kept_apart_and_whole(self):
        done = self.haulout("run", "--rm", "--network", "none", BUSYBOX, "sh", "-c", "echo out; echo err >&2")
        self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))
        count = 4_000_000
        text = self.one(BUSYBOX, "sh", "-c", f"yes 0123456 | head -c {count}")
        self.assertEqual(text, "0123456\n" * (count // 8))

    def test_standard_input_goes_in_and_ends(self):
        text = "line\n" * 100_000
        self.assertEqual(self.one("-i", BUSYBOX, "wc", "-c", stdin=text).strip(), str(len(text)))

    def test_the_flags_end_where_the_image_begins(self):
        self.assertEqual(self.one(BUSYBOX, "echo", "--rm", "-d", "--", "--nope"), "--rm -d -- --nope\n")
        self.assertEqual(self.haulout("run", "--rm", "--network=none", "--", BUSYBOX, "echo", "-n", "x").stdout, "x")

    def test_a_boolean_may_be_denied_and_the_last_of_two_wins(self):
        identity = self.haulout("create", "--rm", "--rm=false", "--init=0", "--tty=f", BUSYBOX).stdout.strip()
        details = self.inspect(identity)
        self.assertFalse(details["HostConfig"]["AutoRemove"])
        self.assertFalse(details["HostConfig"].get("Init"))
        self.assertFalse(details["Config"]["Tty"])

    def test_variables_come_from_flags_files_and_the_caller(self):
        folder = self.temporary_folder()
        file = folder / "env"
        file.write_text("# none\n\nFROM_FILE=1\nBOTH=file\nCALLER\n")
        text = self.one(
            "--env-file", file, "-e", "BOTH=flag", "-e", "WILD_*", "-e", "NO_SUCH_VARIABLE", BUSYBOX, "env",
            env={"CALLER": "c", "WILD_A": "a", "WILD_B": "b"},
        )
        lines = text.splitlines()
        for line in ["FROM_FILE=1", "BOTH=flag", "CALLER=c", "WILD_A=a", "WILD_B=b", "HOME=/root", "container=podman"]:
            self.assertIn(line, lines)
        self.assertNotIn("NO_SUCH_VARIABLE", text)

    def test_a_folder_is_seen_inside_and_written_to_unless_read_only(self):
        folder = self.temporary_folder()
        (folder / "file").write_text("from outside")
        self.assertEqual(self.one("-v", f"{folder}:/x", BUSYBOX, "cat", "/x/file"), "from outside")
        self.one("-v", f"{folder}:/x", BUSYBOX, "sh", "-c", "echo inside > /x/new")
        self.assertEqual((folder / "new").read_text(), "inside\n")
        self.assertEqual((folder / "new").stat().st_uid, os.getuid())
        done = self.haulout(
            "run", "--rm", "--network", "none", "-v", f"{folder}:/x:ro", BUSYBOX, "touch", "/x/no", status=1
        )
        self.assertIn("Read-only file system", done.stderr)

    def test_a_relative_folder_is_the_callers(self):
        folder = self.temporary_folder()
        (folder / "file").write_text("x")
        self.assertEqual(self.one("-v", ".:/x", BUSYBOX, "ls", "/x", cwd=folder), "file\n")

    def test_a_named_volume_outlives_containers_and_begins_with_what_the_image_has(self):
        name = f"volume{time.monotonic_ns()}"
        self.addCleanup(self.haulout, "volume", "rm", name)
        self.one("-v", f"{name}:/etc", BUSYBOX, "sh", "-c", "echo kept > /etc/kept")
        self.assertEqual(self.one("-v", f"{name}:/x", BUSYBOX, "sh", "-c", "cat /x/kept; test -f /x/passwd && echo copied"),
                         "kept\ncopied\n")

    def test_an_anonymous_volume_goes_with_its_container(self):
        def volumes():
            return set(os.listdir(DATA / "volumes")) if (DATA / "volumes").exists() else set()

        before = volumes()
        identity = self.detached("-v", "/data", BUSYBOX, "sleep", "100")
        self.assertEqual(len(volumes() - before), 1)
        self.haulout("rm", "--force", "--volumes", "--time", "0", identity)
        self.assertEqual(volumes(), before)
        self.one("-v", "/data", BUSYBOX, "touch", "/data/x")
        self.assertEqual(volumes(), before)

    def test_a_published_port_is_reached_from_outside(self):
        port = free_port()
        self.detached("-p", f"127.0.0.1:{port}:80", BUSYBOX, "sh", "-c", "echo hello > /index.html; httpd -f -h / -p 80",
                      network="pasta")

        def fetch():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=5) as answer:
                    return answer.read()
            except OSError:
                return None

        self.assertEqual(wait_until(fetch, "the web server answers"), b"hello\n")

    def test_a_port_is_free_again_when_the_run_that_published_it_is_over(self):
        port = free_port()
        for _ in range(20):
            self.haulout("run", "--rm", "--publish", f"{port}:80", BUSYBOX, "true")
        self.haulout("create", "--name", "c", "--publish", f"{port}:80", BUSYBOX, "sleep", "100000")
        for _ in range(10):
            self.haulout("start", "c")
            self.haulout("stop", "--time", "0", "c")

    def test_a_free_port_is_chosen_when_none_is_named_and_shown(self):
        identity = self.detached("-p", "127.0.0.1::80", "-p", "81/udp", BUSYBOX, "sleep", "100", network="pasta")
        ports = self.inspect(identity)["NetworkSettings"]["Ports"]
        chosen = int(ports["80/tcp"][0]["HostPort"])
        self.assertGreater(chosen, 1023)
        self.assertEqual(ports["80/tcp"][0]["HostIp"], "127.0.0.1")
        self.assertGreater(int(ports["81/udp"][0]["HostPort"]), 1023)
        self.assertIn(f"127.0.0.1:{chosen}->80/tcp", self.haulout("ps").stdout)

    def test_a_port_that_is_taken_is_named_and_nothing_is_left(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = self.haulout("run", "--rm", "-p", f"127.0.0.1:{port}:80", BUSYBOX, "true", status=None)
        self.assertIn(done.returncode, (125, 126))
        self.assertIn(str(port), done.stderr)
        self.assertEqual(self.haulout("ps", "-aq").stdout, "")

    def test_ports_without_a_network_of_ones_own_are_said_to_be_dropped(self):
        done = self.haulout("run", "--rm", "--network", "none", "-p", "8080:80", BUSYBOX, "true")
        self.assertIn("Port mappings have been discarded", done.stderr)

    def test_networks_differ(self):
        self.assertEqual(self.one(BUSYBOX, "ls", "/sys/class/net"), "lo\n")
        here = sorted(os.listdir("/sys/class/net"))
        self.assertEqual(self.one(BUSYBOX, "ls", "/sys/class/net", network="host").split(), here)
        pasta = self.one(BUSYBOX, "ls", "/sys/class/net", network="pasta").split()
        self.assertIn("lo", pasta)
        self.assertEqual(len(pasta), 2)
        self.assertEqual(self.one(BUSYBOX, "ls", "/sys/class/net", network="pasta:-I,other0").split(), ["lo", "other0"])

    def test_hosts_are_known_inside(self):
        hosts = self.one("--add-host", "a;b:1.2.3.4", "--add-host", "c:::1", "--hostname", "me", BUSYBOX, "cat", "/etc/hosts",
                         network="pasta")
        self.assertRegex(hosts, r"(?m)^1\.2\.3\.4\s.*a")
        self.assertRegex(hosts, r"(?m)^1\.2\.3\.4\s.*b")
        self.assertRegex(hosts, r"(?m)^::1\s.*c")
        self.assertRegex(hosts, r"(?m)host\.containers\.internal")
        self.assertRegex(hosts, r"(?m)\bme\b")
        self.assertIn("nameserver", self.one(BUSYBOX, "cat", "/etc/resolv.conf", network="pasta"))

    def test_an_init_is_the_first_process(self):
        self.assertEqual(self.one("--init", BUSYBOX, "cat", "/proc/1/comm"), "podman-init\n")
        self.assertEqual(self.one(BUSYBOX, "cat", "/proc/1/comm"), "cat\n")

    def test_a_container_is_killed_when_its_time_is_over(self):
        began = time.monotonic()
        done = self.haulout("run", "--rm", "--network", "none", "--timeout", "1", BUSYBOX, "sleep", "100", status=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertLess(time.monotonic() - began, 60)

    def test_a_container_that_fails_is_started_again_as_often_as_was_said(self):
        folder = self.temporary_folder()
        identity = self.detached("--restart", "on-failure:2", "-v", f"{folder}:/x", BUSYBOX, "sh", "-c", "echo x >> /x/runs; exit 3")
        wait_until(lambda: self.inspect(identity)["RestartCount"] == 2, "it is started again")
        self.assertEqual(self.haulout("wait", identity).stdout, "3\n")
        time.sleep(0.5)
        self.assertEqual((folder / "runs").read_text(), "x\n" * 3)
        details = self.inspect(identity)
        self.assertEqual((details["RestartCount"], details["State"]["Status"]), (2, "exited"))

    def test_the_id_goes_into_a_file(self):
        file = self.temporary_folder() / "id"
        identity = self.haulout("create", "--cidfile", file, BUSYBOX).stdout.strip()
        self.assertEqual(file.read_text().strip(), identity)
        self.haulout("rm", "--cidfile", file)
        self.haulout("container", "exists", identity, status=1)

    def test_a_name_can_be_taken_over(self):
        first = self.detached("--name", "one", BUSYBOX, "sleep", "100")
        self.haulout("run", "--name", "one", BUSYBOX, status=125)
        second = self.detached("--name", "one", "--replace", BUSYBOX, "sleep", "100")
        self.haulout("container", "exists", first, status=1)
        self.assertEqual(self.inspect("one")["Id"], second)

    def test_a_name_of_two_words_is_given_where_none_is(self):
        identity = self.haulout("create", BUSYBOX).stdout.strip()
        self.assertRegex(self.inspect(identity)["Name"], r"^[a-z]+_[a-z]+$")

    def test_what_made_a_container_is_remembered(self):
        line = ["create", "--label", "a=b c", "--name", "one", BUSYBOX, "sh", "-c", "x y"]
        self.haulout(*line)
        details = self.inspect("one")
        self.assertEqual(details["Config"]["CreateCommand"], ["haulout", *line])
        self.assertEqual(details["Config"]["Labels"], {"a": "b c"})
        self.assertEqual(details["Config"]["Cmd"], ["sh", "-c", "x y"])

    def test_limits_that_the_machine_cannot_set_are_said_once_and_do_no_harm(self):
        done = self.haulout("run", "--rm", "--network", "none", "--memory", "64m", "--cpus", "1", "--pids-limit", "50", BUSYBOX,
                            "cat", "/sys/fs/cgroup/pids.max", status=None)
        missing = "pids" not in Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
        if missing:
            warnings = [line for line in done.stderr.splitlines() if "level=warning" in line]
            self.assertTrue(warnings, done.stderr)
            self.assertEqual(len(warnings), len(set(warnings)))
        else:
            self.assertEqual(done.stdout, "50\n")

    def test_no_limit_that_nobody_asked_for_is_warned_of(self):
        self.assertEqual(self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true").stderr, "")

    def test_an_image_is_pulled_when_it_is_missing_or_always_or_never(self):
        self.haulout("rmi", "--force", BUSYBOX)
        self.haulout("run", "--rm", "--pull", "never", BUSYBOX, "true", status=125)
        done = self.haulout("run", "--rm", "--network", "none", BUSYBOX, "echo", "x")
        self.assertEqual(done.stdout, "x\n")
        self.assertIn("Trying to pull", done.stderr)
        self.assertEqual(self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true").stderr, "")
        self.assertIn("Trying to pull", self.haulout("create", "--pull", "always", BUSYBOX).stderr)
        self.assertEqual(self.haulout("create", "--quiet", "--pull", "always", BUSYBOX).stderr, "")

    def test_interrupts_go_to_the_container(self):
        script = "trap 'echo got it; exit 7' INT TERM; echo ready; while :; do sleep 0.1; done"
        for number in (signal.SIGINT, signal.SIGTERM):
            client = self.spawn("haulout", "run", "--rm", "--network", "none", BUSYBOX, "sh", "-c", script)
            self.assertEqual(client.stdout.readline(), "ready\n")
            client.send_signal(number)
            self.assertEqual(client.communicate(timeout=20)[0], "got it\n")
            self.assertEqual(client.returncode, 7)

    def test_interrupts_end_only_the_command_when_they_are_not_passed_on(self):
        client = self.spawn("haulout", "run", "--name", "one", "--sig-proxy=false", "--network", "none", BUSYBOX, "sh", "-c",
                            "echo ready; sleep 100")
        self.assertEqual(client.stdout.readline(), "ready\n")
        client.send_signal(signal.SIGINT)
        client.wait(20)
        self.assertEqual(client.returncode, -signal.SIGINT)
        self.assertTrue(self.inspect("one")["State"]["Running"])

    def test_a_container_goes_when_nobody_reads_what_it_prints(self):
        client = self.spawn("sh", "-c", f"haulout run --rm --network none {BUSYBOX} yes | head -1")
        self.assertEqual(client.communicate(timeout=30)[0], "y\n")
        wait_until(lambda: self.haulout("ps", "-aq").stdout == "", "the container is gone")

    def test_the_streams_that_are_asked_for_are_shown(self):
        script = ["sh", "-c", "echo out; echo err >&2"]
        done = self.haulout("run", "--rm", "--network", "none", "-a", "stderr", BUSYBOX, *script)
        self.assertEqual((done.stdout, done.stderr), ("", "err\n"))
        done = self.haulout("run", "--rm", "--network", "none", "-a", "stdout,stderr", BUSYBOX, *script)
        self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))

    def test_a_profile_of_ones_own_filters_system_calls(self):
        file = self.temporary_folder() / "profile.json"
        rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
        file.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
        done = self.haulout("run", "--rm", "--network", "none", "--security-opt", f"seccomp={file}", BUSYBOX, "mkdir", "/x",
                            status=1)
        self.assertIn("Function not implemented", done.stderr)
        file.write_text("no json")
        self.haulout("run", "--rm", "--network", "none", "--security-opt", f"seccomp={file}", BUSYBOX, "true", status=None)
        self.assertEqual(self.haulout("ps", "-aq").stdout, "")

    def test_a_container_is_in_a_scope_of_its_own_or_in_the_callers_cgroup(self):
        def cgroup(*flags, prefix=()):
            self.check(0, *prefix, "haulout", "run", "--detach", "--name", "one", "--network", "none", *flags, BUSYBOX, "sleep", "100")
            pid = self.inspect("one")["State"]["Pid"]
            path = Path(f"/proc/{pid}/cgroup").read_text().rpartition("0::")[2].strip()
            self.haulout("rm", "-f", "-t", "0", "one")
            return path

        self.assertRegex(cgroup(), r"/haulout-[0-9a-f]{64}\.scope/container$")
        self.assertRegex(cgroup("--cgroups", "no-conmon"), r"/haulout-[0-9a-f]{64}\.scope/container$")
        unit = f"split-{time.monotonic_ns()}.scope"
        inside = ["systemd-run", "--user", "--scope", "--quiet", "--property=Delegate=yes", f"--unit={unit}"]
        self.assertIn(f"/{unit}/", cgroup("--cgroups", "split", prefix=inside))
        self.assertNotIn("haulout-", cgroup("--cgroups", "disabled"))

    def test_annotations_and_labels_from_a_file_arrive(self):
        file = self.temporary_folder() / "labels"
        file.write_text("a=from file\nb\n")
        self.haulout("create", "--name", "one", "--label-file", file, "--label", "c=d", "--annotation", "x.y=z", BUSYBOX)
        details = self.inspect("one")
        self.assertEqual(details["Config"]["Labels"], {"a": "from file", "b": "", "c": "d"})
        self.assertEqual(details["HostConfig"]["Annotations"]["x.y"], "z")

    def test_a_log_is_begun_anew_when_it_has_grown(self):
        self.haulout("run", "--name", "one", "--network", "none", "--log-driver", "k8s-file", "--log-opt", "max-size=10k", BUSYBOX,
                     "sh", "-c", "yes 0123456789 | head -n 5000")
        text = self.haulout("logs", "one").stdout
        self.assertTrue(text.endswith("0123456789\n"))
        self.assertLess(len(text), 40_000)

    def test_what_a_monitor_cleans_up_can_be_cleaned_up_twice(self):
        identity = self.detached("--rm", BUSYBOX, "sleep", "0.1")
        wait_until(lambda: run("haulout", "container", "exists", identity).returncode == 1, "the container is removed")
        self.haulout("container", "cleanup", identity)
        self.haulout("container", "cleanup", status=125)

    def test_other_platforms_and_bad_credentials_are_said(self):
        done = self.haulout("pull", "--creds", "nobody", BUSYBOX, status=125)
        self.assertIn("could not read password from terminal: inappropriate ioctl for device", done.stderr)
        self.haulout("create", "--platform", "linux/amd64", "--arch", "arm64", BUSYBOX, status=125)
        self.haulout("create", "--platform", "linux/amd64", "--pull", "never", BUSYBOX)
        self.haulout("pull", "-q", "--tls-verify=false", BUSYBOX)

    def test_what_is_made_is_not_started(self):
        identity = self.haulout("create", "--network", "none", BUSYBOX, "echo", "x").stdout.strip()
        self.assertEqual(self.inspect(identity)["State"]["Status"], "created")
        self.assertEqual(self.haulout("start", "--attach", identity).stdout, "x\n")


class ByPodmansName(SessionTest):
    def test_called_podman_it_is_the_same_program(self):
        program = Path(run("sh", "-c", "command -v haulout").stdout.strip())
        link = self.temporary_folder() / "podman"
        link.symlink_to(program)
        self.assertRegex(run(link, "--version").stdout, r"^podman version \d+\.\d+\.\d+\n$")
        done = run(link, "ps", "--foo")
        self.assertEqual((done.returncode, done.stderr), (125, "Error: unknown flag: --foo\nSee 'podman ps --help'\n"))
        done = run(link, "run", "--rm", "--network", "none", BUSYBOX, "echo", "x")
        self.assertEqual(done.stdout, "x\n", done.stderr)
        self.assertIn("podman run [options] IMAGE", run(link, "run", "--help").stdout)

    def test_by_its_own_name_it_says_its_own_version(self):
        self.assertRegex(self.haulout("--version").stdout, r"^haulout version \d+\.\d+\.\d+\n$")
        report = json.loads(self.haulout("version", "--format", "json").stdout)
        self.assertEqual(self.haulout("version", "--format", "{{.Client.Version}}").stdout.strip(), report["Client"]["Version"])

    def test_every_verb_has_a_manual(self):
        for verb in [
            "attach", "create", "events", "exec", "images", "import", "info", "inspect", "kill", "load", "logs", "ps", "pull", "rm",
            "rmi", "run", "start", "stop", "tag", "unshare", "version", "wait", "container ls", "container exists", "image rm",
        ]:
            text = self.haulout(*verb.split(), "--help").stdout
            self.assertIn(f"Usage:\n  haulout {verb} ", text)
            self.assertEqual(self.haulout("help", *verb.split()).stdout, text)
