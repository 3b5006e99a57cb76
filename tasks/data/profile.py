"""A look at new data: the settings that suit it, each with its reason. `espalier init` writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.data.config import CleanConfig, SourceConfig
from tasks.data.encoding import is_missing, level_key, parse_numbers
from tasks.data.inspect import find_identifiers, find_leaks, find_missing_strings, find_sentinels
from tasks.data.meta import RawMeta
from tasks.data.sources.read import load_source, read_source

__all__ = ["Suggestion", "suggest"]

Settings = dict[str, Any]
Advice = tuple[Settings, list[str]]


@dataclass(frozen=True)
class Suggestion:
    """Settings that differ from the defaults, as a nested mapping of params.yaml, and the reason of each."""

    params: Settings
    reasons: list[str] = field(default_factory=list)

    def overrides(self) -> list[str]:
        """Return the settings as `key.path=value`, the form `tasks.config.apply_overrides` takes."""
        return _flat(self.params)


def _flat(settings: Settings, path: str = "") -> list[str]:
    flat = list[str]()
    for key, value in settings.items():
        if isinstance(value, dict):
            flat += _flat(value, f"{path}{key}.")
        else:
            flat.append(f"{path}{key}={json.dumps(value)}")
    return flat


def suggest(root: Path, uri: str, target: str | None, query: str | None = None) -> Suggestion:
    """Look at a source and return the settings that suit it.

    Parameters
    ----------
    root : Path
        Workspace that a relative `uri` starts from.
    uri, query : str
        As in the `source` section.
    target : str or None
        Column to predict; packaged sets and arrays know theirs.

    Raises
    ------
    EspalierError
        As `read_source` does.
    """
    source, reasons = _source(root, uri, target, query)
    frame, meta = read_source(root, SourceConfig(**source))
    params: Settings = {"source": source, "registry": {"name": _model_name(uri)}}
    reasons.append(_what_it_is(meta))
    for advise in (_split, _gaps, _target, _columns, _network, _training, _notes):
        settings, why = advise(frame, meta)
        params = _merged(params, settings)
        reasons += why
    return Suggestion(params, reasons)


def _merged(one: Settings, other: Settings) -> Settings:
    nested = {key: _merged(one[key], value) for key, value in other.items() if isinstance(one.get(key), dict)}
    return {**one, **other, **nested}


def _model_name(uri: str) -> str:
    stem = re.split(r"[/:]", uri.rstrip("/"))[-1].split(".")[0]
    return "espalier-" + (re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "model")


def _source(root: Path, uri: str, target: str | None, query: str | None) -> tuple[Settings, list[str]]:
    """Return the source section after a first look at the cells as they are."""
    source: Settings = {"uri": uri, "target": target} | ({"query": query} if query else {})
    loaded = load_source(root, SourceConfig(**source))
    reasons = []
    if loaded.shape is None:
        if strings := find_missing_strings(loaded.frame):
            source["na_values"] = list(strings)
            reasons.append(f"source.na_values {list(strings)}: strings that stand where a value is missing")
        found = find_identifiers(loaded.frame, target or loaded.target or "")
        if len(found) == loaded.frame.shape[1] - 1:
            reasons.append(f"look at {_listed(list(found))}: every column seems to name the row")
        elif found:
            source["drop"] = list(found)
            reasons += [f"source.drop {name}: it {why}" for name, why in found.items()]
    if loaded.split is not None:
        source["split"] = loaded.split
    return source, reasons


def _what_it_is(meta: RawMeta) -> str:
    kinds = pd.Series(list(meta.dtypes.values())).value_counts()
    columns = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    grid = f", a grid {list(meta.shape)} a row" if meta.shape else ""
    return f"{meta.rows:,} rows, columns: {columns}{grid}; {meta.task} of {meta.target}"


def _split(frame: pd.DataFrame, meta: RawMeta) -> Advice:
    if meta.split is None:
        return {}, []
    why = f"clean.split.method column: the source comes with its own split ({meta.split})"
    return {"clean": {"split": {"method": "column"}}}, [why]


def _gaps(frame: pd.DataFrame, meta: RawMeta) -> Advice:
    clean: Settings = {}
    reasons = []
    if codes := find_sentinels(frame, meta.columns) if meta.shape is None else ():
        clean["sentinels"] = list(codes)
        reasons.append(f"clean.sentinels {list(codes)}: far outside the column's other numbers")
    numbers = [name for name in meta.columns if meta.dtypes[name] == "number"]
    shares = {name: float(is_missing(frame[name], meta.missing).mean()) for name in numbers}
    if gappy := [name for name, share in shares.items() if 0.05 < share <= CleanConfig().max_missing]:
        clean["impute"] = {"indicator": True}
        reasons.append(f"clean.impute.indicator: over 5 % missing in {_listed(gappy)}")
    if wild := [name for name in numbers if meta.shape is None and _has_far_tail(frame[name], meta, codes)]:
        clean["outliers"] = {"method": "quantile", "strength": 0.005}
        reasons.append(f"clean.outliers quantile: values 100 interquartile ranges out in {_listed(wild)}")
    return ({"clean": clean} if clean else {}), reasons


def _has_far_tail(cells: pd.Series, meta: RawMeta, sentinels: Sequence[float]) -> bool:
    numbers = parse_numbers(cells, meta.missing)
    numbers = numbers[np.isfinite(numbers) & ~np.isin(numbers, sentinels)]
    if not len(numbers):
        return False
    low, first, third, high = np.quantile(numbers, [0, 0.25, 0.75, 1])
    spread = third - first
    return bool(spread > 0 and max(high - third, first - low) > 100 * spread)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _target(frame: pd.DataFrame, meta: RawMeta) -> Advice:
    if meta.task == "classification":
        shares = frame[meta.target].map(level_key, na_action="ignore").value_counts(normalize=True)
        share, commonest = float(shares.iloc[0]), shares.index[0]
        if share <= 0.8:
            return {}, []
        why = f"balanced accuracy and class weights: {share:.0%} of rows are {commonest}"
        settings = {"train": {"class_weights": "balanced"}, "evaluate": {"metric": "balanced_accuracy"}}
        return settings, [why]
    y = pd.Series(parse_numbers(frame[meta.target], meta.missing)).dropna()
    skew = float(np.asarray(y.skew()))
    if y.min() < 0 or skew < 2:
        return {}, []
    return {"clean": {"target": {"log": True}}}, [f"clean.target.log: {meta.target} is skewed ({skew:.1f})"]


def _columns(frame: pd.DataFrame, meta: RawMeta) -> Advice:
    """Choose the reduction: by the dense net's column norms, where there is something to choose from."""
    count = len(meta.columns)
    text = "text" in meta.dtypes.values()
    if _grid_network(meta):
        return _reduction({"method": "none"}, "none: convolutions need the whole grid")
    if count < 8 and not text:
        return _reduction({"method": "none"}, f"none: {count} columns are few already")
    if meta.rows * count > 20_000_000:
        half = {"method": "weight_norm", "components": max(1, count // 2)}
        return _reduction(
            half, "weight_norm, half of the columns: auto trains several nets, this is much data"
        )
    return _reduction(
        {"method": "weight_norm", "components": "auto"},
        "weight_norm, as few columns as validation rows allow",
    )


def _reduction(columns: Settings, why: str) -> Advice:
    return {"reduce": {"columns": columns}}, [f"reduce.columns {why}"]


def _grid_network(meta: RawMeta) -> str | None:
    """Return the network for a series or a larger image; small grey images do well on an MLP."""
    if meta.shape is None:
        return None
    if len(meta.shape) == 2:
        return "cnn1d"
    return "cnn2d" if meta.shape[0] > 1 or prod(meta.shape) > 1024 else None


def _network(frame: pd.DataFrame, meta: RawMeta) -> Advice:
    if network := _grid_network(meta):
        return {"model": {"method": network}}, [
            f"model.method {network}: rows are a grid {list(meta.shape or ())}"
        ]
    hidden = next(hidden for rows, hidden in SIZES if meta.rows >= rows)
    return {"model": {"method": "mlp", "hidden": hidden}}, [f"model mlp {hidden}: for {meta.rows:,} rows"]


def _training(frame: pd.DataFrame, meta: RawMeta) -> Advice:
    epochs, batch = next(schedule for rows, schedule in SCHEDULES if meta.rows >= rows)
    settings = {
        "train": {"epochs": epochs, "batch": batch},
        "prune": {"finetune": {"epochs": epochs + epochs // 2}},
    }
    return settings, [f"train.epochs {epochs}, batch {batch}: about {epochs * meta.rows // batch:,} steps"]


def _notes(frame: pd.DataFrame, meta: RawMeta) -> Advice:
    """Say what only the owner of the data can decide."""
    notes = []
    if meta.task == "classification":
        columns = meta.columns if meta.shape is None else ()
        told = find_leaks(frame, columns, meta.target, meta.missing)
        notes += [
            f"look at {name}: alone it tells {meta.target} in {share:.1%} of rows; known only later?"
            for name, share in told.items()
        ]
        if (tests := meta.rows // 4) < 400:
            points = 98 / tests**0.5
            notes.append(f"about {tests} test rows: a difference under {points:.0f} points cannot be told")
    if dates := [name for name in meta.columns if meta.dtypes[name] == "date"]:
        notes.append(f"if the future is to be predicted: source.time {dates[0]} and clean.split.method time")
    return {}, notes


SIZES: tuple[tuple[int, list[int]], ...] = ((10_000, [512, 256]), (1_000, [256, 128]), (0, [64, 32]))
SCHEDULES: tuple[tuple[int, tuple[int, int]], ...] = (
    (200_000, (8, 512)),
    (20_000, (15, 256)),
    (4_000, (30, 128)),
    (1_000, (60, 64)),
    (0, (100, 32)),
)
