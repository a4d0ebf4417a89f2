# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The verbs of `container` that are seldom used, output that is passed through, and containers that others need."""

from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, normal, run
from session import wait_until

HEALTH = "{{json .Config.Healthcheck}} {{.Config.HealthcheckOnFailureAction}} {{.Config.HealthLogDestination}} " \
    "{{.Config.HealthMaxLogCount}} {{.Config.HealthMaxLogSize}}"


class Containers(PeerTest):
    def create(self, *flags, name="c", command=("sleep", "1000")):
        for program in ("podman", "haulout"):
            self.check(0, program, "create", "--name", name, *flags, BUSYBOX, *command)

    def test_cleanup_takes_what_podmans_takes(self):
        self.create()
        for line in ["", "nope", "c", "--latest", "--all", "--all c", "--all --exec x", "--exec x c", "--exec x --rmi c", "--stopped-only c"]:
            self.same("container", "cleanup", *line.split())
        for program in ("podman", "haulout"):
            self.check(0, program, "start", "c")
        for line in ["c", "--stopped-only c", "--all"]:
            self.same("container", "cleanup", *line.split())
        self.same("container", "cleanup", "--rm", "c", stderr=False)
        self.same("stop", "--time", "0", "c")
        self.same("container", "cleanup", "--rm", "c")
        self.same("ps", "--all", "--quiet")

    def test_checkpoints_are_refused_in_podmans_words(self):
        self.create()
        for line in ["checkpoint", "checkpoint c", "checkpoint nope", "checkpoint --all", "restore", "restore c", "restore nope"]:
            self.same("container", *line.split())

    def test_a_labels_command_is_run(self):
        self.create()
        labels = ["run=podman run --rm --name NAME IMAGE echo hi", "ls=ls -d /tmp", "bad=nosuchprogram", "say=echo a b"]
        changes = [f'--change=LABEL {name}="{text}"' for name, text in (label.split("=", 1) for label in labels)]
        self.podman("commit", "--quiet", *changes, "c", "labelled")
        archive = self.temporary_folder() / "labelled.tar"
        self.podman("save", "--quiet", "--output", archive, "labelled")
        self.haulout("load", "--quiet", "--input", archive)
        for program in ("podman", "haulout"):
            self.addCleanup(run, program, "rmi", "--force", "labelled")
        for line in ["", "run", f"nope {BUSYBOX}", "run labelled", "--name zz run labelled", "ls labelled", "bad labelled", "say labelled x y",
                     "--display run labelled", "--display --name zz run labelled more", "--replace --name c run labelled"]:
            self.same("container", "runlabel", *line.split())
        self.same("ps", "--all", "--quiet")

    def test_who_others_need_is_not_removed_before_them(self):
        self.create(name="base")
        self.create("--network", "container:base", name="c")
        for line in ["rm base", "rm --force base"]:
            self.same(*line.split())
        for program in ("podman", "haulout"):
            self.check(0, program, "rm", "c")
            self.check(0, program, "rm", "base")
        self.create(name="base")
        self.create("--requires", "base", name="c")
        self.same("rm", "base")
        # Podman says those who are removed in whatever order its map has them.
        self.same("rm", "--depend", "base", stderr=False, normal=lambda said: sorted(normal(said).split()))
        self.same("ps", "--all", "--quiet")

    def test_output_is_passed_through(self):
        through = "--log-driver=passthrough"
        for words in [["-c", "echo out; echo err >&2; exit 3"], ["-c", "cat"]]:
            self.same("run", "--rm", through, BUSYBOX, "sh", *words, stdin="word\n")
            self.same("run", "--rm", "--interactive", "--network=none", through, BUSYBOX, "sh", *words, stdin="word\n")
        self.create(through, command=("echo", "hi"))
        for line in ["start --attach c", "logs c"]:
            self.same(*line.split())
        self.same("inspect", "--format", "{{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Path}}", "c")
        for program in ("podman", "haulout"):
            # It would keep the test's pipe open.
            self.check(0, "sh", "-c", f"{program} run --detach --name d {through} {BUSYBOX} sleep 1000 </dev/null >/dev/null 2>&1")
        self.same("attach", "d")
        for option in ["max-size=x", "tag", "max-size", "max-size=-1"]:
            self.same("create", f"--log-opt={option}", BUSYBOX)
        self.same("create", "--log-driver=bogus", BUSYBOX)

    def test_a_log_has_the_name_that_its_driver_was_given(self):
        settings = self.temporary_folder() / "containers.conf"
        settings.write_text('[containers]\nlog_driver = "json-file"\n')
        for flags, env in ((["--log-driver=k8s-file"], {}), (["--log-driver=json-file"], {}), ([], {"CONTAINERS_CONF_OVERRIDE": str(settings)})):
            self.both("run", "--replace", "--name=c", "--network=none", *flags, BUSYBOX, "echo", "hi", env=env)
            self.same("inspect", "--format", "{{.HostConfig.LogConfig.Type}}", "c")
            self.same("logs", "c")
            [written] = self.haulout("inspect", "--format", "{{.HostConfig.LogConfig.Path}}", "c").stdout.split()
            self.assertRegex(Path(written).read_text(), " stdout F hi\n$")

    def test_a_terminal_is_not_passed_through_unless_that_is_asked_for(self):
        for program in ("podman", "haulout"):
            refused = self.terminal(program, "run", "--rm", "--log-driver=passthrough", BUSYBOX, "echo", "hi")
            refused.expect("cannot be used on a TTY")
            self.assertEqual(refused.wait(), 125)
            passed = self.terminal(program, "run", "--rm", "--log-driver=passthrough-tty", BUSYBOX, "sh", "-c", "test -t 1 && echo terminal")
            passed.expect("terminal")
            self.assertEqual(passed.wait(), 0)

    def test_a_health_check_is_changed_as_podman_changes_it(self):
        self.create()
        self.same("update", "--health-interval", "5s", "c")
        for line in [
            "--health-cmd true", "--health-interval 5s", "--health-retries 9", "--health-timeout 7s", "--health-start-period 3s",
            "--health-on-failure kill", "--health-on-failure bogus", "--health-log-destination /nosuch", "--health-log-destination /tmp",
            "--health-max-log-count 3", "--health-max-log-size 100", "--no-healthcheck --health-cmd x", "--health-interval x",
            "--health-timeout 0s", "--restart always", "--no-healthcheck",
        ]:
            self.same("update", *line.split(), "c")
            self.same("inspect", "--format", HEALTH, "c")

    def test_a_running_container_is_checked_anew(self):
        self.haulout("run", "--detach", "--name", "c", "--network=none", "--health-cmd=false", "--health-interval=100ms", "--health-retries=1",
                     BUSYBOX, "sleep", "1000")
        status = lambda: self.inspect("c")["State"].get("Health", {}).get("Status")
        wait_until(lambda: status() == "unhealthy", status)
        self.haulout("update", "--health-cmd=true", "c")
        wait_until(lambda: status() == "healthy", status)
        self.haulout("update", "--no-healthcheck", "c")
        self.assertIsNone(status())
        self.haulout("healthcheck", "run", "c", status=125)

    def test_an_image_of_a_platform_has_the_runtime_that_is_configured_for_it(self):
        settings = self.temporary_folder() / "settings.conf"
        settings.write_text('[engine]\n[engine.platform_to_oci_runtime]\n"linux/amd64" = "mine"\n[engine.runtimes]\nmine = ["/usr/bin/crun"]\n',
                            encoding="utf-8")
        env = {"CONTAINERS_CONF_OVERRIDE": str(settings)}
        self.same("create", "--name", "c", BUSYBOX, "true", env=env)
        self.same("inspect", "--format", "{{.OCIRuntime}}", "c", env=env)
