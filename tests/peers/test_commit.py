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
