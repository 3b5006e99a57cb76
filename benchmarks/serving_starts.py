"""From the start of a process to its first answer: the served package, its bare file, the dense network."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.installed import closure, installed_bytes

__all__ = ["NEEDS", "sizes", "starts"]

ROOT = Path(__file__).resolve().parent.parent

ROW = """
import json, sys
row = json.loads(sys.argv[2])
"""
PEAK = """
import pathlib, re
told = pathlib.Path("/proc/self/status").read_text()
print(re.search(r"VmHWM:\\s+(\\d+) kB", told)[1], flush=True)
"""
"""Not `ru_maxrss`: that begins with the memory of the process that started this one."""

PYFUNC = """
from mlflow import pyfunc
import pandas as pd
model = pyfunc.load_model(sys.argv[1])
print(len(model.predict(pd.DataFrame([row]))), flush=True)
"""
BARE = """
import importlib.util, pathlib
import onnxruntime as ort
import pandas as pd
folder = pathlib.Path(sys.argv[1]) / "artifacts"
spec = importlib.util.spec_from_file_location("encoding", folder / "encoding.py")
encoding = importlib.util.module_from_spec(spec)
spec.loader.exec_module(encoding)
plan = json.loads((folder / "serving.json").read_text())
session = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
X = encoding.encode(pd.DataFrame([row]), plan["encoding"])
print(len(session.run(None, {plan["input"]: X})[0]), flush=True)
"""
TORCH = """
import pathlib
import pandas as pd
import torch
from tasks.artifacts import load_graph
from tasks.data.encoding import encode
root = pathlib.Path(sys.argv[1])
graph = load_graph(root / "models" / "reference", root).eval()
plan = json.loads((root / "models" / "export" / "reference" / "serving.json").read_text())
X = torch.from_numpy(encode(pd.DataFrame([row]), plan["encoding"]))
with torch.inference_mode():
    print(len(graph.predict(X)), flush=True)
"""
MLFLOW_TOO = "from mlflow import pyfunc\n"

NEEDS = {
    "compressed, as registered": ("mlflow", "numpy", "onnxruntime", "pandas"),
    "compressed, without MLflow": ("numpy", "onnxruntime", "pandas"),
    "dense in PyTorch, with MLflow": ("mlflow", "numpy", "pandas", "torch"),
    "dense in PyTorch, without MLflow": ("numpy", "pandas", "torch"),
}
SCRIPTS = dict(zip(NEEDS, (PYFUNC, BARE, MLFLOW_TOO + TORCH, TORCH), strict=True))


def sizes(model: Path, dense: Path) -> dict[str, dict[str, Any]]:
    """Return, of each way to serve, the packages it needs and their bytes, and the bytes of its model.

    Parameters
    ----------
    model : Path
        The version as the registry keeps it.
    dense : Path
        Folder of the dense network.
    """
    found = {}
    for name, needs in NEEDS.items():
        names = closure(needs)
        folder = model / "artifacts" if name.startswith("compressed") else dense
        own = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        found[name] = {"packages": len(names), "bytes": installed_bytes(names), "model": own}
    return found


def starts(
    model: Path, workspace: Path, row: Mapping[str, Any], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Return seconds to the first answer and peak memory of each way to serve, all in turn.

    Parameters
    ----------
    model : Path
        The version as the registry keeps it.
    workspace : Path
        Has the dense network.
    row : mapping
        A raw row that both can answer.
    rounds : int
        Besides one that is not kept.
    """
    found: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "mb": []} for name in SCRIPTS}
    names = list(SCRIPTS)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            folder = model if name.startswith("compressed") else workspace
            seconds, peak = _timed(SCRIPTS[name], [str(folder), json.dumps(row)])
            if turn:
                found[name]["seconds"].append(seconds)
                found[name]["mb"].append(peak)
    return found


def _timed(code: str, words: Sequence[str]) -> tuple[float, float]:
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", ROW + code + PEAK, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        answered = process.stdout.readline()
        seconds = time.perf_counter() - began
        peak = process.stdout.readline()
    if process.returncode or answered.strip() != "1":
        raise RuntimeError(f"a process did not answer: {answered}")
    return seconds, int(peak) / 1000
