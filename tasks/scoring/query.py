"""Chunks of a query: its rows are read once, into files, and stay the same however often scoring stops.

A query run twice may answer in another order or with other rows, and a table that is read cannot always be
written to at the same time.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import CursorResult

from tasks.errors import EspalierError
from tasks.files import read_json, write_json
from tasks.scoring.chunks import Chunk, FrameCells
from tasks.scoring.database import opened
from tasks.scoring.delimited import KINDS, common, kind_of
from tasks.scoring.inputs import Survey, require

__all__ = ["QueryInput"]

NOTE = "query.json"


@dataclass(frozen=True)
class QueryInput:
    """Rows of a SQL query.

    Attributes
    ----------
    url : str
        SQLAlchemy URL, secrets as ${NAME}.
    query : str
    started_in : Path
        Folder that an SQLite path starts from.
    held : Path
        Folder for the rows while they are scored.
    """

    url: str
    query: str
    started_in: Path
    held: Path

    @property
    def shown(self) -> str:
        """The URL as it was given."""
        return self.url

    def names(self) -> list[str]:
        """Return the columns that the query answers with."""
        with self._answer() as (names, _):
            return names

    def survey(self, wanted: Sequence[str], rows: int) -> Survey:
        """Run the query and keep its rows, unless an earlier run was killed after it had.

        Raises
        ------
        EspalierError
            With the database's words, or naming a column that is not there.
        """
        asked = {"url": self.url, "query": self.query, "columns": list(dict.fromkeys(wanted)), "rows": rows}
        note = self.held / NOTE
        known = read_json(note) if note.exists() else {}
        if known.get("asked") != asked:
            shutil.rmtree(self.held, ignore_errors=True)
            known = {"asked": asked, **self._read(wanted, rows)}
            write_json(note, known)
        kinds = {name: KINDS[kind] for name, kind in known["kinds"].items()}
        return Survey(known["fingerprint"], known["count"], kinds)

    def chunks(self, survey: Survey, wanted: Sequence[str], rows: int, first: int) -> Iterator[Chunk]:
        """Return the rows kept, from chunk `first` on."""
        count = survey.rows or 0
        for index in range(first, -(-count // rows)):
            frame = pd.read_parquet(self._part(index))
            begin = index * rows + 1
            yield Chunk(index, np.arange(begin, begin + len(frame)), FrameCells(frame))

    def _read(self, wanted: Sequence[str], rows: int) -> dict[str, Any]:
        self.held.mkdir(parents=True)
        digest = hashlib.sha256(repr(list(dict.fromkeys(wanted))).encode())
        kinds: dict[str, str] = {}
        count = 0
        for index, frame in enumerate(self._frames(wanted, rows)):
            digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
            kinds = {name: common(kinds.get(name, kind), kind) for name, kind in _kinds(frame).items()}
            frame.to_parquet(self._part(index), index=False)
            count += len(frame)
        return {"fingerprint": f"rows:{digest.hexdigest()}", "kinds": kinds, "count": count}

    def _frames(self, wanted: Sequence[str], rows: int) -> Iterator[pd.DataFrame]:
        """Read the query `rows` rows at a time; at least one frame, which knows the columns."""
        with self._answer() as (names, found):
            require(wanted, names, self.shown)
            part = found.fetchmany(rows)
            while True:
                frame = pd.DataFrame.from_records(
                    [tuple(row) for row in part], columns=names, coerce_float=True
                )
                yield _storable(frame[list(dict.fromkeys(wanted))])
                part = found.fetchmany(rows)
                if not part:
                    return

    @contextmanager
    def _answer(self) -> Iterator[tuple[list[str], CursorResult[Any]]]:
        """Run the query for a block."""
        with opened(self.url, self.started_in) as engine, engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            found = connection.execution_options(stream_results=True).exec_driver_sql(self.query)
            if not found.returns_rows:
                raise EspalierError(f"--query: {self.url}: the query returns no rows; it has to be a SELECT")
            yield [str(name) for name in found.keys()], found  # noqa: SIM118 - a result is no mapping

    def _part(self, index: int) -> Path:
        return self.held / f"rows-{index:06}.parquet"


def _kinds(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): kind_of(cells) for name, cells in frame.items()}


def _storable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with bytes and mixed cells as text, as training reads them."""
    mixed = [name for name, dtype in frame.dtypes.items() if dtype.kind == "O" and dtype != "str"]
    return frame.assign(
        **{str(name): frame[name].map(_text, na_action="ignore").astype("str") for name in mixed}
    )


def _text(cell: object) -> str:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)
