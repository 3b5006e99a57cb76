"""What a reader hands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.errors import EspalierError

__all__ = ["Loaded", "from_arrays", "from_parts", "from_table"]


@dataclass(frozen=True, eq=False)
class Loaded:
    """Raw rows, with what their source knows: target, grid, column that holds an official split.

    `unread` names columns that the source has beside these.
    """

    frame: pd.DataFrame
    target: str | None = None
    shape: tuple[int, ...] | None = None
    split: str | None = None
    unread: tuple[str, ...] = ()


def from_arrays(X: npt.NDArray[Any], y: npt.NDArray[Any], name: str, columns: Sequence[str] = ()) -> Loaded:
    """Return rows of arrays X (n, ...) and y (n,) or (n, 1): features x0, x1, ... and the target y.

    Grids are flattened, channels first: (n, s, s) is a square image, (n, channels, length) otherwise a
    series; (n, height, width, c) with c of 1, 3 or 4 has its channels moved first.

    Raises
    ------
    EspalierError
        When lengths differ or an array has a shape or type that no row or target has.
    """
    if X.dtype.kind not in "biuf" or X.ndim < 2:
        raise EspalierError(f"{name}: X must be numbers of shape (n, ...), got {X.dtype} {X.shape}")
    target = y.reshape(len(y), -1) if y.ndim > 1 else y[:, None] if y.ndim else y.reshape(1, 1)
    if target.shape != (len(X), 1):
        raise EspalierError(
            f"{name}: y must be (n,) for n = {len(X)} rows of X (class numbers, not one-hot), got {y.shape}"
        )
    X, shape = _channels_first(X)
    flat = X.reshape(len(X), prod(X.shape[1:]))
    frame = pd.DataFrame(flat, columns=list(columns) or [f"x{i}" for i in range(flat.shape[1])])
    frame["y"] = target[:, 0]
    return Loaded(frame, "y", shape)


def from_parts(parts: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]], name: str) -> Loaded:
    """Return the rows of officially split arrays, one under the other, with a column `split`."""
    loaded = {part: from_arrays(X, y, f"{name} ({part})") for part, (X, y) in parts.items()}
    shapes = {each.shape for each in loaded.values()}
    widths = {each.frame.shape[1] for each in loaded.values()}
    if len(shapes) > 1 or len(widths) > 1:
        raise EspalierError(f"{name}: its parts have rows of different shapes")
    frames = [each.frame.assign(split=part) for part, each in loaded.items()]
    return Loaded(pd.concat(frames, ignore_index=True), "y", shapes.pop(), "split")


def from_table(table: npt.NDArray[Any], name: str) -> Loaded:
    """Return the rows of a structured array, or of a two-dimensional one whose last column is the target."""
    if table.dtype.names:
        deep = [field for field in table.dtype.names if table[field].ndim != 1]
        if deep:
            raise EspalierError(
                f"{name}: field {deep[0]!r} has shape {table[deep[0]].shape}, one value a row is needed"
            )
        return Loaded(pd.DataFrame({field: table[field] for field in table.dtype.names}))
    if table.ndim != 2 or table.shape[1] < 2:
        raise EspalierError(
            f"{name} has shape {table.shape}; (rows, features + target) or arrays X and y are needed"
        )
    return from_arrays(table[:, :-1], table[:, -1], name)


def _channels_first(X: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], tuple[int, ...] | None]:
    if X.ndim == 2:
        return X, None
    if X.ndim == 3:
        square = X.shape[1] == X.shape[2]
        return X, (1, *X.shape[1:]) if square else X.shape[1:]
    if X.ndim == 4 and X.shape[1] not in (1, 3, 4) and X.shape[3] in (1, 3, 4):
        X = np.moveaxis(X, 3, 1)
    return X, X.shape[1:]
