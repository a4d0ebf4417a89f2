# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`haulout quadlet start`, `stop`, `restart`, `enable` and `disable`: what they do to units, and what they say of those that fail."""

import unittest

from cli.test_quadlet import LASTING, SERVICES, UNITS
from cli.test_quadlet_live import UNIT, LiveTest
from session import ON_TEST_HOST, run, wait_until


@unittest.skipUnless(ON_TEST_HOST, "systemd reads the person's own folders")
class Jobs(LiveTest):
    def quadlet(self, *words, status=0):
        self.started += [f"{word.removesuffix('.container')}.service" for word in words[1:] if word.startswith("test-jo")]
        return self.haulout("quadlet", *words, status=status, timeout=240)

    def test_a_unit_is_started_without_having_been_written_and_restarted_as_it_says_now(self):
        path = self.unit("test-jo-a.container", f"{UNIT}Exec={LASTING}\n")
        self.assertEqual(self.quadlet("start", "test-jo-a.container").stdout, "test-jo-a.container\n")
        before = self.inspect("systemd-test-jo-a")["Id"]
        # One that runs is left as it is, by whatever name it is called.
        for name in ("test-jo-a", "test-jo-a.service"):
            self.assertEqual(self.quadlet("start", name).stdout, f"{name}\n")
        self.assertEqual(self.inspect("systemd-test-jo-a")["Id"], before)
        path.write_text(f"{UNIT}Environment=NEW=1\nExec={LASTING}\n")
        self.quadlet("restart", "test-jo-a.container")
        self.assertIn("NEW=1", self.inspect("systemd-test-jo-a")["Config"]["Env"])
        self.quadlet("stop", "test-jo-a.container")
        self.assertEqual(self.state("test-jo-a.service"), "inactive")
        self.assertEqual(run("haulout", "ps", "--all", "--quiet").stdout, "")

    def test_several_units_and_an_instance_of_a_template_are_started_at_once(self):
        self.unit("test-jo-b.container", f"{UNIT}Exec={LASTING}\n")
        self.unit("test-jo-c@.container", f"{UNIT}Environment=WHICH=%i\nExec={LASTING}\n")
        self.started += ["test-jo-c@one.service"]
        done = self.quadlet("start", "test-jo-b", "test-jo-c@one.container")
        self.assertEqual(done.stdout, "test-jo-b\ntest-jo-c@one.container\n")
        self.assertIn("WHICH=one\n", self.haulout("exec", "systemd-test-jo-c_one", "env").stdout)
        self.assertIn("is a template: name an instance", self.quadlet("start", "test-jo-c@.container", status=125).stderr)

    def test_a_unit_that_fails_is_told_with_its_cause_and_the_others_are_started(self):
        self.unit("test-jo-d.container", f"{UNIT}Exec={LASTING}\n")
        self.unit("test-jo-e.container", f"{UNIT}Exec={LASTING}\nPodmanArgs=--nonsense\n")
        self.unit("test-jo-f.container", f"[Unit]\nRequires=test-jo-e.service\nAfter=test-jo-e.service\n{UNIT}Exec={LASTING}\n")
        self.unit("test-jo-g.container", f"[Unit]\nConditionPathExists=/nonexistent\n{UNIT}Exec={LASTING}\n")
        done = self.quadlet("start", "test-jo-d", "test-jo-e", status=125)
        self.assertEqual(done.stdout, "test-jo-d\n")
        self.assertIn("Error: starting test-jo-e.service: its process exited with status 125; its journal says:\n", done.stderr)
        self.assertIn("unknown flag: --nonsense", done.stderr)
        run("systemctl", "--user", "reset-failed", "test-jo-e.service")
        done = self.quadlet("start", "test-jo-f", status=125)
        self.assertIn("starting test-jo-f.service: it requires test-jo-e.service, which is failed; its journal says:\n", done.stderr)
        self.assertIn("unknown flag: --nonsense", done.stderr)
        self.quadlet("start", "test-jo-g", status=None)
        self.assertEqual(self.state("test-jo-g.service"), "inactive")

    def test_a_command_beside_the_process_that_fails_is_told_with_its_status(self):
        self.unit("test-jo-k.container", f"{UNIT}Exec={LASTING}\n[Service]\nExecStartPre=true\nExecStartPre=sh -c 'exit 4'\n")
        done = self.quadlet("start", "test-jo-k", status=125)
        self.assertIn("starting test-jo-k.service: a command of its ExecStartPre= exited with status 4", done.stderr)

    def test_a_unit_that_is_never_ready_and_one_that_failed_too_often(self):
        self.unit("test-jo-h.container", f"{UNIT}Notify=true\nExec={LASTING}\n[Service]\nTimeoutStartSec=2\n")
        done = self.quadlet("start", "test-jo-h", status=125)
        self.assertIn("it was not ready in time", done.stderr)
        self.unit("test-jo-i.container", f"[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=100\n{UNIT}Exec=false\n[Service]\nType=oneshot\n")
        self.assertIn("its process exited with status 1", self.quadlet("start", "test-jo-i", status=125).stderr)
        done = self.quadlet("start", "test-jo-i", status=125)
        self.assertIn("it failed too often lately; once more: systemctl --user reset-failed test-jo-i.service", done.stderr)

    def test_what_there_is_not_is_said(self):
        done = self.quadlet("start", "nowhere.container", "nowhere@a", status=125)
        self.assertEqual(done.stderr.count("Error: no unit nowhere"), 2, done.stderr)
        self.assertIn(str(UNITS), done.stderr)
        self.assertIn("requires at least 1 arg", self.quadlet("stop", status=125).stderr)
        self.unit("test-jo-j.container", f"{UNIT}Oops=1\n")
        done = self.quadlet("start", "test-jo-j", status=125)
        self.assertRegex(done.stderr, "test-jo-j")

    def test_a_tab_completes_names_of_units(self):
        self.unit("test-jo-windvane.container", UNIT)
        terminal = self.terminal("bash", "--norc", "--noprofile")
        terminal.type("PS1='ready> '; bind 'set enable-bracketed-paste off'; source <(haulout completion bash); echo so''urced\r")
        terminal.expect(r"sourced\r\n")
        for verb in ("start", "enable", "check"):
            terminal.type(f"haulout quadlet {verb} test-jo-windv\t")
            terminal.expect(f"quadlet {verb} test-jo-windvane.container ")
            terminal.type("\x15")

    def test_a_unit_is_enabled_and_disabled_and_the_rest_of_it_stays(self):
        text = f"# mine\n{UNIT}Exec={LASTING}\n"
        path = self.unit("test-jo-k.container", text)
        self.assertEqual(self.quadlet("enable", "--no-linger", "test-jo-k.container").stdout, "test-jo-k.container\n")
        self.assertEqual(path.read_text(), f"{text}\n[Install]\nWantedBy=default.target\n")
        self.assertTrue((SERVICES / "default.target.wants/test-jo-k.service").is_symlink())
        self.assertEqual(self.state("test-jo-k.service"), "inactive")
        self.quadlet("enable", "--no-linger", "--now", "test-jo-k.container")
        self.assertEqual(path.read_text(), f"{text}\n[Install]\nWantedBy=default.target\n")
        self.assertEqual(self.state("test-jo-k.service"), "active")
        self.quadlet("disable", "--now", "test-jo-k.container")
        self.assertNotIn("WantedBy", path.read_text())
        self.assertTrue(path.read_text().startswith(text))
        self.assertFalse((SERVICES / "default.target.wants/test-jo-k.service").exists())
        self.assertEqual(self.state("test-jo-k.service"), "inactive")
        self.quadlet("disable", "test-jo-k.container")

    def test_what_cannot_be_enabled_is_left_as_it_is(self):
        template = self.unit("test-jo-l@.container", UNIT)
        self.assertIn("DefaultInstance=", self.quadlet("enable", "--no-linger", "test-jo-l@.container", status=125).stderr)
        self.assertEqual(template.read_text(), UNIT)
        bundle = self.unit("test-jo-m.quadlets", f"# FileName=test-jo-m\n{UNIT}---\n# FileName=test-jo-n\n[Volume]\n")
        self.assertIn("with other units", self.quadlet("enable", "--no-linger", "test-jo-m.container", status=125).stderr)
        self.assertNotIn("WantedBy", bundle.read_text())
        path = self.unit("test-jo-o.container", UNIT)
        # All or none.
        self.quadlet("enable", "--no-linger", "test-jo-o.container", "nowhere.container", status=125)
        self.assertEqual(path.read_text(), UNIT)

    def test_a_path_unit_starts_a_unit(self):
        folder = self.temporary_folder()
        self.unit("test-jo-p.container", f"{UNIT}Volume={folder}:/watched\nExec=sh -c 'cat /watched/file; rm /watched/file'\n[Service]\nType=oneshot\n")
        self.assertEqual(self.sync().returncode, 0)
        self.service("test-jo-p.path", f"[Path]\nPathExists={folder}/file\n[Install]\nWantedBy=default.target\n")
        self.started += ["test-jo-p.service"]
        self.assertEqual(self.start("test-jo-p.path").returncode, 0)
        for number in range(2):
            (folder / "file").write_text(f"number {number}\n")
            wait_until(lambda: not (folder / "file").exists(), "the unit ran")
            wait_until(lambda: self.state("test-jo-p.service") == "inactive", "it ended")
        self.assertEqual(self.state("test-jo-p.path"), "active")
        said = run("journalctl", "--user", "--unit", "test-jo-p.service", "--output", "cat").stdout
        self.assertIn("number 0", said)
        self.assertIn("number 1", said)


__all__ = ["Jobs"]

if __name__ == "__main__":
    unittest.main()
