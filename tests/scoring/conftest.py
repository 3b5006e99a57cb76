"""A version as the registry keeps it, tiny, of mixed columns; and rows for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.data import encoding
from tasks.export import serving
from tasks.scoring.served import Served

COLUMNS: list[dict[str, Any]] = [
    {"source": "height", "kind": "number", "outputs": ["height"]},
    {"source": "children", "kind": "number", "outputs": ["children"]},
    {"source": "income", "kind": "number", "sentinels": [-1.0], "outputs": ["income"]},
    {
        "source": "born",
        "kind": "date",
        "format": "%Y-%m-%d",
        "parts": ["year", "month"],
        "outputs": ["y", "m"],
    },
    {
        "source": "city",
        "kind": "category",
        "levels": ["7", "Bonn", "Ulm"],
        "other": False,
        "outputs": ["city"],
    },
]
PLAN: dict[str, Any] = {
    "version": 1,
    "task": "classification",
    "encoding": {"version": 1, "missing": ["?"], "columns": COLUMNS},
    "columns": ["height", "children", "income", "y", "m", "city"],
    "labels": ["no", "yes"],
    "label_dtype": "str",
    "threshold": 0.4,
    "target": "answer",
    "input": "rows",
}
Make = Callable[..., Served]


def small_onnx(path: Path, inputs: int, outputs: int, seed: int = 0, imputes: bool = True) -> None:
    """Missing cells as zero, one linear layer; softmax where there are several outputs."""
    weights = np.random.default_rng(seed).normal(size=(inputs, outputs)).astype(np.float32) / 1000
    last = helper.make_node("Softmax", ["logits"], ["answers"], axis=1)
    if outputs == 1:
        last = helper.make_node("Identity", ["logits"], ["answers"])
    nodes = [
        helper.make_node("IsNaN", ["rows"], ["gone"]),
        helper.make_node("Where", ["gone", "zero", "rows"], ["full"]),
        helper.make_node("MatMul", ["full" if imputes else "rows", "W"], ["logits"]),
        last,
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", inputs])],
        [helper.make_tensor_value_info("answers", TensorProto.FLOAT, ["N", outputs])],
        [numpy_helper.from_array(weights, "W"), numpy_helper.from_array(np.zeros((), np.float32), "zero")],
    )
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), str(path))


def stored(folder: Path, plan: dict[str, Any], seed: int = 0, imputes: bool = True) -> Path:
    """Write a version's files as MLflow keeps them."""
    (folder / "artifacts").mkdir(parents=True)
    inputs = sum(len(entry["outputs"]) for entry in plan["encoding"]["columns"])
    outputs = 1 if plan["task"] == "regression" else len(plan["labels"])
    small_onnx(folder / "artifacts" / "model.onnx", inputs, outputs, seed, imputes)
    (folder / "artifacts" / "serving.json").write_text(json.dumps(plan), encoding="utf-8")
    shutil.copy(str(encoding.__file__), folder / "artifacts" / "encoding.py")
    shutil.copy(str(serving.__file__), folder / "serving.py")
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a version; `plan` overrides what its serving.json says."""

    def made(version: str = "3", seed: int = 0, imputes: bool = True, **plan: Any) -> Served:
        folder = tmp_path / f"version-{version}-{seed}"
        if not folder.exists():
            stored(folder, PLAN | plan, seed, imputes)
        return Served("people", version, folder)

    return made


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    """Rows of all the kinds of cells that may come."""
    rng = np.random.default_rng(seed)
    height = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(1.7, 0.1, rows))
    height[:: max(rows // 3, 1)] = np.inf
    return pd.DataFrame(
        {
            "person": np.arange(rows) + 1000,
            "height": height,
            "children": rng.integers(0, 5, rows),
            "income": np.where(rng.random(rows) < 0.2, -1.0, rng.normal(3000, 500, rows)),
            "born": pd.Series(
                pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 20_000, rows), "D")
            ).dt.strftime("%Y-%m-%d"),
            "city": rng.choice(["Ulm", "Bonn", "7", "Oslo", "?"], rows),
            "note": rng.choice(["a", "b"], rows),
        }
    )
