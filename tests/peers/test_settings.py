# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Settings beside Podman: containers.conf, storage.conf, and the options of the program itself."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, run
from session import DATA, wait_until


class SettingsTest(PeerTest):
    """Tests with settings of their own."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, text, name="containers.conf"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def conf(self, text):
        """The environment in which `text` is all of containers.conf."""
        return {"CONTAINERS_CONF": str(self.write(text))}


class ContainersConf(SettingsTest):
    def test_a_value_that_will_not_do_is_refused_with_its_place(self):
        for table, line, words in [
            ("containers", 'pids_limit = "many"', "invalid type"),
            ("containers", 'umask = "99"', "not a valid umask 99"),
            ("containers", 'tz = "Foo/Bar"', "find timezone Foo/Bar"),
            ("containers", 'shm_size = "bla"', 'invalid --shm-size bla, "invalid size: \'bla\'"'),
            ("containers", 'default_ulimits = ["bla"]', '"bla"'),
            ("containers", "log_size_max = 10", "log size max should be negative or >= 8192"),
            ("containers", 'default_sysctls = ["bla"]', "bla is invalid, sysctl values must be in the form of KEY=VALUE"),
            ("containers", 'cgroups = "bla"', 'invalid cgroup mode "bla"'),
            ("containers", 'log_driver = "bla"', "invalid log driver"),
            ("engine", 'pull_policy = "bla"', 'unsupported pull policy "bla"'),
            ("engine", 'image_volume_mode = "bla"', 'invalid image volume mode "bla" required value'),
            ("engine", 'volume_path = "rel"', "must be an absolute path - instead got"),
            ("engine", 'static_dir = "rel"', "must be an absolute path - instead got"),
            ("engine", 'database_backend = "foo"', "unsupported database backend: \"foo\""),
            ("engine", 'events_logger = "foo"', "unknown event logger type:"),
            ("engine", 'cgroup_manager = "foo"', "unsupported Cgroup manager:"),
            ("engine", 'lock_type = "foo"', "unknown lock type"),
            ("network", 'default_rootless_network_cmd = "foo"', "invalid default_rootless_network_cmd option"),
        ]:
            key = line.split(" = ")[0]
            with self.subTest(key=key):
                env = self.conf(f"# first\n[{table}]\n  {line}\n")
                podman, haulout = self.both("run", "--rm", "--network", "none", BUSYBOX, "true", env=env)
                self.assertNotEqual(podman.returncode, 0)
                self.assertEqual(haulout.returncode, 125)
                column = len(f"  {key} = ") + 1
                self.assertTrue(
                    haulout.stderr.startswith(f"Error: {env['CONTAINERS_CONF']}, line 3, column {column}: "),
                    haulout.stderr,
                )
                self.assertIn(words, haulout.stderr)

    def test_a_key_that_nobody_knows_is_told_once_and_does_no_harm(self):
        env = self.conf("[containers]\nfoo = 3\n")
        done = self.haulout("run", "--rm", "--network", "none", BUSYBOX, "true", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("containers.foo"), 1)

    def test_modules_come_before_the_override_and_append_where_they_say_so(self):
        config = self.folder / "config"
        for name, value in [("a.conf", '["A=1"]'), ("b.conf", '["B=2", {append=true}]'), ("sub/c.conf", '["C=3"]')]:
            self.write(f"[containers]\nenv = {value}\n", f"config/containers/containers.conf.modules/{name}")
        self.write(f"[[registry]]\nlocation='localhost:5000'\ninsecure=true\n", "config/containers/registries.conf")
        env = {"XDG_CONFIG_HOME": str(config)}
        words = ["--module", "a.conf", "--module=b.conf", "--module", "sub/c.conf"]
        line = [*words, "run", "--rm", "--network", "none", "--cgroups=disabled", BUSYBOX, "env"]
        over = {"CONTAINERS_CONF_OVERRIDE": str(self.write('[containers]\nenv = ["D=4", {append=false}]\n', "over.conf"))}
        done = self.haulout(*line, env=env)
        self.assertEqual([one for one in ("A=1", "B=2", "C=3") if one in done.stdout], ["A=1", "B=2", "C=3"])
        done = self.haulout(*line, env=env | over)
        self.assertNotIn("A=1", done.stdout)
        self.assertIn("D=4", done.stdout)
        podman, haulout = self.both("--module", "nope", "ps", env=env)
        self.assertNotEqual(podman.returncode, 0)
        self.assertEqual(haulout.returncode, 125)
        self.assertIn('could not resolve module "nope"', haulout.stderr)

    def run_under(self, text, *words, env=None):
        """A container's output through both under `text`, which is to be the same."""
        line = ["run", "--rm", "--cgroups=disabled", "--pids-limit=-1", *words]
        return self.same(*line, env=self.conf(text) | (env or {}))

    def test_what_it_says_of_containers_is_the_default_and_a_flag_outranks_it(self):
        def show(file):
            return [BUSYBOX, "sh", "-c", f"cut -d' ' -f5,6 {file} | grep -w /x"]

        mounts = show("/proc/self/mountinfo")
        for key, *words in [
            ('devices = ["/dev/null:/dev/foo:rwm"]', BUSYBOX, "ls", "/dev/foo"),
            ('devices = ["/dev/null:/dev/foo:rwm"]', "--device", "/dev/zero:/dev/bar", BUSYBOX, "ls", "/dev/foo", "/dev/bar"),
            ('devices = ["/dev/nope"]', BUSYBOX, "true"),
            ('volumes = ["/tmp:/x:ro"]', *mounts),
            ('volumes = ["/tmp:/x:ro"]', "--volume", "/etc:/x", *mounts),
            ('volumes = ["foo:bar:baz:x"]', BUSYBOX, "true"),
            ('mounts = ["type=tmpfs,dst=/x"]', *mounts),
            ('mounts = ["type=bind,src=/tmp,dst=/x,ro"]', "--volume", "/etc:/x", *mounts),
            ('netns = "none"', BUSYBOX, "ls", "/sys/class/net"),
            ('netns = "host"', "--network", "none", BUSYBOX, "ls", "/sys/class/net"),
            ("read_only = true", BUSYBOX, "touch", "/q"),
            ("read_only = true", "--read-only=false", BUSYBOX, "touch", "/q"),
            ("no_hosts = true", "--network", "none", BUSYBOX, "cat", "/etc/hosts"),
            ("env_host = true", BUSYBOX, "sh", "-c", "echo $FROM_HOST"),
            ('env = ["A=1"]', BUSYBOX, "sh", "-c", "echo $A"),
            ('utsns = "host"', BUSYBOX, "hostname"),
            ('ipcns = "bla"', BUSYBOX, "true"),
            ('umask = "0077"', BUSYBOX, "sh", "-c", "umask"),
            ('dns_servers = ["1.1.1.1"]\ndns_searches = ["foo"]\ndns_options = ["debug"]', BUSYBOX, "cat", "/etc/resolv.conf"),
            ("oom_score_adj = 100", BUSYBOX, "cat", "/proc/self/oom_score_adj"),
            ('init_path = "/nope"', "--init", BUSYBOX, "true"),
            ('userns = "auto"', BUSYBOX, "cat", "/proc/self/uid_map"),
            ('default_capabilities = ["CHOWN"]', BUSYBOX, "grep", "CapEff", "/proc/self/status"),
        ]:
            with self.subTest(key=key):
                self.run_under(f"[containers]\n{key}\n", *words, env={"FROM_HOST": "host"})

    def test_what_inspect_says_of_it_is_the_same(self):
        for key, field, *words in [
            ("privileged = true", "{{.HostConfig.Privileged}}"),
            ("privileged = true", "{{.HostConfig.Privileged}}", "--privileged=false"),
            ('ipcns = "host"', "{{.HostConfig.IpcMode}}"),
            ('ipcns = "host"', "{{.HostConfig.IpcMode}}", "--ipc=private"),
            ('cgroups = "disabled"\ncgroupns = "host"', "{{.HostConfig.CgroupMode}} {{.HostConfig.Cgroups}}"),
        ]:
            with self.subTest(key=key, words=words):
                env = self.conf(f"[containers]\n{key}\n")
                self.same("create", "--name", "under", "--network", "none", *words, BUSYBOX, "true", env=env)
                self.same("inspect", "--format", field, "under", env=env)
                self.both("rm", "under")

    def test_init_is_meant_when_it_says_so_and_a_flag_outranks_it(self):
        env = self.conf("[containers]\ninit = true\n")
        line = ["run", "--rm", "--network", "none"]
        first = [BUSYBOX, "cat", "/proc/1/comm"]
        self.assertNotEqual(self.haulout(*line, *first, env=env).stdout, "cat\n")
        self.assertEqual(self.haulout(*line, "--init=false", *first, env=env).stdout, "cat\n")

    def test_what_it_says_of_the_engine_is_the_default_of_flags(self):
        for text, *line in [
            ('retry = 1\nretry_delay = "10ms"', "pull", "localhost:5000/nope"),
            ('retry_delay = "bla"', "pull", "localhost:5000/nope"),
            ("retry = 0", "pull", "localhost:5000/nope"),
            ('pull_policy = "never"', "create", "localhost:5000/nope", "true"),
            ('events_logger = "none"', "events", "--stream=false"),
            ("multi_image_archive = true", "save", "--output", str(self.folder / "two.tar"), BUSYBOX, "nope"),
            ('detach_keys = "foo"', "run", "--rm", "--cgroups=disabled", "--pids-limit=-1", "-it", BUSYBOX, "true"),
        ]:
            with self.subTest(text=text):
                self.same(*line, env=self.conf(f"[engine]\n{text}\n"), stderr="detach" not in text)

    def test_events_are_where_it_says_in_a_file_of_our_own(self):
        path = self.folder / "events/log"
        env = self.conf(f'[engine]\nevents_logfile_path = "{path}"\n')
        self.haulout("volume", "create", "noted", env=env)
        self.haulout("volume", "rm", "noted", env=env)
        self.assertEqual((self.folder / "events/log.haulout").read_text().count("noted"), 2)
        told = self.haulout("events", "--stream=false", "--format", "{{.Type}} {{.Status}} {{.Name}}", env=env).stdout
        self.assertEqual(told, "volume create noted\nvolume remove noted\n")

    def test_variables_of_the_engine_are_set_unless_they_are(self):
        env = self.conf('[engine]\nenv = ["FROM_CONF=conf", "OTHER=conf"]\n') | {"OTHER": "mine"}
        line = ["--rm", "--network", "none", "--cgroups=disabled", "--env", "FROM_CONF", "--env", "OTHER"]
        done = self.haulout("run", *line, BUSYBOX, "env", env=env)
        self.assertIn("FROM_CONF=conf", done.stdout)
        self.assertIn("OTHER=mine", done.stdout)

    def test_volumes_are_where_volume_path_says_in_a_folder_of_our_own(self):
        env = self.conf(f'[engine]\nvolume_path = "{self.folder}/volumes"\n')
        self.haulout("volume", "create", "elsewhere", env=env)
        self.addCleanup(run, "haulout", "volume", "rm", "--force", "elsewhere", env=env)
        self.assertTrue((self.folder / "volumes/haulout/elsewhere/_data").is_dir())
        shown = self.haulout("volume", "inspect", "--format", "{{.Mountpoint}}", "elsewhere", env=env).stdout.strip()
        self.assertEqual(shown, f"{self.folder}/volumes/haulout/elsewhere/_data")


    def test_a_new_volume_is_filled_when_it_is_made_where_it_says_so(self):
        for value, files in (("true", ["group", "passwd"]), ("false", [])):
            env = self.conf(f"[containers]\npids_limit = 0\nprepare_volume_on_create = {value}\n")
            for program in ("podman", "haulout"):
                run(program, "create", "--name", "filled", "--network", "none", "--user", "7", "-v", "f:/etc", "-v", "e:/nothere", "-v", "n:/home:nocopy",
                    BUSYBOX, "sh", "-c", "ls /etc; ls /home; stat -c %u /nothere", env=env)
                for volume in "fen":
                    self.addCleanup(run, program, "volume", "rm", "--force", volume)
                place = run(program, "volume", "inspect", "--format", "{{.Mountpoint}}", "f").stdout.strip()
                with self.subTest(program=program, value=value):
                    self.assertEqual(sorted(set(os.listdir(place)) & {"group", "passwd"}), files)
                    for other in "en":
                        self.assertEqual(os.listdir(place.replace("/f/", f"/{other}/")), [])
            self.assertEqual(self.haulout("volume", "inspect", "--format", "{{.NeedsCopyUp}}", "f").stdout.strip(), str(not files).lower())
            self.same("start", "--attach", "filled", env=env)
            for program in ("podman", "haulout"):
                run(program, "rm", "filled")
                run(program, "volume", "rm", "f", "e", "n")

    def test_a_volume_that_was_filled_has_the_owners_of_the_containers_ids(self):
        env = self.conf("[containers]\nprepare_volume_on_create = true\n")
        self.addCleanup(run, "haulout", "volume", "rm", "--force", "mapped")
        self.haulout("create", "--name", "m", "--network", "none", "--userns=keep-id", "-v", "mapped:/etc", BUSYBOX, "stat", "-c", "%u", "/etc/passwd", env=env)
        self.assertEqual(self.haulout("start", "--attach", "m").stdout, "0\n")
        self.haulout("rm", "m")


class Cgroupfs(SettingsTest):
    """Cgroups that are made without systemd."""

    def setUp(self):
        super().setUp()
        self.env = self.conf('[engine]\ncgroup_manager = "cgroupfs"\n')

    def cgroup(self, program, name):
        pid = run(program, "inspect", "--format", "{{.State.Pid}}", name).stdout.strip()
        return next(line[3:] for line in Path("/proc", pid, "cgroup").read_text().splitlines() if line.startswith("0::"))

    def test_a_cgroup_is_made_beside_the_callers_and_goes_with_the_container(self):
        own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        parent = Path("/sys/fs/cgroup" + str(Path(own).parent))
        mode = "{{.HostConfig.CgroupManager}} {{.HostConfig.Cgroups}} {{.HostConfig.CgroupParent}}"
        self.same("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sleep", "100", env=self.env)
        self.same("inspect", "--format", mode, "c")
        self.same("info", "--format", "{{.Host.CgroupManager}}", env=self.env)
        podman, haulout = (self.cgroup(program, "c") for program in ("podman", "haulout"))
        self.assertEqual(str(Path(podman).parent), str(Path(own).parent))
        identity = self.inspect("c")["Id"]
        self.assertEqual(haulout, f"{Path(own).parent}/haulout-{identity}/container")
        folder = parent / f"haulout-{identity}"
        # It is paused by its cgroup, stopped, and has one again when it is started: whatever the flag says now.
        self.haulout("pause", "c")
        self.haulout("unpause", "c")
        self.haulout("exec", "c", "true")
        self.haulout("stop", "--time", "0", "c")
        self.assertFalse(folder.exists())
        self.haulout("--cgroup-manager", "systemd", "start", "c")
        self.assertEqual(self.cgroup("haulout", "c"), haulout)
        self.haulout("rm", "--force", "--time", "0", "c")
        self.assertFalse(folder.exists())

    def test_what_a_killed_monitor_left_is_cleared(self):
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sleep", "100", env=self.env)
        folder = Path("/sys/fs/cgroup" + self.cgroup("haulout", "c")).parent
        os.kill(int(self.inspect("c")["State"]["ConmonPid"]), 9)
        self.haulout("rm", "--force", "--time", "0", "c")
        self.assertFalse(folder.exists())

    def test_it_restarts_and_is_removed_when_it_ends(self):
        done = self.haulout("run", "--rm", "--network", "none", "--restart=no", BUSYBOX, "cat", "/proc/self/cgroup", env=self.env)
        self.assertIn("0::/\n", done.stdout)
        self.haulout("run", "--name", "again", "--network", "none", "--restart=on-failure:2", BUSYBOX, "false", env=self.env, status=1)

        def left():
            return [path for path in Path("/sys/fs/cgroup").rglob("haulout-*") if re.fullmatch(r"haulout-[0-9a-f]{64}", path.name)]

        # The monitor leaves a moment after it has told of the end.
        wait_until(lambda: not left(), lambda: f"{left()} are gone", 5)

    def test_a_parent_is_a_path_and_no_slice(self):
        for manager, parent in (("cgroupfs", "foo.slice"), ("systemd", "foo"), ("systemd", "/foo")):
            self.same("--cgroup-manager", manager, "create", "--cgroup-parent", parent, BUSYBOX, "true")
        podman, haulout = self.both("run", "--rm", "--network", "none", "--cgroup-parent", "/foo", BUSYBOX, "true", env=self.env)
        self.assertEqual((podman.returncode, haulout.returncode), (126, 126), haulout.stderr)
        self.assertIn("/sys/fs/cgroup/foo", haulout.stderr)
        own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        parent = f"{Path(own).parent}/haulout-test-parent"
        self.addCleanup(lambda: Path("/sys/fs/cgroup" + parent).is_dir() and Path("/sys/fs/cgroup" + parent).rmdir())
        self.haulout("run", "--detach", "--name", "p", "--network", "none", "--cgroup-parent", parent, BUSYBOX, "sleep", "100", env=self.env)
        self.assertTrue(self.cgroup("haulout", "p").startswith(f"{parent}/haulout-"))
        self.haulout("rm", "--force", "--time", "0", "p")


class Program(SettingsTest):
    def test_what_makes_no_sense_is_refused(self):
        for line in [
            "--cgroup-manager bla ps",
            "--events-backend bla ps",
            "--log-level bla ps",
            "--runtime bla run --rm IMAGE true",
            "--runtime /nope run --rm IMAGE true",
            "--storage-opt bla ps",
            "--storage-opt overlay.foo=1 ps",
            "ps --noout",
            "ps --module foo",
            "ps --out /tmp/x",
            "ps -c foo",
            "--root",
            "--foo ps",
        ]:
            self.same(*line.replace("IMAGE", BUSYBOX).split())

    def test_what_does_no_harm_is_taken(self):
        for line in ["--remote=false ps -q", "--ssh native ps -q", "--syslog ps -q", "--transient-store=false ps -q",
                     "--noout ps", "ps -q --runtime crun", "--identity /x ps -q", "--network-config-dir /tmp ps -q",
                     "--log-level=error ps -q"]:
            self.same(*line.split())

    def test_an_engine_elsewhere_is_not_silently_the_one_here(self):
        for words, env in [
            (["--url", "tcp://127.0.0.1:1"], {}),
            (["--remote"], {}),
            (["-c", "foo"], {}),
            ([], {"CONTAINER_HOST": "tcp://127.0.0.1:1"}),
            ([], {"CONTAINER_CONNECTION": "foo"}),
        ]:
            podman, haulout = self.both(*words, "ps", env=env)
            self.assertEqual((podman.returncode, haulout.returncode), (125, 125))
            self.assertIn("elsewhere", haulout.stderr)

    def test_output_goes_to_the_file_of_out(self):
        for program in ("podman", "haulout"):
            path = self.folder / program
            line = ["run", "--rm", "--network", "none", "--cgroups=disabled", "--pids-limit=-1", BUSYBOX, "echo", "hi"]
            done = run(program, "--out", path, *line)
            self.assertEqual((done.stdout, path.read_text()), ("", "hi\n"), done.stderr)

    def test_a_flag_of_the_runtime_reaches_it_and_a_wrong_one_is_told(self):
        done = self.haulout("--runtime-flag=nope", "run", "--rm", "--network", "none", BUSYBOX, "true", status=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("unrecognized option '--nope'", done.stderr)

    def test_a_container_keeps_the_runtime_that_it_was_made_with(self):
        runtime = self.write('#!/bin/sh\necho used >>"$(dirname "$0")/log"\nexec crun "$@"\n', "myrun")
        runtime.chmod(0o755)
        self.haulout("--runtime", runtime, "create", "--name", "own", "--network", "none", BUSYBOX, "true")
        self.assertFalse((self.folder / "log").exists())
        self.haulout("start", "--attach", "own")
        self.assertIn("used", (self.folder / "log").read_text())
        self.assertEqual(self.haulout("inspect", "--format", "{{.OCIRuntime}}", "own").stdout.strip(), "myrun")
        self.haulout("rm", "own")


class StorageConf(SettingsTest):
    def storage(self, text):
        return {"CONTAINERS_STORAGE_CONF": str(self.write(text, "storage.conf"))}

    def test_the_store_is_where_it_says_in_a_folder_of_our_own(self):
        env = self.storage(f'[storage]\ndriver = "overlay"\nrootless_storage_path = "{self.folder}/$UID-$USER"\n')
        env["USER"] = "anna"
        place = f"{self.folder}/{os.getuid()}-anna"
        podman, haulout = self.both("info", "--format", "{{.Store.GraphRoot}}", env=env)
        self.assertEqual((podman.stdout.strip(), haulout.stdout.strip()), (place, f"{place}/haulout"))
        self.assertEqual(self.haulout("images", "--quiet", env=env).stdout, "")

    def test_what_will_not_do_is_refused_with_its_place(self):
        for text, line, column in [
            ("[storage]\ndriver = 3\n", 2, 10),
            ("[storage", 1, 9),
            ('[storage]\ndriver="overlay"\n[storage.options.overlay]\nignore_chown_errors = "bla"\n', 4, 23),
            ('[storage]\ndriver="overlay"\n[storage.options.overlay]\nmount_program = "/nope"\n', 4, 17),
        ]:
            env = self.storage(text)
            podman, haulout = self.both("ps", env=env)
            self.assertNotEqual(podman.returncode, 0, text)
            self.assertEqual(haulout.returncode, 125)
            place = f"Error: {env['CONTAINERS_STORAGE_CONF']}, line {line}, column {column}: "
            self.assertTrue(haulout.stderr.startswith(place), haulout.stderr)

    def test_a_driver_that_there_is_not_is_refused_and_one_for_later_told(self):
        done = self.haulout("ps", env=self.storage('[storage]\ndriver = "bla"\n'), status=125)
        self.assertIn("bla: driver not supported", done.stderr)
        done = self.haulout("ps", env=self.storage('[storage]\ndriver = "zfs"\n'))
        self.assertIn("the storage driver zfs is not there yet", done.stderr)
        done = self.haulout("ps", env=self.storage('[storage]\ndriver = "vfs"\n'))
        self.assertIn('User-selected graph driver \\"vfs\\" overwritten by graph driver \\"overlay\\"', done.stderr)
        # Podman wants a container of its own before it says so.
        for driver in ("vfs", "btrfs", "zfs"):
            words = f'Error: database graph driver "overlay" does not match our graph driver "{driver}": database configuration mismatch\n'
            self.assertEqual(self.haulout("--storage-driver", driver, "ps", status=125).stderr, words)
            self.assertEqual(run("podman", "--storage-driver", driver, "ps").stderr, words)

    def test_quotas_are_refused_where_there_are_none(self):
        for option in ("overlay.size=1g", "size=1g", "overlay.inodes=100"):
            self.same("--storage-opt", option, "ps")
        for option in ("overlay.size=bla", "overlay.force_mask=bla"):
            self.same("--storage-opt", option, "ps")

    def test_a_key_that_nobody_knows_is_told_once(self):
        env = self.storage('[storage]\ndriver = "overlay"\n[storage.options]\nbar = "2"\n')
        done = self.haulout("ps", "--quiet", env=env)
        self.assertEqual(done.stderr.count("storage.options.bar"), 1)


class Info(SettingsTest):
    def keys(self, value, path=""):
        """The paths of all keys, lists by their first element."""
        if isinstance(value, dict):
            for key, inner in value.items():
                yield f"{path}.{key}"
                yield from self.keys(inner, f"{path}.{key}")
        elif isinstance(value, list) and value:
            yield from self.keys(value[0], f"{path}[]")

    def test_it_has_every_key_of_podmans(self):
        podman, haulout = (json.loads(done.stdout) for done in self.both("info", "--format", "json"))
        # The name server of networks that there are none of yet.
        missing = {key for key in set(self.keys(podman)) - set(self.keys(haulout)) if "networkBackendInfo" not in key}
        self.assertEqual(missing, set())

    def test_what_is_of_the_machine_is_the_same(self):
        for field in [
            ".Host.Arch", ".Host.CgroupManager", ".Host.CgroupsVersion", ".Host.CPUs", ".Host.Distribution.Codename",
            ".Host.IDMappings", ".Host.Kernel", ".Host.MemTotal", ".Host.OCIRuntime.Package", ".Host.OCIRuntime.Version",
            ".Host.Pasta.Package", ".Host.Slirp4NetNS.Executable", ".Host.Slirp4NetNS.Package", ".Host.Security.Rootless",
            ".Host.Security.DefaultCapabilities", ".Store.ConfigFile", ".Store.GraphDriverName", ".Store.ImageCopyTmpDir",
            "json .Registries", "json .Store.GraphStatus", "json .Store.GraphOptions", ".Store.TransientStore",
        ]:
            self.same("info", "--format", "{{" + field + "}}")
        env = self.conf('[engine]\nimage_copy_tmp_dir = "/tmp"\nevents_logger = "none"\n')
        self.same("info", "--format", "{{.Store.ImageCopyTmpDir}} {{.Host.EventLogger}}", env=env)
        registries = self.write(
            'unqualified-search-registries = ["a.io", "b.io"]\n[[registry]]\nprefix = "*.x.io"\nlocation = "y.io"\nblocked = true\n'
            '[[registry.mirror]]\nlocation = "m.io"\ninsecure = true\npull-from-mirror = "digest-only"\n',
            "registries.conf",
        )
        env = {"CONTAINERS_REGISTRIES_CONF": str(registries)}
        self.same("info", "--format", "{{json .Registries}}", env=env)


class ShortNames(SettingsTest):
    def test_what_a_short_name_stands_for_is_said(self):
        registries = self.write(
            'unqualified-search-registries = ["localhost:5000"]\n[[registry]]\nlocation = "localhost:5000"\ninsecure = true\n'
            '[aliases]\n"short" = "localhost:5000/busybox"\n',
            "registries.conf",
        )
        env = {"CONTAINERS_REGISTRIES_CONF": str(registries)}
        self.both("rmi", "--force", BUSYBOX)
        # An alias; then the image that is here, whatever else the name may be; then a search that finds nothing.
        for line in ("pull short", "pull short", "pull busybox", "pull -q short", "run --rm --pull=always busybox echo hi", "pull nowhere"):
            self.same(*line.split(), env=env)


class SystemVerbs(SettingsTest):
    def test_what_there_is_nothing_to_do_for_is_taken(self):
        for line in [
            "system migrate",
            "system migrate x",
            "system renumber",
            "system renumber x",
            "system check --quick",
            "system check --max bla",
            "system check x",
        ]:
            self.same(*line.split())

    def test_containers_are_migrated_to_a_runtime_that_there_is(self):
        self.haulout("create", "--name", "moved", "--network", "none", BUSYBOX, "true")
        runtime = self.write('#!/bin/sh\nexec crun "$@"\n', "myrun")
        runtime.chmod(0o755)
        self.haulout("system", "migrate", "--new-runtime", runtime)
        self.assertEqual(self.haulout("inspect", "--format", "{{.OCIRuntime}}", "moved").stdout, "myrun\n")
        refused = self.haulout("system", "migrate", "--new-runtime", "nope", status=125)
        self.assertIn('change to runtime "nope" requested but no such runtime is defined', refused.stderr)
        self.haulout("start", "--attach", "moved")

    def test_a_check_finds_what_is_damaged_and_repairs_what_it_may(self):
        self.haulout("system", "check")
        self.haulout("create", "--name", "damaged", "--network", "none", BUSYBOX, "true")
        self.haulout("volume", "create", "gone")
        self.addCleanup(run, "haulout", "volume", "rm", "--force", "gone")
        self.addCleanup(run, "haulout", "pull", "--quiet", BUSYBOX)
        layers = json.loads(self.haulout("image", "inspect", BUSYBOX).stdout)[0]["RootFS"]["Layers"]
        files = DATA / "layers" / layers[0].removeprefix("sha256:") / "diff"
        self.haulout("unshare", "rm", files / "bin/busybox")
        shutil.rmtree(DATA / "volumes/gone")
        quick = self.haulout("system", "check", "--quick", status=125)
        self.assertIn("Damaged volume gone:\n1 error occurred:\n", quick.stdout)
        self.assertNotIn("Damaged layer", quick.stdout)
        whole = self.haulout("system", "check", status=125)
        for kind in ("layer", "image", "container", "volume"):
            self.assertIn(f"Damaged {kind} ", whole.stdout)
        self.assertEqual(whole.stderr, "Error: damage detected in local storage\n")
        kept = self.haulout("system", "check", "--repair", status=125)
        self.assertIn("image is in use by a container", kept.stderr)
        self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout.count("\n"), 1)
        self.haulout("system", "check", "--force")
        self.assertEqual(self.haulout("ps", "--all", "--quiet").stdout, "")
        self.assertEqual(self.haulout("images", "--quiet").stdout, "")
        self.assertTrue((DATA / "volumes/gone/_data").is_dir())
        self.haulout("pull", "--quiet", BUSYBOX)
        self.haulout("system", "check")
