# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What many operations at once came to, and whether that can have been: whatever came before what, there has to be one order.

Of two operations that overlap in time, either may have been first; of two that do not, the one that ended earlier.
"""

import collections
import json
import re

# Statuses as Podman has them: the container's own, and those of who kills it.
KILLED = (137, 143, 7)


class History:
    """Operations, in whatever order, and the lines of the events that they left."""

    def __init__(self, operations, events):
        self.operations = sorted(operations, key=lambda operation: operation.begun)
        self.events = [json.loads(line) for line in events]

    def inconsistencies(self):
        """In words, each: nothing when all is well."""
        return [
            *self.unexpected(), *self.late(), *self.wrong_outputs(), *self.shared_names(), *self.lost_containers(),
            *self.ends(),
        ]

    def done(self, *verbs):
        """The operations of these verbs that succeeded."""
        return [operation for operation in self.operations if operation.verb in verbs and operation.succeeded()]

    def unexpected(self):
        """Operations that failed for another reason than that others were quicker."""
        for operation in self.operations:
            if operation.succeeded() or operation.status in operation.statuses:
                continue
            if not any(re.search(excuse, operation.stderr) for excuse in operation.excuses):
                yield f"failed unexpectedly: {operation}"

    def late(self):
        """Operations that waited for something that did not come."""
        for operation in self.operations:
            if operation.ended - operation.begun > operation.patience:
                yield f"took too long: {operation}"

    def wrong_outputs(self):
        """What ran says what it says when it runs alone."""
        for operation in self.operations:
            if operation.verb == "exec" and operation.succeeded() and operation.stdout != "inside\n":
                yield f"ran, and said something else: {operation}"
            if operation.verb == "run" and operation.status == 3 and operation.stdout != "ran\n":
                yield f"ran, and said something else: {operation}"
            if operation.verb == "wait" and operation.succeeded() and int(operation.stdout) not in (0, 3, -1, 127, *KILLED):
                yield f"no container ends so: {operation}"

    def shared_names(self):
        """A name is one container's at a time, in every list that was printed."""
        for operation in self.done("ps"):
            names = [line.split()[1] for line in operation.stdout.splitlines()]
            if len(names) != len(set(names)):
                yield f"two containers of one name: {operation}"

    def lost_containers(self):
        """A container whose creation was acknowledged is listed until it is removed, and not afterwards."""
        created, removed = {}, {}
        for operation in self.done("create", "run"):
            if "--rm" not in operation.words:
                created[operation.stdout.split()[-1]] = operation
        for event in self.of_containers("remove"):
            if event["id"] in removed:
                yield f"removed twice: {event}"
            # Said when it has been.
            removed[event["id"]] = event["time"] / 1e9
        for listing in self.done("ps"):
            listed = {line.split()[0] for line in listing.stdout.splitlines()}
            for container, creation in created.items():
                if creation.ended < listing.begun and container not in listed and container not in removed:
                    yield f"not listed, and nobody removed it: {creation}\nand then\n{listing}"
            for container in listed:
                if removed.get(container, listing.begun) < listing.begun:
                    yield f"listed after it was removed: {container} in {listing}"

    def ends(self):
        """What starts ends once, and nothing ends that has not started."""
        runs = collections.defaultdict(list)
        for event in self.of_containers("start", "died"):
            runs[event["id"]].append(event["action"])
        for container, actions in runs.items():
            # All were ended before the end.
            if actions != ["start", "died"] * (len(actions) // 2):
                yield f"container {container} has these starts and ends: {actions}"

    def of_containers(self, *actions):
        return [event for event in self.events if event["kind"] == "container" and event["action"] in actions]
