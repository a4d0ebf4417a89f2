#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Haulout's main job, by clicking: pull an image, run a container, read its log, open a terminal in it, stop, remove.

`main_job.py FOLDER` does it in the app as it is on the PATH, and leaves a picture of each step in the folder. It looks for what
stays, not for what is shown for five seconds: a busy machine reads the window more slowly than that.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from session import BUSYBOX, run as run_command  # noqa: E402
from window import App, Display  # noqa: E402

NAME = "lighthouse"
COMMAND = "sh -c 'echo the light is on; sleep 1000'"


def pull(app, picture, image=BUSYBOX):
    app.find("list item", "Images").click()
    app.find("button", "Pull an Image…").click()
    dialog = app.find("dialog", "Pull an Image")
    dialog.find("text", "Image").fill(image)
    picture("pull")
    dialog.find("button", "Pull").click()
    app.gone("dialog", "Pull an Image", 60)
    app.find("button", f"Run a Container from {image.rpartition(':')[0]}")
    picture("images")


def run(app, picture, image=BUSYBOX, name=NAME, command=COMMAND):
    app.find("list item", "Images").click()
    app.find("button", f"Run a Container from {image.rpartition(':')[0]}").click()
    dialog = app.find("dialog", "Run a Container")
    dialog.find("text", "Name (optional)").fill(name)
    dialog.find("text", "Command (optional)").fill(command)
    picture("run")
    dialog.find("button", "Run").click()
    app.gone("dialog", "Run a Container")
    app.find("label", name)
    app.find("label", "Running")
    picture("overview")


def read_log(app, picture, words="the light is on"):
    app.find("page tab", "Logs").click()
    app.find("text", "Log").wait_for(words)
    picture("logs")


def use_terminal(app, picture):
    app.find("page tab", "Terminal").click()
    terminal = app.find("terminal", "Terminal")
    terminal.wait_for("# ")
    terminal.mouse()
    app.display.type("echo $((6 * 7)) is the answer; hostname\n")
    terminal.wait_for("42 is the answer")
    picture("terminal")


def stop(app, picture, name=NAME):
    app.find("button", "Stop").click()
    app.find("button", "Start")
    picture("stopped")


def remove(app, picture, name=NAME):
    app.find("button", "More Actions").find("toggle button").click()
    app.menu_item("r").click()
    question = app.find("alert", f"Remove “{name}”?")
    picture("remove")
    question.find("button", "Remove").click()
    app.gone("label", name)
    picture("removed")


def main():
    folder = Path(sys.argv[1])
    # One who was interrupted before left it behind.
    run_command("haulout", "rm", "--force", "--time", "0", "--ignore", NAME)
    taken = 0
    with Display(1000, 680) as display, App(display) as app:

        def picture(name):
            nonlocal taken
            taken += 1
            display.picture(folder / f"{taken}-{name}.png")
            print(f"    {name}", flush=True)

        for step in (pull, run, read_log, use_terminal, stop, remove):
            print(f"{step.__name__.replace('_', ' ')}:", flush=True)
            step(app, picture)


if __name__ == "__main__":
    main()
