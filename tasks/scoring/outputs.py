"""Where answers go: one Parquet file, whole or not there, or a table of a database, a chunk a transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import EspalierError
from tasks.scoring.quarantine import Quarantine, noted, publish
from tasks.scoring.staging import Staging

__all__ = ["RECEIPT", "FileOutput", "Output", "store_aside"]

RECEIPT = "espalier.batch"
ANSWERS, SET_ASIDE = "answers", "aside"
GROUP = 131_072
"""Rows of a row group of the file, at least."""


class Output(Protocol):
    """Takes the answers of a batch, chunk by chunk, each once."""

    quarantine: Quarantine

    def receipt(self, batch: str) -> dict[str, Any] | None:
        """Return what was noted when this batch was finished; None when it was not."""
        ...

    def begin(self, job: Mapping[str, Any], schema: pa.Schema, *, anew: bool) -> tuple[int, int]:
        """Prepare for a batch; return how many chunks and how many rows of it are there already.

        Raises
        ------
        EspalierError
            When something else is there that would be lost.
        """
        ...

    def write(self, index: int, answers: pa.Table, aside: pa.Table | None) -> None:
        """Take a chunk."""
        ...

    def quarantined(self) -> int:
        """Return how many rows of the batch are quarantined."""
        ...

    def finish(self, receipt: Mapping[str, Any]) -> None:
        """Make the batch whole."""
        ...


class FileOutput:
    """A Parquet file, which appears when the batch is whole.

    Parameters
    ----------
    path : Path
    quarantine : Quarantine
    staging : Staging
        Beside it, on the same disk.
    """

    def __init__(self, path: Path, quarantine: Quarantine, staging: Staging) -> None:
        self.path, self.quarantine, self.staging = path, quarantine, staging
        self._writer: Any = None
        self._pending: list[pa.Table] = []

    def receipt(self, batch: str) -> dict[str, Any] | None:
        """Return what the file says of its batch, when it is this one."""
        found = noted(self.path, RECEIPT)
        return found if found is not None and found.get("batch") == batch else None

    def begin(self, job: Mapping[str, Any], schema: pa.Schema, *, anew: bool) -> tuple[int, int]:
        """Refuse to replace a file unless `anew`; go on with what a killed run had."""
        if self.path.exists() and not anew:
            raise EspalierError(
                f"{self.staging.shown} is there already{_whose(noted(self.path, RECEIPT))}; "
                "--anew replaces it, or choose another --to"
            )
        self.quarantine.require()
        self.staging.begin(dict(job))
        self._writer = _writer(self.staging.path("whole.parquet"), schema)
        done, rows = self.staging.finished(ANSWERS, SET_ASIDE), 0
        self.staging.trim(done)
        for index in range(done):
            table = self.staging.load(ANSWERS, index)
            assert table is not None
            rows += table.num_rows
            self._append(table)
        return done, rows

    def write(self, index: int, answers: pa.Table, aside: pa.Table | None) -> None:
        """Keep a chunk, its quarantined rows first: the file of its answers says that it is finished."""
        store_aside(self.staging, index, aside)
        self.staging.store(ANSWERS, index, answers)
        self._append(answers)

    def quarantined(self) -> int:
        """Return how many rows are quarantined so far."""
        return self.staging.count(SET_ASIDE)

    def finish(self, receipt: Mapping[str, Any]) -> None:
        """Put the quarantine and then the file in their places."""
        self._flush()
        self._writer.add_key_value_metadata({RECEIPT: json.dumps(receipt)})
        self._writer.close()
        self.quarantine.write(self.staging.tables(SET_ASIDE), receipt)
        publish(self.staging.path("whole.parquet"), self.path)
        self.staging.discard()

    def _append(self, table: pa.Table) -> None:
        self._pending.append(table)
        if sum(part.num_rows for part in self._pending) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.concat_tables(self._pending), row_group_size=2 * GROUP)
            self._pending = []


def _writer(path: Path, schema: pa.Schema) -> Any:
    """Open a file that takes numbers as they are: looking for repeated ones costs more than it saves."""
    real = {field.name for field in schema if pa.types.is_floating(field.type)}
    repeated = [name for name in schema.names if name not in real | {"row_number"}]
    return pq.ParquetWriter(
        path,
        schema,
        store_schema=False,
        use_dictionary=repeated,
        compression={name: "none" if name in real else "snappy" for name in schema.names},
        column_encoding={"row_number": "DELTA_BINARY_PACKED"},
    )


def store_aside(staging: Staging, index: int, aside: pa.Table | None) -> None:
    """Keep a chunk's quarantined rows."""
    if aside is None:
        staging.forget(SET_ASIDE, index)
    else:
        staging.store(SET_ASIDE, index, aside)


def _whose(receipt: Mapping[str, Any] | None) -> str:
    if receipt is None:
        return ""
    return f", with the answers of {receipt['model']}/{receipt['version']} to {receipt['rows']:,} other rows"
