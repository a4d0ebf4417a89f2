# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A container as a service among others: the service manager is told, descriptors are passed on, what it needs is started."""

import json
import os
import subprocess

from peers.peers import BUSYBOX, PeerTest, run
from session import ENVIRONMENT, processes, wait_until


class Service(PeerTest):
    def service(self, name, *command, properties=()):
        """Runs a command as a transient service of the user's manager; its exit status."""
        options = [f"--property={word}" for word in ("TimeoutStartSec=15", *properties)]
        self.addCleanup(run, "systemctl", "--user", "reset-failed", f"{name}.service")
        self.addCleanup(run, "systemctl", "--user", "stop", f"{name}.service")
        self.addCleanup(run, "haulout", "rm", "--force", "--time", "0", name)
        return run("systemd-run", "--user", "--quiet", "--unit", name, *options, *command)

    def shown(self, name, what):
        return run("systemctl", "--user", "show", "--value", f"--property={what}", f"{name}.service").stdout.strip()

    def test_the_monitor_is_the_main_process_of_a_service_that_is_ready_when_the_container_runs(self):
        for access in ("main", "all"):
            name = f"haulout-conmon-{access}"
            started = self.service(name, "haulout", "run", "--rm", "--detach", "--name", name, "--sdnotify", "conmon", "--network",
                                   "none", BUSYBOX, "sleep", "100", properties=["Type=notify", f"NotifyAccess={access}"])
            self.assertEqual(started.returncode, 0, started.stderr)
            self.assertEqual(self.shown(name, "ActiveState"), "active")
            self.assertEqual(int(self.shown(name, "MainPID")), self.inspect(name)["State"]["ConmonPid"])
            self.haulout("rm", "--force", "--time", "0", name)
            wait_until(lambda name=name: self.shown(name, "ActiveState") != "active", "the service's end")

    def test_the_main_process_is_the_manager_s_child_when_it_hears_of_it(self):
        names = [f"haulout-child-{os.getpid()}-{number}" for number in range(30)]
        for name in names:
            started = self.service(name, "haulout", "run", "--rm", "--detach", "--name", name, "--sdnotify", "conmon", "--network",
                                   "none", BUSYBOX, "sleep", "100", properties=["Type=notify", "NotifyAccess=all"])
            self.assertEqual(started.returncode, 0, started.stderr)
            self.haulout("rm", "--force", "--time", "0", name)
        run("journalctl", "--user", "--sync")
        units = [f"USER_UNIT={name}.service" for name in names]
        journal = run("journalctl", "--user", "--boot", "--output", "cat", *units).stdout
        self.assertGreaterEqual(journal.count("Started "), len(names), journal)
        self.assertNotIn("not our child", journal)

    def test_a_container_that_goes_when_it_ends_has_gone_when_its_service_has_ended(self):
        # Nothing is killed that is about to end, which systemd would say, and it might have been what removes the container.
        kills = []
        for mode in ("control-group", "mixed"):
            for number in range(5):
                name = f"haulout-goes-{mode}-{os.getpid()}-{number}"
                started = self.service(name, "haulout", "run", "--rm", "--detach", "--name", name, "--sdnotify", "conmon", "--network",
                                       "none", BUSYBOX, "sleep", "0.2", properties=["Type=notify", "NotifyAccess=all", f"KillMode={mode}"])
                self.assertEqual(started.returncode, 0, started.stderr)
                wait_until(lambda name=name: self.shown(name, "ActiveState") == "inactive", "the service's end")
                self.assertNotEqual(run("haulout", "container", "exists", name).returncode, 0, mode)
                run("journalctl", "--user", "--sync")
                journal = run("journalctl", "--user", "--boot", "--output", "cat", f"USER_UNIT={name}.service").stdout
                kills += [line for line in journal.splitlines() if "Killing process" in line]
        self.assertEqual(kills, [])

    def test_a_container_s_network_does_not_end_with_who_started_it(self):
        # It begins before there is a scope; all that a killed session or a timer's service would take along is in that afterwards.
        for number in range(5):
            self.haulout("run", "--detach", "--rm", "--name", f"net-{number}", BUSYBOX, "sleep", "100")
            supervisor = self.inspect(f"net-{number}")["State"]["CgroupPath"].removesuffix("/container") + "/supervisor"
            self.assertIn(".scope/", supervisor)
            there = [process.name.split(".")[0] for process in processes() if process.cgroup == supervisor]
            self.assertEqual(sorted(there), ["haulout-monitor", "pasta"])

    def test_a_service_is_ready_when_its_container_is_well(self):
        name = "haulout-healthy"
        done = self.service(name, "haulout", "run", "--rm", "--detach", "--name", name, "--sdnotify", "healthy", "--health-cmd",
                            "test -e /well", "--health-interval", "1s", "--network", "none", BUSYBOX, "sh", "-c",
                            "sleep 2; touch /well; sleep 100", properties=["Type=notify", "NotifyAccess=all"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.inspect(name)["State"]["Health"]["Status"], "healthy")

    def test_a_container_says_itself_that_it_is_ready_and_not_more(self):
        name = "haulout-container"
        folder = self.temporary_folder()
        os.chmod(folder, 0o755)
        script = folder / "notify"
        script.write_bytes(static_notifier())
        script.chmod(0o755)
        done = self.service(name, "haulout", "run", "--rm", "--detach", "--name", name, "--network", "none", "--volume",
                            f"{folder}:/n:ro", BUSYBOX, "sh", "-c", "sleep 1; /n/notify 'READY=1' 'STATUS=well' 'MAINPID=1'; sleep 100",
                            properties=["Type=notify", "NotifyAccess=all"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.shown(name, "StatusText"), "well")
        self.assertEqual(int(self.shown(name, "MainPID")), self.inspect(name)["State"]["ConmonPid"])

    def test_who_is_not_to_be_told_hears_nothing(self):
        name = "haulout-ignore"
        done = self.service(name, "haulout", "run", "--rm", "--name", name, "--sdnotify", "ignore", "--network", "none", BUSYBOX,
                            "sh", "-c", "echo socket=$NOTIFY_SOCKET; sleep 100", properties=["Type=notify", "TimeoutStartSec=2", "TimeoutStopSec=1"])
        self.assertNotEqual(done.returncode, 0)

    def test_modes_are_shown_and_refused_alike(self):
        for mode in ("container", "conmon", "ignore"):
            self.same("create", "--name", mode, "--sdnotify", mode, BUSYBOX)
            self.same("inspect", "--format", "{{.Config.SdNotifyMode}}", mode)
        self.same("create", "--sdnotify", "foo", BUSYBOX)
        self.same("create", "--sdnotify", "healthy", BUSYBOX)

    def test_descriptors_are_passed_on_under_their_numbers(self):
        command = "exec 3</etc/passwd 4</etc/group 5</etc/hostname; "
        for line in [
            "run --rm --preserve-fds 2 {} sh -c 'head -1 <&3; head -1 <&4; head -1 <&5'",
            "run --rm --preserve-fd 5 {} sh -c 'head -1 <&3; head -1 <&5'",
            "run --rm --preserve-fd 3,5 -i {} sh -c 'head -1 <&3; head -1 <&5'",
            "run --rm --preserve-fds 20 {} true",
            "run --rm --preserve-fd 77 {} true",
        ]:
            podman, haulout = (run("sh", "-c", command + f"exec {program} " + line.format(f"--network none {BUSYBOX}"))
                               for program in ("podman", "haulout"))
            with self.subTest(line=line):
                self.assertEqual((haulout.returncode, haulout.stdout, haulout.stderr),
                                 (podman.returncode, podman.stdout, podman.stderr))
        self.haulout("run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sleep", "100")
        done = run("sh", "-c", command + "exec haulout exec --preserve-fds 2 one sh -c 'head -1 <&3; head -1 <&4; head -1 <&5'")
        self.assertEqual(done.stdout.splitlines()[0].split(":")[0], "root")
        self.assertEqual(len(done.stdout.splitlines()), 2, done.stdout)

    def test_a_pipe_that_was_passed_on_ends_with_the_container(self):
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        done = subprocess.run(["haulout", "run", "--detach", "--name", "one", "--network", "none", "--preserve-fd", str(writing),
                               BUSYBOX, "sh", "-c", f"echo through >&{writing}; exec sleep 1"], env=ENVIRONMENT,
                              pass_fds=[writing], check=False, capture_output=True)
        os.close(writing)
        self.assertEqual(done.returncode, 0, done.stderr)
        with os.fdopen(reading) as pipe:
            self.assertEqual(pipe.read(), "through\n")

    def test_sockets_of_a_service_are_passed_on(self):
        line = "exec 3</etc/passwd 4</etc/group; export LISTEN_FDS=2 LISTEN_PID=$$; exec {} run --rm --network none {} " \
            "sh -c 'env | grep LISTEN | sort; head -1 <&4'"
        podman, haulout = (run("sh", "-c", line.format(program, BUSYBOX)) for program in ("podman", "haulout"))
        self.assertEqual(haulout.stdout, podman.stdout, haulout.stderr)
        self.assertEqual(haulout.returncode, 0)

    def test_pids_are_written_where_they_are_wanted(self):
        folder = self.temporary_folder()
        for program in ("podman", "haulout"):
            run(program, "run", "--detach", "--name", "one", "--network", "none", "--pidfile", folder / program, "--conmon-pidfile",
                folder / f"{program}-monitor", BUSYBOX, "sleep", "100")
            state = json.loads(run(program, "inspect", "one").stdout)[0]["State"]
            self.assertEqual((folder / program).read_text(), str(state["Pid"]))
            self.assertEqual((folder / f"{program}-monitor").read_text(), str(state["ConmonPid"]))
        failed = run("haulout", "run", "--rm", "--network", "none", "--pidfile", "/nonexistent/x", BUSYBOX, "true")
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("/nonexistent/x", failed.stderr)

    def test_a_pid_that_cannot_be_written_leaves_no_container_running(self):
        folder = self.temporary_folder()
        (folder / "file").touch()
        (folder / "folder").mkdir()

        def words(flag, path):
            return ["--name", "c", "--network=none", flag, folder / path, BUSYBOX, "sleep", "60"]

        def states():
            return self.haulout("ps", "--all", "--format", "{{.State}}").stdout.split()

        for path in ("no/pid", "file/pid", "folder"):
            # Podman's store cannot take what its monitor does then: the container stays mounted, and its name taken, for ever.
            statuses = {"--conmon-pidfile": 126, "--pidfile": run("podman", "run", "--rm", *words("--pidfile", path)).returncode}
            for flag, status in statuses.items():
                with self.subTest(flag=flag, path=path):
                    for line, left in ((["run", "--rm"], []), (["run", "--detach"], ["created"])):
                        failed = self.haulout(*line, *words(flag, path), status=status)
                        self.assertIn(str(folder / path), failed.stderr)
                        self.assertNotIn("os error", failed.stderr)
                        self.assertEqual(states(), left)
                    self.assertIn(str(folder / path), self.haulout("start", "c", status=125).stderr)
                    self.assertEqual(states(), ["created"])
                    self.haulout("rm", "c")

    def test_an_id_that_cannot_be_written_makes_no_container(self):
        folder = self.temporary_folder()
        (folder / "file").touch()
        for path in ("no/id", "file/id", "folder"):
            for line in (["run", "--rm", "--network=none"], ["create"]):
                results = []
                for program in ("podman", "haulout"):
                    # Podman removes it.
                    (folder / "folder").mkdir(exist_ok=True)
                    results.append(run(program, *line, "--cidfile", folder / path, BUSYBOX, "true"))
                podman, haulout = results
                if path != "folder" or line[0] == "run":
                    self.assertEqual((haulout.returncode, haulout.stderr), (podman.returncode, podman.stderr))
                self.assertEqual(haulout.returncode, 125)
                self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")

    def test_a_file_of_an_id_that_is_none_is_refused_alike(self):
        folder = self.temporary_folder()
        (folder / "other").write_text("nobody")
        (folder / "empty").touch()
        for verb in ("stop", "rm", "kill", "restart", "pause", "unpause"):
            for path in ("no/id", "other", "empty", "."):
                self.same(verb, "--cidfile", folder / path)

    def test_systemd_finds_what_it_needs(self):
        show = "mount | grep -E ' (/run|/tmp|/run/lock|/var/log/journal) ' | cut -d' ' -f1-5 | sort; " \
            "touch /run/x /tmp/x /run/lock/x && echo writable"
        for program in ("podman", "haulout"):
            run(program, "run", "--detach", "--name", "one", "--network", "none", "--systemd", "always", BUSYBOX, "sleep", "100")
        self.same("exec", "one", "sh", "-c", show)
        self.same("exec", "one", "sh", "-c", "mount | grep cgroup2 | grep -o '(rw'")
        self.same("rm", "--force", "--time", "0", "one")
        shown = "{{.Config.StopSignal}} {{.Config.SystemdMode}}"
        for number, words in enumerate([
            [BUSYBOX, "/sbin/init"], [BUSYBOX, "/lib/systemd/systemd"], [BUSYBOX, "sh", "-c", "/sbin/init"],
            ["--systemd=false", BUSYBOX, "/sbin/init"], ["--systemd=always", "--stop-signal=15", BUSYBOX, "true"],
        ]):
            self.same("create", "--name", f"c{number}", *words)
            self.same("inspect", "--format", shown, f"c{number}")
        self.same("create", "--systemd", "foo", BUSYBOX)

    def test_what_a_container_requires_is_started_first_and_removed_last(self):
        quiet = ["--network", "none"]
        self.same("create", "--name", "a", *quiet, BUSYBOX, "sleep", "100")
        self.same("create", "--name", "b", *quiet, "--requires", "a", BUSYBOX, "sleep", "100")
        self.same("create", "--name", "c", *quiet, "--requires", "a,b", BUSYBOX, "sleep", "100")
        self.same("create", "--name", "d", *quiet, "--requires", "nosuch", BUSYBOX, "true")
        self.same("inspect", "--format", "{{len .Dependencies}}", "c")
        self.same("rm", "a")
        self.same("rm", "--force", "b")
        self.same("start", "b")
        self.same("ps", "--format", "{{.Names}} {{.State}}")
        self.haulout("rm", "--force", "--time", "0", "--depend", "a")
        self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")

    def test_an_image_goes_with_the_last_container_that_is_to_take_it_along(self):
        self.haulout("tag", BUSYBOX, "localhost/gone:1")
        self.haulout("run", "--rmi", "--network", "none", "localhost/gone:1", "true")
        self.assertEqual(run("haulout", "image", "exists", "localhost/gone:1").returncode, 1)
        self.assertEqual(run("haulout", "image", "exists", BUSYBOX).returncode, 0)
        self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")
        self.haulout("tag", BUSYBOX, "localhost/gone:1")
        self.haulout("run", "--rmi", "--detach", "--network", "none", "localhost/gone:1", "true")
        wait_until(lambda: run("haulout", "image", "exists", "localhost/gone:1").returncode == 1, "the image's end")


def static_notifier():
    """A program for the container: sends its arguments as one message to NOTIFY_SOCKET."""
    folder = subprocess.run(["mktemp", "-d"], capture_output=True, check=True, text=True).stdout.strip()
    source, program = f"{folder}/n.c", f"{folder}/n"
    with open(source, "w", encoding="utf-8") as file:
        file.write("""
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char text[1000] = "";
    strncpy(address.sun_path, getenv("NOTIFY_SOCKET"), sizeof address.sun_path - 1);
    for (int i = 1; i < argc; i++) { strcat(text, argv[i]); strcat(text, "\\n"); }
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, sizeof address) < 0;
}
""")
    subprocess.run(["cc", "-static", "-o", program, source], check=True)
    with open(program, "rb") as file:
        return file.read()
