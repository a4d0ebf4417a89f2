# SPDX-License-Identifier: Apache-2.0 OR MIT
"""commit and stats beside Podman."""

import json
import re

from peers.peers import BUSYBOX, PeerTest, normal, run

SLEEP = [BUSYBOX, "sleep", "1000"]


class Commit(PeerTest):
    def setUp(self):
        super().setUp()
        for program in ("podman", "haulout"):
            flags = ["-e", "A=b", "-l", "q=w", "-w", "/tmp", "-v", "/etc:/x"]
            run(program, "run", "--detach", "--name", "one", "--network", "none", *flags, *SLEEP)
            script = "echo x > /new; ln /new /hard; rm /bin/vi; rm -r /home; mkdir /home; echo z > /home/z; chmod 600 /etc/group"
            run(program, "exec", "one", "sh", "-c", script)
            self.addCleanup(self.forget, program)

    def forget(self, program):
        run(program, "rm", "--all", "--force", "--time", "0")
        listed = run(program, "images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}").stdout.splitlines()
        for line in listed:
            if not line.endswith("localhost:5000/busybox"):
                run(program, "rmi", "--force", line.split()[0])

    def test_wrong_words(self):
        for line in [
            "commit", "commit nope", "commit one Foo", "commit one img1 x", "commit -m msg one img2", "commit -f foo one img4",
        ]:
            self.same(*line.split())
        self.same("commit", "-c", "FOO=x", "one", "img4", stderr=False)
        self.same("images", "--format", "{{.Repository}}")

    def test_the_image_is_the_same_in_what_it_is_and_has(self):
        changes = ["-c", "CMD=/bin/foo", "-c", "ENV X=y", "-c", "LABEL a=b", "-c", "EXPOSE 80", "-c", "USER guest"]
        self.same("commit", "-q", "-p", "one", "plain")
        self.same("commit", "-q", "-a", "me", *changes, "one", "changed")
        self.same("commit", "-q", "-f", "docker", "-m", "msg", "one", "docker")
        self.same("commit", "-q", "--include-volumes", "one", "volumes")
        self.same("ps", "--format", "{{.Names}} {{.State}}")
        for image in ("plain", "changed", "docker", "volumes"):
            podman, haulout = (json.loads(done.stdout)[0] for done in self.both("image", "inspect", image))
            for field in ("Author", "Comment", "User", "ManifestType", "Labels", "Architecture", "Os"):
                self.assertEqual(haulout[field], podman[field], f"{image} {field}")
            for config in (podman["Config"], haulout["Config"]):
                config["Env"] = sorted(variable for variable in config["Env"] if not variable.startswith("container="))
            self.assertEqual(haulout["Config"], podman["Config"], image)
            self.assertEqual(haulout["RootFS"]["Layers"][0], podman["RootFS"]["Layers"][0])
            self.assertEqual(len(haulout["RootFS"]["Layers"]), 2)
            histories = [[entry.get("comment") for entry in found["History"]] for found in (podman, haulout)]
            self.assertEqual(histories[1], histories[0])
        show = "cat /new /home/z; test /new -ef /hard && echo same; ls /home /bin/vi; stat -c '%a %u' /etc/group"
        self.same("run", "--rm", "--network", "none", "plain", "sh", "-c", show)

    def test_changes_are_read_as_a_containerfile_s_lines(self):
        show = "{{json .Labels}} {{json .Config.Cmd}} {{json .Config.Entrypoint}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}} " \
            "{{json .User}} {{json .Config.WorkingDir}} {{json .Config.StopSignal}} {{json .HealthCheck}}"
        for changes in [
            ['LABEL x="a b" "y z"=\'c $d\' w=e\\ f', "LABEL old  a  b", "LABEL n=$PATH m=${q:-d}"],
            ["CMD [\"a b\", \"c\"]", "ENTRYPOINT x \"y z\""],
            ["ENTRYPOINT [\"a b\"]"],
            ["ENTRYPOINT []", "CMD []"],
            ["CMD echo \"a b\"", "EXPOSE 80 90/udp \"91\"", "USER \"foo bar\""],
            ["VOLUME [\"/a b\"]", "VOLUME /c /d", "WORKDIR \"/x y\"", "WORKDIR ../z", "STOPSIGNAL SIGINT"],
            ["WORKDIR foo", "HEALTHCHECK --interval=1m30s --retries=2 CMD [\"ok\", \"x y\"]"],
            ["HEALTHCHECK NONE", "LABEL a=b\n# nothing\nLABEL c=d", "label=g=h", "ONBUILD RUN x", "ARG a=b", ""],
        ]:
            flags = [word for change in changes for word in ("--change", change)]
            self.same("commit", "-q", "--format", "docker", *flags, "one", "changed")
            self.same("inspect", "changed", "--format", show)
            for program in ("podman", "haulout"):
                variables = json.loads(run(program, "inspect", "changed").stdout)[0]["Config"]["Env"]
                self.assertEqual(len(variables), len({variable.split("=")[0] for variable in variables}))
        self.same("commit", "-q", "-c", 'ENV a="b c" d=e', "-c", "ENV old  f  g", "-c", "ENV A=other", "one", "variables")
        self.same("run", "--rm", "--network", "none", "variables", "sh", "-c", "env | grep -E '^(a|d|old|A)=' | sort")

    def test_changes_that_are_none_are_refused_in_the_same_words(self):
        def reason(text):
            return normal(text).rpartition("applying changes: ")[2]

        for change in [
            "LABEL", "LABEL x", "LABEL x=1 y", 'LABEL x="a', "LABEL x='a", "LABEL x=${q", "ENV", "ENV x", "CMD [1]", "USER", "WORKDIR", "EXPOSE",
            "VOLUME", "VOLUME []", 'VOLUME "/a b"', "STOPSIGNAL", "STOPSIGNAL 0", "STOPSIGNAL FOO", "SHELL foo", "ONBUILD ONBUILD RUN x", "FOO x", "COPY a b",
            "HEALTHCHECK", "HEALTHCHECK FOO", "HEALTHCHECK CMD", "HEALTHCHECK NONE x", "HEALTHCHECK --foo=1 CMD x", "HEALTHCHECK --interval=x CMD x",
        ]:
            podman, haulout = self.both("commit", "-q", "--change", change, "one", "changed")
            with self.subTest(change=change):
                self.assertEqual((haulout.returncode, reason(haulout.stderr)), (podman.returncode, reason(podman.stderr)))
        self.same("images", "--format", "{{.Repository}}")

    def test_everything_in_one_layer(self):
        self.same("commit", "-q", "-s", "one", "squashed")
        found = json.loads(self.haulout("image", "inspect", "squashed").stdout)[0]
        self.assertEqual(len(found["RootFS"]["Layers"]), 1)
        self.same("run", "--rm", "--network", "none", "squashed", "sh", "-c", "cat /new; ls /bin/vi; ls /home")

    def test_a_stopped_container_and_one_that_never_ran(self):
        self.same("stop", "-t0", "one")
        self.same("commit", "-q", "one", "stopped")
        self.same("create", "--name", "two", "--network", "none", BUSYBOX, "true")
        self.same("commit", "-q", "two", "fresh")
        self.same("run", "--rm", "--network", "none", "stopped", "cat", "/new")
        self.same("run", "--rm", "--network", "none", "fresh", "ls", "/")


class Stats(PeerTest):
    def test_stats(self):
        for program in ("podman", "haulout"):
            run(program, "run", "--detach", "--name", "one", "--network", "none", *SLEEP)
            run(program, "create", "--name", "two", BUSYBOX)

        def alike(text):
            # What is measured differs in any two runs.
            return re.sub(r"-?\d+(\.\d+)?(%|[a-zA-Zµ]*)", "N", normal(text))

        for line in [
            "stats --no-stream nope", "stats --no-stream -a one", "stats --no-stream -i 0 one", "stats --no-stream", "stats --no-stream one",
            "stats --no-stream -a", "stats --no-stream two", "stats --no-stream --format json one", "stats --no-stream -l",
            "stats --no-stream --format {{.Name}}|{{.CPUPerc}}|{{.MemUsage}}|{{.MemPerc}}|{{.NetIO}}|{{.BlockIO}}|{{.PIDS}} one two",
            "container stats --no-stream one",
        ]:
            podman, haulout = self.both(*line.split())
            with self.subTest(command=line):
                self.assertEqual(haulout.returncode, podman.returncode, haulout.stderr)
                self.assertEqual(alike(haulout.stdout), alike(podman.stdout))
                if podman.returncode:
                    self.assertEqual(normal(haulout.stderr), normal(podman.stderr))
        self.same("stats", "--no-stream", "--format", "table {{.Name}} {{.ID}}", "one", stderr=False)
        self.same("stop", "-t0", "one")
        self.same("stats", "--no-stream")
