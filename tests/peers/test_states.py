# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Each verb of containers on one that is missing, one that never ran, one that runs, one that has ended, beside Podman."""

from peers.peers import BUSYBOX, PeerTest, run

VERBS = [
    "attach --no-stdin C" , "commit -q C state-image", "cp C:/etc/hostname -", "cp C:/nope /tmp", "diff C", "exec C true", "exec -d C true", "export C -o /dev/null",
    "inspect C --format {{.State.Status}}|{{.State.ExitCode}}|{{json .State.StoppedByUser}}", "init C", "kill C", "kill -s 0 C", "kill -s FOO C",
    "logs C", "logs --tail 1 C", "pause C", "port C", "port C 80", "ps -a --filter name=C --format {{.State}}", "rename C C", "rename C other",
    "restart -t0 C", "rm C", "rm -i C", "rm -f -t0 C", "start C", "stats --no-stream --format {{.Name}} C", "stop -t0 C", "stop -i -t0 C", "unpause C",
    "update C", "update --restart always C", "wait C", "wait --ignore C", "wait --condition configured C", "wait --condition foo C", "healthcheck run C",
    "container exists C", "container inspect C --format {{.Name}}", "container cleanup C", "generate spec C -f /dev/null", "mount C",
    "stop --filter name=C C", "restart --filter name=C C", "pause --filter name=C C", "rm --filter name=C C", "start --filter name=C C", "wait -l C", "start --all C",
]

# What Podman waits for, or says of a container's own state, differs for a reason.
NOT_COMPARED = {
    # Attaching to what runs lasts as long as that; mounting wants `unshare`.
    "running": {"attach --no-stdin C", "wait C", "wait --ignore C", "mount C"},
    "created": {"attach --no-stdin C", "wait C", "wait --ignore C", "mount C"},
    "exited": {"mount C"},
    "missing": set(),
}


class States(PeerTest):
    def make(self, state):
        for program in ("podman", "haulout"):
            run(program, "rm", "--all", "--force", "--time", "0")
            if state == "created":
                run(program, "create", "--name", "one", "--network", "none", BUSYBOX, "sleep", "60")
            elif state == "running":
                run(program, "run", "--detach", "--name", "one", "--network", "none", BUSYBOX, "sleep", "60")
            elif state == "exited":
                run(program, "run", "--name", "one", "--network", "none", BUSYBOX, "sh", "-c", "echo word; exit 3")

    def table(self, state):
        self.addCleanup(self.both, "rmi", "--force", "--ignore", "state-image")
        for verb in VERBS:
            if verb in NOT_COMPARED[state]:
                continue
            self.make(state)
            words = [word.replace("C", "one") if word in ("C", "name=C") or word.startswith("C:") else word for word in verb.split()]
            podman, haulout = self.both(*words, timeout=20)
            with self.subTest(state=state, verb=verb):
                self.assertEqual(haulout.returncode, podman.returncode, f"{podman.stderr}\n{haulout.stderr}")
                self.assertEqual(bool(haulout.stdout), bool(podman.stdout), f"{podman.stdout}\n{haulout.stdout}")

    def test_one_that_is_missing(self):
        self.table("missing")

    def test_one_that_never_ran(self):
        self.table("created")

    def test_one_that_runs(self):
        self.table("running")

    def test_one_that_has_ended(self):
        self.table("exited")

    def test_who_stopped_it_is_known(self):
        show = ["inspect", "one", "--format", "{{json .State.StoppedByUser}} {{.State.ExitCode}}"]
        for ending in (["stop", "-t0", "one"], ["kill", "one"]):
            self.make("running")
            self.both(*ending)
            self.both("wait", "one")
            self.same(*show)
        self.make("exited")
        self.same(*show)
