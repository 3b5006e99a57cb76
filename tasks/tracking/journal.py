"""Hundreds of writes to a workspace's own SQLite database, without waiting for the disk at each of them.

By default SQLite waits for the disk three times for each transaction, and MLflow makes five for a run. A
write-ahead log that is synchronised at the end alone keeps the database whole whatever happens: after a
crash of the machine the last transactions may be missing, never part of one, nor one amid others.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["end_log", "start_log", "written_ahead"]


def start_log(path: Path) -> bool:
    """Give the database a write-ahead log, so that it is read while it is written; say whether it has one.

    It keeps the log until `end_log`, and waits for the disk once a transaction.
    """
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal")
    return False


def end_log(path: Path) -> None:
    """Put all of the log into the database, and on the disk; the log stays where others use it."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path, timeout=1.0)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()  # refused while others have it open
    for file in (Path(f"{path}-wal"), path):
        with suppress(FileNotFoundError), file.open("rb") as written:
            os.fsync(written.fileno())


@contextmanager
def written_ahead(path: Path) -> Iterator[None]:
    """Write to the database `path` through SQLAlchemy, for a block; at its end the disk has everything."""
    if not start_log(path):
        yield
        return
    try:
        with _patient(path):
            yield
    finally:
        end_log(path)


@contextmanager
def _patient(path: Path) -> Iterator[None]:
    """Have SQLAlchemy's connections to `path` leave the disk to the end; they are closed there."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    used = {}

    def out(connection: Any, record: Any, _: Any) -> None:
        if id(record) not in used and _opens(connection, path):
            connection.execute("PRAGMA synchronous=NORMAL")
            used[id(record)] = record

    event.listen(Engine, "checkout", out)
    try:
        yield
    finally:
        event.remove(Engine, "checkout", out)
        for record in used.values():
            record.invalidate()


def _opens(connection: Any, path: Path) -> bool:
    if not isinstance(connection, sqlite3.Connection):
        return False
    opened = connection.execute("PRAGMA database_list").fetchone()[2]
    return bool(opened) and Path(opened) == path.resolve()
