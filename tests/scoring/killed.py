"""Scores in processes that kill themselves (SIGKILL) at some line, and then in one that goes on.

`python killed.py FOLDER REQUEST SHARE...` forks one process after the other from here, where all is imported
already, and prints a line of JSON for each share of a run's lines: whether the process was killed, and how
many rows the next one found scored. FOLDER/version is the model's; REQUEST, JSON, is what is asked for.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import tasks.export.serving  # noqa: F401 - imports MLflow, once for all forks
from tasks.scoring.batch import score_batch
from tasks.scoring.request import Request
from tasks.scoring.served import Served


class Lines:
    """Counts the lines of scoring that are run, in all threads, and ends the process at number `last`."""

    def __init__(self, last: int | None) -> None:
        self.count, self.last, self.lock = 0, last, threading.Lock()

    def trace(self, frame: Any, event: str, _: Any) -> Any:
        """Be the trace function of calls, then of their lines."""
        if event == "call":
            return self.trace if "/tasks/scoring/" in frame.f_code.co_filename else None
        if event == "line":
            with self.lock:
                self.count += 1
                if self.count == self.last:
                    os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


def forked(folder: Path, asked: dict[str, Any], last: int | None = None) -> dict[str, Any] | None:
    """Score in a process of its own; return lines and rows found, or None where it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(write, json.dumps(scored(folder, asked, last)).encode())
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
            traceback.print_exc()
            os._exit(1)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if told:
        found: dict[str, Any] = json.loads(told)
        return found
    if not os.WIFSIGNALED(status):
        raise SystemExit("the process failed")
    return None


def scored(folder: Path, asked: dict[str, Any], last: int | None) -> dict[str, Any]:
    """Score, counting lines."""
    lines = Lines(last)
    threading.settrace(lines.trace)
    sys.settrace(lines.trace)
    request = Request(**asked, folder=folder, state=folder / "state")
    found = score_batch(request, Served("people", "3", folder / "version"), lambda _: None)
    sys.settrace(None)
    return {"lines": lines.count, "resumed": found.resumed}


def main() -> None:
    """Kill and go on, at each share of a whole run's lines."""
    folder, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
    whole = forked(folder, {**asked, "anew": True})
    assert whole is not None
    for share in map(float, sys.argv[3:]):
        to = asked["to"].replace("whole", f"at-{share}")
        here = {**asked, "to": to}
        killed = forked(folder, here, max(1, int(share * whole["lines"]))) is None
        after = forked(folder, here)
        assert after is not None
        print(json.dumps({"to": to, "killed": killed, "resumed": after["resumed"]}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
