"""Databases by their SQLAlchemy URL; what they say is passed on free of secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tasks.data.sources.location import SECRET, expand
from tasks.errors import EspalierError, masked

__all__ = ["opened", "said"]

SECONDS = 60
"""That a SQLite database may be busy with somebody else."""


@contextmanager
def opened(url: str, folder: Path, *, make: bool = False) -> Iterator[Engine]:
    """Open a database for a block; `url` may hold secrets as ${NAME}, an SQLite path starts at `folder`.

    Parameters
    ----------
    make : bool
        Whether an SQLite file that is not there is made.

    Raises
    ------
    EspalierError
        With the database's own words, free of secrets.
    """
    if masked(url) != url:
        raise EspalierError(
            f"{masked(url)}: no password here: write ${{NAME}} and set that environment variable"
        )
    try:
        engine = _engine(expand(url), url, folder, make)
    except ModuleNotFoundError as error:
        raise EspalierError(f"{url} needs the driver {error.name!r}, which is not installed") from error
    except ArgumentError:
        # Without its cause, whose words may hold the URL with its secrets.
        raise EspalierError(f"{url} is not an SQLAlchemy URL") from None
    try:
        yield engine
    except SQLAlchemyError as error:
        raise EspalierError(f"{url}: {said(error, url)}") from error
    finally:
        engine.dispose()


def _engine(url: str, shown: str, folder: Path, make: bool) -> Engine:
    found = make_url(url)
    options: dict[str, Any] = {}
    if found.get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": SECONDS}
        if found.database and found.database != ":memory:":
            path = folder / found.database
            if not path.is_file() and not (make and path.parent.is_dir()):
                raise EspalierError(f"no database file behind {shown}")
            found = found.set(database=str(path))
    return create_engine(found, **options)


def said(error: Exception, url: str) -> str:
    """Return the first line of what a driver said, secrets struck out."""
    import os
    from urllib.parse import unquote

    words = str(getattr(error, "orig", None) or error).strip().splitlines()
    line = words[0] if words else type(error).__name__
    for name in SECRET.findall(url):
        value = os.environ.get(name)
        for secret in (value, unquote(value)) if value else ():
            line = line.replace(secret, "***")
    return line
