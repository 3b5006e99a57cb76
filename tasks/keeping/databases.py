"""SQLite databases copied while others write to them, and led to another folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

from tasks.errors import EspalierError

__all__ = ["compact", "copy_database", "count_rows", "homes", "lead_to"]

_PATIENCE = 60.0


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as it stands at one moment, all of it or nothing of a transaction; writers go on.

    Raises
    ------
    EspalierError
        When the source, or what was copied, is damaged.
    """
    try:
        with closing(_opened(source)) as live, closing(sqlite3.connect(target)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE").fetchone()  # one file, whatever the source has
            found = str(copy.execute("PRAGMA quick_check").fetchone()[0])
    except sqlite3.Error as error:
        raise EspalierError(
            f"{source}: could not be copied ({error}); bring back an earlier backup"
        ) from error
    if found != "ok":
        raise EspalierError(f"{source}: is damaged ({found}); bring back an earlier backup")


def _opened(source: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=_PATIENCE)


def count_rows(database: Path, table: str, where: str = "1") -> int:
    """Count the rows of a table that meet a condition, 0 where there is no such table."""
    with closing(sqlite3.connect(database)) as connection:
        if table not in {name for (name,) in _tables(connection)}:
            return 0
        return int(connection.execute(f'SELECT count(*) FROM "{table}" WHERE {where}').fetchone()[0])


def lead_to(database: Path, before: Path, after: Path) -> int:
    """Have every path and file address that begins with one folder begin with another.

    MLflow stores where a run's files are as an absolute address.

    Returns
    -------
    int
        Cells that were changed.
    """
    pairs = [(f"{before.as_uri()}/", f"{after.as_uri()}/"), (f"{before}/", f"{after}/")]
    with closing(sqlite3.connect(database)) as connection, connection:
        return sum(
            connection.execute(
                f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
                f'WHERE substr("{column}", 1, ?) = ?',
                (new, len(old) + 1, len(old), old),
            ).rowcount
            for table, column in _texts(connection)
            for old, new in pairs
        )


def homes(database: Path, inside: str) -> list[Path]:
    """Return the folders that MLflow's experiments say their files are in, up to what `inside` names.

    Several, where a workspace was moved or restored before.
    """
    with closing(sqlite3.connect(database)) as connection:
        if "experiments" not in {name for (name,) in _tables(connection)}:
            return []
        addresses = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    paths = [unquote(str(address).removeprefix("file://")) for (address,) in addresses]
    return [Path(path.removesuffix(f"/{inside}")) for path in paths if path.endswith(f"/{inside}")]


def _tables(connection: sqlite3.Connection) -> list[tuple[str]]:
    return connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()


def _texts(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Name table and column of everything that holds text."""
    for (table,) in _tables(connection):
        for _, column, kind, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
            if "CHAR" in kind.upper() or "TEXT" in kind.upper():
                yield table, column


def compact(database: Path) -> None:
    """Give the space of removed rows back; not while somebody else is at the database, nor on a full disk."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(database, timeout=1.0)) as connection:
        connection.execute("VACUUM")
