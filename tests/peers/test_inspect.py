# SPDX-License-Identifier: Apache-2.0 OR MIT
"""inspect: of a container, an image and a volume every key that Podman has, with the same value where there can be one."""

import json
import re

from peers.peers import BUSYBOX, PeerTest, normal

# What is another in any two runs, or where each of the two keeps its things.
OWN = re.compile(
    r"\.(Id|Created|CreatedAt|Pid|ConmonPid|StartedAt|FinishedAt|[A-Za-z]*Path|StaticDir|ConmonPidFile|PidFile|CgroupPath|SandboxKey|lockNumber"
    r"|LowerDir|UpperDir|WorkDir|MergedDir|Mountpoint|HostPort|SizeRw|SizeRootFs|Size|VirtualSize|Source|Dependencies)$"
    # The order of the environment is by chance in Podman, and where the log goes is another default.
    r"|\.Config\.Env|\.Config\.Hostname$|LogConfig\.Type$|\.CreateCommand\[0\]$|NamesHistory|ExecIDs"
    r"|Annotations\.(org|io\.container)\."
    # The health check's keys are tested with health checks.
    r"|\.Config\.Health"
)


def differences(path, podman, haulout):
    """What is not the same, in words, each with the path to it."""
    if OWN.search(path):
        return
    if isinstance(podman, dict) and isinstance(haulout, dict):
        for key in podman.keys() | haulout.keys():
            if key not in haulout:
                if not OWN.search(f"{path}.{key}"):
                    yield f"{path}.{key} is missing: {podman[key]}"
            elif key not in podman:
                if not OWN.search(f"{path}.{key}"):
                    yield f"{path}.{key} is too much: {haulout[key]}"
            else:
                yield from differences(f"{path}.{key}", podman[key], haulout[key])
    elif isinstance(podman, list) and isinstance(haulout, list) and len(podman) == len(haulout):
        for index, (one, other) in enumerate(zip(podman, haulout)):
            yield from differences(f"{path}[{index}]", one, other)
    elif normal(json.dumps(podman)) != normal(json.dumps(haulout)):
        yield f"{path}: {podman!r}, not {haulout!r}"


class Inspect(PeerTest):
    def alike(self, *command):
        podman, haulout = (json.loads(done.stdout) for done in self.both(*command))
        self.assertEqual(list(differences("", podman, haulout)), [], " ".join(command))
        return podman, haulout

    def test_containers_with_many_flags(self):
        for program in ("podman", "haulout"):
            self.addCleanup(self.check, None, program, "volume", "rm", "--force", "inspected")
        for flags in [
            "--network none -v inspected:/data -v /etc:/etcx:ro --tmpfs /tt:size=1m --hostname h5 -w /data -u 1000:1000 --restart on-failure:3 "
            "--cap-add NET_ADMIN --cap-drop CHOWN --annotation k=v --stop-signal INT --stop-timeout 3 --label a=b -e A=B",
            "--memory 64m --cpus 0.5 --pids-limit 55 --cpu-shares 5 --blkio-weight 20 --memory-reservation 32m --cpuset-cpus 0 "
            "--ulimit nofile=10:20 --device /dev/null:/dev/nul2:r --group-add 5",
            "--ipc host --pid host --uts host --cgroupns host --security-opt no-new-privileges --security-opt seccomp=unconfined "
            "--read-only --tz UTC --umask 077 --log-driver k8s-file --log-opt max-size=1m --log-opt tag=x --oom-score-adj 5 --timeout 9 "
            "--entrypoint /bin/sh -t -i",
            "--shm-size 1m --network host --add-host h:1.2.3.4 --dns 1.1.1.1 --dns-search x.y --dns-option o --expose 99 --rm",
            "--sysctl net.ipv4.ip_forward=1 -p 8080:80 -p 127.0.0.1:8090:90/udp --image-volume tmpfs",
            "--memory-swap 128m --memory 64m --cpu-period 1000 --cpu-quota 2000 --no-hosts --restart always -v /tmp:/x:Z,rshared "
            f"--log-driver none --mount type=image,src={BUSYBOX},dst=/img --security-opt unmask=ALL",
            "--privileged --init",
        ]:
            for program in ("podman", "haulout"):
                self.check(0, program, "create", "--name", "c", *flags.split(), BUSYBOX, "sleep", "5")
            self.alike("inspect", "c")
            self.alike("inspect", "--size", "c")
            for program in ("podman", "haulout"):
                self.check(0, program, "rm", "c")

    def test_containers_that_run_or_ran(self):
        for program in ("podman", "haulout"):
            self.check(0, program, "run", "--detach", "--name", "up", "-p", "80", "-p", "90/udp", BUSYBOX, "sleep", "100")
            self.check(3, program, "run", "--name", "down", "--network", "none", BUSYBOX, "sh", "-c", "exit 3")
        self.alike("inspect", "up", "down")

    def test_images_and_volumes(self):
        self.alike("image", "inspect", BUSYBOX)
        for program in ("podman", "haulout"):
            self.addCleanup(self.check, None, program, "volume", "rm", "--force", "inspected")
            self.check(0, program, "volume", "create", "--label", "a=b", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "inspected")
        self.alike("inspect", "inspected")
        self.alike("inspect", "--type", "volume", "inspected")
        self.alike("volume", "inspect", "inspected")

    def test_what_is_asked_for_wrongly(self):
        for program in ("podman", "haulout"):
            self.check(0, program, "create", "--name", "c", BUSYBOX, "true")
        for line in [
            "", "nope", "c nope --format {{.Name}}", "--type foo c", "--type image c", f"--type container {BUSYBOX}", "--type volume nope",
            "--type network nope", "--type pod nope", "--latest c", f"--type image --size {BUSYBOX}", "--latest --format {{.Name}}",
            "c --format {{.Nope}}", "c --format {{.SizeRw}},{{.SizeRootFs}}", f"c {BUSYBOX} --format {{{{.Os}}}}",
        ]:
            self.same("inspect", *line.split())
