# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Sixteen processes that do random operations on few names, and what must be so whatever came before what.

HAULOUT_RANDOM_SECONDS says how long, 20 without it. HAULOUT_FAULTS_SEED repeats the choices, though not who was quicker.
"""

import os
import random
import sqlite3
import subprocess
import tarfile
import threading
import time

from faults.history import History
from faults.operations import Chooser
from session import DATA, ENVIRONMENT, RUNTIME, SessionTest, leftovers

SEED = int(os.environ.get("HAULOUT_FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
SECONDS = float(os.environ.get("HAULOUT_RANDOM_SECONDS") or 20)
WORKERS = 16
# After their time nothing is begun any more, and what is done ends.
LONGEST_SECONDS = 60


def perform(operation):
    """Runs it and notes what became of it."""
    operation.begun = time.time()
    process = subprocess.Popen(
        ["haulout", *operation.words], env=ENVIRONMENT, text=True, errors="replace",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    try:
        operation.stdout, operation.stderr = process.communicate(operation.stdin, timeout=SECONDS + LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        operation.stdout, operation.stderr = process.communicate()
        operation.stderr += f"\nstill not done after {SECONDS + LONGEST_SECONDS} s"
    operation.status, operation.ended = process.returncode, time.time()
    return operation


class Events(threading.Thread):
    """The lines of the events' log, which is put aside when it is long and begun anew."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.lines, self.over = path, [], threading.Event()
        path.unlink(missing_ok=True)
        self.start()

    def run(self):
        file = None
        while True:
            last = self.over.is_set()
            try:
                file = file or self.path.open(encoding="utf-8")
                self.lines += file.readlines()
                if os.fstat(file.fileno()).st_ino != self.path.stat().st_ino:
                    self.lines += file.readlines()
                    file = None
                    continue
            except FileNotFoundError:
                pass
            if last:
                return
            self.over.wait(0.05)

    def end(self):
        self.over.set()
        self.join()
        return self.lines


class RandomOperations(SessionTest):
    """See the module."""

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        (self.folder / "etc").mkdir()
        (self.folder / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
        with tarfile.open(self.folder / "tree.tar", "w") as tar:
            tar.add(self.folder / "etc", "etc")
        self.events = Events(RUNTIME / "events")
        self.addCleanup(self.events.over.set)

    def work(self, number, end, history):
        folder = self.folder / f"worker{number}"
        folder.mkdir()
        chooser = Chooser(SEED + number, folder)
        while time.monotonic() < end:
            operation = perform(chooser.next())
            history.append(operation)
            if operation.verb == "save" and operation.succeeded():
                chooser.archives.append(operation.words[-2])

    def test_are_done_or_refused_each_as_if_alone(self):
        operations, end = [], time.monotonic() + SECONDS
        workers = [threading.Thread(target=self.work, args=(number, end, operations)) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive():
                worker.join(max(0, end - time.monotonic()) + 1)
                # Who waits for the end of a container waits no longer.
                if time.monotonic() > end:
                    self.haulout("rm", "--all", "--force", "--time", "0")
        # What was begun last may still run.
        self.haulout("rm", "--all", "--force", "--time", "0")
        history = History(operations, self.events.end())
        log = os.environ.get("HAULOUT_RANDOM_LOG")
        if log:
            with open(log, "w", encoding="utf-8") as file:
                print(*sorted(operations, key=lambda operation: operation.begun), sep="\n", file=file)
        with self.subTest(seed=SEED):
            found = history.inconsistencies()
            if found:
                self.fail("\n".join(found))
        self.assert_store_is_whole()
        self.remove_everything()

    def assert_store_is_whole(self):
        """What is on disk is what the database says, and nothing else."""
        database = sqlite3.connect(DATA / "state.db")
        self.assertEqual([("ok",)], database.execute("PRAGMA integrity_check").fetchall())
        self.assertEqual([], database.execute("PRAGMA foreign_key_check").fetchall())
        recorded = {name.partition(":")[2] for name, in database.execute("SELECT diff_id FROM layers")}
        volumes = {name for name, in database.execute("SELECT name FROM volumes")}
        unused = database.execute("SELECT diff_id FROM layers WHERE diff_id NOT IN (SELECT layer FROM image_layers)").fetchall()
        database.close()
        there = {path.name for path in (DATA / "layers").iterdir() if not path.name.startswith(".")}
        self.assertEqual(there, recorded)
        self.assertEqual([], unused)
        self.assertEqual({path.name for path in (DATA / "volumes").glob("[!.]*")}, volumes)

    def remove_everything(self):
        self.haulout("rm", "--all", "--force", "--time", "0")
        self.assertEqual([], leftovers())
        self.haulout("rmi", "--all", "--force")
        self.haulout("volume", "prune", "--force")
        for secret in self.haulout("secret", "ls", "--quiet").stdout.split():
            self.haulout("secret", "rm", secret)
        # What updates have found is forgotten in its own time.
        kept = [path for path in DATA.glob("*/*") if path.name not in (".lock", ".guard") and path.parent.name != "updates"]
        self.assertEqual([], kept)
