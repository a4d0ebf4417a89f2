#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of what is seldom seen: `states.py FOLDER`. Questions, failures, nothing yet, very much, long names, right to left.

Beside `pictures.py`, whose demonstration it uses; each wide and narrow, most of it light only.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pictures import IMAGES, SHAPES, Camera, demonstrate, forget, must, re_word, run  # noqa: E402

LONG = "a-container-whose-name-is-longer-than-anybody-would-want-to-read-it-in-a-list"
CROWD = [f"worker-{number:02}" for number in range(1, 41)]
LIGHT = {"ADW_DEBUG_COLOR_SCHEME": "prefer-light"}
# Where the session has such a language; the words stay as they are. `localedef -i he_IL -f UTF-8 he_IL.UTF-8` makes it.
HEBREW = "he_IL.utf8"
RIGHT_TO_LEFT = LIGHT | {"LC_ALL": HEBREW}
CONTRAST = LIGHT | {"ADW_DEBUG_HIGH_CONTRAST": "1"}
NOBODY = "localhost:9/nobody/answers:1"


class Tour(Camera):
    """The app, and ways through it."""

    def go(self, number):
        self.display.key(f"alt+{number}")

    def dialog(self, name, key=None):
        """Takes the dialog that is open, and closes it."""
        if key:
            self.display.key(key)
        self.take(name)
        self.display.key("Escape")
        self.app.gone("dialog")
        self.app.gone("alert")

    def ask(self, row, key):
        """The menu's entry of a row that asks something."""
        self.app.find("label", row).mouse(button=3)
        self.app.menu_item(key).click()
        return self.app.find("alert")

    def dialogs(self):
        app, display = self.app, self.display
        app.find("label", "web")
        self.dialog("preferences", "ctrl+comma")
        self.dialog("pull", "ctrl+p")
        display.key("ctrl+p")
        dialog = app.find("dialog")
        dialog.find("text", re_word("Image", "镜像")).fill(NOBODY)
        dialog.find("button", re_word("Pull", "拉取")).click()
        dialog.find("button", re_word("Try Again", "重试"), 60)
        self.dialog("pull-failed")
        self.ask("cache", "r")
        self.dialog("remove")
        display.key("ctrl+k")
        app.find("dialog").find("entry").fill("nowhere")
        self.dialog("search-nothing")
        display.key("ctrl+f")
        app.find("entry").fill("nowhere")
        self.take("list-nothing")
        display.key("Escape")

    def pages(self):
        app, display = self.app, self.display
        app.find("label", "migrate").mouse()
        app.find("page tab", re_word("Overview", "概览"))
        self.take("ended")
        app.find("page tab", re_word("Terminal", "终端")).click()
        self.take("ended-terminal")
        display.key("alt+Left")
        self.go(2)
        app.find("label", "postgres").mouse()
        app.find("dialog")
        self.dialog("image")
        self.go(3)
        self.unit_pages()
        self.go(4)
        app.find("label", "tides")
        self.ask("tides", "h")
        self.take("hold")
        display.key("Escape")
        app.gone("alert")
        app.find("button", re_word("History", "历史")).click()
        self.take("history")
        display.key("alt+Left")

    def unit_pages(self):
        app, display = self.app, self.display
        app.find("label", "guestbook").mouse()
        app.find("page tab", re_word("Journal", "日志"))
        self.take("unit-overview")
        app.find("page tab", re_word("Journal", "日志")).click()
        app.find("text", re_word("Log", "日志"))
        self.take("journal")
        display.key("alt+Left")
        app.gone("page tab", re_word("Journal", "日志"))
        app.find("label", "harbour").mouse()
        app.find("page tab", re_word("Journal", "日志"))
        self.take("unit-mistake")
        display.key("alt+Left")
        app.gone("page tab", re_word("Journal", "日志"))


def crowd(folder):
    """Many rows, long names."""
    must("haulout", "create", "--name", LONG, "-p", "18080-18090:8080-8090", "-p", "15353:53/udp", IMAGES[4][0])
    for name in CROWD:
        must("haulout", "create", "--name", name, IMAGES[2][0])
    for shape, size in SHAPES:
        with Tour(folder, size, shape, LIGHT) as tour:
            tour.app.find("label", LONG)
            tour.take("crowd")
            tour.app.find("label", LONG).mouse()
            tour.app.find("page tab", "Overview")
            tour.take("long")
            tour.display.key("alt+Left")
            tour.app.gone("page tab", "Overview")
            if tour.wide:
                tour.app.find("button", "Select Containers").click()
            else:
                tour.app.find("label", LONG).mouse(button=3)
                tour.app.menu_item("l").click()
            tour.app.find("button", "Select All").click()
            tour.take("selection")
    run("haulout", "rm", "--force", LONG, *CROWD)


def empty(folder):
    """Nothing yet."""
    for shape, size in SHAPES:
        with Tour(folder, size, shape, LIGHT) as tour:
            for number, name in enumerate(("containers", "images", "units", "updates"), 1):
                tour.go(number)
                tour.take(f"empty-{name}")
            for name, key in (("empty-run", "ctrl+n"), ("empty-search", "ctrl+k")):
                tour.display.key(key)
                tour.app.find("dialog")
                tour.dialog(name)


def main():
    folder = Path(sys.argv[1])
    languages = run("locale", "-a").stdout.split()
    empty(folder)
    demonstrate()
    try:
        for shape, size in SHAPES:
            with Tour(folder, size, shape, LIGHT) as tour:
                tour.dialogs()
                tour.pages()
            for name, env in (("-rtl", RIGHT_TO_LEFT), ("-contrast", CONTRAST)):
                if env is RIGHT_TO_LEFT and HEBREW not in languages:
                    continue
                with Tour(folder, size, shape + name, env) as tour:
                    tour.tour()
        with Tour(folder, SHAPES[1][1], "-narrow-zh", {"LC_ALL": "zh_CN.UTF-8"}) as tour:
            tour.tour()
        crowd(folder)
    finally:
        forget()


if __name__ == "__main__":
    main()
