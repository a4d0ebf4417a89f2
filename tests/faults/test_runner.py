# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`tests/run` itself: a file whose process dies is one failure, and the other files' tests are run all the same."""

import shutil
import unittest
from pathlib import Path

from session import run

RUNNER = Path(__file__).resolve().parents[1] / "run"
HEAD = "import os, signal, time, unittest\nclass Any(unittest.TestCase):\n"
GOOD = HEAD + "    def test_good(self): pass\n    def test_other(self): self.skipTest('not here')\n"
DEADLY = HEAD + (
    "    def test_a(self): pass\n"
    "    def test_b(self): os.kill(os.getpid(), signal.SIGSEGV)\n"
    "    def test_c(self): pass\n"
)


class Runner(unittest.TestCase):
    def setUp(self):
        self.folder = Path(run("mktemp", "-d").stdout.strip())
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copy(RUNNER, self.folder / "run")
        (self.folder / "cli").mkdir()

    def file(self, name, text):
        (self.folder / "cli" / f"test_{name}.py").write_text(text)

    def run_them(self, *options):
        done = run(self.folder / "run", *options, "cli")
        return done.returncode, done.stdout, done.stderr

    def test_a_process_that_dies_is_a_failure_that_says_where_and_takes_no_other_file_along(self):
        self.file("a", DEADLY)
        self.file("b", GOOD)
        status, out, err = self.run_them()
        self.assertEqual(status, 1)
        died = "cli.test_a: its process ended by SIGSEGV; the last test was cli.test_a.Any.test_b"
        self.assertIn(f"FAILED  {died}\n", out)
        self.assertTrue(out.endswith(f"\nFailed:\n    {died}\n\n2 passed, 1 failed, 1 skipped\n"), out)
        # Python's stack, for whoever looks for the cause.
        self.assertIn("in test_b\n", err)

    def test_the_first_failure_ends_it_where_that_is_asked_for(self):
        self.file("a", HEAD + "    def test_bad(self): self.fail()\n    def test_good(self): pass\n")
        self.file("b", GOOD)
        status, out, _ = self.run_them("-x")
        self.assertEqual((status, out.splitlines()[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_only_the_tests_of_a_word_are_run(self):
        self.file("a", DEADLY)
        self.file("b", GOOD)
        status, out, _ = self.run_them("-k", "good")
        self.assertEqual((status, out.splitlines()[-1]), (0, "1 passed, 0 failed, 0 skipped"))

    def test_one_that_cannot_be_read_is_a_failure(self):
        self.file("a", "import nothing_of_that_name\n")
        self.file("b", GOOD)
        status, out, _ = self.run_them()
        self.assertEqual((status, out.splitlines()[-1]), (1, "1 passed, 1 failed, 1 skipped"))
        self.assertIn("No module named 'nothing_of_that_name'", out)
