# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The life of a container, its copies, names of images, lists and units, struck at every system call (struck.py)."""

import json
import os
import subprocess
from pathlib import Path

from faults.struck import Struck
from session import BUSYBOX, DATA, ENVIRONMENT, REGISTRY, run

FOR_EVER = ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"]


class OfContainers(Struck):
    """From create to the end."""

    def remove(self):
        self.haulout("rm", "--force", "--time", "0", "--ignore", "victim", "other")

    def create(self, *words):
        self.remove()
        self.haulout("create", "--name", "victim", "--network", "none", *(words or [BUSYBOX, "echo", "ran"]))

    def run_victim(self, *options):
        self.remove()
        self.haulout("run", "--detach", "--name", "victim", "--network", "none", *options, BUSYBOX, *FOR_EVER)

    def state(self, name="victim"):
        return self.haulout("container", "inspect", "--format", "{{.State.Status}}", name).stdout.strip()

    def assert_takes_everything(self):
        """Whatever state it is in, it is what it is said to be, and goes through all others."""
        state = self.state()
        if state == "paused":
            self.haulout("unpause", "victim")
        if state != "running":
            self.haulout("start", "victim")
        self.assertEqual(self.haulout("exec", "victim", "echo", "inside").stdout, "inside\n")
        self.haulout("pause", "victim")
        self.haulout("unpause", "victim")
        self.haulout("stop", "victim")
        self.assertEqual(self.haulout("wait", "victim").stdout, "3\n")
        self.remove()

    def test_create_is_recovered_from(self):
        def mend():
            self.create()
            self.assertEqual(self.haulout("start", "--attach", "victim").stdout, "ran\n")
            self.remove()

        self.faults(["haulout", "create", "--name", "victim", "--network", "none", BUSYBOX, "true"], self.remove, mend)

    def test_create_with_a_volume_and_a_secret_is_recovered_from(self):
        run("haulout", "secret", "create", "victim", "-", stdin="hush")
        self.addCleanup(run, "haulout", "secret", "rm", "victim")
        words = ["--volume", "victim:/v", "--secret", "victim", BUSYBOX, "sh", "-c", "touch /v/file; cat /run/secrets/victim"]

        def prepare():
            self.remove()
            run("haulout", "volume", "rm", "victim")

        def mend():
            self.create(*words)
            self.assertEqual(self.haulout("start", "--attach", "victim").stdout, "hush")
            prepare()
            self.assertEqual(list((DATA / "volumes").glob("[!.]*")), [])

        self.faults(["haulout", "create", "--name", "victim", "--network", "none", *words], prepare, mend)

    def test_a_volume_of_an_image_is_recovered_from(self):
        command = ["haulout", "volume", "create", "--driver=image", f"--opt=image={BUSYBOX}", "victim"]

        def prepare():
            run("haulout", "volume", "rm", "victim")

        def mend():
            # It is whole, or not at all.
            self.check(0, *command[:3], "--ignore", *command[3:])
            self.haulout("run", "--rm", "--network", "none", "--volume", "victim:/v", BUSYBOX, "/v/bin/busybox", "true")
            self.haulout("volume", "rm", "victim")
            self.assertEqual([path for path in (DATA / "volumes").iterdir() if path.name != ".lock"], [])

        self.faults(command, prepare, mend)

    def test_start_is_recovered_from(self):
        # One that ends: its monitor is traced too, and waited for.
        def mend():
            self.assertEqual(self.haulout("start", "--attach", "victim").stdout, "ran\n")
            self.remove()

        self.faults(["haulout", "start", "victim"], self.create, mend)

    def test_init_is_recovered_from(self):
        def mend():
            self.haulout("start", "--attach", "victim")
            self.assertIn("ran\n", self.haulout("logs", "victim").stdout)
            self.remove()

        # Its monitor waits for the start, and strace for its monitor.
        command = ["sh", "-c", "haulout init victim && haulout start victim"]
        self.faults(command, self.create, mend)

    def test_container_prune_is_recovered_from(self):
        def prepare():
            self.create()
            self.haulout("create", "--name", "other", "--network", "none", BUSYBOX, "true")
            self.haulout("start", "--attach", "other")

        def mend():
            self.haulout("container", "prune", "--force")
            self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")

        self.faults(["haulout", "container", "prune", "--force"], prepare, mend)

    def test_stop_is_recovered_from(self):
        self.faults(["haulout", "stop", "victim"], self.run_victim, self.assert_takes_everything)

    def test_kill_is_recovered_from(self):
        def mend():
            # Whether it heard the signal or not.
            self.haulout("stop", "victim")
            self.assert_takes_everything()

        self.faults(["haulout", "kill", "--signal", "TERM", "victim"], self.run_victim, mend)

    def test_pause_is_recovered_from(self):
        self.faults(["haulout", "pause", "victim"], self.run_victim, self.assert_takes_everything)

    def test_unpause_is_recovered_from(self):
        def prepare():
            self.run_victim()
            self.haulout("pause", "victim")

        self.faults(["haulout", "unpause", "victim"], prepare, self.assert_takes_everything)

    def test_exec_is_recovered_from(self):
        self.faults(["haulout", "exec", "victim", "true"], self.run_victim, self.assert_takes_everything)

    def test_update_is_recovered_from(self):
        command = ["haulout", "update", "--restart", "on-failure:2", "victim"]

        def mend():
            self.check(0, *command)
            policy = self.inspect("victim")["HostConfig"]["RestartPolicy"]
            self.assertEqual((policy["Name"], policy["MaximumRetryCount"]), ("on-failure", 2))
            self.remove()

        self.faults(command, self.run_victim, mend)

    def test_clone_is_recovered_from(self):
        def mend():
            self.haulout("rm", "--force", "--ignore", "other")
            self.haulout("container", "clone", "victim", "other")
            self.assertEqual(self.haulout("start", "--attach", "other").stdout, "ran\n")
            self.remove()

        self.faults(["haulout", "container", "clone", "victim", "other"], self.create, mend)

    def test_a_check_of_health_is_recovered_from(self):
        def mend():
            self.haulout("healthcheck", "run", "victim")
            self.assert_takes_everything()

        options = ["--health-cmd", "true", "--health-interval", "disable"]
        self.faults(["haulout", "healthcheck", "run", "victim"], lambda: self.run_victim(*options), mend)

    def test_a_whole_life_is_recovered_from(self):
        """The monitor too is struck here, at whatever it is asked for."""
        create = f"haulout run --detach --name victim --network none --health-cmd true --health-interval disable {BUSYBOX} sleep 100000"
        words = "haulout exec victim true; haulout healthcheck run victim; haulout pause victim; haulout unpause victim"
        life = f"{create} && {{ {words}; haulout restart --time 0 victim; haulout rm --force --time 0 victim; }}"
        self.faults(["sh", "-c", life], self.remove, self.remove)

    def test_commit_is_recovered_from(self):
        command = ["haulout", "commit", "--quiet", "victim", "localhost/committed"]

        def prepare():
            run("haulout", "rmi", "--force", "localhost/committed")
            self.create(BUSYBOX, "sh", "-c", "echo new >/new")
            self.haulout("start", "--attach", "victim")

        def mend():
            self.check(0, *command)
            done = self.haulout("run", "--rm", "--network", "none", "localhost/committed", "cat", "/new")
            self.assertEqual(done.stdout, "new\n")
            self.remove()
            self.haulout("rmi", "localhost/committed")
            self.assertEqual(list((DATA / "layers").glob(".[!l]*")), [])

        self.faults(command, prepare, mend)

    def test_export_is_recovered_from(self):
        place = self.temporary_folder()
        command = ["haulout", "export", "--output", place / "tar", "victim"]

        def mend():
            self.check(0, *command)
            self.assertIn("bin/busybox", subprocess.run(["tar", "-tf", place / "tar"], capture_output=True, text=True, check=True).stdout)
            (place / "tar").unlink()
            self.assertEqual(list(place.iterdir()), [])
            self.remove()

        self.faults(command, self.create, mend)

    def test_system_prune_is_recovered_from(self):
        def prepare():
            self.create("--volume", "victim:/v", BUSYBOX, "true")
            self.haulout("start", "--attach", "victim")

        def mend():
            self.haulout("system", "prune", "--force", "--volumes")
            self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")
            self.assertEqual(self.haulout("volume", "ls", "--quiet").stdout, "")
            self.assertEqual([path for path in DATA.glob("volumes/*") if path.name != ".lock"], [])

        self.faults(["haulout", "system", "prune", "--force", "--volumes"], prepare, mend)


class OfNames(Struck):
    """Images' names, lists of images, secrets, units."""

    def setUp(self):
        super().setUp()
        self.haulout("tag", BUSYBOX, "localhost/kept")
        self.addCleanup(run, "haulout", "rmi", "localhost/kept")

    def names(self):
        listed = self.haulout("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
        return {name for name in listed if name.startswith("localhost/") and name != "localhost/kept:latest"}

    def test_tag_is_recovered_from(self):
        command = ["haulout", "tag", "localhost/kept", "localhost/other"]

        def mend():
            self.assertIn(self.names(), (set(), {"localhost/other:latest"}))
            self.check(0, *command)
            self.haulout("untag", "localhost/other", "localhost/other")

        self.faults(command, lambda: None, mend)

    def test_untag_and_rmi_are_recovered_from(self):
        # Without the name, untag takes all of them away.
        for words in (["untag", "localhost/other", "localhost/other"], ["rmi", "localhost/other"]):
            def mend():
                self.assertIn(self.names(), (set(), {"localhost/other:latest"}))

            self.faults(["haulout", *words], lambda: self.haulout("tag", "localhost/kept", "localhost/other"), mend)
            run("haulout", "untag", "localhost/other", "localhost/other")

    def test_the_removal_of_an_image_is_recovered_from(self):
        folder = self.temporary_folder()
        (folder / "file").write_text("x")
        subprocess.run(["tar", "-cf", folder / "tar", "-C", folder, "file"], check=True)

        def prepare():
            self.haulout("import", "--quiet", folder / "tar", "localhost/other")

        def mend():
            run("haulout", "rmi", "localhost/other")
            self.assertEqual(self.names(), set())
            self.haulout("rmi", prepare() or "localhost/other")
            self.assertEqual(list((DATA / "layers").glob(".[!l]*")), [])

        self.faults(["haulout", "rmi", "localhost/other"], prepare, mend)

    def test_image_prune_is_recovered_from(self):
        folder = self.temporary_folder()

        def prepare():
            # Each import takes the name from the one before, which then has none.
            for text in ("x", "y"):
                (folder / "file").write_text(text)
                subprocess.run(["tar", "-cf", folder / "tar", "-C", folder, "file"], check=True)
                self.haulout("import", "--quiet", folder / "tar", "localhost/other")

        def mend():
            self.haulout("image", "prune", "--force")
            self.assertEqual(self.haulout("images", "--quiet", "--filter", "dangling=true").stdout, "")
            self.haulout("rmi", "localhost/other")
            self.assertEqual(list((DATA / "layers").glob(".[!l]*")), [])

        self.faults(["haulout", "image", "prune", "--force"], prepare, mend)

    def test_manifest_lists_are_recovered_from(self):
        def remove():
            run("haulout", "manifest", "rm", "localhost/list")

        def create():
            remove()
            self.haulout("manifest", "create", "localhost/list")

        def filled():
            create()
            self.haulout("manifest", "add", "localhost/list", "localhost/kept")

        def members():
            return len(json.loads(self.haulout("manifest", "inspect", "localhost/list").stdout)["manifests"] or [])

        def mend_create():
            create()
            self.assertEqual(members(), 0)
            remove()

        def mend_add():
            self.assertIn(members(), (0, 1))
            filled()
            self.assertEqual(members(), 1)
            remove()

        def mend_push():
            filled()
            self.haulout("manifest", "push", "--quiet", "localhost/list", f"docker://{REGISTRY}/struck-list")
            remove()

        self.faults(["haulout", "manifest", "create", "localhost/list"], remove, mend_create)
        self.faults(["haulout", "manifest", "add", "localhost/list", "localhost/kept"], create, mend_add)
        push = ["haulout", "manifest", "push", "--quiet", "localhost/list", f"docker://{REGISTRY}/struck-list"]
        self.faults(push, filled, mend_push)
        self.faults(["haulout", "manifest", "rm", "localhost/list"], filled, remove)

    def test_secret_rm_is_recovered_from(self):
        def create():
            run("haulout", "secret", "create", "victim", "-", stdin="hush")

        def mend():
            run("haulout", "secret", "rm", "victim")
            self.assertEqual(self.haulout("secret", "ls", "--quiet").stdout, "")
            self.assertEqual(list((DATA / "secrets").glob("[!.]*")), [])

        self.faults(["haulout", "secret", "rm", "victim"], create, mend)

    def test_quadlet_sync_is_recovered_from(self):
        config = Path(ENVIRONMENT.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        units, services = config / "containers/systemd", config / "systemd/user"
        units.mkdir(parents=True, exist_ok=True)
        unit, service = units / "struck.container", services / "struck.service"
        choice = config / "haulout/config.toml"
        choice.parent.mkdir(exist_ok=True)
        choice.write_text('quadlet = "haulout"\n')
        self.addCleanup(choice.unlink)
        command = ["haulout", "quadlet", "sync", "--no-reload"]

        def remove():
            unit.unlink(missing_ok=True)
            self.check(0, *command)

        def prepare():
            remove()
            unit.write_text(f"[Container]\nImage={BUSYBOX}\n[Install]\nWantedBy=default.target\n")

        def mend():
            self.check(0, *command)
            self.assertIn(BUSYBOX, service.read_text())
            self.assertEqual(os.readlink(services / "default.target.wants/struck.service"), "../struck.service")
            remove()
            names = [path.name for path in services.rglob("*")]
            left = [name for name in names if "struck" in name or name.startswith(".") and name != ".haulout-sync"]
            self.assertEqual(left, [])

        self.addCleanup(remove)
        self.faults(command, prepare, mend)
