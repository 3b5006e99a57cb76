"""Answered requests, handed to a process in which a version in the shadow answers them too.

The server never waits for it: what does not fit into the queue is dropped and counted, and a process that
dies is started again after a while.
"""

from __future__ import annotations

import json
import logging
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tasks.serving.answering import Answering

__all__ = ["Beside", "Item"]

_log = logging.getLogger("espalier.serving")
MOST_HELD = 64_000_000
AGAIN_SECONDS = 60.0
GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class Item:
    """A request and its answer.

    Attributes
    ----------
    version : str
        The one that answered.
    folder : str
        Its files.
    kind : str
        Media type of the body.
    body, answer : bytes
    """

    version: str
    folder: str
    kind: str
    body: bytes
    answer: bytes

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.body) + len(self.answer)

    def packed(self, dropped: int) -> bytes:
        """Return a line of JSON that says how long body and answer are, and both."""
        head = {"version": self.version, "folder": self.folder, "kind": self.kind, "dropped": dropped}
        head |= {"body": len(self.body), "answer": len(self.answer)}
        return json.dumps(head).encode() + b"\n" + self.body + self.answer


class Beside(threading.Thread):
    """Hands over requests, one after the other.

    Parameters
    ----------
    start : callable
        Starts the process, which reads from its standard input.
    most : int
        Bytes that wait at most.
    pause : float
        Seconds before a process that has ended is followed by another.
    """

    def __init__(
        self,
        start: Callable[[], subprocess.Popen[bytes]],
        most: int = MOST_HELD,
        pause: float = AGAIN_SECONDS,
    ) -> None:
        super().__init__(name="beside", daemon=True)
        self._start, self._most = start, most
        self._waiting: deque[Item] = deque()
        self._changed, self._held, self._ended = threading.Condition(), 0, False
        self._process: subprocess.Popen[bytes] | None = None
        self._pause, self._not_before, self._told, self._tell_at = pause, 0.0, 0, 0.0
        self.dropped = 0

    def offer(self, answering: Answering, kind: str, body: bytes, answer: bytes) -> None:
        """Take a request if there is room; count it where there is none."""
        item = Item(answering.version, str(answering.folder), kind, body, answer)
        with self._changed:
            if self._held + item.size > self._most:
                self.dropped += 1
                return
            self._held += item.size
            self._waiting.append(item)
            self._changed.notify()

    def state(self) -> dict[str, Any]:
        """Return how many requests wait, and how many were dropped."""
        return {"waiting": len(self._waiting), "dropped": self.dropped}

    def end(self) -> None:
        """Hand over no more; let the process write what it has, for a while."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self.join(GRACE_SECONDS)
        process = self._process
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            process.kill()
            process.wait()

    def run(self) -> None:
        """Hand over until ended."""
        self._running()
        while (item := self._next()) is not None:
            self._hand_over(item)
            self._tell()
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _next(self) -> Item | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._ended:
                return None
            item = self._waiting.popleft()
            self._held -= item.size
            return item

    def _hand_over(self, item: Item) -> None:
        process = self._running()
        if process is None or process.stdin is None:
            self.dropped += 1
            return
        try:
            process.stdin.write(item.packed(self.dropped))
            process.stdin.flush()
        except OSError:
            self.dropped += 1
            self._lost(process)

    def _running(self) -> subprocess.Popen[bytes] | None:
        if self._process is None and time.monotonic() >= self._not_before:
            self._process = self._start()
        elif self._process is not None and self._process.poll() is not None:
            self._lost(self._process)
        return self._process

    def _lost(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._not_before = None, time.monotonic() + self._pause
        _log.warning(
            "the process of the version in the shadow ended with %s; another is started in %.0f s",
            process.wait(),
            self._pause,
        )

    def _tell(self) -> None:
        """Say how many requests were dropped, once a minute at most."""
        if self.dropped > self._told and time.monotonic() > self._tell_at:
            _log.warning("%d requests were not put to the version in the shadow", self.dropped - self._told)
            self._told, self._tell_at = self.dropped, time.monotonic() + AGAIN_SECONDS
