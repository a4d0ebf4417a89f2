# SPDX-License-Identifier: Apache-2.0 OR MIT
"""update: other limits and another restart policy for a container that is there."""

import os
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, run
from session import wait_until

LIMITS = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.MemoryReservation}} {{.HostConfig.CpuPeriod}} " \
    "{{.HostConfig.CpuQuota}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.CpuShares}} " \
    "{{.HostConfig.CpusetCpus}} {{.HostConfig.CpusetMems}} {{.HostConfig.BlkioWeight}} {{.HostConfig.RestartPolicy}}"


class Update(PeerTest):
    def test_a_container_that_does_not_run_is_changed_as_podman_changes_it(self):
        for program in ("podman", "haulout"):
            self.check(0, program, "create", "--name", "c", BUSYBOX, "sleep", "100")
        for flags in [
            "--restart always", "--restart on-failure:3", "--restart=", "--memory 64m", "--memory 0", "--memory-reservation 32m",
            "--cpus 2 --pids-limit 100", "--cpu-quota 2000", "--cpu-period 50000", "--cpus 0.5", "--memory-swap 256m",
            "--cpu-shares 12 --cpuset-cpus 0 --cpuset-mems 0", "--blkio-weight 50", "--pids-limit -1",
        ]:
            self.same("update", *flags.split(), "c")
            self.same("inspect", "--format", LIMITS, "c")

    def test_what_is_wrong_is_said_in_podmans_words_and_changes_nothing(self):
        for program in ("podman", "haulout"):
            self.check(0, program, "create", "--name", "c", BUSYBOX, "sleep", "100")
        for line in ["", "c c", "nope --cpus 1", "--restart nope c", "--restart on-failure:x c", "--restart always:3 c", "--memory x c",
                     "--nope c", "--cpus x c"]:
            self.same("update", *line.split())
        self.same("inspect", "--format", LIMITS, "c")

    def test_a_running_container_has_its_new_restart_policy_at_once(self):
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sleep", "1000")
        self.haulout("update", "--restart", "always", "c")
        first = self.inspect("c")["State"]["Pid"]
        self.haulout("kill", "c")
        wait_until(lambda: self.inspect("c")["State"]["Pid"] not in (0, first), "started again")
        self.haulout("update", "--restart", "no", "c")
        self.haulout("kill", "c")
        self.haulout("wait", "c")
        self.assertEqual(self.inspect("c")["State"]["Status"], "exited")
        self.assertIn(" container update ", run("haulout", "events", "--stream=false", "--since", "1m", "--filter", "container=c").stdout)

    def test_a_limit_that_the_machine_cannot_set_is_refused_and_nothing_is_changed(self):
        controllers = Path("/sys/fs/cgroup/cgroup.controllers").read_text(encoding="utf-8").split()
        if "memory" in controllers:
            self.skipTest("this machine can set it")
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sleep", "1000")
        refused = self.haulout("update", "--memory", "64m", "--restart", "always", "c", status=125)
        self.assertIn("--memory", refused.stderr)
        config = self.inspect("c")["HostConfig"]
        self.assertEqual((config["Memory"], config["RestartPolicy"]["Name"]), (0, "no"))

    def test_a_running_container_has_its_new_limits_at_once(self):
        manager = Path(f"/sys/fs/cgroup/{self.manager_cgroup()}/cgroup.controllers")
        if not manager.exists() or "pids" not in manager.read_text(encoding="utf-8").split():
            self.skipTest("the user manager has no controllers")
        self.haulout("run", "--detach", "--name", "c", "--network", "none", BUSYBOX, "sleep", "1000")
        self.haulout("update", "--pids-limit", "33", "c")
        cgroup = self.inspect("c")["State"]["CgroupPath"]
        self.assertEqual(Path(f"/sys/fs/cgroup{cgroup}/pids.max").read_text(encoding="utf-8").strip(), "33")

    @staticmethod
    def manager_cgroup():
        uid = os.getuid()
        return f"user.slice/user-{uid}.slice/user@{uid}.service" if uid else ""
