# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Many commands at one thing at the same time: one order there has to be, everybody is told what came of theirs, and nobody waits for ever."""

import concurrent.futures
import json
import os
import re
import subprocess
import tarfile

from session import BUSYBOX, DATA, ENVIRONMENT, RUNTIME, SessionTest, processes, run, wait_until

MANY = 20
# Many times what any of it takes, on however busy a machine: who waits longer waits for somebody who waits for them.
WATCHDOG_SECONDS = 100
FOR_EVER = ["sleep", "100000"]


class ManyAtOnce(SessionTest):
    """See the module."""

    def at_once(self, *commands):
        """Runs all of them at the same time: their outcomes, in the same order."""
        with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
            started = [pool.submit(run, "haulout", *words, timeout=WATCHDOG_SECONDS) for words in commands]
            return [one.result() for one in started]

    def create(self, *words):
        self.haulout("create", "--name", "c", "--network", "none", BUSYBOX, *(words or FOR_EVER))

    def run_one(self, *words):
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, *(words or FOR_EVER))

    def assert_said(self, outcomes, pattern):
        """Those that failed say why, in these words."""
        for outcome in outcomes:
            if outcome.returncode != 0:
                self.assertRegex(outcome.stderr, pattern)

    def events(self, *actions):
        lines = (RUNTIME / "events").read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        container = self.haulout("container", "inspect", "--format", "{{.Id}}", "c").stdout.strip()
        return [event["action"] for event in events if event["id"] == container and event["action"] in actions]

    def test_one_name_is_one_containers(self):
        outcomes = self.at_once(*[["create", "--name", "c", BUSYBOX, "true"]] * MANY)
        self.assertEqual(sorted(outcome.returncode for outcome in outcomes), [0] + [125] * (MANY - 1))
        made = next(outcome.stdout.strip() for outcome in outcomes if outcome.returncode == 0)
        self.assert_said(outcomes, f'the container name "c" is already in use by {made}')
        self.assertEqual(self.haulout("ps", "--all", "--quiet", "--no-trunc").stdout.split(), [made])

    def test_many_starts_are_one(self):
        self.create()
        outcomes = self.at_once(*[["start", "c"]] * MANY)
        self.assertEqual({outcome.returncode for outcome in outcomes}, {0}, outcomes)
        self.assertEqual(len(processes("haulout-monitor")), 1)
        self.assertEqual(self.events("start", "died"), ["start"])

    def test_many_removals_are_one(self):
        self.create()
        outcomes = self.at_once(*[["rm", "c"]] * MANY)
        self.assertIn(0, [outcome.returncode for outcome in outcomes])
        self.assert_said(outcomes, "no container with (ID or name|name or ID)|no such container")
        self.run_one()
        outcomes = self.at_once(*[["rm", "--force", "--time", "0", "c"]] * MANY)
        self.assertEqual({outcome.returncode for outcome in outcomes}, {0}, outcomes)
        self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")

    def test_stop_kill_and_rm_come_to_an_end(self):
        for _ in range(3):
            self.run_one("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done")
            commands = [["stop", "c"], ["kill", "c"], ["rm", "--force", "c"], ["stop", "--time", "0", "c"], ["restart", "--time", "0", "c"]]
            outcomes = self.at_once(*commands * 4)
            self.assert_said(outcomes, "no such container|state improper|no container with")
            self.haulout("rm", "--force", "--time", "0", "--ignore", "c")
            self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")

    def test_exec_beside_stop_runs_or_is_refused(self):
        for _ in range(3):
            self.run_one()
            outcomes = self.at_once(*[["exec", "c", "echo", "inside"]] * (MANY - 1), ["stop", "--time", "0", "c"])
            self.assertEqual(outcomes[-1].returncode, 0, outcomes[-1])
            for outcome in outcomes[:-1]:
                # 137: it was running when its container was ended.
                self.assertIn(outcome.returncode, (0, 137, 255), outcome)
                if outcome.returncode == 0:
                    self.assertEqual(outcome.stdout, "inside\n")
            self.assert_said([one for one in outcomes if one.returncode == 255], "container state improper")
            self.haulout("rm", "c")

    def test_cp_beside_rm_copies_or_is_refused(self):
        folder = self.temporary_folder()
        for prepare in (self.create, self.run_one):
            prepare()
            copies = [["cp", "c:/bin/busybox", folder / f"copy{number}"] for number in range(MANY - 1)]
            outcomes = self.at_once(*copies, ["rm", "--force", "--time", "0", "c"])
            self.assertEqual(outcomes[-1].returncode, 0, outcomes[-1])
            self.assert_said(outcomes, 'no such container|container "c" does not exist|no container with')
            sizes = {path.stat().st_size for path in folder.iterdir()}
            self.assertLessEqual(len(sizes), 1, "half a file was copied")

    def test_a_volume_is_removed_or_used(self):
        for _ in range(3):
            write = ["run", "--rm", "--network", "none", "--volume", "v:/v", BUSYBOX, "sh", "-c", "echo x >/v/$(hostname) && cat /v/$(hostname)"]
            outcomes = self.at_once(*[write, ["volume", "rm", "v"], ["volume", "create", "--ignore", "v"]] * (MANY // 3))
            for outcome in outcomes[::3]:
                self.assertEqual((outcome.returncode, outcome.stdout), (0, "x\n"), outcome)
            self.assert_said(outcomes[1::3], "no such volume|volume is being used")
            self.assert_said(outcomes[2::3], "^$")
            self.haulout("volume", "rm", "--force", "v")
            self.assertEqual([path for path in (DATA / "volumes").glob("*") if path.name != ".lock"], [])

    def test_renames_swap_nothing(self):
        self.create()
        self.haulout("create", "--name", "d", BUSYBOX, "true")
        outcomes = self.at_once(*[["rename", "c", "e"], ["rename", "d", "e"]] * (MANY // 2))
        self.assert_said(outcomes, "already in use|no container with|no such container")
        names = self.haulout("ps", "--all", "--format", "{{.Names}}").stdout.split()
        self.assertIn(sorted(names), (["c", "e"], ["d", "e"]))

    def test_who_lists_ends_nobody_who_starts(self):
        """A container that is being started has a runtime folder and no monitor yet, as one has whose monitor was killed."""
        over = []

        def list_all():
            while not over:
                subprocess.run(["haulout", "ps", "--all", "--quiet"], env=ENVIRONMENT, capture_output=True, check=True)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            listing = [pool.submit(list_all) for _ in range(4)]
            try:
                for _ in range(40):
                    self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true")
            finally:
                over.append(True)
            for one in listing:
                one.result()


class Leases(SessionTest):
    """An image that is removed while it is read is read to its end."""

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        (self.folder / "noise").write_bytes(os.urandom(4 << 20))
        with tarfile.open(self.folder / "tree.tar", "w") as tar:
            tar.add(self.folder / "noise", "noise")
        self.addCleanup(run, "haulout", "rmi", "--force", "localhost/read")
        self.haulout("import", "--quiet", self.folder / "tree.tar", "localhost/read")

    def garbage(self):
        return list((DATA / "layers").glob(".garbage-*"))

    def begin_to_save(self, *options):
        saving = self.spawn("haulout", "save", *options, "localhost/read", text=False, bufsize=0)
        # More than a pipe holds: it waits for us in the middle of the layer.
        return saving, saving.stdout.read(1 << 16)

    def assert_is_whole(self, archive):
        path = self.folder / "archive"
        path.write_bytes(archive)
        self.haulout("load", "--quiet", "--input", path)
        done = self.haulout("create", "--name", "read", "localhost/read", "/noise")
        self.haulout("cp", "read:/noise", self.folder / "again")
        self.assertEqual((self.folder / "again").read_bytes(), (self.folder / "noise").read_bytes(), done)
        self.haulout("rm", "read")

    def test_removed_while_it_is_saved_it_is_saved(self):
        saving, beginning = self.begin_to_save()
        self.haulout("rmi", "localhost/read")
        self.assertNotEqual(self.garbage(), [], "its files are there as long as they are read")
        # Whoever collects garbage leaves them there too.
        self.haulout("image", "prune", "--force")
        self.assertNotEqual(self.garbage(), [])
        rest, errors = saving.communicate(timeout=WATCHDOG_SECONDS)
        self.assertEqual(saving.returncode, 0, errors)
        wait_until(lambda: not self.garbage(), "nothing is left when they have been read")
        self.assert_is_whole(beginning + rest)

    def test_removed_and_made_again_while_it_is_saved_it_is_saved(self):
        saving, beginning = self.begin_to_save()
        for _ in range(3):
            self.haulout("rmi", "localhost/read")
            self.haulout("import", "--quiet", self.folder / "tree.tar", "localhost/read")
        rest, errors = saving.communicate(timeout=WATCHDOG_SECONDS)
        self.assertEqual(saving.returncode, 0, errors)
        self.assert_is_whole(beginning + rest)

    def test_what_a_killed_reader_held_goes_with_the_next_command(self):
        saving, _ = self.begin_to_save()
        self.haulout("rmi", "localhost/read")
        saving.kill()
        saving.wait()

        def gone():
            self.haulout("import", "--quiet", self.folder / "tree.tar", "localhost/read")
            self.haulout("rmi", "localhost/read")
            return not self.garbage()

        wait_until(gone, "collected")


class Failed(SessionTest):
    """What fails for want of something leaves nothing of the rest."""

    def test_a_container_that_is_not_made_makes_no_volume(self):
        self.haulout("create", "--name", "c", BUSYBOX, "true")
        done = self.haulout("create", "--name", "c", "--volume", "fresh:/v", BUSYBOX, "true", status=125)
        self.assertTrue(re.search("already in use", done.stderr), done.stderr)
        self.assertFalse((DATA / "volumes/fresh").exists())
        self.haulout("volume", "create", "kept")
        self.addCleanup(run, "haulout", "volume", "rm", "kept")
        self.haulout("create", "--name", "c", "--volume", "kept:/v", BUSYBOX, "true", status=125)
        self.assertTrue((DATA / "volumes/kept/_data").exists())
