"""The compression engine alone: a trained network, its rows and a budget in, a smaller network out.

Three lines, without Prefect, DVC or MLflow::

    from tasks.engine import Budget, compress_model
    small = compress_model(network, X, y, Budget(max_bytes=20_000), valid=(X_valid, y_valid))
    small.save("small")
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from tasks.artifacts import save_graph
from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.export.config import AutoQuantisation, QuantiseConfig
from tasks.export.onnx import run_onnx, session
from tasks.files import present, read_frame, write_bytes, write_json
from tasks.models.graph import Graph
from tasks.models.layers import Grid, Softmax, Unscale, preprocess
from tasks.models.user import UserNetwork
from tasks.pruning.config import FinetuneConfig
from tasks.search.candidates import Bench
from tasks.search.config import BudgetConfig as Budget
from tasks.search.meet import Met, meet
from tasks.search.problem import Problem
from tasks.search.told import summary
from tasks.training.config import TrainConfig
from tasks.training.device import runtime
from tasks.training.seeds import derived_seed, permutation

__all__ = ["Budget", "Compressed", "compress_model"]

VALID_SHARE = 0.2
_SPLIT = 7
Rows = pd.DataFrame | npt.NDArray[Any] | Tensor


@dataclass(frozen=True, eq=False)
class Compressed:
    """A compressed model.

    Attributes
    ----------
    graph : Graph
        Rows of the columns it still reads, NaN where missing, to probabilities or predictions; float32.
    model : bytes
        The ONNX file of it, in int8 where that is smaller.
    report : dict
        Figures before and after, every candidate tried, whether the budget is met.
    """

    graph: Graph
    model: bytes
    report: dict[str, Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it reads, in order."""
        return self.graph.columns

    @property
    def met(self) -> bool:
        """Whether the budget is met on validation rows."""
        return bool(self.report["met"])

    def predict(self, X: Rows | str | Path) -> npt.NDArray[Any]:
        """Return probabilities (n, K) or predictions (n,) of rows that have at least `columns`.

        Of a Parquet file no other columns are read.
        """
        frame = _projected(Path(X), self.columns) if isinstance(X, str | Path) else _frame(X)
        missing = [name for name in self.columns if name not in frame]
        if missing:
            raise EspalierError(
                f"predict: column {missing[0]!r} is missing; needed: {', '.join(self.columns)}"
            )
        return run_onnx(session(self.model), _numeric(frame[list(self.columns)]).numpy())

    def save(self, folder: str | Path) -> Path:
        """Write `model.onnx` and `report.json`, each whole or not at all; return the folder.

        A network that came from a builder is also written as `spec.json` and `weights.safetensors`, from
        which `tasks.artifacts.load_graph` makes it again.
        """
        place = Path(folder)
        write_bytes(place / "model.onnx", self.model)
        if getattr(self.graph.network, "builder", ""):
            save_graph(place, self.graph)
        write_json(place / "report.json", self.report)
        return place


def compress_model(
    network: nn.Module,
    X: Rows,
    y: Sequence[Any] | npt.NDArray[Any] | Tensor | pd.Series,
    budget: Budget | None = None,
    *,
    valid: tuple[Rows, Any] | None = None,
    task: str = "auto",
    seed: int = 0,
    train: TrainConfig | None = None,
    finetune: FinetuneConfig | None = None,
    quantise: QuantiseConfig | None = None,
) -> Compressed:
    """Make a trained network smaller and faster within a budget.

    Parameters
    ----------
    network : Module
        Turns rows (n, p), or a grid (n, C, L) or (n, C, H, W), into logits (n, K) or predictions (n, 1).
        Not changed.
    X : DataFrame, array or Tensor
        Numeric rows as the network takes them; NaN cells are filled with the column's median.
    y : sequence of n
        Labels, or numbers.
    budget : Budget, optional
        By default the smallest file at most 0.005 below the network's validation metric.
    valid : (X, y), optional
        Rows that every choice is made on, and that the network was not trained on. By default a fifth of X,
        seeded, the same share of each class: too kind to the reference where it has seen them.
    task : "classification", "regression" or "auto"
        auto: regression where the network has one output.
    seed : int
    train, finetune : optional
        How candidates recover: batch, optimizer, device; epochs, learning rate, distillation. Rows are mixed
        with each other (`finetune.mixup`), which means nothing where inputs are codes: set it to 0 there.
    quantise : optional
        By default every int8 form is tried and the smallest within its tolerance kept.

    Raises
    ------
    EspalierError
        When network, rows and labels do not fit each other; nothing is written.
    """
    frame, targets, shape = _frame(X), np.asarray(y), _grid_shape(X)
    parts = _parts(frame, targets, valid, task, seed)
    plan = _plan(parts[0], shape)
    outputs = _outputs(network, shape or (len(plan.names),))
    kind = _task(task, outputs)
    labels, codes = _targets(kind, outputs, targets, parts[1], parts[3])
    graph = _graph(network, plan, shape, kind, labels)
    train, finetune = train or TrainConfig(), finetune or FinetuneConfig()
    with runtime(train):
        rows = [_numeric(part) for part in (parts[0], parts[2])]
        problem = Problem(graph, plan, rows[0], codes[0], rows[1], codes[1], kind, seed, train, finetune)
        wanted = budget or Budget()
        form = quantise or AutoQuantisation(method="auto")
        found = meet(Bench(problem, timed=wanted.counts_time, quantise=form), wanted)
    return Compressed(found.best.graph, found.best.model, _report(found, wanted, plan))


def _frame(X: Rows) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        text = [str(name) for name in X if not pd.api.types.is_numeric_dtype(X[name])]
        if text:
            raise EspalierError(
                f"X: column {text[0]!r} is not numeric; encode it as the network was trained on it, or let "
                "`espalier init` make a workspace that cleans the data"
            )
        return X.rename(columns=str)
    cells = np.asarray(X.detach().cpu() if isinstance(X, Tensor) else X)
    if cells.ndim < 2 or not len(cells):
        raise EspalierError(
            f"X has shape {cells.shape}; needed: rows (n, p), or a grid (n, C, L) or (n, C, H, W)"
        )
    flat = cells.reshape(len(cells), -1)
    return pd.DataFrame(flat, columns=[f"x{i}" for i in range(flat.shape[1])])


def _projected(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read the columns of a Parquet file that are asked for, where it has them."""
    from pyarrow.parquet import read_schema

    held = set(read_schema(present(path)).names)
    return read_frame(path, [name for name in columns if name in held])


def _grid_shape(X: Rows) -> tuple[int, ...] | None:
    return None if isinstance(X, pd.DataFrame) or X.ndim == 2 else tuple(int(size) for size in X.shape[1:])


def _parts(
    frame: pd.DataFrame, y: npt.NDArray[Any], valid: tuple[Rows, Any] | None, task: str, seed: int
) -> tuple[pd.DataFrame, npt.NDArray[Any], pd.DataFrame, npt.NDArray[Any]]:
    """Return training and validation rows with their targets."""
    if len(y) != len(frame):
        raise EspalierError(f"y has {len(y)} values for {len(frame)} rows of X")
    if valid is not None:
        return frame, y, _frame(valid[0])[list(frame)], np.asarray(valid[1])
    order = permutation(len(frame), derived_seed(seed, _SPLIT), 0).numpy()
    classes = y[order] if task != "regression" and len(np.unique(y)) <= len(y) // 5 else np.zeros(len(y))
    held = np.zeros(len(y), dtype=bool)
    for value in np.unique(classes):
        own = order[classes == value]
        held[own[: round(VALID_SHARE * len(own))]] = True
    if not held.any():
        raise EspalierError(f"{len(frame)} rows are too few to hold some back; give valid=(X, y)")
    return frame[~held], y[~held], frame[held], y[held]


def _plan(frame: pd.DataFrame, shape: tuple[int, ...] | None) -> NumericPlan:
    p = frame.shape[1]
    fill = np.nan_to_num(frame.median().to_numpy(np.float32))
    bound, one = np.full(p, np.inf, np.float32), np.ones(p, np.float32)
    places = None if shape is None else tuple(range(p))
    names = tuple(str(name) for name in frame)
    return NumericPlan(names, (0,) * p, fill, -bound, bound, (), 0 * one, one, places, shape)


def _outputs(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Return how many outputs the network gives, after trying it on two rows of zeros."""
    training = network.training
    try:
        with torch.no_grad():
            answer = network.eval()(torch.zeros(2, *shape))
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        raise EspalierError(f"the network does not take rows of shape {list(shape)}: {reason}") from error
    finally:
        network.train(training)
    if not isinstance(answer, Tensor) or answer.ndim != 2 or len(answer) != 2:
        got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise EspalierError(
            f"the network turns 2 rows into {got}; needed: logits (2, K) or predictions (2, 1)"
        )
    return int(answer.shape[1])


def _task(task: str, outputs: int) -> str:
    if task not in ("auto", "classification", "regression"):
        raise EspalierError(f"task: {task!r} is none of auto, classification, regression")
    if task == "auto":
        return "regression" if outputs == 1 else "classification"
    if (task == "regression") != (outputs == 1):
        needed = "one output" if task == "regression" else "an output for each class"
        raise EspalierError(f"task {task} needs {needed}, and the network has {outputs}")
    return task


def _targets(
    task: str, outputs: int, y: npt.NDArray[Any], *parts: npt.NDArray[Any]
) -> tuple[list[str] | None, list[Tensor]]:
    if task == "regression":
        return None, [torch.from_numpy(np.asarray(part, np.float32)) for part in parts]
    labels = np.unique(y)
    if len(labels) != outputs:
        raise EspalierError(
            f"y has {len(labels)} classes and the network {outputs} outputs; every class needs a row, and "
            "its place among the sorted labels is its output"
        )
    return [str(label) for label in labels], [
        torch.from_numpy(np.searchsorted(labels, part)) for part in parts
    ]


def _graph(
    network: nn.Module, plan: NumericPlan, shape: tuple[int, ...] | None, task: str, labels: list[str] | None
) -> Graph:
    given = shape or (len(plan.names),)
    copied = copy.deepcopy(network)
    known = isinstance(copied, UserNetwork)
    wrapped = copied if known else UserNetwork(copied, "", given, len(labels or [0]))
    wrapped = wrapped.cpu().float()
    reducer = nn.Identity() if shape is None else nn.Sequential(Grid(torch.arange(len(plan.names)), shape))
    head = Unscale() if task == "regression" else Softmax()
    return Graph(plan.names, preprocess(plan), reducer, wrapped, head, task, labels).eval()


def _numeric(frame: pd.DataFrame) -> Tensor:
    cells = frame.to_numpy(np.float32, na_value=np.nan)
    if np.isinf(cells).any():
        raise EspalierError("X holds infinite cells; make them NaN or clip them")
    return torch.from_numpy(np.array(cells, order="C"))


def _report(found: Met, budget: Budget, plan: NumericPlan) -> dict[str, Any]:
    kept = found.best.graph.columns
    return {
        **summary(found, budget, len(plan.names)),
        "columns": list(kept),
        "columns_dropped": [name for name in plan.names if name not in set(kept)],
    }
