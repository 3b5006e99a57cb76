"""Rows of a SQL query, through SQLAlchemy."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tasks.data.sources.loaded import Loaded
from tasks.data.sources.location import Location
from tasks.errors import EspalierError

__all__ = ["read_query"]


def read_query(location: Location, query: str, shown: str, root: Path) -> Loaded:
    """Return the rows of `query`; `shown` is the URL in messages, secrets still as ${NAME}.

    Raises
    ------
    EspalierError
        With the database's own words, free of secrets.
    """
    try:
        engine = create_engine(_resolved(make_url(location.url or ""), root, shown))
        with engine.connect() as connection:
            frame = pd.read_sql_query(text(_literal(query)), connection)
        engine.dispose()
    except ModuleNotFoundError as error:
        raise EspalierError(
            f"source.uri: {shown} needs the driver {error.name!r}, which is not installed"
        ) from error
    except ArgumentError:
        # Without its cause, whose words may hold the URL with its secrets.
        raise EspalierError(f"source.uri: {shown} is not an SQLAlchemy URL") from None
    except (SQLAlchemyError, pd.errors.DatabaseError) as error:
        raise EspalierError(f"source.query on {shown}: {_words(error, location)}") from error
    return Loaded(frame)


def _literal(query: str) -> str:
    """Escape the colons that SQLAlchemy would take for the beginning of a parameter's name."""
    return re.sub(r"(?<![:\w\\]):(?=[\w$])", r"\\:", query)


def _resolved(url: URL, root: Path, shown: str) -> URL:
    """Return an SQLite URL with its path taken from the workspace; a missing file is not made."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return url
    path = root / url.database
    if not path.is_file():
        raise EspalierError(f"source.uri: no database file behind {shown}")
    return url.set(database=str(path))


def _words(error: Exception, location: Location) -> str:
    """Return the first line of what the driver said, secrets struck out."""
    cause = error.__cause__ if isinstance(error, pd.errors.DatabaseError) else error
    words = str(getattr(cause, "orig", None) or cause).strip().splitlines()
    said = words[0] if words else type(error).__name__
    for secret in location.secrets:
        said = said.replace(secret, "***")
    return said
