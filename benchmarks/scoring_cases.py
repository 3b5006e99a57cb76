"""What batch scoring is measured on: models as the registry keeps them, and files for them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper

from tasks.data import encoding
from tasks.export import serving

__all__ = ["CASES", "Case"]

ROOT = Path(__file__).resolve().parent.parent
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """A model with a file to score.

    Attributes
    ----------
    name, about : str
    folder : Path
        The model as the registry keeps it.
    path : Path
    rows : callable
        float32 rows of a batch, as somebody would make them by hand.
    """

    name: str
    about: str
    folder: Path
    path: Path
    rows: Callable[[pa.RecordBatch], Floats]

    @property
    def columns(self) -> list[str]:
        """Columns that are read."""
        plan = json.loads((self.folder / "artifacts" / "serving.json").read_text(encoding="utf-8"))
        return [entry["source"] for entry in plan["encoding"]["columns"]]


def stored(folder: Path, model: Path, plan: Path) -> Path:
    """Lay out an exported model as the registry keeps it."""
    (folder / "artifacts").mkdir(parents=True)
    shutil.copy(model, folder / "artifacts" / "model.onnx")
    shutil.copy(plan, folder / "artifacts" / "serving.json")
    shutil.copy(str(encoding.__file__), folder / "artifacts" / "encoding.py")
    shutil.copy(str(serving.__file__), folder / "serving.py")
    return folder


def numbers(batch: pa.RecordBatch) -> Floats:
    """Rows of columns that are numbers."""
    rows: Floats = batch.to_pandas().to_numpy(np.float32)
    return rows


def digits(work: Path, rows: int) -> Case:
    """MNIST-5k and the compressed model of this workspace: whole numbers, hundreds of columns."""
    from tasks.data.sources.packaged import read_packaged

    folder = ROOT / "models" / "export" / "compressed"
    kept = stored(work / "mnist", folder / "model.onnx", folder / "serving.json")
    frame = read_packaged("mnist").frame
    path = work / "mnist.parquet"
    _repeated(frame, rows, path)
    width = len(Case("", "", kept, path, numbers).columns)
    return Case(
        "MNIST-5k, repeated",
        f"{rows:,} rows, {width} of {frame.shape[1] - 1} columns needed",
        kept,
        path,
        numbers,
    )


def _repeated(frame: pd.DataFrame, rows: int, path: Path) -> None:
    part = pa.Table.from_pandas(frame, preserve_index=False)
    with pq.ParquetWriter(path, part.schema) as writer:
        left = rows
        while left > 0:
            block = pa.concat_tables([part] * 14).slice(0, min(left, 65_536))
            writer.write_table(block)
            left -= block.num_rows


def narrow(work: Path, rows: int) -> Case:
    """Thirty real columns with gaps, a network of 64 units: little to compute, much to read and write."""
    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(30)]
    cells = rng.normal(size=(65_536, 30))
    cells[rng.random(cells.shape) < 0.01] = np.nan
    path = work / "narrow.parquet"
    _repeated(pd.DataFrame(cells, columns=names), rows, path)
    plan = _plan([{"source": name, "kind": "number", "outputs": [name]} for name in names])
    kept = _made(work / "narrow", plan, 30)
    return Case("30 numbers", f"{rows:,} rows of float64, one cell in a hundred missing", kept, path, numbers)


def mixed(work: Path, rows: int) -> Case:
    """Six numbers and eight categories of text."""
    rng = np.random.default_rng(0)
    levels = [f"level {i}" for i in range(12)]
    frame = pd.DataFrame({f"x{i}": rng.normal(size=65_536) for i in range(6)})
    for i in range(8):
        frame[f"c{i}"] = rng.choice(levels, 65_536)
    path = work / "mixed.parquet"
    _repeated(frame, rows, path)
    entries: list[dict[str, Any]] = [
        {"source": f"x{i}", "kind": "number", "outputs": [f"x{i}"]} for i in range(6)
    ]
    entries += [
        {"source": f"c{i}", "kind": "category", "levels": levels, "other": False, "outputs": [f"c{i}"]}
        for i in range(8)
    ]
    codes = {level: float(code) for code, level in enumerate(levels)}

    def by_hand(batch: pa.RecordBatch) -> Floats:
        read = batch.to_pandas()
        for i in range(8):
            read[f"c{i}"] = read[f"c{i}"].map(codes)
        rows: Floats = read.to_numpy(np.float32)
        return rows

    kept = _made(work / "mixed", _plan(entries), 14)
    return Case("6 numbers, 8 categories", f"{rows:,} rows, categories as text", kept, path, by_hand)


def _plan(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "version": 1,
        "task": "classification",
        "encoding": {"version": 1, "missing": [], "columns": list(entries)},
        "labels": ["no", "yes"],
        "label_dtype": "str",
        "threshold": 0.5,
        "input": "rows",
    }


def _made(folder: Path, plan: Mapping[str, Any], inputs: int) -> Path:
    """Write a network of 64 units with drawn weights."""
    rng = np.random.default_rng(0)
    constants = {
        "zero": np.zeros((), np.float32),
        "W": (rng.normal(size=(inputs, 64)) / 8).astype(np.float32),
        "b": rng.normal(size=64).astype(np.float32),
        "V": (rng.normal(size=(64, 2)) / 8).astype(np.float32),
        "c": np.zeros(2, np.float32),
    }
    nodes = [
        helper.make_node("IsNaN", ["rows"], ["gone"]),
        helper.make_node("Where", ["gone", "zero", "rows"], ["full"]),
        helper.make_node("Gemm", ["full", "W", "b"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["units"]),
        helper.make_node("Gemm", ["units", "V", "c"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["answers"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "narrow",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", inputs])],
        [helper.make_tensor_value_info("answers", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    work = folder.parent
    onnx.save(
        helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]),
        work / "made.onnx",
    )
    (work / "made.json").write_text(json.dumps(plan), encoding="utf-8")
    return stored(folder, work / "made.onnx", work / "made.json")


CASES: dict[str, tuple[Callable[[Path, int], Case], int]] = {
    "mnist": (digits, 100_000),
    "narrow": (narrow, 400_000),
    "mixed": (mixed, 200_000),
}
