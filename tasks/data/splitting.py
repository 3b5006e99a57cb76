"""Rows divided into train, valid and test, before anything is learnt from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.cleaning.dates import date_layout
from tasks.data.config import SplitConfig
from tasks.data.encoding import level_key, parse_dates
from tasks.data.meta import RawMeta
from tasks.errors import EspalierError

__all__ = ["Parts", "split_rows"]

Indices = npt.NDArray[np.int64]
Parts = dict[str, Indices]
Generator = np.random.Generator


def split_rows(frame: pd.DataFrame, meta: RawMeta, config: SplitConfig) -> Parts:
    """Return the row positions of train, valid and test, each ascending.

    `test` is a share of all rows, `valid` a share of the rest. Deterministic in `config.seed`.

    Raises
    ------
    EspalierError
        When the column a method needs is not named, or a part would be empty.
    """
    rng = np.random.default_rng(config.seed)
    parts = {name: np.sort(rows) for name, rows in SPLITTERS[config.method](frame, meta, config, rng).items()}
    if empty := [name for name, rows in parts.items() if not len(rows)]:
        raise EspalierError(
            f"clean.split.{config.method} leaves {' and '.join(empty)} without rows (of {len(frame)}): "
            "give more rows or other shares"
        )
    return parts


def _in_two_cuts(rows: Indices, config: SplitConfig, cut: Callable[[Indices, float], Indices]) -> Parts:
    """Cut test off all rows, then valid off the rest."""
    test = cut(rows, config.test)
    rest = np.setdiff1d(rows, test)
    valid = cut(rest, config.valid)
    return {"train": np.setdiff1d(rest, valid), "valid": valid, "test": test}


def _random(frame: pd.DataFrame, meta: RawMeta, config: SplitConfig, rng: Generator) -> Parts:
    def cut(rows: Indices, share: float) -> Indices:
        return rng.permutation(rows)[: round(share * len(rows))]

    return _in_two_cuts(np.arange(len(frame)), config, cut)


def _stratified(frame: pd.DataFrame, meta: RawMeta, config: SplitConfig, rng: Generator) -> Parts:
    strata = _strata(frame[meta.target], meta)
    return _in_two_cuts(
        np.arange(len(frame)), config, lambda rows, share: _cut_strata(rows, strata, share, rng)
    )


def _strata(target: pd.Series, meta: RawMeta) -> Indices:
    """Class numbers, or tenths of a regression target by rank."""
    if meta.task == "classification":
        codes, uniques = pd.factorize(target)
        classes = pd.factorize(np.asarray([level_key(value) for value in uniques], object), sort=True)[0]
        return classes.astype(np.int64)[codes]
    ranks = target.astype(np.float64).rank(method="average").to_numpy()
    return np.minimum((ranks - 1) * 10 // len(ranks), 9).astype(np.int64)


def _cut_strata(rows: Indices, strata: Indices, share: float, rng: Generator) -> Indices:
    """Take `share` of each stratum, the fractions rounded to the right total; one row always stays."""
    groups = [rows[strata[rows] == stratum] for stratum in np.unique(strata[rows])]
    exact = np.asarray([share * len(group) for group in groups])
    counts = np.floor(exact).astype(np.int64)
    fractions = np.argsort(counts - exact, kind="stable")
    counts[fractions[: round(share * len(rows)) - int(counts.sum())]] += 1
    counts = np.minimum(counts, [len(group) - 1 for group in groups])
    taken = [rng.permutation(group)[:count] for group, count in zip(groups, counts, strict=True)]
    return np.concatenate(taken)


def _grouped(frame: pd.DataFrame, meta: RawMeta, config: SplitConfig, rng: Generator) -> Parts:
    groups, names = pd.factorize(_role(frame, meta.group, "group"), use_na_sentinel=False)
    if len(names) < 3:
        raise EspalierError(
            f"source.group {meta.group!r} has {len(names)} groups; train, valid and test need one each"
        )

    def cut(rows: Indices, share: float) -> Indices:
        present, sizes = np.unique(groups[rows], return_counts=True)
        order = rng.permutation(len(present))
        before = np.cumsum(sizes[order]) - sizes[order]
        taken = present[order[before + sizes[order] / 2 <= max(share * len(rows), sizes[order[0]] / 2)]]
        chosen: Indices = rows[np.isin(groups[rows], taken)]
        return chosen

    return _in_two_cuts(np.arange(len(frame)), config, cut)


def _by_time(frame: pd.DataFrame, meta: RawMeta, config: SplitConfig, rng: Generator) -> Parts:
    """Oldest rows train, newest test; rows of one instant stay together, on the older side."""
    when = _instants(_role(frame, meta.time, "time"))

    def cut(rows: Indices, share: float) -> Indices:
        instants = np.sort(when[rows])
        last = instants[len(rows) - round(share * len(rows)) - 1]
        newer: Indices = rows[when[rows] > last]
        return newer

    return _in_two_cuts(np.arange(len(frame)), config, cut)


def _instants(cells: pd.Series) -> npt.NDArray[np.float64] | Indices:
    if cells.isna().any():
        raise EspalierError(f"source.time {cells.name!r} is missing in {int(cells.isna().sum())} rows")
    if cells.dtype.kind in "iuf":
        return cells.to_numpy()
    layout = date_layout(cells)
    if layout is None:
        raise EspalierError(f"source.time {cells.name!r} holds neither numbers nor dates of one layout")
    return parse_dates(cells, layout).asi8


def _by_column(frame: pd.DataFrame, meta: RawMeta, config: SplitConfig, rng: Generator) -> Parts:
    """As the column says; without a row for valid, one is cut off train."""
    column = _role(frame, meta.split, "split")
    if column.isna().any():
        raise EspalierError(f"source.split {meta.split!r} is missing in {int(column.isna().sum())} rows")
    parts = column.map(level_key).str.lower().to_numpy()
    if unknown := sorted(set(parts) - {"train", "valid", "test"}):
        raise EspalierError(
            f"source.split {meta.split!r} holds {unknown[0]!r}; its values are train, valid and test"
        )
    rows = {part: np.flatnonzero(parts == part) for part in ("train", "valid", "test")}
    if not len(rows["valid"]) and len(rows["train"]):
        strata = _strata(frame[meta.target], meta)
        rows["valid"] = _cut_strata(rows["train"], strata, config.valid, rng)
        rows["train"] = np.setdiff1d(rows["train"], rows["valid"])
    return rows


def _role(frame: pd.DataFrame, column: str | None, role: str) -> pd.Series:
    if column is None:
        raise EspalierError(f"this clean.split.method needs source.{role}, which names no column")
    return frame[column]


SPLITTERS: dict[str, Callable[[pd.DataFrame, RawMeta, SplitConfig, Generator], Parts]] = {
    "stratified": _stratified,
    "random": _random,
    "grouped": _grouped,
    "time": _by_time,
    "column": _by_column,
}
