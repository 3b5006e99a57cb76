"""Chunks of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import EspalierError
from tasks.scoring.chunks import Chunk, TableCells
from tasks.scoring.inputs import Survey, digest_of, require, unchanged

__all__ = ["ParquetInput"]

BUFFER = 1 << 16
"""Bytes that are read of a column at once; a row group may be far larger than a chunk."""


@dataclass(frozen=True)
class ParquetInput:
    """A Parquet file, read a few row groups, or parts of one, at a time."""

    path: Path
    shown: str

    def names(self) -> list[str]:
        """Return its columns."""
        with self._opened() as file:
            return list(file.schema_arrow.names)

    def survey(self, wanted: Sequence[str], rows: int) -> Survey:
        """Read its footer, and its bytes for their fingerprint.

        Raises
        ------
        EspalierError
            When it is none, or lacks a column.
        """
        stamp = unchanged(self.path, (0, 0), self.shown)
        with self._opened() as file:
            schema = file.schema_arrow
            require(wanted, schema.names, self.shown)
            kinds = {name: _single(schema.field(name), self.shown) for name in wanted}
            return Survey(digest_of(self.path), file.metadata.num_rows, kinds, {"stamp": list(stamp)})

    def chunks(self, survey: Survey, wanted: Sequence[str], rows: int, first: int) -> Iterator[Chunk]:
        """Read `rows` rows at a time, of the columns `wanted` alone."""
        stamp: Any = survey.facts["stamp"]
        with self._opened() as file:
            skipped, groups = _from(file.metadata, first * rows)
            batches = file.iter_batches(rows, row_groups=groups, columns=list(dict.fromkeys(wanted)))
            for index, table in enumerate(_sized(batches, file, wanted, rows, skipped), start=first):
                begin = index * rows + 1
                yield Chunk(index, np.arange(begin, begin + table.num_rows), TableCells(table))
        unchanged(self.path, tuple(stamp), self.shown)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            # By default pyarrow reads ahead all that it was asked for: the whole file.
            with pq.ParquetFile(self.path, buffer_size=BUFFER, pre_buffer=False) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise EspalierError(f"{self.shown} is not a readable parquet file: {said}") from error


def _from(metadata: Any, row: int) -> tuple[int, list[int]]:
    """Return how many rows to pass over, and the row groups that hold row `row` (from 0) and what follows."""
    ends = np.cumsum([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)], dtype=np.int64)
    begin = int(np.searchsorted(ends, row, side="right"))
    before = int(ends[begin - 1]) if begin else 0
    return row - before, list(range(begin, len(ends)))


def _sized(
    batches: Iterator[Any], file: Any, wanted: Sequence[str], rows: int, skip: int
) -> Iterator[pa.Table]:
    """Return tables of `rows` rows, the last of what is left; the first `skip` rows are passed over."""
    held: list[Any] = []
    count = 0
    for batch in batches:
        passed = min(skip, batch.num_rows)
        skip -= passed
        held.append(batch.slice(passed))
        count += batch.num_rows - passed
        while count >= rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, rows)
            held, count = table.slice(rows).to_batches(), count - rows
    if count:
        yield pa.Table.from_batches(held)


def _single(field: Any, shown: str) -> pa.DataType:
    kind: pa.DataType = field.type
    if pa.types.is_nested(kind):
        raise EspalierError(
            f"{shown}: column {field.name!r} holds several values a cell; give each a column of its own"
        )
    return kind.value_type if pa.types.is_dictionary(kind) else kind
