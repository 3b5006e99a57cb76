"""A workspace as the stages leave it, small: reports, raw table, one exported model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.artifacts import Layout, save_raw_meta, write_csv, write_frame, write_json, write_text
from tasks.data.meta import RawMeta

LABELS = ["no", "yes"]
ENCODING: dict[str, Any] = {
    "version": 1,
    "missing": ["?"],
    "columns": [
        {"source": "height", "kind": "number", "outputs": ["height"]},
        {"source": "children", "kind": "number", "outputs": ["children"]},
        {
            "source": "city",
            "kind": "category",
            "levels": ["Bonn", "Ulm"],
            "other": False,
            "outputs": ["city"],
        },
    ],
}
PLAN: dict[str, Any] = {
    "version": 1,
    "task": "classification",
    "encoding": ENCODING,
    "columns": ["height", "children", "city"],
    "labels": LABELS,
    "label_dtype": "str",
    "threshold": 0.4,
    "target": "answer",
    "input": "rows",
}
LOCK = {
    "data/raw.parquet": "0" * 32,
    "data/clean/train.npz": "1" * 32,
    "data/clean/test.npz": "2" * 32,
    "models/export/compressed": "3" * 32 + ".dir",
    "reports/evaluate.json": "4" * 32,
    "reports/measure.json": "5" * 32,
    "reports/report.html": "6" * 32,
}
Make = Callable[..., Path]


def tiny_onnx(path: Path) -> None:
    """Missing cells as zero, one linear layer, softmax: rows (N, 3) to probabilities (N, 2)."""
    weights = np.array([[0.5, -0.5], [-0.2, 0.2], [0.1, -0.3]], np.float32)
    nodes = [
        helper.make_node("IsNaN", ["rows"], ["gone"]),
        helper.make_node("Where", ["gone", "zero", "rows"], ["full"]),
        helper.make_node("MatMul", ["full", "W"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(weights, "W"), numpy_helper.from_array(np.zeros((), np.float32), "zero")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), str(path))


def raw_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "height": [1.7, np.nan, 1.8, 0.3],
            "children": [2, 0, 1, 7],
            "city": ["Ulm", "Bonn", None, "Oslo"],
            "answer": ["no", "yes", "no", "yes"],
        }
    )


def _judged(accuracy: float, bytes_: int, parameters: int) -> dict[str, Any]:
    quality = {"accuracy": accuracy, "macro_f1": accuracy - 0.01, "log_loss": 0.3, "roc_auc": 0.97}
    per_class = [
        {"label": name, "precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 50} for name in LABELS
    ]
    return {
        "metrics": {"log_loss": 0.3, **quality},
        "valid": quality,
        "train": quality,
        "gap": 0.01,
        "interval": [accuracy - 0.015, accuracy + 0.015],
        "size": {
            "parameters": parameters,
            "nonzeros": parameters,
            "multiply_adds": parameters - 10,
            "bytes": bytes_,
            "gzip_bytes": bytes_ - 20,
            "inputs": 3,
        },
        "per_class": per_class,
        "parity": 1e-7,
    }


def _evaluate(accuracy: float) -> dict[str, Any]:
    ends = {"low": -0.012, "high": 0.004, "margin": 0.01, "rows_needed": 4200}
    return {
        "task": "classification",
        "metric": "accuracy",
        "higher_is_better": True,
        "rows": {"train": 300, "valid": 50, "test": 100},
        "factor": 1.0,
        "margin": 0.01,
        "confidence": 0.95,
        "threshold": 0.4,
        "models": {
            "reference": _judged(0.95, 209_000, 50_000),
            "reduced": _judged(0.945, 97_000, 20_000),
            "compressed": _judged(accuracy, 9_700, 2_000),
        },
        "comparisons": {
            "reduced": {"difference": -0.005, "verdict": "non-inferior", **ends},
            "compressed": {"difference": accuracy - 0.95, "verdict": "not shown", **ends},
        },
        "curves": {},
    }


def _measure() -> dict[str, Any]:
    def timed(p50: float) -> dict[str, float]:
        return {"p50_us": p50, "p95_us": 2 * p50, "rows_per_s": 1e7 / p50, "eager_p50_us": 4 * p50}

    return {
        "latency": {"reference": timed(30.0), "reduced": timed(15.0), "compressed": timed(7.5)},
        "ratios": {},
        "threads": 1,
        "batch": 1024,
        "repeats": 30,
        "seconds": {"reference": 5.0, "reduce": 1.0, "train": 3.0, "prune": 6.0},
        "machine": {"cpu": "a processor", "cores": 2},
    }


def _history(epochs: int) -> list[dict[str, float]]:
    return [
        {"epoch": e, "train_loss": 1 / e, "valid_loss": 1.1 / e, "valid_metric": 0.9 - 0.3 / e, "lr": 0.003}
        for e in range(1, epochs + 1)
    ]


def _reports(layout: Layout, accuracy: float, amount: float) -> None:
    training = {"epochs": 4, "history": _history(4), "parameters": 20_000, "metric": "accuracy"}
    columns = {"method": "weight_norm", "components": 3, "before": 4, "after": 3, "kept": None, "trials": []}
    reports: dict[str, dict[str, Any]] = {
        "clean": {"rows": {"raw": 450, "train": 300, "valid": 50, "test": 100}, "decisions": []},
        "reference": training,
        "reduce": {"columns": columns, "rows": {"method": "none", "before": 300, "after": 300}},
        "train": training,
        "prune": {
            "method": "structured",
            "amount": amount,
            "requested": "auto",
            "parameters_before": 20_000,
            "parameters_after": 2_000,
            "history": _history(6),
        },
        "evaluate": _evaluate(accuracy),
        "measure": _measure(),
    }
    for name, report in reports.items():
        write_json(layout.report(name), report)


@pytest.fixture(scope="session")
def write_workspace(empty_database: Path) -> Make:
    """Write (or rewrite) a workspace with another result."""

    def write(root: Path, accuracy: float = 0.94, amount: float = 0.8, extra: str = "") -> Path:
        layout = Layout(root)
        database = root / ".espalier" / "mlflow" / "mlflow.db"
        if not database.exists():
            database.parent.mkdir(parents=True)
            shutil.copy(empty_database, database)
        write_text(
            layout.params,
            f"registry: {{name: testbed}}\nprune: {{method: structured, amount: auto}}\n{extra}",
        )
        write_frame(layout.raw, raw_frame())
        features = ("height", "children", "city")
        kinds: dict[str, Any] = {"height": "number", "children": "number", "city": "category"}
        meta = RawMeta("answer", "classification", None, None, None, None, 4, features, kinds)
        save_raw_meta(layout.raw_meta, meta)
        _reports(layout, accuracy, amount)
        write_csv(layout.plot("reference"), pd.DataFrame(_history(4)))
        write_text(layout.html, "<p>report</p>")
        tiny_onnx(layout.onnx("compressed"))
        write_json(layout.serving("compressed"), PLAN)
        return root

    return write


@pytest.fixture
def make_workspace(tmp_path: Path, write_workspace: Make) -> Make:
    """Write (or rewrite) this test's workspace with another result."""
    return lambda *result, **more: write_workspace(tmp_path, *result, **more)


@pytest.fixture(scope="session")
def lock() -> dict[str, str]:
    """DVC's hashes of that workspace."""
    return dict(LOCK)


@pytest.fixture
def workspace(make_workspace: Make) -> Path:
    """The workspace with its default result."""
    return make_workspace()


@pytest.fixture
def frame() -> pd.DataFrame:
    """The raw rows, missing cells included."""
    return raw_frame()
