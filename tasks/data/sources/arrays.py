"""NumPy files: .npz archives and .npy arrays; pickled objects are refused, never loaded."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.data.sources.loaded import Loaded, from_arrays, from_parts, from_table
from tasks.errors import EspalierError

__all__ = ["from_named", "read_npy", "read_npz"]

FEATURES = ("X", "x", "data", "features", "images", "inputs")
TARGETS = ("y", "Y", "target", "targets", "label", "labels")
PARTS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
Array = npt.NDArray[Any]


def read_npz(path: Path, shown: str, missing: Sequence[str]) -> Loaded:
    """Return the rows of an archive with X and y, or with x_train, y_train, x_test and y_test.

    Raises
    ------
    EspalierError
        When the arrays have other names, hold pickled objects, or the file is no archive.
    """
    _check_magic(path, shown)
    try:
        with np.load(path, allow_pickle=False) as stored:
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise EspalierError(f"{shown} is not an .npz archive")
            return from_named({name: stored[name] for name in stored.files}, shown)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(shown, error) from error


def read_npy(path: Path, shown: str, missing: Sequence[str]) -> Loaded:
    """Return the rows of a structured array, or of a two-dimensional one whose last column is the target."""
    _check_magic(path, shown)
    try:
        stored = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(shown, error) from error
    if not isinstance(stored, np.ndarray):
        raise EspalierError(f"{shown} is not an array but an archive; name it .npz")
    return from_table(stored, shown)


def from_named(arrays: Mapping[str, Array], shown: str) -> Loaded:
    """Return the rows of named arrays."""
    lowered = {name.lower(): array for name, array in arrays.items()}
    if {"x_train", "y_train", "x_test", "y_test"} <= lowered.keys():
        return from_parts(_official_parts(lowered, shown), shown)
    X = next((arrays[name] for name in FEATURES if name in arrays), None)
    y = next((arrays[name] for name in TARGETS if name in arrays), None)
    if X is None or y is None:
        weights = any(name.split(".")[-1] == "weight" for name in arrays)
        hint = "; a network's weights go to reference.weights" if weights else ""
        names = ", ".join(list(arrays)[:8]) or "nothing"
        raise EspalierError(f"{shown} holds {names}; arrays X and y are needed{hint}")
    return from_arrays(X, y, shown)


def _official_parts(arrays: Mapping[str, Array], shown: str) -> dict[str, tuple[Array, Array]]:
    parts = {}
    for ending, part in PARTS.items():
        X, y = f"x_{ending}", f"y_{ending}"
        if (X in arrays) != (y in arrays):
            raise EspalierError(f"{shown} holds one of {X} and {y}; both are needed")
        if X in arrays:
            parts[part] = arrays[X], arrays[y]
    return parts


def _check_magic(path: Path, shown: str) -> None:
    """Tell a file that is none of NumPy's from one that holds objects: NumPy calls both 'pickled'."""
    with path.open("rb") as file:
        start = file.read(6)
    if not start.startswith((b"PK", b"\x93NUMPY")):
        raise EspalierError(f"{shown} is not a NumPy file (a bare pickle is refused)")


def _unreadable(shown: str, error: Exception) -> EspalierError:
    if "pickle" in str(error).lower():
        return EspalierError(
            f"{shown} holds pickled objects, which could run code: refused, nothing was executed; "
            "save plain arrays of numbers"
        )
    return EspalierError(f"{shown} is not a readable NumPy file: {error}")
