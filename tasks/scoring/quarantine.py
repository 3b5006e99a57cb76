"""The file for the rows that cannot be scored: of one batch, which it names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import EspalierError
from tasks.scoring.chunks import ASIDE

__all__ = ["Quarantine", "noted", "publish"]

RECEIPT = "espalier.quarantine"
"""Not the key of the answers' receipt: no file of answers is taken for one of quarantined rows."""


@dataclass(frozen=True)
class Quarantine:
    """Where the rows of a batch that cannot be scored go.

    Attributes
    ----------
    path : Path
    shown : str
        Its name in messages.
    batch : str
    anew : bool
        Whether a file that is not of this batch is replaced.
    """

    path: Path
    shown: str
    batch: str
    anew: bool = False

    def require(self) -> None:
        """Refuse a file that would be lost.

        Raises
        ------
        EspalierError
            When one that is not of this batch is there.
        """
        found = noted(self.path, RECEIPT)
        if self.anew or not self.path.exists() or (found and found["batch"] == self.batch):
            return
        raise EspalierError(
            f"quarantine {self.shown} is there already{_whose(found)}; --anew replaces it, "
            "or choose another --quarantine"
        )

    def write(self, rows: Iterator[pa.Table], receipt: Mapping[str, Any]) -> None:
        """Write the rows; where the receipt counts none, leave no file there.

        Raises
        ------
        EspalierError
            When a file that is not of this batch has come there meanwhile.
        """
        self.require()
        if not receipt["quarantined"]:
            self.path.unlink(missing_ok=True)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = self.path.with_name(f".{self.path.name}.{self.batch}.tmp")
        with pq.ParquetWriter(whole, ASIDE, store_schema=False) as writer:
            for table in rows:
                writer.write_table(table)
            writer.add_key_value_metadata({RECEIPT: json.dumps(receipt)})
        publish(whole, self.path)


def _whose(receipt: Mapping[str, Any] | None) -> str:
    if receipt is None:
        return ""
    return f", with rows of {receipt['input']} that {receipt['model']}/{receipt['version']} could not score"


def publish(temporary: Path, path: Path) -> None:
    """Move a file to its place, on the disk before it is there."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def noted(path: Path, key: str) -> dict[str, Any] | None:
    """Return the receipt that a Parquet file has under a key; None where there is none."""
    if not path.exists():
        return None
    try:
        metadata = pq.read_metadata(path).metadata or {}
        found: dict[str, Any] = json.loads(metadata[key.encode()])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None
    return found
