# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting: on a machine that has nothing yet, with very many containers, and as it was left the last time."""

import os
import re
import subprocess
import time
from pathlib import Path

from session import BUSYBOX, ENVIRONMENT, SessionTest, wait_until
from window import App, Display, WindowTest

DATA_FOLDER = Path(__file__).resolve().parents[2] / "data"


class Nothing(SessionTest):
    images = ()

    def test_where_no_folder_of_haulout_s_exists_the_list_is_empty_and_follows_what_comes(self):
        home, runtime = self.temporary_folder(), self.temporary_folder()
        env = {"XDG_DATA_HOME": str(home / "data"), "XDG_RUNTIME_DIR": str(runtime)}
        with Display() as display, App(display, env=env) as app:
            app.find("label", "No Containers")
            tar = home / "empty.tar"
            subprocess.run(["tar", "-cf", tar, "--files-from", "/dev/null"], check=True)
            self.haulout("import", tar, "localhost/shell:1", env=env)
            self.addCleanup(self.end_anchor, runtime / "haulout/anchor")
            self.haulout("create", "--name", "first", "localhost/shell:1", "true", env=env)
            app.find("label", "first")
            app.find("list item", "Images").click()
            app.find("label", "localhost/shell")

    def test_what_cannot_be_read_is_told_and_is_read_once_it_is_mended(self):
        home = self.temporary_folder()
        database = home / "containers/haulout/state.db"
        database.parent.mkdir(parents=True)
        database.write_text("no database\n" * 1000)
        with Display() as display, App(display, env={"XDG_DATA_HOME": str(home)}) as app:
            app.find("label", "Could Not Read Containers and Images")
            app.find("label", re.compile(re.escape(str(database))))
            display.key("alt+4")
            app.find("label", "Could Not Read the Updates")
            # Nobody has asked it.
            self.assertEqual(app.look("label", re.compile("^The service manager of your session")), [])
            database.unlink()
            app.find("button", "Try Again").click()
            app.find("label", "No Containers to Update")
            app.find("label", re.compile("^(Off: |Every day)"))
            display.key("alt+1")
            app.find("button", "Try Again").click()
            app.find("label", "No Containers")

    @staticmethod
    def end_anchor(file):
        if file.exists():
            os.kill(int(file.read_text().split()[0]), 9)


class Many(WindowTest):
    COUNT = 200

    def setUp(self):
        for number in range(self.COUNT):
            self.haulout("create", "--name", f"shell-{number:03}", BUSYBOX)
        super().setUp()

    def shown(self):
        """The names in the rows, once all of them could be seen: not while rows come and go."""
        seen = []
        wait_until(lambda: seen.append(self.app.look("label", re.compile("^shell-"))) or seen[-1] is not None, "rows are seen")
        return {found.name for found in seen[-1]}

    def test_two_hundred_containers_are_scrolled_and_searched(self):
        self.app.find("label", "shell-000")
        self.app.find("list item", "Containers").find("label", str(self.COUNT))
        self.assertLess(len(self.shown()), self.COUNT, "rows out of sight are not made")
        self.app.find("label", "shell-003").mouse(button=5, times=300)
        self.app.find("label", f"shell-{self.COUNT - 1:03}")
        self.display.key("ctrl+f")
        self.app.find("entry", "Search containers").fill("shell-117")
        wait_until(lambda: self.shown() == {"shell-117"}, "only what matches is shown")
        # What happens to one is seen in its row, and the others stay where they are.
        self.app.find("entry", "Search containers").fill("")
        wait_until(lambda: len(self.shown()) > 5, "all are shown")
        self.haulout("rm", "shell-100")
        self.app.find("list item", "Containers").find("label", str(self.COUNT - 1))


class Remembered(SessionTest):
    images = ()

    def test_a_window_has_the_size_that_it_was_left_with(self):
        folder = self.temporary_folder()
        subprocess.run(["glib-compile-schemas", f"--targetdir={folder}", DATA_FOLDER], check=True)
        env = {"GSETTINGS_SCHEMA_DIR": str(folder), "GSETTINGS_BACKEND": "keyfile", "XDG_CONFIG_HOME": str(folder)}
        theirs = Path(ENVIRONMENT.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "containers"
        if theirs.exists():
            (folder / "containers").symlink_to(theirs)
        with Display() as display:
            for wanted in ((1000, 680), (860, 560), (720, 640)):
                with App(display, env=env) as app:
                    app.find("label", "No Containers")
                    window = display.run("xdotool", "search", "--onlyvisible", "--pid", str(app.pid)).split()[0]

                    def size():
                        said = display.run("xdotool", "getwindowgeometry", "--shell", window)
                        return tuple(int(re.search(rf"^{name}=(\d+)$", said, re.M)[1]) for name in ("WIDTH", "HEIGHT"))

                    if wanted != (1000, 680):
                        self.assertEqual(size(), left, "as it was left")
                    display.run("xdotool", "windowsize", "--sync", window, *map(str, wanted))
                    wait_until(lambda: size() == wanted, "it has another size")
                    # Until the app has heard of it.
                    wait_until(lambda: app.find("frame", "Haulout").place()[2] <= wanted[0], "the app knows")
                    time.sleep(0.3)
                    left = size()
                    display.key("ctrl+w")
                    wait_until(lambda: app.process.poll() is not None, "it has ended")
                    self.assertEqual(app.process.returncode, 0)
