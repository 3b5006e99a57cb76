"""A process that computes trials and is killed at its own n-th change of the file system.

    python interrupted.py WORKSPACE STEP... -- OVERRIDES...

imports once, then lets one child after the other try, each killed (SIGKILL) STEP changes after its start, and
a last one that is not; each OVERRIDES is a JSON object. Prints JSON lines: each node that is computed, and
after each child what is there.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from pathlib import Path

from tasks.study.store import Store
from tasks.study.trial import run_trial

CHANGES = {"os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir"}


def killed_after(changes):
    left = changes

    def hook(event, _arguments):
        nonlocal left
        if event in CHANGES:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


class Noted(logging.Handler):
    """Writes the key of each computed node at once: the process may not live long."""

    def emit(self, record):
        if record.name == "espalier.study":
            os.write(1, json.dumps({"computed": record.args[1]}).encode() + b"\n")


def attempt(root, trials, changes):
    child = os.fork()
    if child:
        return os.WTERMSIG(os.waitpid(child, 0)[1])
    logging.getLogger("espalier.study").setLevel(logging.INFO)
    logging.getLogger("espalier.study").addHandler(Noted())
    if changes:
        sys.addaudithook(killed_after(changes))
    for overrides in trials:
        run_trial(root, overrides, 0)
    os._exit(0)


def main():
    place = sys.argv.index("--")
    root, trials = Path(sys.argv[1]), [json.loads(text) for text in sys.argv[place + 1 :]]
    for changes in [*map(int, sys.argv[2:place]), 0]:
        ended = attempt(root, trials, changes)
        there = sorted(path.name for path in (Store(root).folder / "nodes").glob("*") if path.name[0] != ".")
        trials_there = [trial["key"] for trial in Store(root).trials()]
        line = {"killed": ended == signal.SIGKILL, "nodes": there, "trials": trials_there}
        os.write(1, json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    main()
