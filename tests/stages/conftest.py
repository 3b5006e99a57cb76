"""A small workspace with everything that stages evaluate and measure read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.artifacts import Layout, load_cleaner, load_rows, save_graph, write_csv, write_json
from tasks.config import apply_overrides
from tasks.models.graph import build_graph
from tasks.models.mlp import Mlp
from tasks.models.zoo import seeded
from tasks.reduction.reduction import Reduction
from tasks.stages import clean, fetch

PARAMS = Path(__file__).parents[2] / "params.yaml"
HISTORY = [
    {"epoch": i, "train_loss": 1 / i, "valid_loss": 1 / i, "valid_metric": 1 - 1 / i, "lr": 0.1}
    for i in (1, 2)
]


def _trained(cleaner, rows, reduction, hidden):
    """A network after a few full-batch steps."""
    with seeded(0):
        network = Mlp((reduction.shape[0],), hidden, cleaner.target.outputs)
    graph = build_graph(cleaner, reduction, network)
    X = graph.features(torch.from_numpy(rows.X[:, list(reduction.kept)]))
    target = cleaner.target
    y = torch.from_numpy(
        rows.y if target.labels else ((rows.y - target.mean) / target.std).astype(np.float32)
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(60):
        out = network(X)
        loss = torch.nn.functional.cross_entropy(out, y) if target.labels else ((out[:, 0] - y) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return graph.eval()


def _reports(layout: Layout, p: int) -> None:
    for name in ("reference", "train", "prune"):
        own = {"method": "structured", "importance": "magnitude", "amount": 0.8, "layers": []}
        write_json(layout.report(name), {"stage": name, "metric": "accuracy", "history": HISTORY, **own})
    columns = {"method": "weight_norm", "before": p, "after": 4, "kept": ["x"], "explained_variance": None}
    rows = {"method": "none", "per_round": "fixed", "before": 9, "after": 9}
    write_json(layout.report("reduce"), {"columns": columns, "rows": rows})
    ranking = {
        "rank": [1, 2],
        "name": ["a", "b"],
        "value": [2.0, 1.0],
        "cumulative": [0.7, 1.0],
        "kept": [1, 0],
    }
    write_csv(layout.plot("reduce"), pd.DataFrame(ranking))


def _make(root: Path, source: str) -> Path:
    shutil.copy(PARAMS, root / "params.yaml")
    apply_overrides(root, [f"source.uri=package:{source}", "evaluate.bootstrap=100", "measure.repeats=3"])
    fetch.run(root)
    clean.run(root)
    layout = Layout(root)
    cleaner, rows = load_cleaner(layout.cleaner), load_rows(layout.rows("train"))
    p = len(cleaner.plan.names)
    for name, kept, hidden in (
        ("reference", tuple(range(p)), (16,)),
        ("reduced", (0, 1, 2, 3), (16,)),
        ("compressed", (0, 1, 2, 3), (2,)),
    ):
        graph = _trained(cleaner, rows, Reduction("weight_norm", (len(kept),), kept), hidden)
        save_graph(layout.model(name), graph)
    _reports(layout, p)
    return root


@pytest.fixture(scope="session")
def judged_workspaces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Workspaces up to stage prune, by task; copy before use."""
    sources = {"classification": "breast_cancer", "regression": "diabetes"}
    return {task: _make(tmp_path_factory.mktemp(task), source) for task, source in sources.items()}


@pytest.fixture(params=["classification", "regression"])
def judged(request: pytest.FixtureRequest, judged_workspaces: dict[str, Path], tmp_path: Path) -> Path:
    """A fresh copy of each workspace in turn."""
    return Path(shutil.copytree(judged_workspaces[request.param], tmp_path / "workspace"))


@pytest.fixture
def copy_of(judged_workspaces: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A fresh copy of the workspace of a task."""
    return lambda task: Path(shutil.copytree(judged_workspaces[task], tmp_path / task))
