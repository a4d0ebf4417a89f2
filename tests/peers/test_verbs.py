# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is done to containers between their start and their end: the same words and exit statuses as Podman's."""

from peers.peers import BUSYBOX, PeerTest, normal, run

SLEEP = [BUSYBOX, "sleep", "1000"]


def lines_in_any_order(text):
    return sorted(normal(text).splitlines())


class Verbs(PeerTest):
    def started(self, name="one", *flags):
        for program in ("podman", "haulout"):
            run(program, "run", "--detach", "--name", name, "--network", "none", *flags, *SLEEP)

    def created(self, name="two", *flags):
        for program in ("podman", "haulout"):
            run(program, "create", "--name", name, "--network", "none", *flags, *SLEEP)

    def test_restart(self):
        self.started()
        self.created()
        for line in [
            "restart", "restart one -a", "restart nope", "restart one nope", "restart -t0 one", "restart -t0 two", "restart --running",
            "restart -l one", "restart --cidfile /nope", "restart -t0 -l", "ps --format {{.Names}}", "stop -t0 two", "restart --running -t0 two",
            "ps --format {{.Names}}", "restart -t0 -f name=two", "ps --format {{.Names}}", "container restart -t0 one",
        ]:
            self.same(*line.split())
        self.same("restart", "--all", "--time", "0", normal=lines_in_any_order)

    def test_a_container_that_removes_itself_can_be_restarted(self):
        self.started("one", "--rm")
        self.same("restart", "-t0", "one")
        self.same("ps", "--format", "{{.Names}} {{.State}}")
        self.same("stop", "-t0", "one")
        # At once, and its name is free.
        self.same("ps", "-a", "--format", "{{.Names}} {{.State}}")
        self.started("one", "--rm")

    def test_rename(self):
        self.started()
        self.created()
        for line in [
            "rename", "rename one", "rename nope x", "rename one uno", "rename uno one", "rename one one", "rename one a/b",
            "rename two twice", "ps -a --format {{.Names}}", "container rename twice two", "exec one true",
        ]:
            self.same(*line.split())

    def test_a_name_that_is_taken_is_not_given(self):
        self.started()
        self.created()
        self.same("rename", "one", "two", stderr=False)
        self.same("ps", "-a", "--format", "{{.Names}}")

    def test_pause(self):
        self.started()
        self.created()
        for line in [
            "pause", "unpause", "unpause one", "pause nope", "unpause nope", "pause one", "pause one", "pause two", "unpause two", "ps --format {{.Names}}",
            "ps -a --filter status=paused --format {{.Names}}|{{.Status}}|{{.State}}", "exec one true", "attach one", "start one", "top one", "rm one",
            "restart -t0 one", "pause -a one", "inspect one --format {{.State.Status}}|{{.State.Paused}}|{{.State.Running}}", "unpause one",
            "exec one true", "pause -a", "unpause -a", "unpause -a", "container pause one", "container unpause one", "pause one", "rm -f -t0 one",
        ]:
            self.same(*line.split())

    def test_waiting_for_a_state(self):
        self.started()
        self.created()
        for line in ["wait --condition running one", "wait --condition created two", "pause one", "wait --condition paused one", "wait --condition nope one"]:
            self.same(*line.split())

    def test_a_paused_container_can_be_killed(self):
        self.started()
        for line in ["pause one", "kill one", "wait one", "ps -a --format {{.State}}", "start one", "exec one true"]:
            self.same(*line.split())

    def test_port(self):
        for program in ("podman", "haulout"):
            first = 18000 if program == "podman" else 18100
            run(program, "create", "--name", "no", "-p", "17999:80", BUSYBOX)
            run(program, "run", "-d", "--name", "one", "-p", f"{first}:80", "-p", f"127.0.0.1:{first + 1}-{first + 2}:90-91/udp", *SLEEP)
        run("podman", "run", "-d", "--name", "bare", *SLEEP)
        run("haulout", "run", "-d", "--name", "bare", *SLEEP)

        def without_first(text):
            # In no order: Podman keeps them in a map.
            return sorted(normal(text).replace("181", "180").splitlines())

        for line in [
            "port", "port one", "port one 80", "port one 80/tcp", "port one 90/udp", "port one 90", "port one 1234", "port one x", "port one 80/foo",
            "port -a", "port nope", "port -a one", "port no 80", "port no", "port bare", "port bare 80", "container port one",
        ]:
            self.same(*line.split(), normal=without_first)

    def test_top(self):
        self.started()
        self.created()
        for program in ("podman", "haulout"):
            run(program, "exec", "-d", "one", "sleep", "999")
        for words in [
            "top", "top two", "top nope", "top one pid,user,comm", "top one pid user args",
            "top one uid huid ruser group rgroup seccomp state tty nice pgid ppid capeff capbnd capinh capprm capamb",
            "top one %p %a %U", "container top one pid", "top one time",
        ]:
            self.same(*words.split())
        podman, haulout = self.both("top", "one")
        self.assertEqual(normal(haulout.stdout).splitlines()[0], normal(podman.stdout).splitlines()[0])
        self.assertEqual(len(haulout.stdout.splitlines()), 3)
        # Haulout has the container's own ps, Podman the host's.
        shown = self.haulout("top", "one", "-o", "pid,args").stdout
        self.assertRegex(shown, r"PID +COMMAND\n +1 sleep 1000\n")

    def test_container_prune(self):
        self.started()
        self.created()
        for line in [
            "container prune --filter foo=bar -f", "container prune --filter label=a -f", "container prune --filter until=x -f", "container prune x",
        ]:
            self.same(*line.split())
        self.same("container", "prune", stdin="n\n")
        self.same("ps", "-a", "--format", "{{.Names}}")
        self.same("container", "prune", stdin="y\n")
        self.same("ps", "-a", "--format", "{{.Names}}")
        self.same("container", "prune", "-f")
