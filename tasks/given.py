"""What the engine is given: rows, targets and a network, refused where they do not fit each other."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.models.user import gives_probabilities, scripted
from tasks.training.seeds import derived_seed, permutation

__all__ = [
    "Rows",
    "codes_of",
    "frame_of",
    "grid_shape",
    "numeric",
    "parts_of",
    "table_of",
    "targets_of",
    "task_of",
    "tried",
]

VALID_SHARE = 0.2
_SPLIT = 7
_TOLD = 8  # labels that an error lists
_NEEDED = "needed: rows (n, p), or a grid (n, C, L) or (n, C, H, W)"
Array = npt.NDArray[Any]
Rows = pd.DataFrame | Array | Tensor | Sequence[Any]


def table_of(X: Rows, name: str = "X") -> pd.DataFrame | Array:
    """Return rows as a table as it is, or as an array of numbers; lists count as arrays.

    Raises
    ------
    EspalierError
        When they are no numbers, or lines differ in length; `name` is what it says of X.

    Examples
    --------
    >>> table_of([[1, 2], [3, None]]).tolist()
    [[1.0, 2.0], [3.0, nan]]
    """
    if isinstance(X, pd.DataFrame):
        return X
    try:
        cells = np.asarray(X.detach().cpu() if isinstance(X, Tensor) else X)
        cells = cells.astype(np.float64) if cells.dtype == object else cells
    except (TypeError, ValueError) as error:
        raise EspalierError(f"{name} is no array of numbers ({error}); {_NEEDED}") from error
    if cells.dtype.kind not in "biuf":
        raise EspalierError(f"{name} is no array of numbers but of {cells.dtype}; {_NEEDED}")
    return cells


def frame_of(X: Rows, name: str = "X") -> pd.DataFrame:
    """Return rows as a table of numbers whose columns have names; a grid is flattened.

    Raises
    ------
    EspalierError
        When there are no rows, a column is not numeric or two have one name; `name` is what it says of X.
    """
    cells = table_of(X, name)
    if isinstance(cells, pd.DataFrame):
        return _named(cells.rename(columns=str), name)
    if cells.ndim < 2 or not len(cells):
        raise EspalierError(f"{name} has shape {cells.shape}; {_NEEDED}")
    flat = cells.reshape(len(cells), -1)
    return pd.DataFrame(flat, columns=[f"x{i}" for i in range(flat.shape[1])])


def _named(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    if frame.empty:
        raise EspalierError(f"{name} has shape {frame.shape}; needed: rows (n, p)")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise EspalierError(f"{name}: two columns are called {twice[0]!r}; give each a name of its own")
    text = [str(column) for column, kind in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text:
        raise EspalierError(
            f"{name}: column {text[0]!r} is not numeric; encode it as the network was trained on it, or let "
            "`espalier init` make a workspace that cleans the data"
        )
    return frame


def grid_shape(X: pd.DataFrame | Array) -> tuple[int, ...] | None:
    """Return the shape of a row on a grid; None of a flat one."""
    return None if isinstance(X, pd.DataFrame) or X.ndim == 2 else tuple(int(size) for size in X.shape[1:])


def targets_of(y: Any, name: str = "y") -> Array:
    """Return targets as (n,); a single column (n, 1) counts as one.

    Raises
    ------
    EspalierError
        When there are several a row, or one is missing.

    Examples
    --------
    >>> targets_of([[1.0], [2.0]]).shape
    (2,)
    """
    given = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1:
        raise EspalierError(f"{name} has shape {given.shape}; needed: one label or number a row")
    missing = np.flatnonzero(pd.isna(given))
    if len(missing):
        raise EspalierError(
            f"{name} lacks {len(missing)} of {len(given)} values, the first in row {missing[0]}; leave those "
            "rows out"
        )
    return given


def parts_of(
    frame: pd.DataFrame,
    y: Array,
    shape: tuple[int, ...] | None,
    valid: tuple[Rows, Any] | None,
    task: str,
    seed: int,
) -> tuple[pd.DataFrame, Array, pd.DataFrame, Array]:
    """Return training and validation rows with their targets; without `valid` a fifth is held back.

    Raises
    ------
    EspalierError
        When rows and targets differ in number, validation rows have other columns, or rows are too few.
    """
    if len(y) != len(frame):
        raise EspalierError(f"y has {len(y)} values for {len(frame)} rows of X")
    if valid is not None:
        return frame, y, *_validation(frame, shape, valid)
    order = permutation(len(frame), derived_seed(seed, _SPLIT), 0).numpy()
    classes = y[order] if task != "regression" and len(_distinct(y)) <= len(y) // 5 else np.zeros(len(y))
    held = np.zeros(len(y), dtype=bool)
    for value in np.unique(classes):
        own = order[classes == value]
        held[own[: round(VALID_SHARE * len(own))]] = True
    if not held.any():
        raise EspalierError(f"{len(frame)} rows are too few to hold some back; give valid=(X, y)")
    return frame[~held], y[~held], frame[held], y[held]


def _validation(
    frame: pd.DataFrame, shape: tuple[int, ...] | None, valid: tuple[Rows, Any]
) -> tuple[pd.DataFrame, Array]:
    if not isinstance(valid, tuple | list) or len(valid) != 2:
        raise EspalierError(f"valid: got {type(valid).__name__}; give rows and their targets, valid=(X, y)")
    X, y = table_of(valid[0], "valid: X"), valid[1]
    rows, targets = frame_of(X, "valid: X"), targets_of(y, "valid: y")
    missing = [str(name) for name in frame if name not in rows]
    if missing:
        raise EspalierError(f"valid: column {missing[0]!r} of X is missing; give the same columns as in X")
    if not isinstance(X, pd.DataFrame) and (rows.shape[1], grid_shape(X)) != (frame.shape[1], shape):
        raise EspalierError(
            f"valid: rows have shape {list(X.shape[1:])}, those of X {list(shape or frame.shape[1:])}"
        )
    if len(targets) != len(rows):
        raise EspalierError(f"valid: y has {len(targets)} values for {len(rows)} rows of X")
    return rows[list(frame)], targets


def tried(network: nn.Module, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
    """Return a copy in float32 on the CPU, for inference, and how many outputs it gives.

    Raises
    ------
    EspalierError
        When it does not turn two rows of zeros into logits (2, K) or predictions (2, 1), or is compiled.
    """
    if why := scripted(network):
        raise EspalierError(f"the network {why}")
    try:
        copied = copy.deepcopy(network).cpu().float().eval()
        with torch.no_grad():
            answer = copied(torch.zeros(2, *shape))
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        raise EspalierError(f"the network does not take rows of shape {list(shape)}: {reason}") from error
    if not isinstance(answer, Tensor) or answer.ndim != 2 or len(answer) != 2:
        got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise EspalierError(
            f"the network turns 2 rows into {got}; needed: logits (2, K) or predictions (2, 1)"
        )
    if not answer.is_floating_point():
        raise EspalierError(f"the network answers in {answer.dtype}; needed: floating-point numbers")
    if gives_probabilities(answer):
        raise EspalierError(
            "the network gives probabilities; leave its softmax out, the loss and the exported model have "
            "their own"
        )
    return copied, int(answer.shape[1])


def task_of(task: str, outputs: int, y: Array) -> str:
    """Return what is learned: a regression where the network has one output.

    Raises
    ------
    EspalierError
        When the task asked for, or two classes, contradict the number of outputs.
    """
    if task not in ("auto", "classification", "regression"):
        raise EspalierError(f"task: {task!r} is none of auto, classification, regression")
    if outputs == 1 and task != "regression" and len(_distinct(y)) == 2:
        raise EspalierError(
            "y has two values and the network one output; for two classes give it two logits (0, z), whose "
            'softmax is the sigmoid of z. Where y are numbers to predict, say task="regression"'
        )
    if task == "auto":
        return "regression" if outputs == 1 else "classification"
    if (task == "regression") != (outputs == 1):
        needed = "one output" if task == "regression" else "an output for each class"
        raise EspalierError(f"task {task} needs {needed}, and the network has {outputs}")
    return task


def codes_of(
    task: str, outputs: int, y: Array, train: Array, valid: Array
) -> tuple[list[str] | None, list[Tensor]]:
    """Return the labels, in the order of the outputs, and the targets of both parts as tensors.

    Raises
    ------
    EspalierError
        When labels and outputs differ in number, validation rows have labels of their own, or targets of a
        regression are no finite numbers, or one number on all validation rows.
    """
    if task == "regression":
        numbers = [_numbers(part) for part in (train, valid)]
        _check_spread(numbers[1])
        return None, numbers
    labels = _distinct(y)
    if len(labels) != outputs:
        raise EspalierError(
            f"y has {len(labels)} classes and the network {outputs} outputs; every class needs a row, and "
            "its place among the sorted labels is its output"
        )
    known = set(labels.tolist())
    unknown = [value for value in valid.tolist() if value not in known]
    if unknown:
        told = ", ".join(map(str, labels[:_TOLD])) + (", ..." if len(labels) > _TOLD else "")
        raise EspalierError(f"valid: label {unknown[0]!r} does not occur in y, whose labels are {told}")
    return [str(label) for label in labels], [
        torch.from_numpy(np.searchsorted(labels, part.astype(labels.dtype))) for part in (train, valid)
    ]


def _distinct(y: Array) -> Array:
    try:
        return np.unique(y)
    except TypeError as error:
        raise EspalierError(
            f"y mixes kinds of labels, which have no order ({error}); make all text"
        ) from error


def _numbers(y: Array) -> Tensor:
    try:
        numbers = np.asarray(y, np.float32)
    except (TypeError, ValueError) as error:
        raise EspalierError(
            f"y holds no numbers, which the one output of the network needs ({error}); for classes "
            "give it an output each"
        ) from error
    if not np.isfinite(numbers).all():
        raise EspalierError("y holds infinite values, or such as float32 cannot hold; leave those rows out")
    return torch.from_numpy(numbers)


def _check_spread(y: Tensor) -> None:
    """Refuse validation targets that any network is as good on: R2 is a share of their spread."""
    if bool((y == y[0]).all()):
        told = f"all {len(y)} targets are {float(y[0]):g}" if len(y) > 1 else "there is one row"
        raise EspalierError(
            f"valid: {told}, so that R2 cannot tell a good network from a bad one; give valid=(X, y) with "
            "rows whose targets differ"
        )


def numeric(frame: pd.DataFrame) -> Tensor:
    """Return cells as float32, NaN where missing; infinite ones are refused."""
    cells = frame.to_numpy(np.float32, na_value=np.nan)
    if np.isinf(cells).any():
        raise EspalierError("X holds infinite cells; make them NaN or clip them")
    return torch.from_numpy(np.array(cells, order="C"))
