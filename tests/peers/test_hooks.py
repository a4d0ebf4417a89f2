# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Hooks (oci-hooks(5)), and devices by their qualified names (CDI)."""

import json

from peers.peers import BUSYBOX, PeerTest
from session import run, wait_until


class Hooks(PeerTest):
    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.log = self.folder / "log"
        self.program = self.folder / "hook.sh"
        self.program.write_text(f'#!/bin/sh\ncat >/dev/null\necho "$1 $V" >> {self.log}\n', encoding="utf-8")
        self.program.chmod(0o755)

    def hook(self, name, when, stages=("prestart",), folder="hooks", **hook):
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        hook = {"path": str(self.program), "args": ["hook", name], "env": ["V=v"]} | hook
        text = json.dumps({"version": "1.0.0", "hook": hook, "when": when, "stages": stages})
        (place / f"{name}.json").write_text(text, encoding="utf-8")

    def ran(self, program, *flags, command=("true",), folders=("hooks",)):
        self.log.write_text("", encoding="utf-8")
        hooks = [f"--hooks-dir={self.folder / folder}" for folder in folders]
        self.check(0, program, *hooks, "run", "--rm", *flags, BUSYBOX, *command)
        # What comes after the end may come after the command's.
        if any("after" in path.name for path in (self.folder / "hooks").iterdir()):
            wait_until(lambda: "after" in self.log.read_text(encoding="utf-8"), "the last hook ran")
        return self.log.read_text(encoding="utf-8").splitlines()

    def test_those_are_run_that_podman_runs(self):
        self.hook("1-always", {"always": True})
        self.hook("2-command", {"commands": ["^sh$", "nope"]}, ["createRuntime"])
        self.hook("3-both", {"commands": ["true"], "hasBindMounts": True}, ["poststart"])
        self.hook("4-not-both", {"commands": ["nope"], "hasBindMounts": True})
        self.hook("5-annotation", {"annotations": {"^a\\.": "b"}})
        self.hook("6-never", {"always": False, "commands": ["."]})
        self.hook("7-nothing", {})
        self.hook("8-missing", {"always": True}, path="/nonexistent")
        self.hook("9-after", {"always": True}, ["poststop"])
        self.hook("1-always", {"always": True}, ["prestart", "poststart"], folder="more")
        for flags, command, folders in [
            ((), ("true",), ("hooks",)),
            ((), ("true",), ("hooks", "more")),
            (("--volume", f"{self.folder}:/x"), ("true",), ("hooks",)),
            (("--annotation", "a.x=abc"), ("sh", "-c", ":"), ("more", "hooks")),
        ]:
            podman, haulout = [self.ran(program, *flags, command=command, folders=folders) for program in ("podman", "haulout")]
            # In which order those of two moments of the creation come is not compared.
            self.assertEqual(sorted(haulout), sorted(podman), flags)
            self.assertIn("1-always v", podman)

    def test_what_is_no_hook_starts_nothing(self):
        for text in ['{', '{"version":"9"}', '{"version":"1.0.0","hook":{"path":"/bin/true"},"when":{"always":true},"stages":["bogus"]}',
                     '{"version":"1.0.0","hook":{"path":"/bin/true"},"when":{"commands":["("]},"stages":["prestart"]}',
                     '{"version":"1.0.0","hook":{"path":"/bin/false"},"when":{"always":true},"stages":["prestart"]}']:
            (self.folder / "hooks").mkdir(exist_ok=True)
            (self.folder / "hooks" / "1.json").write_text(text, encoding="utf-8")
            podman, haulout = self.both(f"--hooks-dir={self.folder / 'hooks'}", "run", "--rm", BUSYBOX, "true")
            self.assertEqual((podman.returncode, haulout.returncode), (126, 126), haulout.stderr)
            self.assertIn("ook", haulout.stderr)
        self.assertEqual(run("haulout", "ps", "--all", "--quiet").stdout, "")


class Devices(PeerTest):
    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        settings = self.folder / "settings.conf"
        settings.write_text(f'[engine]\ncdi_spec_dirs = ["{self.folder}"]\n', encoding="utf-8")
        self.env = {"CONTAINERS_CONF_OVERRIDE": str(settings)}

    def test_a_device_is_what_its_file_says(self):
        hook = self.folder / "hook.sh"
        hook.write_text(f"#!/bin/sh\ncat >/dev/null\necho $1 > {self.folder}/hooked\n", encoding="utf-8")
        hook.chmod(0o755)
        (self.folder / "thing.json").write_text(json.dumps({
            "cdiVersion": "0.6.0", "kind": "vendor.com/thing", "containerEdits": {"env": ["ALL=1"]},
            "devices": [
                {"name": "a", "containerEdits": {
                    "env": ["A=1"],
                    "deviceNodes": [{"path": "/dev/mynull", "hostPath": "/dev/null"}],
                    "mounts": [{"hostPath": str(self.folder), "containerPath": "/given", "options": ["ro", "bind"]}],
                    "hooks": [{"hookName": "createRuntime", "path": str(hook), "args": ["hook", "ran"]}]}},
                {"name": "b", "containerEdits": {"env": ["B=2"]}}]}), encoding="utf-8")
        script = "echo $ALL $A $B; test -c /dev/mynull && echo x > /dev/mynull && ls /given/thing.json && ! touch /given/x 2>/dev/null"
        done = self.haulout("run", "--rm", "--device=vendor.com/thing=a", "--device=vendor.com/thing=b", BUSYBOX, "sh", "-c", script,
                            env=self.env)
        self.assertEqual(done.stdout, "1 1 2\n/given/thing.json\n")
        self.assertEqual((self.folder / "hooked").read_text(encoding="utf-8"), "ran\n")

    def test_gpus_are_devices_and_yaml_is_read(self):
        (self.folder / "gpu.yaml").write_text(
            "cdiVersion: 0.7.0\nkind: nvidia.com/gpu\ndevices:\n- name: all\n  containerEdits:\n    env: [GPU=1]\n    additionalGids: [7, 8]\n",
            encoding="utf-8")
        done = self.haulout("run", "--rm", "--gpus=all", BUSYBOX, "sh", "-c", "echo $GPU; id -G", env=self.env)
        gpu, groups = done.stdout.splitlines()
        self.assertEqual(gpu, "1")
        self.assertLessEqual({"7", "8"}, set(groups.split()))

    def test_one_that_nobody_knows_is_refused_in_podmans_words(self):
        self.same("run", "--rm", "--device=vendor.com/thing=a", "--device=vendor.com/thing=b", BUSYBOX, "true")
        (self.folder / "thing.json").write_text("{", encoding="utf-8")
        refused = self.haulout("run", "--rm", "--device=vendor.com/thing=a", BUSYBOX, "true", status=126, env=self.env)
        self.assertIn("thing.json", refused.stderr)
        (self.folder / "thing.json").write_text(json.dumps({
            "cdiVersion": "0.6.0", "kind": "vendor.com/thing",
            "devices": [{"name": "a", "containerEdits": {"deviceNodes": [{"path": "/dev/nonexistent"}]}}]}), encoding="utf-8")
        refused = self.haulout("run", "--rm", "--device=vendor.com/thing=a", BUSYBOX, "true", status=126, env=self.env)
        self.assertIn("/dev/nonexistent is not there", refused.stderr)
