"""A source read, its columns given roles and types: the raw frame and its meta."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.data.config import SourceConfig
from tasks.data.meta import ColumnType, RawMeta
from tasks.data.sources.files import read_file
from tasks.data.sources.loaded import Loaded
from tasks.data.sources.location import Location, locate
from tasks.data.sources.packaged import read_packaged
from tasks.data.types import column_type, target_task
from tasks.errors import EspalierError, closest

__all__ = ["load_source", "read_source"]


def read_source(root: Path, config: SourceConfig) -> tuple[pd.DataFrame, RawMeta]:
    """Return the raw frame and what is known about it.

    Parameters
    ----------
    root : Path
        Workspace that relative paths start from.
    config : SourceConfig

    Raises
    ------
    EspalierError
        In one line: what cannot be read, or why nothing can be learnt from it.
    """
    loaded = load_source(root, config)
    frame = loaded.frame
    if not len(frame):
        raise EspalierError(f"{config.uri} has no rows")
    _check_names([*frame.columns, *loaded.unread], config)
    target = _target(loaded, config)
    frame = frame.drop(columns=[name for name in config.drop if name not in loaded.unread])
    split = config.split or loaded.split
    roles = {target, config.group, config.time, split}
    columns = [str(name) for name in frame.columns if name not in roles]
    task = target_task(frame[target], config)
    meta = RawMeta(
        target=target,
        task=task,
        shape=_shape(loaded, config, columns),
        group=config.group,
        time=config.time,
        split=split,
        rows=len(frame),
        columns=tuple(columns),
        dtypes={name: _type(frame[name], config) for name in columns},
        missing=config.na_values,
    )
    return _storable(frame), _checked(meta)


def load_source(root: Path, config: SourceConfig) -> Loaded:
    """Return the source's rows as they are, column names and bytes as strings.

    Raises
    ------
    EspalierError
        When it cannot be read, or a cell holds several values.
    """
    location = locate(root, config)
    loaded = _read(location, config, root)
    frame = loaded.frame.rename(columns=str)
    return replace(loaded, frame=_single_cells(frame, config))


def _single_cells(frame: pd.DataFrame, config: SourceConfig) -> pd.DataFrame:
    """Refuse columns of lists, and decode those of bytes."""
    decoded = {}
    for name in frame.columns[[dtype == np.dtype(object) for dtype in frame.dtypes]]:
        if name in config.drop or not isinstance(cells := frame[name], pd.Series):
            continue
        kinds = {type(cell) for cell in cells}
        if kinds & {list, tuple, set, dict, np.ndarray}:
            raise EspalierError(
                f"{config.uri}: column {name!r} holds several values a cell; give each a column of its own, "
                "or leave the column out with source.drop"
            )
        if bytes in kinds:
            decoded[name] = cells.map(_decoded)
    return frame.assign(**decoded)


def _decoded(cell: object) -> object:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else cell


def _read(location: Location, config: SourceConfig, root: Path) -> Loaded:
    if location.package is not None:
        return read_packaged(location.package)
    if location.path is not None:
        return read_file(location.path, config.uri, config.na_values, config.drop)
    from tasks.data.sources.database import read_query

    return read_query(location, config.query or "", config.uri, root)


def _target(loaded: Loaded, config: SourceConfig) -> str:
    target = config.target or loaded.target
    if target is None:
        names = ", ".join(map(str, loaded.frame.columns[-5:]))
        raise EspalierError(f"source.target names no column of {config.uri}; the last ones are {names}")
    return target


def _check_names(names: Sequence[str], config: SourceConfig) -> None:
    """Refuse repeated columns, and settings that name a column the source does not have."""
    if len(set(names)) < len(names):
        repeated = next(name for i, name in enumerate(names) if name in names[:i])
        raise EspalierError(f"{config.uri} has two columns named {repeated!r}")
    wanted = {key: getattr(config, key) for key in ("target", "group", "time", "split")}
    wanted |= {f"drop[{i}]": name for i, name in enumerate(config.drop)}
    wanted |= {f"dtypes.{name}": name for name in config.dtypes}
    for key, name in wanted.items():
        if name is not None and name not in names:
            raise EspalierError(f"source.{key}: {config.uri} has no column {name!r}{_nearest(name, names)}")


def _nearest(name: str, names: Sequence[str]) -> str:
    """Say which columns were meant, or which there are."""
    if close := closest(name, names):
        return f"; did you mean {close}?"
    shown = ", ".join(names[:8])
    return f"; its columns are {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _shape(loaded: Loaded, config: SourceConfig, columns: Sequence[str]) -> tuple[int, ...] | None:
    shape = config.shape or loaded.shape
    if shape is not None and prod(shape) != len(columns):
        raise EspalierError(
            f"source.shape {list(shape)} has {prod(shape)} cells, {config.uri} has {len(columns)} features"
        )
    return shape


def _type(cells: pd.Series, config: SourceConfig) -> ColumnType:
    return config.dtypes.get(str(cells.name)) or column_type(cells, config.na_values)


def _checked(meta: RawMeta) -> RawMeta:
    if not meta.columns:
        raise EspalierError(f"no feature column is left beside the target {meta.target!r}")
    odd = [name for name, kind in meta.dtypes.items() if kind != "number"]
    if meta.shape is not None and odd:
        raise EspalierError(f"a grid needs numbers, column {odd[0]!r} is {meta.dtypes[odd[0]]}")
    return meta


def _storable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with object and categorical columns as strings, which Parquet can hold."""
    mixed = [str(name) for name, dtype in frame.dtypes.items() if dtype.kind == "O" and dtype != "str"]
    text = {name: frame[name].map(str, na_action="ignore").astype("str") for name in mixed}
    return frame.assign(**text).reset_index(drop=True)
