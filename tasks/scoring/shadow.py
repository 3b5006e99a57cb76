"""A second version scores a batch beside the first: its answers are logged and compared, never returned.

Whatever becomes of it, the batch is scored: rows it refuses are counted, columns it lacks are told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.files import write_json
from tasks.scoring.chunks import Cells, Chunk
from tasks.scoring.served import Answered, Served
from tasks.scoring.staging import Staging

__all__ = ["Comparison", "Shadow", "compared", "refusing", "side_by_side", "tried"]

FIRST, SECOND = "answered_", "shadow_"


@dataclass(frozen=True)
class Shadow:
    """The version in the shadow, and the one that answers."""

    model: Served
    answering: Served

    @property
    def kind(self) -> str:
        """What its rows are called while the batch is not whole."""
        return f"shadow-{self.model.version}-{self.model.digest[:8]}"

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the columns it needs that an input lacks."""
        return [name for name in self.model.required if name not in names]

    def answer(self, chunk: Chunk, answered: Answered) -> pa.Table:
        """Return both versions' answers to the rows that the first could score; what one refuses is null."""
        fields = (self.answering.fields, self.model.fields)
        return side_by_side(chunk.numbers, answered, tried(self.model, chunk.cells), *fields)

    def close(self, staging: Staging, log: Path, facts: Mapping[str, Any]) -> dict[str, Any] | None:
        """Write the log of a batch and how the two compare; None where no row was in the shadow.

        Parameters
        ----------
        staging : Staging
            Has the rows of each chunk.
        log : Path
            Parquet file; the comparison stands beside it as JSON.
        facts : mapping
            Of the batch.
        """
        first = next(staging.tables(self.kind), None)
        if first is None:
            return None
        log.parent.mkdir(parents=True, exist_ok=True)
        temporary = log.with_suffix(".tmp")
        with pq.ParquetWriter(temporary, first.schema, store_schema=False) as writer:
            for table in staging.tables(self.kind):
                writer.write_table(table)
        temporary.replace(log)
        found = {
            **{name: facts[name] for name in ("batch", "model", "input", "fingerprint")},
            "answering": self.answering.version,
            "shadow": self.model.version,
            **compared(staging.tables(self.kind)),
        }
        write_json(log.with_suffix(".json"), found)
        return found


def tried(model: Served, cells: Cells) -> Answered:
    """Score rows; a version that fails refuses all of them."""
    try:
        return model.score(cells)
    except Exception as error:  # noqa: BLE001 - whatever a version in the shadow does, the rows are answered
        return refusing(model, len(cells), (str(error).strip() or type(error).__name__).splitlines()[0])


def refusing(model: Served, rows: int, why: str) -> Answered:
    """Return that a version refuses some rows."""
    none = tuple(pa.array([], field.type) for field in model.fields)
    return Answered(np.empty(0, np.int64), none, tuple((place, why) for place in range(rows)))


def side_by_side(
    numbers: npt.NDArray[np.int64],
    answered: Answered,
    beside: Answered,
    first: Sequence[pa.Field],
    second: Sequence[pa.Field],
) -> pa.Table:
    """Return both answers to the rows that the first version could score; what the second refuses is null.

    Parameters
    ----------
    numbers : array of int64 (n,)
        Of all rows.
    answered, beside : Answered
    first, second : sequence of Arrow fields
        Columns of their answers.
    """
    place = np.full(len(numbers), -1, np.int64)
    place[beside.rows] = np.arange(len(beside.rows))
    found = pa.array(place[answered.rows], mask=place[answered.rows] < 0)
    reasons = dict(beside.aside)
    columns = {
        "row_number": pa.array(numbers[answered.rows]),
        **_named(FIRST, first, answered.columns),
        **_named(SECOND, second, [column.take(found) for column in beside.columns]),
        "shadow_refused": pa.array([reasons.get(int(row)) for row in answered.rows], pa.string()),
    }
    return pa.table(columns)


def _named(prefix: str, fields: Sequence[pa.Field], columns: Sequence[pa.Array]) -> dict[str, pa.Array]:
    return {f"{prefix}{field.name}": column for field, column in zip(fields, columns, strict=True)}


def compared(tables: Iterator[pa.Table]) -> dict[str, Any]:
    """Return how answers of two versions compare, over all rows that both scored.

    Returns
    -------
    ``rows`` that both scored; ``refused`` by the second alone; for classes ``agreement``, the share of equal
    labels; and of the common numbers (probabilities, or the prediction of a regression) the mean absolute,
    and the largest difference; of a regression the mean signed one too.
    """
    count = Comparison()
    for table in tables:
        count.add(table)
    return count.told()


class Comparison:
    """How two versions compare, over the tables that were added."""

    def __init__(self) -> None:
        self.rows = self.refused = self.agreed = self.cells = 0
        self.absolute = self.signed = self.largest = 0.0
        self.labels = False

    def add(self, table: pa.Table) -> None:
        """Add rows with both answers."""
        refused = pc.is_valid(table["shadow_refused"])
        both = table.filter(pc.invert(refused))
        self.refused += int(pc.sum(refused).as_py() or 0)
        self.rows += both.num_rows
        names = [name.removeprefix(FIRST) for name in table.column_names if name.startswith(FIRST)]
        shared = [name for name in names if f"{SECOND}{name}" in table.column_names]
        self.labels = any(name != "prediction" for name in names)
        if self.labels:
            first, second = both[f"{FIRST}prediction"], both[f"{SECOND}prediction"]
            same = pc.equal(first.cast(pa.string()), second.cast(pa.string()))
            self.agreed += int(pc.sum(same).as_py() or 0)
            shared.remove("prediction")
        for name in shared:
            self._differ(_numbers(both[f"{SECOND}{name}"]) - _numbers(both[f"{FIRST}{name}"]))

    def _differ(self, difference: npt.NDArray[np.float64]) -> None:
        self.cells += len(difference)
        self.absolute += float(np.abs(difference).sum())
        self.signed += float(difference.sum())
        self.largest = max(self.largest, float(np.abs(difference).max(initial=0.0)))

    def told(self) -> dict[str, Any]:
        """Return the figures; see `compared`."""
        found: dict[str, Any] = {"rows": self.rows, "refused": self.refused}
        if self.rows and self.labels:
            found["agreement"] = self.agreed / self.rows
        if self.cells:
            found["mean_absolute_difference"] = self.absolute / self.cells
            found["largest_difference"] = self.largest
            if not self.labels:
                found["mean_difference"] = self.signed / self.cells
        return {name: value for name, value in found.items() if math.isfinite(value)}


def _numbers(cells: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    numbers: npt.NDArray[np.float64] = cells.to_numpy().astype(np.float64)
    return numbers
