"""PyTorch files, loaded with `weights_only=True`: tensors come in, code does not."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.data.sources.arrays import from_named
from tasks.data.sources.loaded import Loaded, from_arrays, from_table
from tasks.errors import EspalierError

__all__ = ["read_tensors"]


def read_tensors(path: Path, shown: str, missing: Sequence[str]) -> Loaded:
    """Return the rows of a saved (X, y) pair, of a dict of named tensors, or of one two-dimensional tensor.

    Raises
    ------
    EspalierError
        When the file holds anything but tensors and plain containers, or tensors that are not rows.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; what is refused is refused below
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        with path.open("rb") as file:
            if not file.read(2).startswith((b"PK", b"\x80")):
                raise EspalierError(f"{shown} is not a PyTorch file") from error
        raise EspalierError(
            f"{shown} holds pickled objects, which could run code: refused, nothing was executed; "
            "save tensors: torch.save((X, y), path)"
        ) from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise EspalierError(
            f"{shown} is not a readable PyTorch file: {str(error).splitlines()[0]}"
        ) from error
    return _rows(stored, shown)


def _rows(stored: Any, shown: str) -> Loaded:
    if isinstance(stored, dict):
        tensors = {str(name): value for name, value in stored.items()}
        return from_named({name: _array(value, shown) for name, value in tensors.items()}, shown)
    if isinstance(stored, tuple | list) and len(stored) == 2:
        return from_arrays(_array(stored[0], shown), _array(stored[1], shown), shown)
    if hasattr(stored, "numpy"):
        return from_table(_array(stored, shown), shown)
    raise EspalierError(
        f"{shown} holds a {type(stored).__name__}; a pair (X, y) or a dict with X and y is needed"
    )


def _array(value: Any, shown: str) -> npt.NDArray[Any]:
    import torch

    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    if value.is_sparse or value.is_complex() or value.is_quantized:
        raise EspalierError(f"{shown} holds a sparse, complex or quantised tensor; dense numbers are needed")
    dense = value.detach()
    narrow = dense.is_floating_point() and dense.dtype not in (torch.float32, torch.float64)
    return (dense.float() if narrow else dense).numpy()
