"""Chunks of a delimited file, each read as if the whole file were.

pandas guesses a column's type from what it reads: in a chunk of whole numbers of a column that is text
further on, `007` would become 7. So a first pass guesses chunk by chunk, and all are read by what the
guesses have in common.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.data.sources.tables import Dialect, dialect
from tasks.errors import EspalierError
from tasks.scoring.chunks import Chunk, FrameCells
from tasks.scoring.inputs import Survey, digest_of, require, unchanged
from tasks.scoring.mended import Mended, needs_mending

__all__ = ["KINDS", "DelimitedInput", "common", "kind_of"]

KINDS: dict[str, pa.DataType] = {
    "none": pa.string(),
    "int": pa.int64(),
    "uint": pa.string(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "flag": pa.bool_(),
    "text": pa.string(),
}
READ_AS = {"float": "float64", "text": "str"}
NUMBERS = {"none", "int", "uint", "float"}
FLAGS = {"none", "bool", "flag"}


def common(first: str, second: str) -> str:
    """Return what pandas takes a column for whose parts it takes for `first` and `second`.

    Examples
    --------
    >>> common("int", "float"), common("int", "none"), common("bool", "none"), common("int", "bool")
    ('float', 'float', 'flag', 'text')
    """
    both = {first, second}
    if len(both) == 1:
        return first
    if both == {"int", "uint"}:
        return "uint"
    return "float" if both <= NUMBERS else "flag" if both <= FLAGS else "text"


def kind_of(cells: pd.Series) -> str:
    """Return what pandas took some cells for, a key of `KINDS`."""
    kind = cells.dtype.kind
    if cells.isna().all():
        return "none"
    if kind in "iufb":
        return {"i": "int", "u": "uint", "f": "float", "b": "bool"}[kind]
    return "flag" if pd.api.types.infer_dtype(cells, skipna=True) == "boolean" else "text"


@dataclass(frozen=True)
class DelimitedInput:
    """A CSV or TSV file, gzipped or not; `missing`: strings that mean so."""

    path: Path
    shown: str
    missing: tuple[str, ...]

    def names(self) -> list[str]:
        """Return its columns."""
        with self._readable():
            options = dialect(self.path, self.shown).options(self.missing)
            head = pd.read_csv(self.path, encoding="utf-8-sig", encoding_errors="replace", nrows=0, **options)
        return list(head.columns)

    def survey(self, wanted: Sequence[str], rows: int) -> Survey:
        """Read the file for its fingerprint, for rows that cannot be read, and for its columns' types.

        Raises
        ------
        EspalierError
            When it is no table, or lacks a column.
        """
        stamp = unchanged(self.path, (0, 0), self.shown)
        with self._readable():
            found = dialect(self.path, self.shown)
            mend = needs_mending(self.path, found.delimiter)
            kinds, counted = self._kinds(found, wanted, rows, mend)
        facts = {"kinds": kinds, "mend": mend, "stamp": list(stamp)}
        digest = digest_of(self.path)
        unchanged(self.path, stamp, self.shown)
        return Survey(digest, counted, {name: KINDS[kind] for name, kind in kinds.items()}, facts)

    def chunks(self, survey: Survey, wanted: Sequence[str], rows: int, first: int) -> Iterator[Chunk]:
        """Read the file from its beginning, and return its chunks from `first` on."""
        facts: Any = survey.facts
        types = {name: READ_AS[kind] for name, kind in facts["kinds"].items() if kind in READ_AS}
        with self._readable(), self._frames(facts["mend"], facts["kinds"], types, rows) as (frames, mended):
            index, read = 0, 0
            frame = pd.DataFrame(columns=list(facts["kinds"]))
            for frame in frames:
                numbers = np.arange(read + 1, read + 1 + len(frame))
                read += len(frame)
                aside = mended.taken(read) if mended else ()
                numbers = mended.numbers(numbers) if mended else numbers
                if index >= first:
                    yield Chunk(index, numbers, FrameCells(frame), aside)
                index += 1
            if mended and (rest := mended.taken()) and index >= first:
                yield Chunk(index, np.empty(0, np.int64), FrameCells(frame.iloc[:0]), rest)
        unchanged(self.path, tuple(facts["stamp"]), self.shown)

    def _kinds(
        self, found: Dialect, wanted: Sequence[str], rows: int, mend: bool
    ) -> tuple[dict[str, str], int]:
        """Return the type of each column, and how many rows there are, those put aside among them."""
        kinds: dict[str, str] = {}
        counted = 0
        with self._frames(mend, None, {}, rows) as (frames, mended):
            for frame in frames:
                if not kinds:
                    require(wanted, list(frame.columns), self.shown)
                for name in dict.fromkeys(wanted):
                    kind = kind_of(frame[name])
                    kinds[name] = common(kinds.get(name, kind), kind)
                counted += len(frame) + (len(mended.taken()) if mended else 0)
            counted += len(mended.taken()) if mended else 0
        return kinds, counted

    @contextmanager
    def _frames(
        self, mend: bool, columns: Mapping[str, str] | None, types: Mapping[str, str], rows: int
    ) -> Iterator[tuple[Iterator[pd.DataFrame], Mended | None]]:
        found = dialect(self.path, self.shown)
        mended = Mended(self.path, found.delimiter) if mend else None
        options = found.options(self.missing) | {"chunksize": rows, "dtype": dict(types)}
        if columns is not None:
            options["usecols"] = list(columns)
        source: Any = mended or self.path
        with pd.read_csv(source, encoding="utf-8-sig", index_col=False, **options) as frames:
            yield (frame.reset_index(drop=True) for frame in frames), mended
        if mended:
            mended.close()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise EspalierError(f"{self.shown}: its header is not UTF-8; save it so") from error
        except pd.errors.EmptyDataError as error:
            raise EspalierError(f"{self.shown} is empty: it has no header line") from error
        except (pd.errors.ParserError, csv.Error, BadGzipFile, zlib.error, EOFError) as error:
            raise EspalierError(f"{self.shown} is no readable table: {str(error).strip()}") from error
