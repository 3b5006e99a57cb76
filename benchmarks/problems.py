"""Data sets with the dense network each is learned by, cleaned, split and trained as the pipeline does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks import mnist1d
from tasks.data.cleaning.fit import Cleaned, fit_clean
from tasks.data.config import CleanConfig, SourceConfig, SplitConfig
from tasks.data.meta import RawMeta
from tasks.data.sources import read_source
from tasks.models.config import Cnn1dConfig, MlpConfig, UserConfig
from tasks.models.graph import Graph, build_graph, input_shape
from tasks.models.network import Network
from tasks.models.zoo import build_network
from tasks.pruning.config import FinetuneConfig
from tasks.search.luck import settled
from tasks.search.problem import Problem as Search
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.fit import fit
from tasks.training.tensors import learning_target, split_tensors

__all__ = ["SETS", "Dense", "Model", "Problem", "Read", "dense", "halved", "packaged", "widths"]

Read = Callable[[int], tuple[pd.DataFrame, RawMeta]]
Model: TypeAlias = MlpConfig | Cnn1dConfig | UserConfig


def packaged(name: str) -> Read:
    """Read a packaged set, whatever the seed."""
    return lambda _: read_source(Path(), SourceConfig(uri=f"package:{name}"))


def _mnist1d(grid: bool) -> Read:
    def read(seed: int) -> tuple[pd.DataFrame, RawMeta]:
        X, y = mnist1d.load(5000, seed)
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder, "mnist1d.npz"), X=X[:, None] if grid else X, y=y)
            return read_source(Path(folder), SourceConfig(uri="mnist1d.npz"))

    return read


@dataclass(frozen=True)
class Problem:
    """A set, its dense network and how long that trains.

    Attributes
    ----------
    narrower
        Halved versions of a network of this folder's own, the widest first.
    recovery
        Epochs of a candidate's recovery in a budget search; auto: as the program chooses.
    """

    read: Read
    model: Model
    epochs: int
    split: Literal["stratified", "grouped"] = "stratified"
    narrower: tuple[UserConfig, ...] = ()
    recovery: int | Literal["auto"] = "auto"


def _resnet(width: str) -> UserConfig:
    return UserConfig(builder=f"resnet:{width}")


SETS: dict[str, Problem] = {
    "digits": Problem(packaged("digits"), MlpConfig(hidden=(300, 100)), 60),
    "breast_cancer": Problem(packaged("breast_cancer"), MlpConfig(hidden=(300, 100)), 60),
    "diabetes": Problem(packaged("diabetes"), MlpConfig(hidden=(300, 100)), 60),
    "MNIST-5k": Problem(packaged("mnist"), MlpConfig(hidden=(512, 256)), 20),
    "MNIST-1D, mlp": Problem(_mnist1d(grid=False), MlpConfig(hidden=(512, 256)), 60),
    "MNIST-1D, cnn": Problem(
        _mnist1d(grid=True), Cnn1dConfig(channels=(32, 64), hidden=(32,)), 30, recovery=60
    ),
    "MNIST-1D, resnet": Problem(
        _mnist1d(grid=True),
        _resnet("build"),
        60,
        recovery=60,
        narrower=tuple(map(_resnet, ("half", "quarter", "eighth", "sixteenth"))),
    ),
}


@dataclass(frozen=True, eq=False)
class Dense:
    """A set cleaned and split by a seed, with its trained dense network and that one's validation metric."""

    problem: Problem
    cleaned: Cleaned
    graph: Graph
    seed: int
    steady: float

    @property
    def task(self) -> str:
        """Classification or regression."""
        return self.cleaned.cleaner.target.kind

    def untrained(self, model: Model) -> Network:
        """Build another network for these rows, by the same seed."""
        cleaner = self.cleaned.cleaner
        return _untrained(model, input_shape(model, cleaner.plan, None), cleaner.target.outputs, self.seed)

    @cached_property
    def targets(self) -> dict[str, torch.Tensor]:
        """Class codes, or the standardised target, by split."""
        target = self.cleaned.cleaner.target
        return {name: learning_target(target, getattr(self.cleaned, name).y) for name in _SPLITS}

    @cached_property
    def splits(self) -> tuple[Tensors, Tensors, Tensors]:
        """Network inputs and targets of the training, validation and test rows."""
        train, valid, test = (
            split_tensors(self.graph, self.cleaned.cleaner.target, None, getattr(self.cleaned, part))
            for part in _SPLITS
        )
        return train, valid, test

    def search(self, epochs: int | Literal["auto"]) -> Search:
        """What a budget search works on: training and validation rows alone."""
        return Search(
            self.graph,
            self.cleaned.cleaner.plan,
            torch.from_numpy(self.rows("train")),
            self.targets["train"],
            torch.from_numpy(self.rows("valid")),
            self.targets["valid"],
            self.task,
            self.seed,
            TrainConfig(seed=self.seed),
            FinetuneConfig(epochs=epochs),
            floor=self.steady,
        )

    def rows(self, split: str) -> NDArray[np.float32]:
        """Numeric rows (n, p) of a split."""
        X: NDArray[np.float32] = getattr(self.cleaned, split).X
        return X


_SPLITS = ("train", "valid", "test")


def halved(problem: Problem) -> Iterator[Model]:
    """Yield a problem's network with half the units in every layer, a quarter of them, and so on."""
    yield from problem.narrower
    model = problem.model
    while not isinstance(model, UserConfig):
        smaller = _half(model)
        if smaller == model:
            return
        model = smaller
        yield model


def _half(model: MlpConfig | Cnn1dConfig) -> MlpConfig | Cnn1dConfig:
    fields = ("hidden",) if isinstance(model, MlpConfig) else ("channels", "hidden")
    return model.model_copy(
        update={field: tuple(max(1, width // 2) for width in getattr(model, field)) for field in fields}
    )


def widths(model: Model) -> str:
    """Name a network by its widths.

    Examples
    --------
    >>> widths(Cnn1dConfig(channels=(32, 64), hidden=(32,)))
    '32-64-32'
    """
    if isinstance(model, UserConfig):
        return model.builder.partition(":")[2]
    channels = model.channels if isinstance(model, Cnn1dConfig) else ()
    return "-".join(str(width) for width in (*channels, *model.hidden))


def _untrained(model: Model, shape: tuple[int, ...], outputs: int, seed: int) -> Network:
    return build_network(model, shape, outputs, seed=seed, root=Path(__file__).parent)


def dense(problem: Problem, seed: int) -> Dense:
    """Read, clean, split and train."""
    frame, meta = problem.read(seed)
    cleaned = fit_clean(frame, meta, CleanConfig(split=SplitConfig(method=problem.split, seed=seed)))
    cleaner = cleaned.cleaner
    shape = input_shape(problem.model, cleaner.plan, None)
    network = _untrained(problem.model, shape, cleaner.target.outputs, seed)
    graph = build_graph(cleaner, None, network)
    train, valid = (
        split_tensors(graph, cleaner.target, None, rows) for rows in (cleaned.train, cleaned.valid)
    )
    fitted = fit(
        network,
        train,
        valid,
        TrainConfig(seed=seed),
        task=cleaner.target.kind,
        outputs=cleaner.target.outputs,
        seed=seed,
        epochs=problem.epochs,
    )
    graph.network = fitted.network
    metrics = [epoch.valid_metric for epoch in fitted.history]
    steady = settled(metrics, fitted.best_epoch, cleaner.target.kind, len(valid))
    return Dense(problem, cleaned, graph.eval(), seed, steady)
