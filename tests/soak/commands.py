"""`espalier` commands in forks of one process that has everything imported, and their violent ends.

A fork begins its work at once, so that kills fall into the work and not into seconds of imports.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["Commands", "Ended", "answer_of", "import_all"]

PATIENCE = 900.0
STAGES = ("fetch", "clean", "train", "reduce", "prune", "evaluate", "measure")
MODULES = (
    "dvc.cli",
    "dvc.repo",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "sklearn.decomposition",
    "torch",
    "flows.cli",
    "flows.compress",
    "flows.predict",
    "flows.predict_command",
    "flows.promote",
    "flows.promote_command",
    "flows.run",
    "tasks.pipeline",
    "tasks.promotion.desk",
    "tasks.scoring.batch",
    *(
        f"tasks.stages.{stage}"
        for stage in ("fetch", "clean", "train", "reduce", "prune", "evaluate", "measure")
    ),
    "tasks.tracking.record",
)
TRACED = (
    "/tasks/promotion/",
    "/tasks/tracking/",
    "/tasks/versioning/",
    "/tasks/scoring/",
    "/tasks/registry.py",
)
"""Code whose lines are counted, where a kill comes at a line and not at a moment."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, None where it was killed; what it said; how long it took."""

    code: int | None
    out: str
    err: str
    seconds: float
    lines: int


class Commands:
    """Runs commands of one workspace, one at a time.

    Parameters
    ----------
    root : Path
        Workspace; this process stands in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._count = mmap.mmap(-1, 8)

    def run(self, words: Sequence[str]) -> Ended:
        """Run a command to its end."""
        return self._ended(words, None, None)

    def killed_at(self, words: Sequence[str], seconds: float) -> Ended:
        """Run a command and kill it (SIGKILL) after so many seconds, unless it has ended before."""
        return self._ended(words, seconds, None)

    def killed_by_line(self, words: Sequence[str], line: int | None) -> Ended:
        """Run a command and kill it at the so-manieth line of `TRACED` code; None: count them only."""
        return self._ended(words, None, line if line is not None else sys.maxsize)

    def _ended(self, words: Sequence[str], seconds: float | None, line: int | None) -> Ended:
        self._count[:] = struct.pack("q", 0)
        began = time.monotonic()
        out, err = self.root / ".soak.out", self.root / ".soak.err"
        child = os.fork()
        if not child:
            self._be(words, out, err, line)
        code = _waited(child, PATIENCE if seconds is None else seconds)
        taken = time.monotonic() - began
        (lines,) = struct.unpack("q", self._count[:])
        return Ended(code, out.read_text(), err.read_text(), taken, lines)

    def _be(self, words: Sequence[str], out: Path, err: Path, line: int | None) -> None:
        """Become the command."""
        for stream, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), stream)
        try:
            if line is not None:
                self._count_lines(line)
            from flows.cli import main

            sys.argv = ["espalier", *words]
            main()
            os._exit(0)
        except SystemExit as ended:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ended.code if isinstance(ended.code, int) else 1)
        except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    def _count_lines(self, last: int) -> None:
        lock, count = threading.Lock(), self._count

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            if event == "call":
                return trace if any(part in frame.f_code.co_filename for part in TRACED) else None
            if event == "line":
                with lock:
                    (number,) = struct.unpack("q", count[:])
                    count[:] = struct.pack("q", number + 1)
                    if number + 1 == last:
                        os.kill(os.getpid(), signal.SIGKILL)
            return trace

        threading.settrace(trace)
        sys.settrace(trace)


def _waited(child: int, seconds: float) -> int | None:
    """Wait for a fork; kill it when its time is up. Its exit code; None where it was killed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def answer_of(call: Callable[[], Any]) -> Any:
    """Return what a call answers (JSON) in a fork, so that this process stays as it was: free of threads.

    Raises
    ------
    RuntimeError
        When the call failed.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            with os.fdopen(write, "w") as pipe:
                json.dump(call(), pipe)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
            traceback.print_exc()
            os._exit(1)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError("looking at the workspace failed")
    return json.loads(text)


def import_all() -> None:
    """Import what the commands need; nothing of it may start a thread."""
    for name in MODULES:
        importlib.import_module(name)
    assert threading.active_count() == 1, threading.enumerate()
