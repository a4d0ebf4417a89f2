# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`generate spec`: what a container is made from, as Podman writes it."""

import json

from peers.peers import BUSYBOX, PeerTest, normal

# By chance, or of a list of which each of the two has its own.
OWN = {"containerCreateCommand", "image"}


class GenerateSpec(PeerTest):
    def spec(self, *flags):
        """Podman's and Haulout's of a container with these flags."""
        for done in self.both("create", "--replace", "--name", "one", *flags, BUSYBOX, "ls"):
            self.assertEqual(done.returncode, 0, done.stderr)
        found = [json.loads(done.stdout) for done in self.both("generate", "spec", "one")]
        for spec in found:
            for volume in spec.get("volumes", []):
                volume["Name"] = normal(volume["Name"])
        return [{key: value for key, value in spec.items() if key not in OWN} for spec in found]

    def test_it_is_as_podman_writes_it(self):
        self.addCleanup(self.both, "volume", "rm", "--force", "named")
        for flags in [
            "", "--entrypoint echo", "-u 1:2 -w /tmp", "-h foo -e A=b -l a=b", "--tmpfs /t:size=1m", "-v named:/v -v /etc:/x:ro", "-v /v2", "--network none",
            "--network pasta:-t,80", "--privileged", "--uidmap 0:1:10", "--timeout 5", "-i", "--rm", "--restart on-failure:3", "--ipc host --pid host",
            "--no-hosts", "--shm-size 1m", "--group-add 5", "--umask 0077 --tz UTC", "--device /dev/null:/dev/x:r", "--unsetenv PATH",
            "--memory 10m --cpus 0.5 --pids-limit 5 --cpu-shares 5", f"--mount type=image,src={BUSYBOX},dst=/im", "--sdnotify ignore",
            "--chrootdirs /a", "--hostuser bin", "--security-opt label=type:x",
        ]:
            podman, haulout = self.spec(*flags.split())
            with self.subTest(flags=flags):
                self.assertEqual(haulout, podman)

    def test_how_it_is_written(self):
        self.both("create", "--name", "one", BUSYBOX)
        path = self.temporary_folder() / "spec"
        self.same("generate", "spec", "--filename", path, "one")
        self.assertTrue(path.read_text().startswith('{\n "name": "one-clone",\n'))
        compact = self.haulout("generate", "spec", "--compact", "--name=false", "one").stdout
        self.assertTrue(compact.startswith('{"name":"one","command":["sh"]') and compact.count("\n") == 1, compact)
        for line in ["generate spec", "generate spec nope", "generate spec one two", "generate spec --filename /nope/x one", "generate spec -n=x one"]:
            self.same(*line.split())
