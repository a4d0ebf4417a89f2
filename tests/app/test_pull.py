# SPDX-License-Identifier: GPL-3.0-or-later
"""Pulling in the window: progress, cancelling, registries that fail; what is said, and what is left."""

import os
import re
import signal
import threading

from registry import Image, Registry, tar
from session import DATA, Process, processes, run, wait_until
from window import WindowTest


class PullTest(WindowTest):
    images = ()

    def setUp(self):
        self.registry = Registry(self)
        # More than fits into a gzip's window, and into a socket.
        self.image = Image(tar({"noise": os.urandom(3_000_000)}), Cmd=["true"])
        self.blob = self.image.packed[0]
        self.name = self.registry.add("app", self.image)
        settings = self.temporary_folder() / "registries.conf"
        settings.write_text(f'[[registry]]\nlocation = "{self.registry.host}"\ninsecure = true\n')
        self.env = {"CONTAINERS_REGISTRIES_CONF": str(settings)}
        self.addCleanup(run, "haulout", "rmi", "--force", self.name)
        super().setUp()

    def dialog(self, name):
        """The dialog, after *Pull* was clicked in it."""
        self.app.find("list item", "Images").click()
        self.display.key("ctrl+p")
        dialog = self.app.find("dialog", "Pull an Image")
        dialog.find("text", "Image").fill(name)
        dialog.find("button", "Pull").click()
        return dialog

    def stall(self):
        """Lets the blob stop half way: an event that tells when it has, one that lets it go on."""
        stalled, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        @self.registry.instead(self.blob)
        def stop_half_way(handler):
            handler.say(200, self.blob[: len(self.blob) // 2], length=len(self.blob))
            stalled.set()
            go_on.wait(60)

        return stalled, go_on

    def worker(self):
        """The only child of the app."""
        [worker] = [process for process in processes() if process.parent == self.app.pid]
        return worker

    def staging(self):
        return list(DATA.glob("layers/.staging*"))


class Cancelled(PullTest):
    def test_a_cancelled_pull_leaves_nothing_and_works_when_it_is_done_again(self):
        stalled, go_on = self.stall()
        dialog = self.dialog(self.name)
        self.assertTrue(stalled.wait(20))
        dialog.find("label", f"Pulling “{self.name}”")
        dialog.find("label", re.compile(r"^\S+\sMB of 3\.0\sMB"))
        wait_until(self.staging, "the layer is being unpacked")
        dialog.find("button", "Cancel").click()
        self.app.gone("dialog", "Pull an Image")
        worker = self.worker().pid
        wait_until(lambda: not [child for child in processes() if child.parent == worker], "the step has ended")
        wait_until(lambda: not self.staging(), "what was unpacked is gone")
        self.haulout("image", "exists", self.name, status=1)
        self.registry.answers.clear()
        go_on.set()
        self.dialog(self.name)
        self.app.find("label", f"Pulled “{self.name}”")
        self.haulout("image", "exists", self.name)


class Failed(PullTest):
    def test_an_image_that_is_not_there_is_told_and_can_be_tried_again(self):
        name = f"{self.registry.host}/late:1"
        self.addCleanup(run, "haulout", "rmi", "--force", name)
        dialog = self.dialog(name)
        dialog.find("label", f"Could Not Pull “{name}”")
        dialog.find("label", re.compile("^The registry has no image of this name"))
        self.registry.add("late", self.image, "1")
        dialog.find("button", "Try Again").click()
        self.app.find("label", f"Pulled “{name}”")
        self.haulout("image", "exists", name)

    def test_a_registry_that_is_down_is_named(self):
        self.registry.server.shutdown()
        self.registry.server.server_close()
        dialog = self.dialog(self.name)
        dialog.find("label", f"Could Not Pull “{self.name}”")
        dialog.find("label", re.compile(f"^The registry {self.registry.host} does not answer"))
        self.haulout("image", "exists", self.name, status=1)

    def test_a_worker_that_is_killed_is_told_and_the_next_try_works(self):
        stalled, go_on = self.stall()
        dialog = self.dialog(self.name)
        self.assertTrue(stalled.wait(20))
        wait_until(self.staging, "the layer is being unpacked")
        os.kill(self.worker().pid, signal.SIGKILL)
        dialog.find("label", f"Could Not Pull “{self.name}”")
        self.registry.answers.clear()
        go_on.set()
        dialog.find("button", "Try Again").click()
        self.app.find("label", f"Pulled “{self.name}”")
        self.haulout("image", "exists", self.name)
        wait_until(lambda: not self.staging(), "what was unpacked is gone")
