"""A made-up result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tasks.evaluation.config import EvaluateConfig
from tasks.evaluation.judge import Case, Splits, judge
from tasks.evaluation.report import Facts

MODELS = ("reference", "reduced", "compressed")
SIZE = {
    "parameters": 100,
    "nonzeros": 90,
    "multiply_adds": 100,
    "bytes": 4000,
    "gzip_bytes": 3000,
    "xz_bytes": 3000,
    "inputs": 4,
}
SPEED = {"p50_us": 10.0, "p95_us": 14.0, "rows_per_s": 5e5, "eager_p50_us": 30.0, "eager_rows_per_s": 4e5}
RATIO = {"ratio": 2.5, "low": 2.0, "high": 3.0}


def _judged(regression: bool, factor: float) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    config = EvaluateConfig(bootstrap=100, factor=factor)
    if regression:
        y = Splits(*rng.normal(size=(3, 80)))
        scores = {name: Splits(y.train, y.valid, y.test + 0.3 * i) for i, name in enumerate(MODELS)}
        report = judge(Case("regression", (), y), scores, config)
    else:
        y = Splits(*rng.integers(0, 3, (3, 80)))
        one = Splits(*(rng.dirichlet(np.ones(3), 80) for _ in range(3)))
        report = judge(Case("classification", ("a", "<b>", "c"), y), dict.fromkeys(MODELS, one), config)
    for i, model in enumerate(report["models"].values()):
        model["size"] = {key: value // (i + 1) for key, value in SIZE.items()}
    report["rows"]["test_all"] = 160
    return report


@pytest.fixture
def make_facts() -> Callable[..., Facts]:
    """Facts of a made-up result; verdicts and figures can be replaced."""

    def make(regression: bool = False, factor: float = 1.0, **replaced: Any) -> Facts:
        history = [{"epoch": 1, "train_loss": 1.0, "valid_loss": 1.0, "valid_metric": 0.5, "lr": 0.1}]
        trained = {"metric": "accuracy", "history": history}
        decisions = [{"what": "column dropped", "column": "<script>", "count": 1, "why": "one value"}]
        columns = {"method": "weight_norm", "before": 4, "after": 2, "kept": ["p0", "p3"]}
        rows = {"method": "random", "per_round": "fixed", "before": 80, "after": 40}
        layer = {"name": "body.0", "before": 8, "after": 2}
        pruned = {"method": "structured", "importance": "magnitude", "amount": 0.8, "layers": [layer]}
        made: dict[str, Any] = {
            "params": {"source": {"uri": "package:made"}, "prune": {"amount": 0.8, "method": "structured"}},
            "clean": {"decisions": decisions},
            "reference": trained,
            "reduce": {"columns": columns, "rows": rows},
            "train": trained,
            "prune": {**trained, **pruned},
            "evaluate": _judged(regression, factor),
            "measure": {
                "latency": dict.fromkeys(MODELS, SPEED),
                "ratios": {name: {"batch1": RATIO, "batch": RATIO} for name in MODELS[1:]},
                "threads": 1,
                "batch": 1024,
                "repeats": 3,
                "seconds": {"fetch": 1.0, "reference": 20.0},
                "machine": {"cpu": "a processor", "cores": 2},
            },
            "ranking": [{"rank": 1, "name": "p0", "value": 2.0, "cumulative": 1.0, "kept": 1}],
            "names": ("p0", "p1", "p2", "p3"),
            "positions": (0, 1, 2, 3),
            "shape": (1, 2, 2),
        }
        return Facts(**{**made, **replaced})

    return make
