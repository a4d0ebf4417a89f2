# SPDX-License-Identifier: Apache-2.0 OR MIT
"""File systems in files, mounted by loop devices."""

import os
import stat

from session import run, wait_until


def mount_loop(image, folder, options="loop"):
    """Mounts the file system in a file; answers the name of its device, such as `loop8`."""
    # Of a machine's loop devices a test host has the first few alone; several hosts may take one at once.
    def mounted():
        device = run("losetup", "--find").stdout.split()[0]
        if not os.path.exists(device):
            os.mknod(device, stat.S_IFBLK | 0o660, os.makedev(7, int(device.removeprefix("/dev/loop"))))
        return run("mount", "-o", options, image, folder).returncode == 0

    wait_until(mounted, "it is mounted")
    return run("losetup", "--associated", image, "--output", "NAME", "--noheadings").stdout.split()[0].removeprefix("/dev/")
