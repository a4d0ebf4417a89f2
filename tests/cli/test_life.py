# SPDX-License-Identifier: Apache-2.0 OR MIT
"""start, stop, kill, rm, wait, ps, exec, attach, logs, events: one container's life, and several at once."""

import json
import threading
import time

from session import BUSYBOX, SessionTest, processes, run, wait_until


def together(*calls):
    """Does all of it at the same time; the results in order."""
    results = [None] * len(calls)

    def one(index, call):
        results[index] = call()

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class Life(SessionTest):
    def sleeper(self, *flags, name="one"):
        self.haulout("run", "--detach", "--name", name, "--network", "none", *flags, BUSYBOX, "sleep", "100")
        return name

    def test_a_container_is_started_and_stopped_again_and_again(self):
        self.haulout("create", "--name", "one", "--network", "none", BUSYBOX, "sleep", "100")
        for _ in range(3):
            self.assertEqual(self.haulout("start", "one").stdout, "one\n")
            self.assertEqual(self.inspect("one")["State"]["Status"], "running")
            self.assertEqual(self.haulout("stop", "-t", "0", "one").stdout, "one\n")
            state = self.inspect("one")["State"]
            self.assertEqual((state["Status"], state["ExitCode"], state["Pid"]), ("exited", 137, 0))

    def test_what_a_container_wrote_is_there_when_it_starts_again(self):
        self.haulout("run", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", "cat /kept 2>/dev/null; echo again >> /kept")
        self.assertEqual(self.haulout("start", "-a", "one").stdout, "again\n")
        self.assertEqual(self.haulout("start", "-a", "one").stdout, "again\nagain\n")

    def test_a_stop_asks_first_with_the_containers_own_signal(self):
        script = "trap 'exit 5' USR1; while :; do sleep 0.05; done"
        self.haulout("run", "--detach", "--name", "one", "--network", "none", "--stop-signal", "USR1", BUSYBOX, "sh", "-c", script)
        self.haulout("stop", "one")
        self.assertEqual(self.inspect("one")["State"]["ExitCode"], 5)

    def test_a_stop_waits_as_long_as_the_container_says_and_no_longer(self):
        self.sleeper("--stop-timeout", "1")
        began = time.monotonic()
        said = self.haulout("stop", "one").stderr
        self.assertGreaterEqual(time.monotonic() - began, 1)
        self.assertIn("StopSignal SIGTERM failed to stop container one in 1 seconds, resorting to SIGKILL", said)
        self.assertEqual(self.inspect("one")["State"]["ExitCode"], 137)

    def test_the_name_of_one_that_goes_when_it_ends_is_free_once_it_is_stopped(self):
        for _ in range(5):
            self.haulout("run", "--rm", "--detach", "--name", "one", BUSYBOX, "sleep", "1000")
            self.haulout("stop", "--time", "0", "one")
        self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")
        # Who waits for it in the foreground is told its status, whoever was quicker.
        foreground = self.spawn("haulout", "run", "--rm", "--name", "one", BUSYBOX, "sleep", "1000")
        wait_until(lambda: self.haulout("ps", "--quiet").stdout, "it runs")
        self.haulout("stop", "--time", "0", "one")
        self.assertEqual(foreground.communicate(timeout=20)[1], "")
        self.assertEqual(foreground.returncode, 137)

    def test_several_are_stopped_at_the_same_time(self):
        names = [self.sleeper("--stop-timeout", "2", name=f"c{index}") for index in range(4)]
        began = time.monotonic()
        self.assertEqual(self.haulout("stop", *names).stdout.split(), names)
        self.assertLess(time.monotonic() - began, 7)

    def test_all_the_newest_and_those_that_a_filter_chooses(self):
        for name in ("c1", "c2", "c3"):
            self.sleeper("--label", f"which={name}", name=name)
        ids = {name: self.inspect(name)["Id"] for name in ("c1", "c2", "c3")}
        self.assertEqual(self.haulout("stop", "-t0", "--latest").stdout.split(), [ids["c3"]])
        self.assertEqual(self.haulout("stop", "-t0", "--filter", "label=which=c1").stdout.split(), [ids["c1"]])
        # As with Podman those are told too that had stopped already.
        self.assertEqual(sorted(self.haulout("stop", "-t0", "--all").stdout.split()), sorted(ids.values()))
        self.assertEqual(self.haulout("ps", "-q").stdout, "")
        self.assertEqual(sorted(self.haulout("start", "--all").stdout.split()), sorted(ids.values()))
        self.assertEqual(sorted(self.haulout("kill", "--all").stdout.split()), sorted(ids.values()))
        self.haulout("wait", *ids)
        self.assertEqual(sorted(self.haulout("rm", "--all").stdout.split()), sorted(ids.values()))

    def test_the_beginning_of_an_id_is_enough_and_of_two_it_is_not(self):
        identity = self.inspect(self.sleeper())["Id"]
        self.assertEqual(self.haulout("inspect", "--format", "{{.Name}}", identity[:8]).stdout, "one\n")
        ids = [identity]
        while len(ids) < 40 and len({other[0] for other in ids}) == len(ids):
            ids.append(self.haulout("create", BUSYBOX).stdout.strip())
        twice = next(first for first in (other[0] for other in ids) if sum(other[0] == first for other in ids) > 1)
        self.assertIn("more than one result", self.haulout("stop", twice, status=125).stderr)

    def test_rm_says_by_its_status_why_not(self):
        self.sleeper()
        done = self.haulout("rm", "one", status=2)
        self.assertIn("as it is running", done.stderr)
        self.haulout("rm", "nope", status=1)
        self.assertEqual(self.haulout("rm", "--force", "nope").stdout, "")
        self.assertEqual(self.haulout("rm", "--ignore", "nope").stdout, "")
        self.assertEqual(self.haulout("rm", "--force", "--time", "0", "one").stdout, "one\n")
        self.haulout("container", "exists", "one", status=1)

    def test_wait_answers_when_it_ends_and_at_once_when_it_has(self):
        self.haulout("run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", "sleep 0.5; exit 3")
        self.assertEqual(self.haulout("wait", "one").stdout, "3\n")
        self.assertEqual(self.haulout("wait", "one").stdout, "3\n")
        self.haulout("create", "--name", "two", "--network", "none", BUSYBOX, "sleep", "100")
        waiting = self.spawn("haulout", "wait", "--condition", "running", "two")
        time.sleep(0.3)
        self.assertIsNone(waiting.poll())
        self.haulout("start", "two")
        self.assertEqual(waiting.wait(20), 0)

    def test_kill_sends_any_signal(self):
        script = "trap 'echo usr1' USR1; trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done"
        client = self.spawn("haulout", "run", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", script)
        self.assertEqual(client.stdout.readline(), "ready\n")
        self.haulout("kill", "--signal", "USR1", "one")
        self.assertEqual(client.stdout.readline(), "usr1\n")
        self.haulout("kill", "-s", "15", "one")
        self.assertEqual(client.wait(20), 4)
        self.haulout("kill", "one", status=125)

    def test_a_container_outlives_the_command_that_started_it(self):
        client = self.spawn("haulout", "run", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", "echo ready; sleep 100")
        client.stdout.readline()
        client.kill()
        client.wait()
        self.assertTrue(self.inspect("one")["State"]["Running"])
        self.assertEqual(self.haulout("exec", "one", "echo", "x").stdout, "x\n")

    def test_attach_shows_what_comes_and_ends_as_the_container_does(self):
        script = "while read line; do echo got $line; done; exit 8"
        self.haulout("run", "--detach", "-i", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", script)
        done = self.haulout("attach", "one", stdin="a\nb\n", status=8)
        self.assertEqual(done.stdout, "got a\ngot b\n")

    def test_logs_are_followed_until_the_end(self):
        script = "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.1; done"
        self.haulout("run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", script)
        done = self.haulout("logs", "--follow", "one")
        self.assertEqual(done.stdout, "out 1\nout 2\nout 3\n")
        self.assertEqual(done.stderr, "err 1\nerr 2\nerr 3\n")
        self.assertEqual(self.haulout("logs", "--tail", "2", "one").stdout, "out 3\n")
        self.assertRegex(self.haulout("logs", "-t", "one").stdout, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\S+ out 1\n")
        middle = self.haulout("logs", "-t", "one").stdout.splitlines()[1].split()[0]
        self.assertEqual(self.haulout("logs", "--since", middle, "one").stdout.split()[-1], "3")
        self.assertIn("out 1", self.haulout("logs", "--until", middle, "one").stdout)

    def test_logs_of_several_say_whose_they_are(self):
        for name in ("one", "two"):
            self.haulout("run", "--name", name, "--network", "none", BUSYBOX, "echo", f"from {name}")
        short = {name: self.inspect(name)["Id"][:12] for name in ("one", "two")}
        self.assertEqual(
            self.haulout("logs", "one", "two").stdout, f"{short['one']} from one\n{short['two']} from two\n"
        )
        self.assertEqual(self.haulout("logs", "--names", "one", "two").stdout, "one from one\ntwo from two\n")

    def test_logs_go_to_a_file_the_journal_or_nowhere(self):
        for driver in ("k8s-file", "journald"):
            self.haulout("run", "--name", driver, "--log-driver", driver, "--network", "none", BUSYBOX, "echo", f"by {driver}")
            text = wait_until(lambda: self.haulout("logs", driver).stdout, "the log has it")  # noqa: B023
            self.assertEqual(text, f"by {driver}\n")
        self.haulout("run", "--name", "none", "--log-driver", "none", "--network", "none", BUSYBOX, "echo", "x")
        self.haulout("logs", "none", status=125)

    def test_events_tell_a_containers_life_in_order(self):
        began = time.time()
        listener = self.spawn("haulout", "events", "--filter", "container=one", "--format", "{{.Status}}")
        time.sleep(0.3)
        self.haulout("run", "--name", "one", "--network", "none", "--label", "a=b", BUSYBOX, "sh", "-c", "exit 3", status=3)
        self.haulout("rm", "one")
        seen = []
        while "remove" not in seen:
            seen.append(listener.stdout.readline().strip())
        order = [word for word in seen if word in ("create", "start", "died", "remove")]
        self.assertEqual(order, ["create", "start", "died", "remove"])
        past = self.haulout("events", "--stream=false", "--since", f"{began:.3f}", "--filter", "event=died", "--format", "json")
        events = [json.loads(line) for line in past.stdout.splitlines()]
        self.assertEqual([(event["Name"], event["ContainerExitCode"]) for event in events], [("one", 3)])
        line = self.haulout("events", "--stream=false", "--since", f"{began:.3f}", "--filter", "event=create").stdout
        self.assertRegex(line, rf"container create [0-9a-f]{{64}} \(image={BUSYBOX}, name=one, a=b\)\n")

    def test_events_until_a_time_end_then(self):
        began = time.monotonic()
        self.haulout("events", "--until", f"{time.time() + 1:.3f}")
        self.assertGreaterEqual(time.monotonic() - began, 0.9)

    def test_exec_runs_beside_the_first_process(self):
        self.sleeper("-e", "OWN=1", "-w", "/tmp")
        self.assertEqual(self.haulout("exec", "one", "sh", "-c", "echo $OWN; pwd").stdout, "1\n/tmp\n")
        self.assertEqual(self.haulout("exec", "-e", "A=b", "-w", "/etc", "one", "sh", "-c", "echo $A; pwd").stdout, "b\n/etc\n")
        self.assertEqual(self.haulout("exec", "-u", "1000", "one", "id", "-u").stdout, "1000\n")
        self.assertEqual(self.haulout("exec", "-i", "one", "cat", stdin="x" * 300_000).stdout, "x" * 300_000)
        self.assertEqual(self.haulout("exec", "one", "cat", stdin="x").stdout, "")
        self.assertEqual(self.haulout("exec", "one", "sh", "-c", "exit 42", status=42).stdout, "")
        self.haulout("exec", "one", "nonexistent", status=127)
        self.haulout("exec", "one", "/etc", status=126)
        self.haulout("stop", "-t0", "one")
        self.haulout("exec", "one", "true", status=255)

    def test_exec_detached_goes_on_by_itself(self):
        self.sleeper()
        self.assertRegex(self.haulout("exec", "-d", "one", "sleep", "98").stdout, r"^[0-9a-f]{64}\n$")
        wait_until(lambda: [process for process in processes("sleep") if "98" in process.command], "the command runs")

    def test_who_reads_what_exec_says_waits_for_the_command_and_nothing_else(self):
        self.sleeper()
        begin = time.monotonic()
        # What is left behind has the command's output.
        self.assertEqual(self.haulout("exec", "one", "sh", "-c", "sleep 30 & echo said").stdout, "said\n")
        # The caller is killed.
        done = run("bash", "-c", "timeout -s KILL 1 haulout exec one sh -c 'echo said; exec sleep 30' | cat")
        self.assertEqual(done.stdout, "said\n")
        self.assertLess(time.monotonic() - begin, 20)

    def test_all_that_exec_says_comes_through_a_pipe(self):
        self.sleeper()
        done = run("bash", "-c", "haulout exec one sh -c 'dd if=/dev/zero bs=1M count=64 2>/dev/null' | wc -c")
        self.assertEqual(done.stdout.strip(), str(64 << 20))
        # Its reader goes: so does the command.
        done = run("bash", "-c", "haulout exec one yes | head -1")
        self.assertEqual(done.stdout, "y\n")
        wait_until(lambda: "yes" not in self.haulout("top", "one", "args").stdout.split(), "yes has ended")

    def test_exec_output_goes_into_files_and_terminals_too(self):
        self.sleeper()
        file = self.temporary_folder() / "out"
        with file.open("w") as out:
            done = self.spawn("haulout", "exec", "one", "sh", "-c", "echo out; echo err >&2", stdout=out, stderr=out)
            self.assertEqual(done.wait(20), 0)
        self.assertEqual(sorted(file.read_text().split()), ["err", "out"])
        terminal = self.terminal("haulout", "exec", "-i", "one", "cat")
        terminal.type("typed\r\x04")
        terminal.expect(r"typed\r\ntyped\r\n")
        self.assertEqual(terminal.wait(), 0)

    def test_ps_shows_what_is_so(self):
        self.sleeper("--label", "a=b")
        self.haulout("run", "--name", "two", "--network", "none", BUSYBOX, "false", status=1)
        self.haulout("create", "--name", "three", BUSYBOX)
        self.assertEqual(self.haulout("ps", "--format", "{{.Names}} {{.State}}").stdout, "one running\n")
        self.assertEqual(
            self.haulout("ps", "-a", "--format", "{{.Names}} {{.State}} {{.ExitCode}}").stdout,
            "one running 0\ntwo exited 1\nthree created 0\n",
        )
        listed = json.loads(self.haulout("ps", "-a", "--format", "json", "--filter", "name=one").stdout)
        self.assertEqual((listed[0]["Names"], listed[0]["Labels"]), (["one"], {"a": "b"}))
        self.assertRegex(self.haulout("ps", "--ns").stdout, r"one +\d+ +\d+ +\d+ +\d+")
        self.assertRegex(self.haulout("ps", "--size").stdout, r"\(virtual [\d.]+MB\)")

    def test_a_reader_that_has_gone_ends_a_list_quietly(self):
        self.sleeper()
        done = run("bash", "-c", "haulout ps | true; echo ${PIPESTATUS[0]}")
        self.assertIn(done.stdout.strip(), ("0", "141"))
        self.assertEqual(done.stderr, "")
        done = run("sh", "-c", "haulout ps > /dev/full")
        self.assertEqual((done.returncode, done.stderr), (125, "Error: write /dev/stdout: no space left on device\n"))


class Ended(SessionTest):
    """Containers that systemd ends: at logout, at shutdown, by `systemctl stop`."""

    def test_one_that_ignores_the_signal_is_killed_after_its_own_time_and_its_status_is_known(self):
        self.haulout("run", "--detach", "--name", "c", "--stop-timeout", "1", "--network", "none", BUSYBOX, "sleep", "100000")
        self.check(0, "systemctl", "--user", "stop", f"haulout-{self.inspect('c')['Id']}.scope")
        self.assertEqual(self.haulout("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "c").stdout, "exited 137\n")
        self.haulout("start", "c")

    def test_one_that_takes_its_leave_ends_with_its_own_status(self):
        leave = "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.05; done"
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sh", "-c", leave)
        wait_until(lambda: self.haulout("logs", "c").stdout == "ready\n", "it is ready")
        self.check(0, "systemctl", "--user", "stop", f"haulout-{self.inspect('c')['Id']}.scope")
        self.assertEqual(self.inspect("c")["State"]["ExitCode"], 4)
        self.assertIn("bye", self.haulout("logs", "c").stdout)


class Together(SessionTest):
    """Two of every command at once."""

    def test_containers_are_made_and_run_at_once(self):
        command = ["haulout", "run", "--rm", "--network", "none", BUSYBOX, "echo", "x"]
        for done in together(*[lambda: run(*command)] * 8):
            self.assertEqual((done.returncode, done.stdout), (0, "x\n"), done.stderr)

    def test_of_two_that_want_a_name_one_gets_it(self):
        done = together(*[lambda: run("haulout", "create", "--name", "one", BUSYBOX)] * 4)
        self.assertEqual(sorted(each.returncode for each in done), [0, 125, 125, 125])
        self.assertEqual(self.haulout("ps", "-a", "--format", "{{.Names}}").stdout, "one\n")

    def test_start_stop_kill_and_rm_of_one_container_at_once(self):
        for _ in range(3):
            self.haulout("create", "--name", "one", "--network", "none", BUSYBOX, "sleep", "100")
            for done in together(*[lambda: run("haulout", "start", "one")] * 2):
                self.assertEqual(done.returncode, 0, done.stderr)
            wait_until(lambda: [each for each in processes("sleep") if "100" in each.command], "it is started")
            self.assertEqual(len([each for each in processes("sleep") if "100" in each.command]), 1, "and only once")
            for done in together(*[lambda: run("haulout", "stop", "-t", "0", "one")] * 2):
                self.assertEqual(done.returncode, 0, done.stderr)
            self.haulout("start", "one")
            statuses = [done.returncode for done in together(*[lambda: run("haulout", "rm", "-f", "-t", "0", "one")] * 2)]
            self.assertEqual(statuses, [0, 0])
            self.haulout("container", "exists", "one", status=1)

    def test_pulls_loads_tags_and_removals_of_one_image_at_once(self):
        for done in together(*[lambda: run("haulout", "pull", "-q", BUSYBOX)] * 3):
            self.assertEqual(done.returncode, 0, done.stderr)
        for done in together(*[lambda: run("haulout", "tag", BUSYBOX, "localhost/two")] * 2):
            self.assertEqual(done.returncode, 0, done.stderr)
        statuses = sorted(done.returncode for done in together(*[lambda: run("haulout", "rmi", "localhost/two")] * 2))
        self.assertIn(statuses, ([0, 1], [0, 0]))
        self.haulout("rmi", "-f", BUSYBOX)
        for done in together(*[lambda: run("haulout", "run", "--rm", "--network", "none", BUSYBOX, "true")] * 3):
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_commands_run_in_one_container_at_once(self):
        ticking = "while :; do echo tick; sleep 0.1; done"
        self.haulout("run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", ticking)
        for index, done in enumerate(together(*[lambda number=number: run("haulout", "exec", "one", "echo", number) for number in range(8)])):
            self.assertEqual((done.returncode, done.stdout), (0, f"{index}\n"), done.stderr)
        for done in together(*[lambda: run("haulout", "exec", "-i", "one", "wc", "-c", stdin="x" * 100_000)] * 4):
            self.assertEqual((done.returncode, done.stdout.strip()), (0, "100000"), done.stderr)
        for words in [("inspect", "one"), ("logs", "one"), ("kill", "-s", "CONT", "one"), ("info",), ("version",), ("events", "--stream=false")]:
            for done in together(*[lambda words=words: run("haulout", *words)] * 2):
                self.assertEqual(done.returncode, 0, done.stderr)
        waiting = [self.spawn("haulout", "wait", "one") for _ in range(2)]
        attached = [self.spawn("haulout", "attach", "one") for _ in range(2)]
        self.assertEqual([client.stdout.readline() for client in attached], ["tick\n"] * 2)
        for done in together(*[lambda: run("haulout", "kill", "one")] * 2):
            self.assertIn(done.returncode, (0, 125), done.stderr)
        self.assertEqual([client.communicate(timeout=20)[0] for client in waiting], ["137\n"] * 2)
        for client in attached:
            client.communicate(timeout=20)
        self.assertEqual([client.returncode for client in attached], [137] * 2)

    def test_images_are_imported_and_loaded_at_once(self):
        folder = self.temporary_folder()
        (folder / "x").write_text("x")
        run("tar", "-C", folder, "-cf", folder / "tar", "x")
        imports = together(*[lambda: run("haulout", "import", "-q", folder / "tar", "localhost/made")] * 3)
        for done in imports:
            self.assertEqual(done.returncode, 0, done.stderr)
        self.podman("pull", "-q", BUSYBOX)
        self.podman("save", "-q", "-o", folder / "archive", BUSYBOX)
        for done in together(*[lambda: run("haulout", "load", "-q", "-i", folder / "archive")] * 3):
            self.assertEqual((done.returncode, done.stdout), (0, f"Loaded image: {BUSYBOX}\n"), done.stderr)
        self.haulout("rmi", "-f", "localhost/made")

    def test_a_list_is_read_while_containers_come_and_go(self):
        def come_and_go():
            return [run("haulout", "run", "--rm", "--network", "none", BUSYBOX, "true") for _ in range(5)]

        def read():
            return [run("haulout", *words) for words in [("ps", "-a"), ("images",), ("ps", "--format", "json")] * 5]

        for results in together(come_and_go, read, read):
            for done in results:
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_exec_attach_logs_and_wait_do_not_wait_for_one_another(self):
        self.haulout("run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sleep", "100")
        others = [self.spawn("haulout", *words) for words in [("wait", "one"), ("attach", "one"), ("logs", "-f", "one"),
                                                              ("exec", "one", "sleep", "50")]]
        self.assertEqual(self.haulout("exec", "one", "echo", "x").stdout, "x\n")
        self.haulout("stop", "-t", "0", "one")
        self.assertEqual([other.wait(20) for other in others[:3]], [0, 137, 0])


class Mounts(SessionTest):
    def test_a_file_system_of_the_hosts_is_seen_below_a_slave_and_not_pinned(self):
        """A file system in user space, because that is what a user may mount on the host."""
        folder = self.temporary_folder()
        place, files = folder / "place", folder / "files"
        place.mkdir()
        files.mkdir()
        (files / "new").touch()
        self.haulout("run", "--detach", "--name", "one", "--network", "none", "-v", f"{folder}:/x:rslave", BUSYBOX, "sleep", "100")
        mounted = run("fuse-overlayfs", "-o", f"lowerdir={files}", place)
        self.assertEqual(mounted.returncode, 0, mounted.stderr)
        try:
            self.assertEqual(self.haulout("exec", "one", "ls", "/x/place").stdout, "new\n")
        finally:
            unmounted = run("fusermount3", "-u", place)
        self.assertEqual(unmounted.returncode, 0, unmounted.stderr)
        self.assertEqual(self.haulout("exec", "one", "ls", "/x/place").stdout, "")
        # The server of a file system that nothing holds any more ends by itself.
        wait_until(lambda: not [each for each in processes("fuse-overlayfs") if str(place) in each.command], "it is not pinned")

    def test_a_private_mount_sees_nothing_of_it_and_pins_nothing(self):
        folder = self.temporary_folder()
        place, files = folder / "place", folder / "files"
        place.mkdir()
        files.mkdir()
        (files / "new").touch()
        self.haulout("run", "--detach", "--name", "one", "--network", "none", "-v", f"{folder}:/x", BUSYBOX, "sleep", "100")
        self.assertEqual(run("fuse-overlayfs", "-o", f"lowerdir={files}", place).returncode, 0)
        try:
            self.assertEqual(self.haulout("exec", "one", "ls", "/x/place").stdout, "")
        finally:
            self.assertEqual(run("fusermount3", "-u", place).returncode, 0)
        wait_until(lambda: not [each for each in processes("fuse-overlayfs") if str(place) in each.command], "it is not pinned")
