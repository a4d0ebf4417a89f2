# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Units are made from what runs, installed whole or not at all, and removed with what they run."""

import http.server
import json
import shutil
import threading
import unittest

from cli.test_quadlet import GOOD, LASTING, SERVICES, UNITS, UnitTest
from session import BUSYBOX, run

UNIT = f"[Container]\nImage={BUSYBOX}\nExec={LASTING}\nNetwork=none\nStopTimeout=5\n"


class InstallTest(UnitTest):
    images = (BUSYBOX,)

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.addCleanup(self.remove_all)

    @staticmethod
    def remove_all():
        for path in UNITS.glob("test-in*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def file(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def is_active(self, name):
        return run("systemctl", "--user", "is-active", f"{name}.service").stdout.strip()

    def start(self, name):
        self.addCleanup(run, "systemctl", "--user", "reset-failed", f"{name}.service")
        self.addCleanup(run, "systemctl", "--user", "stop", f"{name}.service")
        started = run("systemctl", "--user", "start", f"{name}.service")
        self.assertEqual(started.returncode, 0, started.stderr)


class Install(InstallTest):
    def test_a_unit_is_installed_started_and_removed(self):
        path = self.file("test-in-one.container", UNIT)
        done = self.haulout("quadlet", "install", path)
        self.assertEqual(done.stdout, f"{UNITS / path.name}\n")
        self.assertEqual((UNITS / path.name).read_text(), UNIT)
        self.start("test-in-one")
        refused = self.haulout("quadlet", "rm", "test-in-one.container", status=125)
        self.assertIn("is running and force is not set, refusing to remove", refused.stderr)
        self.assertEqual(self.is_active("test-in-one"), "active")
        self.assertEqual(self.haulout("quadlet", "rm", "--force", "test-in-one.container").stdout, "test-in-one.container\n")
        self.assertEqual(self.is_active("test-in-one"), "inactive")
        self.assertFalse((UNITS / path.name).exists())
        self.assertFalse((SERVICES / "test-in-one.service").exists())
        self.assertNotEqual(run("systemctl", "--user", "cat", "test-in-one.service").returncode, 0)
        self.assertIn("no such unit", self.haulout("quadlet", "rm", "test-in-one.container", status=125).stderr)
        self.haulout("quadlet", "rm", "--ignore", "test-in-one.container")

    def test_what_is_there_is_replaced_only_when_that_is_asked_for(self):
        path = self.file("test-in-twice.container", UNIT)
        self.haulout("quadlet", "install", path)
        path.write_text(UNIT + "Environment=NEW=1\n")
        refused = self.haulout("quadlet", "install", path, status=125)
        self.assertIn("is there already", refused.stderr)
        self.assertEqual((UNITS / path.name).read_text(), UNIT)
        self.haulout("quadlet", "install", "--replace", path)
        self.assertIn("NEW=1", (SERVICES / "test-in-twice.service").read_text())

    def test_a_mistake_in_one_installs_none(self):
        good, bad = self.file("test-in-good.container", UNIT), self.file("test-in-bad.container", GOOD + "PublishPorts=80\n")
        refused = self.haulout("quadlet", "install", good, bad, status=125)
        self.assertIn("test-in-bad.container:4:1: error: unsupported key 'PublishPorts'", refused.stderr)
        self.assertEqual(list(UNITS.glob("test-in*")), [])
        self.assertIn("is no unit", self.haulout("quadlet", "install", self.file("x.txt", ""), status=125).stderr)
        self.assertIn("no such file", self.haulout("quadlet", "install", "/nonexistent.container", status=125).stderr.lower())

    def test_a_folder_with_units_that_need_each_other_and_their_files_is_one_thing(self):
        self.file("test-in-app/web.container", UNIT + "Volume=data.volume:/data\nEnvironmentFile=web.env\n")
        self.file("test-in-app/data.volume", "[Volume]\n")
        self.file("test-in-app/web.env", "A=b\n")
        self.haulout("quadlet", "install", self.folder / "test-in-app")
        self.assertEqual((UNITS / "test-in-app/web.env").read_text(), "A=b\n")
        self.start("web")
        self.addCleanup(run, "haulout", "volume", "rm", "--force", "systemd-data")
        environment = self.haulout("exec", "systemd-web", "env").stdout
        self.assertIn("A=b\n", environment)
        self.haulout("quadlet", "rm", "--force", "test-in-app")
        self.assertFalse((UNITS / "test-in-app").exists())
        self.assertEqual(self.is_active("web"), "inactive")

    def test_a_url_is_installed(self):
        self.file("test-in-url.container", UNIT)
        handler = type("Handler", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *words: handler(*words, directory=str(self.folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}"
        self.haulout("quadlet", "install", f"{url}/test-in-url.container?x=1")
        self.assertEqual((UNITS / "test-in-url.container").read_text(), UNIT)
        self.assertIn("404", self.haulout("quadlet", "install", f"{url}/test-in-no.container", status=125).stderr)
        self.file("test-in-long.container", f"{UNIT}{'#' * (16 << 20)}\n")
        self.assertIn("longer than 16 MiB", self.haulout("quadlet", "install", f"{url}/test-in-long.container", status=125).stderr)
        self.assertFalse((UNITS / "test-in-long.container").exists())

    def test_a_folder_of_something_else_is_not_read_to_its_end(self):
        folder = self.folder / "test-in-big"
        folder.mkdir()
        (folder / "test-in-a.container").write_text(UNIT)
        for name in "bc":
            with open(folder / name, "wb") as file:
                file.truncate(10 << 20)
        self.assertIn("more than 16 MiB", self.haulout("quadlet", "install", folder, status=125).stderr)
        self.assertFalse((UNITS / "test-in-big").exists())

    def test_a_unit_of_a_bundle_is_not_removed_without_the_others(self):
        self.haulout("quadlet", "install", self.file("test-in-all.quadlets", f"# FileName=test-in-a\n{UNIT}---\n# FileName=test-in-b\n[Volume]\n"))
        refused = self.haulout("quadlet", "rm", "test-in-a.container", status=125)
        self.assertIn("test-in-all.quadlets with other units", refused.stderr)
        self.haulout("quadlet", "rm", "test-in-all.quadlets")
        self.assertEqual(list(UNITS.glob("test-in*")), [])

    def test_all_are_removed_and_bundles_once(self):
        # What else is in the folder would go too.
        units = {"QUADLET_UNIT_DIRS": str(self.folder)}
        self.file("test-in-one.container", UNIT)
        self.file("test-in-all.quadlets", f"# FileName=test-in-a\n{UNIT}---\n# FileName=test-in-b\n[Volume]\n")
        removed = self.haulout("quadlet", "rm", "--all", "--reload-systemd=false", env=units)
        self.assertEqual(sorted(removed.stdout.split()), ["test-in-all.quadlets", "test-in-one.container"])
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_one_file_is_not_installed_twice(self):
        path = self.file("test-in-same.container", UNIT)
        refused = self.haulout("quadlet", "install", path, path, status=125)
        self.assertIn("two files are to be test-in-same.container", refused.stderr)

    def test_a_template_whose_instances_run_is_removed_only_by_force(self):
        self.haulout("quadlet", "install", self.file("test-in-tpl@.container", UNIT))
        self.assertEqual(self.haulout("quadlet", "diff").stdout, "")
        self.start("test-in-tpl@one")
        refused = self.haulout("quadlet", "rm", "test-in-tpl@.container", status=125)
        self.assertIn("is running and force is not set", refused.stderr)
        self.assertEqual(self.is_active("test-in-tpl@one"), "active")
        self.haulout("quadlet", "rm", "--force", "test-in-tpl@.container")
        self.assertEqual(self.is_active("test-in-tpl@one"), "inactive")

    def test_what_would_change_is_shown(self):
        path = self.file("test-in-diff.container", UNIT)
        self.haulout("quadlet", "install", path)
        self.assertEqual(self.haulout("quadlet", "diff", "test-in-diff.container").stdout, "")
        (UNITS / path.name).write_text(UNIT + "Environment=NEW=1\n")
        shown = self.haulout("quadlet", "diff", "test-in-diff.container", status=1).stdout
        self.assertIn("+Environment=NEW=1", shown)
        self.assertRegex(shown, r"\n\+ExecStart=.*--env NEW=1")
        self.assertIn("no such unit", self.haulout("quadlet", "diff", "test-in-none.container", status=125).stderr)


class Make(InstallTest):
    def test_a_command_line_becomes_a_unit_that_runs_the_same(self):
        line = f"podman run -d --name test-in-run --network none -e 'A=b c$d' --tmpfs /scratch --read-only {BUSYBOX} {LASTING}"
        unit = self.haulout("quadlet", "from-run", line).stdout
        self.assertEqual(unit, self.haulout("quadlet", "from-run", "--", *["podman", "run", "-d", "--name", "test-in-run", "--network",
                         "none", "-e", "A=b c$d", "--tmpfs", "/scratch", "--read-only", BUSYBOX, "sh", "-c",
                         'trap "exit 0" TERM; sleep 1000 & wait']).stdout)
        self.haulout("quadlet", "install", self.file("test-in-run.container", unit))
        self.start("test-in-run")
        shown = self.inspect("test-in-run")
        self.assertIn("A=b c$d", shown["Config"]["Env"])
        self.assertEqual(shown["Config"]["Cmd"], ["sh", "-c", 'trap "exit 0" TERM; sleep 1000 & wait'])
        self.assertTrue(shown["HostConfig"]["ReadonlyRootfs"])
        self.assertIn("/scratch", shown["HostConfig"]["Tmpfs"])
        self.assertIn("runs no container", self.haulout("quadlet", "from-run", "ls -l", status=125).stderr)

    def test_a_container_becomes_a_unit(self):
        self.haulout("run", "--detach", "--name", "test-in-made", "--network", "none", "--label", "a=b", "--memory", "64m",
                     "--restart", "always", BUSYBOX, "sleep", "1000")
        unit = self.haulout("generate", "quadlet", "test-in-made").stdout
        for line in ("# test-in-made.container", f"Image={BUSYBOX}", "ContainerName=test-in-made", "Label=a=b", "Memory=64m",
                     "Network=none", "Exec=sleep 1000", "Restart=always", "WantedBy=default.target"):
            self.assertIn(f"{line}\n", unit)
        self.file("test-in-made.container", unit)
        checked = self.haulout("quadlet", "check", self.folder / "test-in-made.container")
        self.assertEqual(checked.stdout, "")
        said = json.loads(self.haulout("generate", "quadlet", "--format", "json", "test-in-made").stdout)
        self.assertEqual((f"# {said['name']}\n{said['text']}", said["notes"]), (unit, []))
        self.assertIn("unsupported format", self.haulout("generate", "quadlet", "--format", "xml", "test-in-made", status=125).stderr)
        self.assertIn("no such container", self.haulout("generate", "quadlet", "nobody", status=125).stderr)
        self.assertIn("generate quadlet test-in-made", self.haulout("generate", "systemd", "test-in-made").stderr)

    def test_a_container_s_relative_paths_begin_where_it_was_made(self):
        (self.folder / "data").mkdir()
        (self.folder / "variables").write_text("A=1\n")
        self.haulout("create", "--name", "test-in-near", "--volume", "./data:/data", "--env-file", "variables",
                     "--mount", "type=bind,src=data,dst=/more", BUSYBOX, cwd=self.folder)
        unit = self.haulout("generate", "quadlet", "test-in-near", cwd="/").stdout
        for line in (f"Volume={self.folder}/data:/data", f"EnvironmentFile={self.folder}/variables",
                     f"Mount=type=bind,src={self.folder}/data,dst=/more"):
            self.assertIn(f"{line}\n", unit)

    def test_a_compose_file_becomes_units_that_start_in_order(self):
        service = f"image: {BUSYBOX}, network_mode: none, stop_grace_period: 5s, command: [sh, -c, 'trap \"exit 0\" TERM; sleep 1000 & wait']"
        text = (f"name: test-in\nservices:\n  web: {{{service}, environment: {{A: '${{WHICH:-b}} c'}}, volumes: ['data:/data', './x:/x'], "
                f"depends_on: [db]}}\n  db: {{{service}, scale: 2}}\nvolumes: {{data: {{}}}}\n")
        (self.folder / "x").mkdir()
        self.file(".env", "WHICH=beside\n")
        made = self.haulout("quadlet", "from-compose", self.file("compose.yaml", text))
        self.assertIn("scale of service db is left out", made.stderr)
        self.haulout("quadlet", "install", self.file("test-in.quadlets", made.stdout))
        self.addCleanup(run, "haulout", "volume", "rm", "--force", "test-in_data")
        self.start("test-in-web")
        self.addCleanup(run, "systemctl", "--user", "stop", "test-in-db.service", "test-in-data-volume.service")
        self.assertEqual(self.is_active("test-in-db"), "active")
        shown = self.inspect("test-in-web-1")
        self.assertIn("A=beside c", shown["Config"]["Env"])
        self.assertEqual(sorted(mount["Destination"] for mount in shown["Mounts"]), ["/data", "/x"])
        self.assertIn("services: it should be a map",
                      self.haulout("quadlet", "from-compose", self.file("bad.yaml", "services: 5\n"), status=125).stderr)


__all__ = ["Install", "Make"]

if __name__ == "__main__":
    unittest.main()
