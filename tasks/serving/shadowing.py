"""The process of the version in the shadow: it answers requests that were answered, and compares.

`python -m tasks.serving.shadowing FOLDER MODEL ALIAS` reads requests from its standard input until that ends:
with the server, however it ends.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from tasks.errors import EspalierError
from tasks.scoring.served import Served
from tasks.serving.beside import Item
from tasks.serving.book import Book

__all__ = ["Current", "main", "received", "shadow"]

_log = logging.getLogger("espalier.serving")
READ_AHEAD = 16
LOOK_SECONDS = 2.0
WRITE_SECONDS = 30.0
MOST_ROWS = 50_000
"""Rows that wait at most before they are written."""

Received = tuple[Item, int]


def received(stream: IO[bytes]) -> Received | None:
    """Return the next request, and how many were dropped so far; None at the end."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    head = json.loads(line)
    body, answer = stream.read(head["body"]), stream.read(head["answer"])
    if len(answer) < head["answer"]:
        return None
    return Item(head["version"], head["folder"], head["kind"], body, answer), int(head["dropped"])


def shadow(
    stream: IO[bytes],
    root: Path,
    model: Callable[[], Served | None],
    record: Callable[[], object],
    pause: float = WRITE_SECONDS,
) -> None:
    """Answer what comes until the stream ends.

    Parameters
    ----------
    stream : binary file
    root : Path
        Workspace.
    model : callable
        Returns the version that is in the shadow now; None where there is none.
    record : callable
        Brings what was written into MLflow.
    pause : float
        Seconds between two writings.
    """
    coming: queue.Queue[Received | None] = queue.Queue(READ_AHEAD)
    threading.Thread(target=_read, args=(stream, coming), daemon=True).start()
    book, dropped, due = None, 0, time.monotonic() + pause
    while True:
        try:
            got = coming.get(timeout=max(due - time.monotonic(), 0.0))
        except queue.Empty:
            _write(book, dropped, record)
            due = time.monotonic() + pause
            continue
        if got is None:
            _write(book, dropped, record)
            return
        item, dropped = got
        book = _opened(book, root, item, model(), dropped, record)
        if book is not None:
            book.add(item)
        if (book and book.waiting > MOST_ROWS) or time.monotonic() > due:
            _write(book, dropped, record)
            due = time.monotonic() + pause


def _read(stream: IO[bytes], coming: queue.Queue[Received | None]) -> None:
    while (got := received(stream)) is not None:
        coming.put(got)
    coming.put(None)


def _opened(
    book: Book | None,
    root: Path,
    item: Item,
    model: Served | None,
    dropped: int,
    record: Callable[[], object],
) -> Book | None:
    """Return the book for these two versions and this day."""
    key = (item.version, model.version) if model else None
    if book is not None and book.key == key and book.day == datetime.now(UTC).date():
        return book
    _write(book, dropped, record)
    if model is None or item.version == model.version:
        return None
    return Book(root, item.version, item.folder, model)


def _write(book: Book | None, dropped: int, record: Callable[[], object]) -> None:
    if book is None or not book.write(dropped):
        return
    try:
        record()
    except EspalierError as error:
        _log.warning("%s", error)


class Current:
    """The version that an alias names, loaded anew when it names another.

    Parameters
    ----------
    root : Path
    name, alias : str
    """

    def __init__(self, root: Path, name: str, alias: str) -> None:
        self._root, self._name, self._alias = root, name, alias
        self._model: Served | None = None
        self._look_at, self._trouble = 0.0, ""

    def __call__(self) -> Served | None:
        """Return it; None where nobody has the alias, or it does not load."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - whatever stored code does, the next version may load
                self._tell((str(error).strip() or type(error).__name__).splitlines()[0])
        return self._model

    def _look(self) -> None:
        from tasks.serving.source import Source
        from tasks.tracking.fetch import fetch_version

        version = Source(self._root, self._name, self._alias).wanted()
        if self._model is None or self._model.version != version:
            self._model = None
            found = fetch_version(self._root, self._name, version)
            self._model = Served(found.name, found.version, found.folder)
            self._tell("", f"version {version} answers in the shadow")

    def _tell(self, trouble: str, said: str = "") -> None:
        if said or trouble != self._trouble:
            _log.info("%s", said or f"nothing answers in the shadow: {trouble}")
        self._trouble = trouble
        if trouble:
            self._model = None


def main() -> None:
    """Answer in the shadow of the server that started this."""
    from tasks.tracking.shadow import record_shadows

    for number in (signal.SIGINT, signal.SIGTERM):  # it ends with the server's last word
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    root, name, alias = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    shadow(sys.stdin.buffer, root, Current(root, name, alias), lambda: record_shadows(root))


if __name__ == "__main__":
    main()
