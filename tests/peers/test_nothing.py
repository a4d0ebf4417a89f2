# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Nothing where something is wanted (`$UNSET` in a script), and files that are not what they should be, beside Podman."""

from peers.peers import BUSYBOX, PeerTest


class Nothing(PeerTest):
    def test_no_name_is_nobody_s_name(self):
        for verb in [
            "start", "stop", "rm", "rm -f", "rm -i", "kill", "wait", "logs", "attach", "port", "top", "init", "pause", "unpause", "update", "export", "restart",
            "container exists", "container inspect", "inspect", "volume inspect", "volume rm", "volume exists", "healthcheck run", "stats --no-stream",
        ]:
            self.same(*verb.split(), "")
        self.same("exec", "", "true")
        self.same("rename", "", "x")
        self.same("commit", "", "x")
        self.same("create", "--volumes-from", "", BUSYBOX)

    def test_nothing_of_a_list_is_no_part_of_it(self):
        for flag in [
            "add-host", "dns", "dns-option", "dns-search", "sysctl", "expose", "uidmap", "gidmap", "platform", "publish", "cap-add", "group-add", "ulimit",
            "network-alias", "requires", "hostuser",
        ]:
            self.same("run", "--rm", f"--{flag}", "", BUSYBOX, "true")

    def test_an_image_is_made_without_a_name_where_none_is_given(self):
        self.both("create", "--name", "c", BUSYBOX, "true")
        for done in self.both("commit", "-q", "c", ""):
            self.assertEqual(done.returncode, 0, done.stderr)
            for program in ("podman", "haulout"):
                self.addCleanup(self.check, None, program, "rmi", "-f", done.stdout.strip())

    def test_who_is_asked_and_says_nothing_is_told_so(self):
        self.both("volume", "create", "v")
        self.addCleanup(self.both, "volume", "rm", "-f", "v")
        self.same("volume", "prune", stdin="")
        self.same("volume", "exists", "v")

    def test_a_file_of_labels_has_comments(self):
        folder = self.temporary_folder()
        good, bad = folder / "good", folder / "bad"
        good.write_text("# said before\na=b\n\n  c=\n")
        bad.write_text("a b=c\n")
        self.both("create", "--name", "c", "--label-file", good, BUSYBOX)
        self.same("inspect", "c", "--format", "{{json .Config.Labels}}")
        podman, haulout = self.both("create", "--label-file", bad, BUSYBOX)
        self.assertEqual(haulout.returncode, podman.returncode)
        self.assertIn(str(bad), haulout.stderr)
        self.assertIn("has white spaces, poorly formatted name", haulout.stderr)

    def test_no_file_of_an_id_stays_where_no_container_is_made(self):
        folder = self.temporary_folder()
        for program in ("podman", "haulout"):
            new, old = folder / f"{program}-new", folder / f"{program}-old"
            old.touch()
            for path in (new, old):
                self.check(125, program, "run", "--rm", "--pull", "never", "--cidfile", path, "localhost/nope", "true")
            self.assertFalse(new.exists(), program)
            self.assertTrue(old.exists(), program)

    def test_files_that_settings_name_have_to_be_there_but_for_credentials(self):
        image = BUSYBOX
        for variable in ("CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_CONF"):
            podman, haulout = self.both("pull", "-q", image, env={variable: "/nope"})
            self.assertNotEqual(podman.returncode, 0)
            self.assertEqual(haulout.returncode, 125, variable)
            self.assertIn("/nope: no such file or directory", haulout.stderr)
        self.same("pull", "-q", image, env={"REGISTRY_AUTH_FILE": "/nope"})

    def test_a_time_has_the_methods_of_gos(self):
        self.both("create", "--name", "c", BUSYBOX)
        # The image is the same one.
        for format in [
            "{{.Created.Unix}} {{.Created.UnixNano}} {{.Created.Year}} {{.Created.Day}} {{.Created.Hour}} {{.Created.IsZero}}", "{{.Created.Nope}}",
            '{{.Created.Format "2006-01-02T15:04:05Z07:00"}}', '{{.Created.Format "Mon, 2 Jan 06 3:04PM"}}', '{{json .Created.Unix}}', "{{.Created.Weekday}} {{.Created.Month}}",
        ]:
            self.same("image", "inspect", BUSYBOX, "--format", format, stderr=False)
        for format in ["{{.State.StartedAt.Unix}} {{.State.StartedAt.IsZero}}", '{{.State.FinishedAt.Format "2006-01-02"}}', '{{if lt .Created.Unix 5}}old{{else}}new{{end}}']:
            self.same("inspect", "c", "--format", format)
