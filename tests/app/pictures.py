#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of every page: `pictures.py FOLDER`, with the app and the command line as they are on the PATH.

A small demonstration is made with the real engine (images, containers that log, one that failed), shown wide and
narrow, light and dark, in English and, where the session has the language, in Chinese; then it is removed again.
"""

import importlib.machinery
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from session import ENVIRONMENT, run  # noqa: E402
from window import App, Display  # noqa: E402

# Name, mebibytes that it is larger than busybox, port that it listens on, command.
SERVER = """while :; do
for page in / /notes /notes/tide-tables /assets/style.css; do
printf '192.0.2.%s - - "GET %s HTTP/1.1" \\033[32m200\\033[0m %s\\n' $((RANDOM % 90 + 10)) $page $((RANDOM % 9000)); sleep 0.2
done; printf '192.0.2.7 - - "GET /lighthouse HTTP/1.1" \\033[33m404\\033[0m 153\\n'; sleep 2; done"""
DATABASE = """echo 'database system is ready to accept connections'
while :; do sleep 5; echo 'checkpoint complete: wrote 3 buffers'; done"""
IMAGES = (
    ("docker.io/library/nginx:1.29", 42, 80, SERVER),
    ("docker.io/library/postgres:18", 96, 5432, DATABASE),
    ("docker.io/library/redis:8-alpine", 11, 6379, DATABASE),
    ("quay.io/prometheus/prometheus:v3.5.0", 61, 9090, DATABASE),
    ("registry.gitlab.com/harbour/notes:2.1", 23, 8000, SERVER),
)
CONTAINERS = (
    ("web", 0, ("-p", "8080:80", "-v", "site:/usr/share/site:ro", "-e", "LANG=C.UTF-8")),
    ("database", 1, ("-p", "127.0.0.1:5432:5432", "-v", "tables:/var/lib/tables")),
    ("cache", 2, ()),
    ("metrics", 3, ("-p", "9090:9090")),
    ("notes", 4, ("-p", "8000:8000",)),
)
# Files of units: one that runs, one that others use, one with a slip.
UNITS = {
    "guestbook.container": f"""# What visitors write
[Unit]
Description=The guestbook

[Container]
Image={IMAGES[4][0]}
PublishPort=8090:8000
Volume=pages.volume:/var/lib/pages
AutoUpdate=registry

[Install]
WantedBy=default.target
""",
    "pages.volume": "[Volume]\n",
    "harbour.container": f"""[Unit]
Description=Page of the harbour

[Container]
Image={IMAGES[0][0]}
PublishPorts=8070:80
""",
    "tides.container": """[Unit]
Description=Tide tables

[Container]
Image=localhost/tides:1
AutoUpdate=local
""",
    "mail@.container": f"[Container]\nImage={IMAGES[2][0]}\n",
}
CONFIG = Path(ENVIRONMENT.get("XDG_CONFIG_HOME") or Path.home() / ".config")
CHOICE = CONFIG / "haulout/config.toml"
STYLES = (("", "prefer-light"), ("-dark", "prefer-dark"))
SHAPES = (("", (1000, 640)), ("-narrow", (360, 640)))


def root_filesystem(extra, script):
    """The tar of busybox's files, the program `serve`, and a file that makes it larger."""
    path = str(Path(__file__).resolve().parent.parent / "host/image")
    loader = importlib.machinery.SourceFileLoader("image", path)
    image = importlib.util.module_from_spec(importlib.util.spec_from_loader("image", loader))
    loader.exec_module(image)
    tar = image.busybox_layer()
    out = io.BytesIO(tar if isinstance(tar, bytes) else tar.getvalue())
    with tarfile.open(fileobj=out, mode="a") as archive:
        info = tarfile.TarInfo("usr/bin/filler")
        info.size = extra << 20
        archive.addfile(info, io.BytesIO(bytes(info.size)))
        program = f"#!/bin/sh\n{script}\n".encode()
        info = tarfile.TarInfo("usr/bin/serve")
        info.size, info.mode = len(program), 0o755
        archive.addfile(info, io.BytesIO(program))
    return out.getvalue()


def must(*command, **options):
    done = run(*command, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done


def demonstrate():
    print("    making the demonstration", flush=True)
    for name, extra, port, command in IMAGES:
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            file.write(root_filesystem(extra, command))
            file.flush()
            changes = ['CMD ["serve"]', f"EXPOSE {port}", "ENV LANG=C.UTF-8"]
            must("haulout", "import", *(word for change in changes for word in ("-c", change)), file.name, name)
    for name, image, options in CONTAINERS:
        must("haulout", "run", "-d", "--name", name, "--hostname", name, *options, IMAGES[image][0])
    run("haulout", "run", "--name", "backup", IMAGES[1][0], "true")
    run("haulout", "run", "--name", "migrate", IMAGES[1][0], "sh", "-c", "echo 'no such table: tides' >&2; exit 3")
    must("haulout", "create", "--name", "tomorrow", IMAGES[4][0])
    CHOICE.parent.mkdir(parents=True, exist_ok=True)
    CHOICE.write_text('quadlet = "haulout"\n')
    for name, text in UNITS.items():
        path = CONFIG / "containers/systemd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    run("haulout", "quadlet", "sync")
    must("haulout", "tag", IMAGES[0][0], "localhost/tides:1")
    must("systemctl", "--user", "start", "guestbook.service", "tides.service")
    # Built anew: there is something to do.
    must("haulout", "tag", IMAGES[4][0], "localhost/tides:1")
    must("haulout", "auto-update", "hold", "guestbook.service")
    # Long enough for some lines of log.
    time.sleep(4)


def forget():
    run("haulout", "auto-update", "release", "guestbook.service")
    run("systemctl", "--user", "stop", "guestbook.service", "tides.service", "pages-volume.service")
    for name in UNITS:
        (CONFIG / "containers/systemd" / name).unlink(missing_ok=True)
    run("haulout", "quadlet", "sync")
    CHOICE.unlink(missing_ok=True)
    run("haulout", "volume", "rm", "--force", "systemd-pages")
    names = [name for name, _, _ in CONTAINERS] + ["backup", "migrate", "tomorrow"]
    run("haulout", "rm", "--force", "--time", "0", *names)
    run("haulout", "rmi", "--force", "localhost/tides:1", *(name for name, _, _, _ in IMAGES))


class Camera:
    """The app in one size and style."""

    def __init__(self, folder, size, suffix, env):
        self.folder, self.size, self.suffix, self.env = folder, size, suffix, env
        self.wide = size[0] > 720

    def __enter__(self):
        self.config = Path(tempfile.mkdtemp())
        width, height = self.size
        for path, text in (
            ("gtk-4.0/settings.ini", "[Settings]\ngtk-decoration-layout=appmenu:close\n"),
            ("glib-2.0/settings/keyfile", f"[org/haulout/Haulout]\nwindow-width={width}\nwindow-height={height}\n"),
        ):
            (self.config / path).parent.mkdir(parents=True)
            (self.config / path).write_text(text)
        for theirs in ("containers", "haulout", "systemd"):
            if (CONFIG / theirs).is_dir():
                shutil.copytree(CONFIG / theirs, self.config / theirs, symlinks=True)
        # Larger than the window, so that it has the size it was given.
        self.display = Display(width + 200, height + 200).__enter__()
        env = self.env | {"XDG_CONFIG_HOME": str(self.config), "GSETTINGS_BACKEND": "keyfile"}
        self.app = App(self.display, env=env).__enter__()
        return self

    def __exit__(self, *error):
        self.app.__exit__(*error)
        self.display.__exit__(*error)
        shutil.rmtree(self.config, ignore_errors=True)

    def back(self):
        """Leaves the page: to where one came from, as people read."""
        self.display.key("alt+Right" if self.env.get("LC_ALL", "").startswith("he") else "alt+Left")

    def take(self, name):
        time.sleep(0.8)  # Until what moves has come to rest.
        path = self.folder / f"{name}{self.suffix}.png"
        window = self.display.run("xdotool", "search", "--onlyvisible", "--pid", str(self.app.pid)).split()[0]
        # The border that an X server without compositing gets is nobody's wish; 128 colours are enough.
        self.display.run("convert", f"x:{window}", "-shave", "5x5", "+dither", "-colors", "128", f"png8:{path}")
        print(f"    {path.name}", flush=True)

    def tour(self):
        app, display = self.app, self.display
        app.find("label", "web")
        self.take("containers")
        app.find("label", "web").mouse()
        app.find("page tab", re_word("Overview", "概览"))
        self.take("overview")
        app.find("page tab", re_word("Logs", "日志")).click()
        app.find("text", re_word("Log", "日志")).wait_for("GET")
        self.take("logs")
        app.find("page tab", re_word("Terminal", "终端")).click()
        terminal = app.find("terminal")
        terminal.wait_for("#")
        terminal.mouse()
        display.type("cat /etc/hosts; id\n")
        terminal.wait_for("uid=0")
        self.take("terminal")
        app.find("list item", re_word("Images", "镜像")).click() if self.wide else display.key("alt+2")
        app.find("label", "postgres")
        self.take("images")
        app.find("list item", re_word("Units", "单元")).click() if self.wide else display.key("alt+3")
        app.find("label", "guestbook")
        self.take("units")
        app.find("label", "harbour").mouse()
        app.find("page tab", re_word("Unit", "单元")).click()
        app.find("page tab", re_word("Form", "表单")).click()
        app.find("text", re_word("Image", "镜像")).wait_for("nginx")
        self.take("form")
        app.find("page tab", re_word("Text", "文本")).click()
        app.find("text", re_word("Unit", "单元")).wait_for("PublishPorts")
        app.find("toggle button", re_word("Show the Service", "显示服务")).click() if self.wide else None
        self.take("unit")
        app.find("list item", re_word("Updates", "更新")).click() if self.wide else display.key("alt+4")
        app.find("label", "tides")
        self.take("updates")
        app.find("label", "tides").mouse()
        app.find("label", re_word("What Happens", "将会发生什么"))
        self.take("update")
        display.key("ctrl+n")
        dialog = app.find("dialog")
        dialog.find("text", re_word("Image", "镜像")).fill(IMAGES[0][0])
        dialog.find("text", re_word("Name (optional)", "名称（可选）")).fill("shop")
        dialog.find("button", re_word("Add Port", "添加端口(P)")).click()
        self.take("run")
        display.key("Escape")
        app.gone("dialog")
        display.key("alt+1")
        # A page keeps what was opened in it.
        self.back()
        app.find("label", "cache").mouse(button=3)
        app.menu_item("m").click()
        dialog = app.find("dialog")
        dialog.find("text", re_word("Unit", "单元")).wait_for("ContainerName=")
        self.take("make-unit")
        display.key("Escape")
        app.gone("dialog")
        display.key("ctrl+k")
        app.find("dialog")
        self.take("search")


def re_word(*words):
    """Any of the words, in whatever language the app speaks."""
    import re

    return re.compile("^(" + "|".join(map(re.escape, words)) + ")$")


def main():
    folder = Path(sys.argv[1])
    demonstrate()
    try:
        for shape, size in SHAPES:
            for style, scheme in STYLES:
                with Camera(folder, size, shape + style, {"ADW_DEBUG_COLOR_SCHEME": scheme}) as camera:
                    camera.tour()
        locales = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=True).stdout.split()
        if "zh_CN.utf8" in locales:
            with Camera(folder, SHAPES[0][1], "-zh", {"LANG": "zh_CN.UTF-8", "LC_ALL": "zh_CN.UTF-8"}) as camera:
                camera.tour()
    finally:
        forget()


if __name__ == "__main__":
    main()
