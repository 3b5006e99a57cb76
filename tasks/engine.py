"""The compression engine alone: a trained network, its rows and a budget in, a smaller network out.

Three lines, without Prefect, DVC or MLflow::

    from tasks.engine import Budget, compress_model
    small = compress_model(network, X, y, Budget(max_bytes=20_000), valid=(X_valid, y_valid))
    small.save("small")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from tasks.data.sources.files import read_file
from tasks.errors import EspalierError
from tasks.export.config import AutoQuantisation, QuantiseConfig
from tasks.export.onnx import run_onnx, session
from tasks.files import read_frame, remove, write_bytes, write_json
from tasks.given import (
    Rows,
    codes_of,
    frame_of,
    grid_shape,
    numeric,
    parts_of,
    table_of,
    targets_of,
    task_of,
    tried,
)
from tasks.models.graph import Graph
from tasks.models.layers import Grid, Softmax, Unscale, preprocess
from tasks.models.user import UserNetwork
from tasks.pruning.config import FinetuneConfig
from tasks.search.candidates import Bench
from tasks.search.config import BudgetConfig as Budget
from tasks.search.doubts import doubts
from tasks.search.meet import Met, meet
from tasks.search.problem import Problem
from tasks.search.stated import stated_budget
from tasks.search.told import summary
from tasks.training.config import TrainConfig
from tasks.training.device import runtime

__all__ = ["Budget", "Compressed", "compress_model"]


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

        A path names a file like those of a source, CSV for example; of Parquet no other columns are read.

        Raises
        ------
        EspalierError
            When the file cannot be read, or a column is missing or not numeric.
        """
        frame = _projected(Path(X), self.columns) if isinstance(X, str | Path) else frame_of(X)
        missing = [name for name in self.columns if name not in frame]
        if missing:
            raise EspalierError(
                f"predict: column {missing[0]!r} is missing; needed: {', '.join(self.columns)}"
            )
        read = frame_of(frame[list(self.columns)], "predict")
        return run_onnx(session(self.model), numeric(read).numpy())

    def save(self, folder: str | Path) -> Path:
        """Write `model.onnx` and `report.json`, each whole or not at all; return the folder.

        A network that came from a builder is also written as `spec.json` and `weights.safetensors`, from
        which `tasks.artifacts.load_graph` makes it again. The report is written last, and an earlier one is
        taken away first: where there is a report, it is about what lies beside it.

        Raises
        ------
        EspalierError
            When a file cannot be written.
        """
        place = Path(folder)
        for name in ("report.json", "spec.json", "weights.safetensors"):
            remove(place / name)
        write_bytes(place / "model.onnx", self.model)
        if getattr(self.graph.network, "builder", ""):
            save_graph(place, self.graph)
        write_json(place / "report.json", self.report)
        return place


def compress_model(
    network: nn.Module,
    X: Rows,
    y: Sequence[Any] | npt.NDArray[Any] | Tensor | pd.Series,
    budget: Budget | Mapping[str, Any] | None = None,
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
        Turns rows (n, p), or a grid (n, C, L) or (n, C, H, W), into logits (n, K), two for two classes, or
        predictions (n, 1). Not changed.
    X : DataFrame, array, Tensor or lists
        Numeric rows as the network takes them; NaN cells are filled with the column's median.
    y : sequence of n
        Labels, or numbers; none missing. Also (n, 1).
    budget : Budget or mapping of its limits, optional
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
        When network, rows and labels do not fit each other, or the budget is none; nothing is written.
    """
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller's block says: it is trained
        wanted = Budget() if budget is None else stated_budget(budget)
        table = table_of(X)
        frame, targets, shape = frame_of(table), targets_of(y), grid_shape(table)
        parts = parts_of(frame, targets, shape, valid, task, seed)
        plan = _plan(parts[0], shape)
        copied, outputs = tried(network, shape or (len(plan.names),))
        kind = task_of(task, outputs, targets)
        labels, codes = codes_of(kind, outputs, targets, parts[1], parts[3])
        graph = _graph(copied, plan, shape, kind, labels)
        train, finetune = train or TrainConfig(), finetune or FinetuneConfig()
        with runtime(train):
            rows = [numeric(part) for part in (parts[0], parts[2])]
            problem = Problem(graph, plan, rows[0], codes[0], rows[1], codes[1], kind, seed, train, finetune)
            form = quantise or AutoQuantisation(method="auto")
            found = meet(Bench(problem, timed=wanted.counts_time, quantise=form), wanted)
        doubted = doubts(task, kind, codes[0], codes[1], found.reference.metric)
        return Compressed(found.best.graph, found.best.model, _report(found, wanted, plan, doubted))


def _projected(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table: of a Parquet file the columns that are asked for, where it has them."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    if not path.is_file():
        raise EspalierError(f"predict: no file {path}")
    if path.suffix.lower() != ".parquet":
        try:
            return read_file(path, str(path), ()).frame.rename(columns=str)
        except EspalierError as error:
            raise EspalierError(f"predict: {str(error).removeprefix('source.uri: ')}") from error
    try:
        held = set(read_schema(path).names)
        return read_frame(path, [name for name in columns if name in held])
    except ArrowException as error:
        raise EspalierError(f"predict: {path} is not a readable Parquet file: {error}") from error


def _plan(frame: pd.DataFrame, shape: tuple[int, ...] | None) -> NumericPlan:
    p = frame.shape[1]
    fill = np.nan_to_num(frame.median().to_numpy(np.float32))
    bound, one = np.full(p, np.inf, np.float32), np.ones(p, np.float32)
    places = None if shape is None else tuple(range(p))
    names = tuple(str(name) for name in frame)
    return NumericPlan(names, (0,) * p, fill, -bound, bound, (), 0 * one, one, places, shape)


def _graph(
    network: nn.Module, plan: NumericPlan, shape: tuple[int, ...] | None, task: str, labels: list[str] | None
) -> Graph:
    given = shape or (len(plan.names),)
    known = isinstance(network, UserNetwork)
    wrapped = network if known else UserNetwork(network, "", given, len(labels or [0]))
    reducer = nn.Identity() if shape is None else nn.Sequential(Grid(torch.arange(len(plan.names)), shape))
    head = Unscale() if task == "regression" else Softmax()
    return Graph(plan.names, preprocess(plan), reducer, wrapped, head, task, labels).eval()


def _report(found: Met, budget: Budget, plan: NumericPlan, doubted: Sequence[str]) -> dict[str, Any]:
    kept, told = found.best.graph.columns, summary(found, budget, len(plan.names))
    return {
        **told,
        "notes": [*doubted, *told["notes"]],
        "columns": list(kept),
        "columns_dropped": [name for name in plan.names if name not in set(kept)],
    }
