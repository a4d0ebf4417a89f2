# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Random operations on few names, each with what it may say when others do the same at the same time."""

import random
from dataclasses import dataclass
from pathlib import Path

from session import BUSYBOX

# None of them is the beginning of an id.
NAMES = ["one", "two", "three", "four"]
# Of containers that remove themselves when they end.
BRIEF = ["x", "y"]
IMAGES = ["localhost/r0:latest", "localhost/r1:latest", "localhost/r2:latest", BUSYBOX]
REMOTE = ["localhost:5000/random0:latest", "localhost:5000/random1:latest"]
VOLUMES = ["v0", "v1"]
SECRETS = ["s0", "s1"]

FOR_EVER = float("inf")

NO_CONTAINER = r"no such (container|object)|container \S+ does not exist"
IMPROPER = r"container state improper"
# Images of a file tree have no programs.
NO_PROGRAM = r"executable file .* not found in \$PATH"
NAME_TAKEN = r"the container name .* is already in use"
NO_IMAGE = r"image not known|manifest unknown"
IMAGE_USED = r"image used by"
NO_VOLUME = r"no such volume"
VOLUME_USED = r"volume is being used"
VOLUME_THERE = r"volume already exists"
NO_SECRET = r"no such secret"
SECRET_USED = r"secret name in use"


@dataclass
class Operation:
    """One call of haulout, and what became of it. Times are seconds since 1970."""

    words: list
    # Regular expressions: what it may say when it fails.
    excuses: list
    # Exit statuses of what runs inside, which are no failure.
    statuses: tuple = ()
    stdin: str = ""
    # Seconds that it may take at most: more than ten, which rmi --force and who waits for it give a container to end in, and less
    # than the twenty and thirty after which we and systemd give up on what does not come.
    patience: float = 18
    begun: float = 0
    ended: float = 0
    status: int = -1
    stdout: str = ""
    stderr: str = ""

    @property
    def verb(self):
        return " ".join(self.words[:2]) if self.words[0] in ("volume", "secret") else self.words[0]

    def succeeded(self):
        return self.status == 0

    def __str__(self):
        words, said = " ".join(map(str, self.words)), (self.stdout[:300] + self.stderr[:900]).rstrip()
        times = f"{self.begun % 10000:8.3f} … {self.ended % 10000:8.3f}"
        return f"{times} s, status {self.status}: haulout {words}\n    " + said.replace("\n", "\n    ")


class Chooser:
    """Thinks of operations, one after another. What it saves it keeps in a folder of its own, and loads from there."""

    def __init__(self, seed, folder: Path):
        self.random = random.Random(seed)
        self.folder = folder
        self.archives = []
        self.number = 0
        (folder / "file").write_text("from the host\n")

    def next(self):
        kinds = {self.of_containers: 60, self.of_files: 12, self.of_images: 18, self.of_volumes: 6, self.of_secrets: 4}
        operations = self.random.choices(list(kinds), list(kinds.values()))[0]()
        weights = [weight for weight, _, _ in operations]
        _, words, more = self.random.choices(operations, weights)[0]
        more = {"statuses": more} if isinstance(more, tuple) else more if isinstance(more, dict) else {"excuses": more}
        return Operation([str(word) for word in words], **({"excuses": []} | more))

    def one(self, things):
        return self.random.choice(things)

    def new_file(self, suffix):
        self.number += 1
        return self.folder / f"{self.number}.{suffix}"

    def made(self, command=None):
        """What a new container has: its options, its image and command."""
        options = ["--network", self.random.choices(["none", "pasta"], [6, 1])[0]]
        if self.random.random() < 0.2:
            options += ["--volume", f"{self.one(VOLUMES)}:/v"]
        if self.random.random() < 0.1:
            options += ["--secret", self.one(SECRETS)]
        image = self.random.choices(IMAGES, [1, 1, 1, 9])[0]
        commands = [["sleep", "100000"], ["sleep", "0.3"], ["true"], ["sh", "-c", "trap 'exit 7' TERM; sleep 1 & wait"]]
        return [*options, "--pull", "never", image, *(command or self.one(commands))]

    def of_containers(self):
        name, other, brief = self.one(NAMES), self.one(NAMES), self.one(BRIEF)
        may_not_be_made = [NO_IMAGE, NAME_TAKEN, NO_SECRET, NO_PROGRAM]
        may_be_gone, killed = [NO_CONTAINER, IMPROPER], (143, 137, 7)
        return [
            (5, ["create", "--name", name, *self.made()], may_not_be_made),
            (8, ["run", "--detach", "--name", name, *self.made()], [*may_not_be_made, *may_be_gone]),
            (6, ["run", "--rm", "--name", brief, *self.made(["sh", "-c", "echo ran; exit 3"])],
                {"excuses": [*may_not_be_made, *may_be_gone], "statuses": (3, *killed)}),
            (2, ["run", "--detach", "--rm", "--name", brief, *self.made()], [*may_not_be_made, *may_be_gone]),
            (5, ["start", name], [*may_be_gone, NO_PROGRAM]),
            (2, ["start", "--attach", name], {"excuses": [*may_be_gone, NO_PROGRAM], "statuses": killed, "patience": FOR_EVER}),
            (4, ["stop", "--time", self.one([0, 1]), self.one([*NAMES, *BRIEF])], may_be_gone),
            (4, ["kill", "--signal", self.one(["KILL", "TERM"]), self.one([*NAMES, *BRIEF])], may_be_gone),
            (2, ["restart", "--time", "0", name], [*may_be_gone, NO_PROGRAM]),
            (3, ["pause", name], may_be_gone),
            (3, ["unpause", name], may_be_gone),
            (6, ["exec", name, "echo", "inside"], {"excuses": may_be_gone, "statuses": killed}),
            (3, ["rename", name, other], [*may_be_gone, NAME_TAKEN]),
            (3, ["rm", name], may_be_gone),
            (6, ["rm", "--force", "--time", "0", self.one([*NAMES, *BRIEF])], may_be_gone),
            (1, ["rm", "--all", "--force", "--time", "0"], []),
            (1, ["container", "prune", "--force"], []),
            (3, ["ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"], []),
            (3, ["container", "inspect", "--format", "{{.Id}} {{.Name}}", name], may_be_gone),
            (2, ["wait", name], {"excuses": may_be_gone, "patience": FOR_EVER}),
            (1, ["top", name], [*may_be_gone, "only be used on running containers"]),
            (1, ["logs", name], may_be_gone),
            (1, ["stats", "--no-stream", name], may_be_gone),
        ]

    def of_files(self):
        name, gone = self.one(NAMES), [NO_CONTAINER, IMPROPER]
        return [
            (3, ["cp", self.folder / "file", f"{name}:/etc/file"], gone),
            (2, ["cp", f"{name}:/etc/passwd", self.new_file("passwd")], [*gone, "could not be found"]),
            (2, ["cp", f"{name}:/etc/passwd", f"{self.one(NAMES)}:/etc/file"], [*gone, "could not be found"]),
            (2, ["export", "--output", self.new_file("tar"), name], gone),
            (1, ["diff", name], [*gone, "layer not known"]),
            (4, ["commit", "--quiet", name, self.one(IMAGES[:3])], gone),
        ]

    def of_images(self):
        image, other, remote = self.one(IMAGES), self.one(IMAGES[:3]), self.one(REMOTE)
        archive = self.new_file("archive")
        operations = [
            (3, ["pull", "--quiet", BUSYBOX], []),
            (1, ["pull", "--quiet", remote], [NO_IMAGE]),
            (2, ["push", "--quiet", image, remote], [NO_IMAGE]),
            (3, ["tag", image, other], [NO_IMAGE]),
            (1, ["untag", other], [NO_IMAGE]),
            (3, ["rmi", other], [NO_IMAGE, IMAGE_USED]),
            (1, ["rmi", BUSYBOX], [NO_IMAGE, IMAGE_USED]),
            (1, ["rmi", "--force", other], [NO_IMAGE]),
            (1, ["image", "prune", "--all", "--force"], []),
            (2, ["save", "--quiet", "--output", archive, image], [NO_IMAGE]),
            (1, ["save", "--quiet", "--format", "oci-archive", "--output", archive, image], [NO_IMAGE]),
            (2, ["import", "--quiet", self.folder.parent / "tree.tar", other], []),
            (2, ["images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"], []),
            (1, ["history", "--quiet", image], [NO_IMAGE]),
            (1, ["system", "df"], []),
        ]
        if self.archives:
            operations.append((3, ["load", "--quiet", "--input", self.one(self.archives)], []))
        return operations

    def of_volumes(self):
        volume = self.one(VOLUMES)
        return [
            (3, ["volume", "create", volume], [VOLUME_THERE]),
            (3, ["volume", "rm", volume], [NO_VOLUME, VOLUME_USED]),
            (1, ["volume", "rm", "--force", "--time", "0", volume], [NO_VOLUME]),
            (1, ["volume", "prune", "--force"], []),
            (2, ["volume", "export", "--output", self.new_file("tar"), volume], [NO_VOLUME]),
            (2, ["volume", "import", volume, self.folder.parent / "tree.tar"], [NO_VOLUME]),
            (1, ["volume", "ls", "--quiet"], []),
        ]

    def of_secrets(self):
        secret = self.one(SECRETS)
        return [
            (3, ["secret", "create", secret, "-"], {"excuses": [SECRET_USED], "stdin": "hush"}),
            (2, ["secret", "rm", secret], [NO_SECRET]),
            (1, ["secret", "ls", "--quiet"], []),
        ]
