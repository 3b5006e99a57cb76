"""Small trained-looking graphs of every family and reducer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from tasks.data.plan import NumericPlan
from tasks.export.config import FoldMode
from tasks.export.fold import fold
from tasks.export.onnx import to_model
from tasks.models.cnn import Cnn1d, Cnn2d
from tasks.models.factored import is_factorable, set_ranks
from tasks.models.graph import Graph
from tasks.models.layers import Dct, Grid, Pool, Project, Softmax, Unscale, preprocess
from tasks.models.mlp import Mlp
from tasks.models.network import Network
from tasks.models.resmlp import ResMlp
from tasks.models.user import UserNetwork
from tasks.models.zoo import seeded

Build = Callable[..., Graph]


def table_plan(mixed: bool = True) -> NumericPlan:
    rng = np.random.default_rng(0)
    numbers, levels = 5, (3, 2) if mixed else ()
    indicator = (1, 3) if mixed else ()
    d = numbers + sum(levels) + len(indicator)
    mean, scale = np.zeros(d, np.float32), np.ones(d, np.float32)
    mean[:numbers], scale[:numbers] = rng.normal(3, 2, numbers), rng.uniform(0.5, 4, numbers)
    p = numbers + len(levels)
    low, high = np.full(p, -np.inf, np.float32), np.full(p, np.inf, np.float32)
    if mixed:
        low[0], high[:numbers] = -2, 9
    fill = np.concatenate([rng.normal(size=numbers), np.full(len(levels), np.nan)]).astype(np.float32)
    names = tuple(f"x{i}" for i in range(p))
    return NumericPlan(names, (0,) * numbers + levels, fill, low, high, indicator, mean, scale)


def grid_plan(shape: tuple[int, ...], dropped: int = 0) -> NumericPlan:
    rng, cells = np.random.default_rng(1), int(np.prod(shape))
    p = cells - dropped
    ones = np.ones(p, np.float32)
    return NumericPlan(
        tuple(f"x{i}" for i in range(p)),
        (0,) * p,
        rng.uniform(size=p).astype(np.float32),
        -np.inf * ones,
        np.inf * ones,
        (),
        0.3 * ones,
        0.5 * ones,
        tuple(range(dropped, cells)),
        shape,
    )


def _grid(plan: NumericPlan) -> Grid:
    assert plan.shape is not None
    assert plan.positions is not None
    source = torch.full((int(np.prod(plan.shape)),), plan.width, dtype=torch.int64)
    source[list(plan.positions)] = torch.arange(plan.width)
    return Grid(source, plan.shape)


def _graph(plan: NumericPlan, reducer: nn.Module, network: nn.Module, regression: bool = False) -> Graph:
    with seeded(3), torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 2)
                module.bias.normal_()
    head = Unscale(120.0, 30.0) if regression else Softmax()
    task, labels = ("regression", None) if regression else ("classification", ("a", "b", "c"))
    return Graph(plan.names, preprocess(plan), reducer, network, head, task, labels).eval()


class Odd(nn.Module):
    """A network no emitter knows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, 6)
        self.outer = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.outer(torch.tanh(self.inner(x)) * torch.sigmoid(self.inner(x)))
        return out


def _project(d: int, k: int) -> nn.Sequential:
    with seeded(5):
        return nn.Sequential(Project(torch.randn(d, k) / 2, torch.randn(k)))


def _encoder(d: int, h: int, k: int) -> nn.Sequential:
    return nn.Sequential(*_project(d, h), nn.ReLU(), *_project(h, k))


def _factored(network: Network) -> Network:
    able = [name for name, layer in network.named_modules() if is_factorable(layer)]
    set_ranks(network, dict.fromkeys(able, 2))
    return network


def _make(kind: str) -> Graph:
    mixed, plain = table_plan(), table_plan(mixed=False)
    image, series = grid_plan((1, 8, 8), dropped=5), grid_plan((2, 12))
    with seeded(7):
        table: dict[str, Callable[[], Graph]] = {
            "linear": lambda: _graph(plain, nn.Identity(), Mlp((5,), (), 3)),
            "mlp": lambda: _graph(plain, nn.Identity(), Mlp((5,), (8, 4), 3)),
            "mlp mixed columns": lambda: _graph(mixed, nn.Identity(), Mlp((12,), (8, 4), 3, dropout=0.2)),
            "mlp regression": lambda: _graph(mixed, nn.Identity(), Mlp((12,), (8,), 1), regression=True),
            "mlp projected wide": lambda: _graph(mixed, _project(12, 2), Mlp((2,), (64,), 3)),
            "mlp projected narrow": lambda: _graph(mixed, _project(12, 4), Mlp((4,), (3,), 3)),
            "mlp encoded": lambda: _graph(mixed, _encoder(12, 5, 2), Mlp((2,), (8,), 3)),
            "mlp encoded narrow": lambda: _graph(mixed, _encoder(12, 5, 4), Mlp((4,), (3,), 3)),
            "resmlp": lambda: _graph(mixed, nn.Identity(), ResMlp((12,), 8, (6, 4), 3)),
            "resmlp projected": lambda: _graph(mixed, _project(12, 4), ResMlp((4,), 8, (6,), 3)),
            "resmlp without a block": lambda: _graph(mixed, nn.Identity(), ResMlp((12,), 8, (0, 4, 0), 3)),
            "mlp factored": lambda: _graph(plain, nn.Identity(), _factored(Mlp((5,), (8, 4), 3))),
            "resmlp factored": lambda: _graph(mixed, nn.Identity(), _factored(ResMlp((12,), 8, (6, 4), 3))),
            "cnn1d": lambda: _graph(
                series, nn.Sequential(_grid(series)), Cnn1d((2, 12), (4, 3), 3, kernel=4)
            ),
            "cnn2d": lambda: _graph(image, nn.Sequential(_grid(image)), Cnn2d((1, 8, 8), (4, 3), 3)),
            "cnn1d factored": lambda: _graph(
                series, nn.Sequential(_grid(series)), _factored(Cnn1d((2, 12), (4, 3), 3, kernel=4))
            ),
            "cnn2d factored": lambda: _graph(
                image, nn.Sequential(_grid(image)), _factored(Cnn2d((1, 8, 8), (4, 3), 3))
            ),
            "cnn2d average": lambda: _graph(
                image, nn.Sequential(_grid(image)), Cnn2d((1, 8, 8), (4,), 3, readout="average", hidden=(5,))
            ),
            "mlp pooled": lambda: _graph(
                image, nn.Sequential(_grid(image), Pool((3, 3)), nn.Flatten()), Mlp((9,), (6,), 3)
            ),
            "cnn2d dct": lambda: _graph(
                image, nn.Sequential(_grid(image), Dct((1, 8, 8), (5, 4))), Cnn2d((1, 5, 4), (3,), 3)
            ),
            "cnn1d pooled": lambda: _graph(
                series, nn.Sequential(_grid(series), Pool((5,))), Cnn1d((2, 3), (4,), 3)
            ),
            "mlp dct series": lambda: _graph(
                series, nn.Sequential(_grid(series), Dct((2, 12), (5,)), nn.Flatten()), Mlp((10,), (6,), 3)
            ),
            "user chain": lambda: _graph(
                plain, nn.Identity(), _user(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)))
            ),
            "user odd": lambda: _graph(mixed, _project(12, 5), _user(Odd(5))),
        }
        if kind not in table:
            raise KeyError(kind)
        return table[kind]()


def _user(body: nn.Module) -> Network:
    return UserNetwork(body, "nets.mine:build", (5,), 3)


KINDS = (
    "linear",
    "mlp",
    "mlp mixed columns",
    "mlp regression",
    "mlp projected wide",
    "mlp projected narrow",
    "mlp encoded",
    "mlp encoded narrow",
    "resmlp",
    "resmlp projected",
    "resmlp without a block",
    "mlp factored",
    "resmlp factored",
    "cnn1d",
    "cnn2d",
    "cnn1d factored",
    "cnn2d factored",
    "cnn2d average",
    "mlp pooled",
    "cnn2d dct",
    "cnn1d pooled",
    "mlp dct series",
    "user chain",
    "user odd",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "graph" in metafunc.fixturenames:
        metafunc.parametrize("graph", KINDS, indirect=True)


@pytest.fixture
def graph(request: pytest.FixtureRequest) -> Graph:
    """Every family and reducer in turn."""
    return _make(request.param)


@cache
def _written(kind: str, mode: FoldMode | None) -> bytes:
    graph = _make(kind)
    return to_model(graph if mode is None else fold(graph, mode)).SerializeToString()


@pytest.fixture
def written(request: pytest.FixtureRequest) -> Callable[..., bytes]:
    """The ONNX model of `graph`, folded where a mode is given; made once each: torch.onnx takes long."""
    kind = request.node.callspec.params["graph"]
    return lambda mode=None: _written(kind, mode)


@pytest.fixture
def make_graph() -> Build:
    """A graph by its name in KINDS."""
    return _make


@pytest.fixture
def make_rows() -> Callable[[Graph, int], np.ndarray]:
    """Numeric rows of a graph: spread wide, one cell in seven missing, codes in and out of range."""

    def rows(graph: Graph, n: int) -> np.ndarray:
        rng = np.random.default_rng(2)
        X = rng.normal(2, 4, size=(n, len(graph.columns))).astype(np.float32)
        if len(graph.columns) == 7:
            X[:, 5:] = rng.integers(0, 4, size=(n, 2))
        X.reshape(-1)[::7] = np.nan
        return X

    return rows
