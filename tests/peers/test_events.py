# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Events beside Podman: which there are, what they say, and where they are kept."""

import json
import tempfile
import time
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, run
from session import RUNTIME, wait_until

# Podman tells of a pull whenever it looks for an image, and Haulout when there was one. Podman cleans up in a process of its own
# that may come too late to have anything to do. Of a stop it says nothing, against its manual page, and an export is a mount to it.
NOT_COMPARED = {"pull", "cleanup", "export", "copy", "stop", "mount"}


class EventsTest(PeerTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def conf(self, text, name="containers.conf"):
        path = self.folder / name
        path.write_text(f"[engine]\n{text}\n")
        return {"CONTAINERS_CONF_OVERRIDE": str(path)}

    def past(self, since, *more, program="haulout", env=None):
        listed = run(program, "events", "--stream=false", "--since", since, "--format", "json", *more, env=env)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        return [json.loads(line) for line in listed.stdout.splitlines()]


def now():
    return f"{time.time():.6f}"


class Kinds(EventsTest):
    def operations(self, program):
        """Fifty operations, and what was told of them."""
        since = now()
        for line in f"""
            tag {BUSYBOX} localhost/x:1
            untag localhost/x:1 localhost/x:1
            volume create v1
            create --name c1 --label a=b -v v1:/v {BUSYBOX} sh -c 'sleep 100'
            start c1
            exec c1 false
            exec c1 true
            pause c1
            unpause c1
            rename c1 c2
            update --restart always c2
            export -o {program}.tar c2
            commit -q c2 localhost/y:1
            kill -s USR1 c2
            restart -t 0 c2
            stop -t 0 c2
            rm c2
            run --rm --network none {BUSYBOX} sh -c 'exit 3'
            run --network none --name r1 {BUSYBOX} true
            start -a r1
            rm r1
            run --network none -d --name k2 {BUSYBOX} sleep 100
            rm -f -t 0 k2
            run --network none -d --name h1 --health-cmd true --health-interval disable {BUSYBOX} sleep 100
            healthcheck run h1
            rm -f -t 0 h1
            volume rm v1
            volume create v2
            volume prune -f
            run --network none --rm -v /anonymous {BUSYBOX} true
            import {program}.tar localhost/z:1
            rmi localhost/z:1
            push -q {BUSYBOX} localhost:5000/pushed:1
            pull -q --retry 0 localhost:5000/nothere
            manifest create localhost/m:1
            manifest rm localhost/m:1
            rmi localhost/y:1
            create --name cp1 {BUSYBOX}
            container clone cp1 cp2
            rm cp1
            rm cp2
            """.strip().splitlines():
            run("sh", "-c", f"{program} {line.strip()}", cwd=self.folder)
        told = []
        for event in self.past(since, program=program):
            event.pop("time"), event.pop("timeNano"), event.pop("ID", None)
            event = {key: value for key, value in event.items() if key != "Attributes" or value}
            # Podman's end of an exec is sometimes told by two.
            if event["Status"] not in NOT_COMPARED and told[-1:] != [event]:
                told.append(event)
        return told

    def test_fifty_operations_are_told_of_in_the_same_words(self):
        podman, haulout = self.operations("podman"), self.operations("haulout")
        words = lambda events: [json.dumps(without_random(event), sort_keys=True) for event in events]
        self.assertGreater(len(podman), 50)
        self.assertEqual(words(haulout), words(podman))

    def test_what_could_not_be_pulled_is_told_with_the_reason(self):
        since = now()
        self.haulout("pull", "-q", "--retry", "0", "localhost:5000/nothere", status=None)
        [event] = self.past(since, "--filter", "event=pull-error")
        self.assertIn("manifest unknown", event["Error"])
        shown = self.haulout("events", "--stream=false", "--since", since, "--format", "{{.Name}} {{.Error}}").stdout
        self.assertTrue(shown.startswith("localhost:5000/nothere initializing source"), shown)

    def test_an_images_events_name_the_archive(self):
        since, archive = now(), self.folder / "a.tar"
        self.haulout("save", "-q", "-o", archive, BUSYBOX)
        self.haulout("load", "-q", "-i", archive)
        self.haulout("unshare", "sh", "-c", f"haulout image mount {BUSYBOX} && haulout image unmount {BUSYBOX}")
        events = [(event["Status"], event.get("Name", "")) for event in self.past(since, "--filter", "type=image")]
        self.assertEqual([status for status, _ in events], ["save", "loadfromarchive", "mount", "unmount"])
        self.assertEqual(events[1][1], str(archive))


def without_random(event):
    """A name that was made up, and an id for a name, are others each time."""
    name = event.get("Name", "")
    made_up = event["Type"] == "container" and "_" in name
    return event | {"Name": "<random>"} if made_up or len(name) == 64 else event


class Journal(EventsTest):
    def setUp(self):
        super().setUp()
        self.env = self.conf('events_logger = "journald"')

    def test_it_is_told_what_podman_tells_it_under_our_name(self):
        since, fields = now(), {}
        for program in ("podman", "haulout"):
            run(program, "run", "--rm", "--network", "none", "--name", "told", "--label", "a=b c", BUSYBOX, "sh", "-c", "exit 3", env=self.env)
            words = ["journalctl", "--quiet", "--output", "json", f"--since=@{since}", f"SYSLOG_IDENTIFIER={program}", "PODMAN_NAME=told"]
            entries = wait_until(
                lambda: (found := [json.loads(line) for line in run(*words).stdout.splitlines()])
                and any(entry["PODMAN_EVENT"] == "remove" for entry in found)
                and found,
                f"the events of {program} in the journal",
            )
            differ = {"PODMAN_ID", "PODMAN_TIME"}
            fields[program] = {
                entry["PODMAN_EVENT"]: {key: value for key, value in entry.items() if key.startswith("PODMAN") and key not in differ}
                for entry in entries
                if entry["PODMAN_EVENT"] != "cleanup"
            }
        self.assertEqual(fields["haulout"], fields["podman"])
        self.assertEqual(fields["haulout"]["died"]["PODMAN_EXIT_CODE"], "3")

    def test_what_was_before_a_logout_is_still_known(self):
        since = now()
        self.haulout("run", "--rm", "--network", "none", "--name", "early", BUSYBOX, "sh", "-c", "exit 4", env=self.env, status=4)
        before = self.past(since, env=self.env)
        # As a logout does.
        for file in (RUNTIME / "events", RUNTIME / "events.old"):
            file.unlink(missing_ok=True)
        words = ["journalctl", "--quiet", f"--since=@{since}", "SYSLOG_IDENTIFIER=haulout", "PODMAN_EVENT=remove"]
        wait_until(lambda: run(*words).stdout, "the last event in the journal")
        self.assertEqual(self.past(since, env=self.env), before)
        self.haulout("tag", BUSYBOX, "localhost/late:1", env=self.env)
        after = self.past(since, env=self.env)
        self.assertEqual([event["Status"] for event in after], [event["Status"] for event in before] + ["tag"])
        listener = self.spawn("haulout", "events", "--since", since, "--filter", "event=tag", "--filter", "event=untag", "--format", "{{.Status}}", env=self.env)
        self.assertEqual(listener.stdout.readline(), "tag\n")
        self.haulout("untag", BUSYBOX, "localhost/late:1", env=self.env)
        self.assertEqual(listener.stdout.readline(), "untag\n")
        listener.kill()
        self.assertEqual(self.past(since)[0]["Status"], "tag", "who does not ask the journal knows only the log")

    def test_info_says_who_is_told(self):
        for logger in ("journald", "file", "none"):
            env = self.conf(f'events_logger = "{logger}"')
            self.same("info", "--format", "{{.Host.EventLogger}}", env=env)


class Logfile(EventsTest):
    def test_a_log_that_is_put_aside_again_and_again_loses_nothing_for_a_follower(self):
        log = self.folder / "log"
        env = self.conf(f'events_logger = "file"\nevents_logfile_path = "{log}"\nevents_logfile_max_size = "1k"')
        listener = self.spawn("haulout", "events", "--filter", "type=volume", "--format", "{{.Status}} {{.Name}}", env=env)
        wait_until(lambda: run("pgrep", "-f", "haulout events").returncode == 0, "a follower")
        self.haulout("volume", "create", "first", env=env)
        line = listener.stdout.readline()
        while not line:
            line = listener.stdout.readline()
        self.assertEqual(line, "create first\n")
        names = [f"v{number}" for number in range(30)]
        for name in names:
            self.haulout("volume", "create", name, env=env)
        self.assertEqual([listener.stdout.readline() for _ in names], [f"create {name}\n" for name in names])
        listener.kill()
        ours = Path(f"{log}.haulout")
        self.assertLess(ours.stat().st_size if ours.exists() else 0, 2048)
        self.assertTrue(Path(f"{ours}.old").exists())
        self.haulout("volume", "prune", "--force", env=env)
        self.haulout("volume", "rm", "--all", "--force", env=env)

    def test_a_line_that_was_torn_takes_no_other_with_it(self):
        log = self.folder / "log"
        env = self.conf(f'events_logger = "file"\nevents_logfile_path = "{log}"')
        since = now()
        self.haulout("tag", BUSYBOX, "localhost/torn:1", env=env)
        ours = Path(f"{log}.haulout")
        ours.write_text(ours.read_text() + '{"time":1,"kind":"im')
        self.haulout("untag", BUSYBOX, "localhost/torn:1", env=env)
        self.assertEqual([event["Status"] for event in self.past(since, env=env)], ["tag", "untag"])

    def test_a_log_that_is_a_folder_is_refused_before_anything_is_done(self):
        log = self.folder / "log"
        Path(f"{log}.haulout").mkdir()
        env = self.conf(f'events_logger = "file"\nevents_logfile_path = "{log}"')
        failed = self.haulout("volume", "create", "never", env=env, status=None)
        self.assertEqual(failed.returncode, 125)
        self.assertIn(f"{log}.haulout is a directory", failed.stderr)
        self.assertEqual(run("haulout", "volume", "exists", "never").returncode, 1)

    def test_no_events_are_told_where_there_are_to_be_none_and_waiting_works_all_the_same(self):
        env = self.conf('events_logger = "none"')
        self.same("events", "--stream=false", env=env)
        self.haulout("create", "--name", "waited", "--network", "none", BUSYBOX, "sleep", "100", env=env)
        waiting = self.spawn("haulout", "wait", "--condition", "running", "waited", env=env)
        self.haulout("start", "waited", env=env)
        self.assertEqual(waiting.wait(timeout=20), 0)
        self.haulout("rm", "--force", "--time", "0", "waited")

    def test_health_is_told_of_only_where_that_is_wanted(self):
        since, names = now(), []
        for wanted in ("true", "false"):
            env = self.conf(f"healthcheck_events = {wanted}")
            name = f"well-{wanted}"
            self.haulout("run", "-d", "--network", "none", "--name", name, "--health-cmd", "true", "--health-interval", "disable", BUSYBOX, "sleep", "100", env=env)
            self.haulout("healthcheck", "run", name, env=env)
            self.haulout("wait", "--condition", "healthy", name, env=env)
            self.haulout("rm", "--force", "--time", "0", name, env=env)
        events = self.past(since, "--filter", "event=health_status")
        self.assertEqual([event["Name"] for event in events], ["well-true"])

    def test_a_containers_making_tells_all_of_it_where_that_is_wanted(self):
        env = self.conf("events_container_create_inspect_data = true")
        since = now()
        self.haulout("create", "--name", "whole", "--network", "none", BUSYBOX, env=env)
        self.haulout("rm", "whole", env=env)
        self.haulout("create", "--name", "bare", "--network", "none", BUSYBOX)
        self.haulout("rm", "bare")
        words = ["events", "--stream=false", "--since", since, "--filter", "event=create", "--format"]
        whole, bare = self.haulout(*words, "{{.Name}} {{.ContainerInspectData}}").stdout.splitlines()
        self.assertEqual(bare.strip(), "bare")
        inspected = json.loads(whole.removeprefix("whole "))
        self.assertEqual((inspected["Name"], inspected["State"]["Status"]), ("whole", "created"))


class Filters(EventsTest):
    def test_filters_times_and_streams_choose_the_same_with_either_back_end(self):
        shown = {}
        # Podman's own file is sometimes not read to its end.
        for program, logger in (("podman", "journald"), ("haulout", "journald"), ("haulout", "file")):
            log = self.folder / f"log-{logger}"
            env = self.conf(f'events_logger = "{logger}"\nevents_logfile_path = "{log}"')
            since = now()
            run(program, "create", "--name", "filtered", "--label", "k=v", "--network", "none", BUSYBOX, env=env)
            run(program, "tag", BUSYBOX, "localhost/filtered:1", env=env)
            middle = now()
            run(program, "rm", "filtered", env=env)
            run(program, "untag", BUSYBOX, "localhost/filtered:1", env=env)
            until = now()
            run(program, "tag", BUSYBOX, "localhost/later:1", env=env)
            run("sleep", "0.3")
            told = shown[program, logger] = []
            for words in [
                ["--since", since, "--until", until],
                ["--since", since, "--until", middle],
                ["--since", middle, "--until", until],
                ["--since", since, "--until", until, "--filter", "type=image"],
                ["--since", since, "--until", until, "--filter", "type!=image"],
                ["--since", since, "--until", until, "--filter", "container=filtered"],
                ["--since", since, "--until", until, "--filter", "label=k=v"],
                ["--since", since, "--until", until, "--filter", "label=k"],
                ["--since", since, "--until", until, "--filter", "label=no"],
                ["--since", since, "--until", until, "--filter", "event=create", "--filter", "event=remove"],
                ["--since", since, "--until", until, "--filter", "event=die"],
                ["--since", since, "--until", until, "--filter", "image=" + BUSYBOX],
                ["--since", since, "--until", until, "--filter", "image=busybox"],
                ["--since", since, "--until", until, "--filter", "volume=x"],
                ["--since", until, "--stream=false"],
            ]:
                done = run(program, "events", *words, "--format", "{{.Type}} {{.Status}} {{.Name}}", env=env)
                lines = [line for line in done.stdout.splitlines() if not line.startswith("image pull")]
                told.append((" ".join(words[4:]), done.returncode, lines))
            run(program, "untag", BUSYBOX, "localhost/later:1", env=env)
        for logger in ("journald", "file"):
            with self.subTest(logger=logger):
                self.assertEqual(shown["haulout", logger], shown["podman", "journald"])
