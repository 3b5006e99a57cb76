"""Differences of the columns themselves: absent, unknown, of another type, with levels never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tasks.drift.columns import Column
from tasks.drift.counted import Levels
from tasks.drift.findings import Difference
from tasks.drift.profile import Profile
from tasks.drift.reading import Cells

__all__ = ["readable", "schema_differences"]

TOLD = 3  # levels that a difference names


def schema_differences(
    profile: Profile, names: Sequence[str], cells: Mapping[str, Cells], least: float
) -> Iterator[Difference]:
    """Tell what a batch's columns have that the training rows' had not, or the other way round.

    Parameters
    ----------
    names
        Columns of the batch.
    cells
        Those the profile knows, read as the profile does.
    least
        Share of unreadable cells that matters.
    """
    for column in profile.columns:
        if column.name not in names:
            told = "the model reads it: no row can be scored" if column.read else "the model does not read it"
            yield Difference(column.name, "absent", told, 0, column.read)
    known = {column.name for column in profile.columns} | set(profile.apart)
    for name in names:
        if name not in known:
            yield Difference(name, "unknown", "no training row had it", 0, drifted=False)
    for column in profile.columns:
        if column.name in cells:
            yield from _of_cells(column, cells[column.name], least)


def _of_cells(column: Column, cells: Cells, least: float) -> Iterator[Difference]:
    if rows := int(cells.unreadable.sum()):
        share = rows / len(cells.unreadable)
        told = f"{100 * share:.1f} % of its cells are no {column.entry['kind']}"
        yield Difference(column.name, "unreadable", told, rows, column.read and share >= least)
    for name, part in column.parts.items():
        values = cells.parts.get(name)
        if isinstance(part, Levels) and isinstance(values, list) and (new := part.new(Counter(values))):
            first = sorted(new, key=lambda level: (-new[level], level))[:TOLD]
            shown = ", ".join(f"{level[:40]!r}" for level in first) + (", ..." if len(new) > TOLD else "")
            yield Difference(column.name, "new levels", shown, sum(new.values()), drifted=False)


def readable(profile: Profile, cells: Mapping[str, Cells], rows: int) -> npt.NDArray[np.bool_]:
    """Return which of the batch's rows (n,) the model can answer; none where a column it reads is absent."""
    reads = [column.name for column in profile.columns if column.read]
    if any(name not in cells for name in reads):
        return np.zeros(rows, bool)
    fine = np.ones(rows, bool)
    for name in reads:
        fine &= ~cells[name].unreadable
    return fine
