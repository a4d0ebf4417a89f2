# SPDX-License-Identifier: Apache-2.0 OR MIT
"""ps, images and inspect: tables, templates and JSON as Podman has them."""

import json

from peers.peers import BUSYBOX, PeerTest, run


class Lists(PeerTest):
    @classmethod
    def setUpClass(cls):
        # Podman copies an image for another map of ids, and counts the copies to its size; and what was pushed in another form has
        # more digests.
        for program in ("podman", "haulout"):
            run(program, "rmi", "--force", *cls.images)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        for program in ("podman", "haulout"):
            for line in [
                ["create", "--name", "one", "--label", "x=<y>", "--label", "z", "-e", "A=b", BUSYBOX,
                 "sh", "-c", "echo a;  echo b c"],
                ["run", "--detach", "--name", "two", "--network", "none", BUSYBOX, "sleep", "100"],
                ["run", "--name", "three", "--network", "none", BUSYBOX, "sh", "-c", "exit 3"],
                ["create", "--name", "four", "-p", "8080:80", "-p", "7000-7002:70-72", BUSYBOX, "true"],
            ]:
                done = run(program, *line)
                self.assertIn(done.returncode, (0, 3), done.stderr)

    def test_tables_are_the_same(self):
        for line in [
            "ps", "ps -a", "ps -aq", "ps -a --no-trunc", "ps -a --noheading", "ps -l", "ps -n 2", "ps -q --no-trunc", "ps -ap",
            "ps -a --sort names", "ps -a --sort status", "ps -a --sort id -q --filter name=one", "container ls", "container list -a",
            "images", "images -q", "images --no-trunc", "images --digests", "images --noheading", "image ls", "image list -q",
            f"images {BUSYBOX}", "images busybox", "images nope", "images loc*", "images localhost:5000/busy*",
        ]:
            self.same(*line.split())

    def test_filters_choose_the_same(self):
        for key in [
            "name=o", "name=^one$", "name=zz", "label=x", "label=x=<y>", "label=x=q", "label!=x", "id=zz", "status=created",
            "status=exited", "status=running", "exited=3", "exited=0", "since=one", "before=two", "ancestor=" + BUSYBOX,
            "ancestor=busybox", "ancestor=zz", "until=1h", "volume=/x", "network=none",
        ]:
            self.same("ps", "-a", "--format", "{{.Names}}", "--filter", key)
            self.same("ps", "--format", "{{.Names}}", "--filter", key)
        self.same("ps", "-a", "--format", "{{.Names}}", "--filter", "name=one", "--filter", "name=two")
        self.same("ps", "-a", "--format", "{{.Names}}", "--filter", "name=one", "--filter", "status=running")
        for key in ["reference=*busybox*", "dangling=true", "dangling=false", "label=foo", "since=" + BUSYBOX, "before=" + BUSYBOX,
                    "until=1h", "containers=true", "containers=false", "readonly=true", "intermediate=true"]:
            self.same("images", "-q", "--filter", key)

    def test_templates_print_the_same(self):
        for template in [
            "{{.ID}}\\t{{.Names}}",
            "table {{.ID}} {{.Names}}",
            "{{.Names}} {{.Ports}} {{.Status}} {{.State}} {{.Image}} {{.ImageID}} {{.Command}} {{.CreatedAt}} {{.RunningFor}}",
            "{{.Names}}|{{.Labels}}|{{.Mounts}}|{{.Networks}}|{{.Pod}}|{{.PodName}}|{{.ExitCode}}|{{.Exited}}|{{.AutoRemove}}|{{.Restarts}}",
            "{{.Nope}}",
            "{{.ID",
            "{{foo .ID}}",
            "{{json .Names}} {{json .Labels}}",
            "{{range .}}{{.Names}};{{end}}",
            "{{upper .Names}} {{title .Image}} {{split .Image \"/\"}} {{pad .State 1 2}}| {{truncate .State 3}}",
            "{{.Names | upper | printf \"%q\"}}",
            "{{if eq .State \"running\"}}{{.Names}}{{else}}-{{end}}",
            "table",
            "foo",
            "",
        ]:
            self.same("ps", "--all", "--sort", "names", "--format", template)
        for template in [
            "{{.Repository}}:{{.Tag}} {{.ID}} {{.Id}} {{.Size}} {{.Created}} {{.CreatedAt}} {{.CreatedSince}}",
            "{{.Digest}} {{.Names}} {{.RepoTags}} {{.RepoDigests}} {{.Labels}} {{.Dangling}} {{.ReadOnly}}",
            "table {{.ID}} {{.CreatedSince}}",
            "table {{.Repository}}\t{{.Tag}}\t{{.Size}}",
            "{{.Nope}}",
        ]:
            self.same("images", "--format", template)

    def test_json_has_the_same_fields_and_values(self):
        lists = [json.loads(done.stdout) for done in self.both("ps", "--all", "--sort", "names", "--format", "json")]
        self.assertEqual(len(lists[0]), len(lists[1]))
        for podman, haulout in zip(*lists, strict=True):
            self.assertEqual(podman.keys(), haulout.keys())
            for field in podman.keys() - {"Created", "CreatedAt", "ExitedAt", "Id", "Pid", "StartedAt", "Status"}:
                with self.subTest(container=podman["Names"], field=field):
                    self.assertEqual(podman[field], haulout[field])
        lists = [json.loads(done.stdout) for done in self.both("images", "--format", "json")]
        for podman, haulout in zip(*lists, strict=True):
            self.assertEqual(podman.keys(), haulout.keys())
            for field in podman.keys() - {"Size", "VirtualSize", "History"}:
                with self.subTest(image=podman["Names"], field=field):
                    self.assertEqual(podman[field], haulout[field])

    def test_ports_that_are_exposed_are_listed_after_those_that_are_published(self):
        for program in ("podman", "haulout"):
            self.check(0, program, "create", "--name", "five", "--expose", "99", "--expose", "100/udp", "-p", "8081:80", "--expose", "80",
                       BUSYBOX, "true")
            self.check(0, program, "create", "--name", "six", "--expose", "5-7", "--cidfile", f"/tmp/{program}-cid", BUSYBOX, "true")
            self.addCleanup(run, "rm", "-f", f"/tmp/{program}-cid")
        self.same("ps", "--all")
        self.same("ps", "--all", "--format", "{{.Names}} {{.Ports}} {{json .ExposedPorts}}")
        self.assertEqual(self.haulout("ps", "--all", "--filter", "name=six", "--format", "{{.CIDFile}}").stdout, "/tmp/haulout-cid\n")

    def test_options_of_ps(self):
        for line in [
            "ps --namespace --format {{.Names}}", "ps -aq --ns", "ps -aq --size", "ps --size --ns", "ps --last 0 --format {{.Names}}",
            "ps --filter restart-policy=foo", "ps --all --filter id=xyz --quiet", "ps --last 2 --latest", "ps --all --format {{.Size}}",
            "system prune --external --all --force", "system prune --external --force",
        ]:
            self.same(*line.split())
        self.same("ps", "--all", "--format", "{{.Label \"x\"}}|{{.Label \"nope\"}}")

    def test_a_row_as_json_has_podmans_fields(self):
        rows = [[json.loads(line) for line in done.stdout.splitlines()]
                for done in self.both("ps", "--all", "--sort", "names", "--format", "{{json .}}")]
        for podman, haulout in zip(*rows, strict=True):
            for field in podman.keys() | haulout.keys():
                if field not in ("Created", "ExitedAt", "Id", "Pid", "StartedAt"):
                    self.assertEqual(podman.get(field), haulout.get(field), field)

    def test_what_scripts_ask_inspect_is_answered_alike(self):
        for template in [
            "{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}",
            "{{.Name}} {{.ImageName}} {{.Driver}} {{.RestartCount}} {{.Path}} {{.Args}}",
            "{{json .Config.Cmd}} {{json .Config.Entrypoint}} {{.Config.Image}} {{.Config.User}} {{.Config.WorkingDir}}",
            "{{json .Config.Labels}} {{.Config.Tty}} {{.Config.OpenStdin}} {{.Config.StopSignal}} {{.Config.StopTimeout}}",
            "{{index .Config.Labels \"x\"}}|{{index .Config.Labels \"nope\"}}|{{.Config.Labels.z}}|{{.Config.Labels.nope}}",
            "{{.HostConfig.NetworkMode}} {{.HostConfig.Privileged}} {{.HostConfig.AutoRemove}} {{.HostConfig.ReadonlyRootfs}}",
            "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.Init}}",
            "{{json .NetworkSettings.Ports}} {{json .HostConfig.PortBindings}}",
            "{{.Nope}}",
            "{{.State.Nope}}",
            "{{range .Config.Env}}{{if and (ge (len .) 5) (eq (slice . 0 5) \"HOME=\")}}{{slice . 5 | printf \"%q\"}}{{end}}{{end}}",
            "{{if .State.Running}}up{{else}}down{{end}}",
            "{{len .Mounts}} {{json .Mounts}}",
        ]:
            # Podman keeps what it once told the runtime: of three its HOME too.
            for name in ("one", "two", "four") if ".Env" in template else ("one", "two", "three", "four"):
                self.same("inspect", "--type", "container", "--format", template, name)
        for template in [
            "{{.RepoTags}} {{.Architecture}} {{.Os}} {{json .Config}} {{.Created}} {{.ID}} {{.Id}}",
            "{{json .RootFS}} {{json .History}} {{.Digest}} {{.ManifestType}} {{.User}} {{json .Labels}} {{json .Annotations}}",
            "{{.Nope}}",
        ]:
            self.same("image", "inspect", "--format", template, BUSYBOX)
        self.same("inspect", "--format", "{{.Name}}", "one", "nope")

    def test_inspect_has_podmans_fields(self):
        for name in ("two", BUSYBOX):
            podman, haulout = (json.loads(done.stdout)[0] for done in self.both("inspect", name))
            self.assertEqual(missing(podman, haulout), [])


# What there is none of yet: health checks, block devices, real-time limits, hosts of the image.
NOT_YET = {
    "HealthcheckOnFailureAction", "HealthLogDestination", "HealthcheckMaxLogCount", "HealthcheckMaxLogSize", "BlkioWeight",
    "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps",
    "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth",
    "UseImageHosts", "UseImageHostname", "WorkDir",
}


def missing(podman, haulout, path=""):
    """The fields of Podman's that are not there, whatever their values."""
    found = []
    for key, value in podman.items():
        if key in NOT_YET:
            continue
        if key not in haulout:
            found.append(f"{path}.{key}")
        elif isinstance(value, dict) and key not in ("Annotations", "Labels"):
            found += missing(value, haulout[key] or {}, f"{path}.{key}")
    return found
