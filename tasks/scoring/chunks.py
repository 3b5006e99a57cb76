"""A chunk of raw rows, from wherever it comes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

__all__ = ["ASIDE", "Aside", "Cells", "Chunk", "FrameCells", "TableCells", "aside_table", "shown_rows"]

ASIDE = pa.schema([("row_number", pa.int64()), ("reason", pa.string()), ("cells", pa.string())])
"""Columns of the quarantine."""


@dataclass(frozen=True)
class Aside:
    """A row that cannot be scored: its number from 1, why, and what it holds as JSON."""

    row: int
    reason: str
    cells: str


class Cells(Protocol):
    """The cells of some rows, by column."""

    def __len__(self) -> int: ...

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Return columns as the served model would be given them."""
        ...

    def column(self, name: str, kind: pa.DataType) -> pa.Array:
        """Return a column as Arrow holds it."""
        ...

    def head(self, rows: int) -> Cells:
        """Return the first rows."""
        ...

    def numeric(self, name: str) -> npt.NDArray[Any] | None:
        """Return a column that a cast turns into float32 as encoding would; None when it takes more."""
        ...


@dataclass(frozen=True, eq=False)
class FrameCells:
    """Cells of a pandas frame."""

    held: pd.DataFrame

    def __len__(self) -> int:
        return len(self.held)

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Return the columns `names`."""
        return self.held[list(names)]

    def column(self, name: str, kind: pa.DataType) -> pa.Array:
        """Return a column; what does not fit `kind` is text there."""
        cells = self.held[name]
        if pa.types.is_string(kind) and cells.dtype != "str":
            cells = cells.map(str, na_action="ignore").astype("str")
        return pa.Array.from_pandas(cells, type=kind)

    def head(self, rows: int) -> FrameCells:
        """Return the first rows."""
        return FrameCells(self.held.iloc[:rows])

    def numeric(self, name: str) -> None:
        """Frames are encoded by the model's own code."""


@dataclass(frozen=True, eq=False)
class TableCells:
    """Cells of an Arrow table, as Parquet files are read."""

    held: pa.Table

    def __len__(self) -> int:
        return int(self.held.num_rows)

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Return the columns `names` as pandas reads them from Parquet."""
        frame: pd.DataFrame = self.held.select(list(names)).to_pandas(ignore_metadata=False)
        return _plain_frame(frame, names)

    def column(self, name: str, kind: pa.DataType) -> pa.Array:
        """Return a column, whole."""
        return self.held.column(name).combine_chunks().cast(kind)

    def head(self, rows: int) -> TableCells:
        """Return the first rows."""
        return TableCells(self.held.slice(0, rows))

    def numeric(self, name: str) -> npt.NDArray[Any] | None:
        """Return numbers and truth values; whole numbers of 64 bits only where none is missing.

        Past 2**53 pandas would take such a column with gaps through float64.
        """
        kind = self.held.schema.field(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            return None
        cells = self.held.column(name)
        if cells.null_count and (
            pa.types.is_boolean(kind) or (pa.types.is_integer(kind) and kind.bit_width > 32)
        ):
            return None
        numbers: npt.NDArray[Any] = cells.to_numpy()
        return numbers


def _plain_frame(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return a frame with text for bytes, and no column in the index."""
    if any(name not in frame.columns for name in names):
        frame = frame.reset_index()
    packed = [name for name in names if frame[name].dtype == object and _holds_bytes(frame[name])]
    decoded = {name: frame[name].map(_decoded) for name in packed}
    return frame.assign(**decoded)[list(names)].reset_index(drop=True)


def _holds_bytes(cells: pd.Series) -> bool:
    return any(isinstance(cell, bytes) for cell in cells)


def _decoded(cell: object) -> object:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else cell


@dataclass(frozen=True, eq=False)
class Chunk:
    """Rows that are scored together.

    Attributes
    ----------
    index : int
        From 0.
    numbers : array of int64 (n,)
        Number of each row in its source, from 1.
    cells : Cells
    aside : tuple of Aside
        Rows of the source between these that could not even be read.
    """

    index: int
    numbers: npt.NDArray[np.int64]
    cells: Cells
    aside: tuple[Aside, ...] = ()


def shown_rows(cells: Cells, names: Sequence[str], rows: Sequence[int]) -> list[str]:
    """Return some rows as JSON."""
    frame = cells.frame(names).iloc[list(rows)]
    return [
        json.dumps(dict(zip(names, map(_shown, row), strict=True)), ensure_ascii=False)
        for row in frame.itertuples(index=False, name=None)
    ]


def _shown(cell: Any) -> Any:
    if cell is None or (not isinstance(cell, str) and pd.isna(cell)):
        return None
    if isinstance(cell, np.generic):
        cell = cell.item()
    return (
        cell
        if isinstance(cell, str | int | bool) or (isinstance(cell, float) and np.isfinite(cell))
        else str(cell)
    )


def aside_table(rows: Sequence[Aside]) -> pa.Table:
    """Return quarantined rows in the order of their source."""
    ordered = sorted(rows, key=lambda aside: aside.row)
    columns = [
        [aside.row for aside in ordered],
        [aside.reason for aside in ordered],
        [aside.cells for aside in ordered],
    ]
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, ASIDE, strict=True)], schema=ASIDE
    )
