"""Time exported models and their eager networks on the same rows, and say on what machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tasks.evaluation.config import MeasureConfig
from tasks.evaluation.latency import Times, interleave, ratio
from tasks.export.onnx import session
from tasks.models.graph import Graph

__all__ = ["Runner", "machine", "measure_speed", "race", "torch_threads"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Runner:
    """A model to time: its ONNX file, its unfolded graph, and rows (n, p) of its columns."""

    model: Path
    graph: Graph
    rows: Array


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Give PyTorch this many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batch(rows: Array, size: int) -> Array:
    """Repeat rows up to a batch of exactly ``size``."""
    return np.ascontiguousarray(rows[np.arange(size) % len(rows)])


def _eager(graph: Graph, X: torch.Tensor) -> object:
    with torch.inference_mode():
        return graph.predict(X)


def _calls(runners: Mapping[str, Runner], size: int, threads: int) -> dict[str, Callable[[], object]]:
    """Pair every model's ONNX call with its eager one, named ``onnx NAME`` and ``eager NAME``."""
    calls: dict[str, Callable[[], object]] = {}
    for name, runner in runners.items():
        X = _batch(runner.rows, size)
        calls[f"onnx {name}"] = partial(session(runner.model, threads).run, None, {"rows": X})
        calls[f"eager {name}"] = partial(_eager, runner.graph.eval(), torch.from_numpy(X))
    return calls


def race(
    models: Mapping[str, Path | bytes], rows: Array, size: int, config: MeasureConfig
) -> dict[str, Times]:
    """Time ONNX models in turn on a batch of ``size`` rows (n, p); seconds of every call, by name."""
    X = _batch(rows, size)
    calls: dict[str, Callable[[], object]] = {
        name: partial(session(model, config.threads).run, None, {"rows": X}) for name, model in models.items()
    }
    return interleave(calls, rounds=config.repeats, most=200 if size == 1 else 20)


def _latency(name: str, one: Mapping[str, Times], many: Mapping[str, Times], batch: int) -> dict[str, float]:
    micro = {kind: one[f"{kind} {name}"] * 1e6 for kind in ("onnx", "eager")}
    return {
        "p50_us": round(float(np.quantile(micro["onnx"], 0.5)), 3),
        "p95_us": round(float(np.quantile(micro["onnx"], 0.95)), 3),
        "rows_per_s": round(batch / float(np.median(many[f"onnx {name}"])), 1),
        "eager_p50_us": round(float(np.quantile(micro["eager"], 0.5)), 3),
        "eager_rows_per_s": round(batch / float(np.median(many[f"eager {name}"])), 1),
    }


def _ratio(times: Mapping[str, Times], reference: str, name: str) -> dict[str, float]:
    found = asdict(ratio(times[f"onnx {reference}"], times[f"onnx {name}"]))
    return {key: round(value, 4) for key, value in found.items()}


def measure_speed(runners: Mapping[str, Runner], config: MeasureConfig) -> dict[str, Any]:
    """Time every model at batch 1 and at the large batch, ONNX Runtime and eager PyTorch, interleaved.

    Parameters
    ----------
    runners
        Models by name, the reference first.
    config
        Section `measure`.

    Returns
    -------
    dict
        ``latency`` by model: ``p50_us``, ``p95_us``, ``rows_per_s``, ``eager_p50_us``, ``eager_rows_per_s``;
        ``ratios`` by rival: how many times faster than the reference, per round, at ``batch1`` and ``batch``.
    """
    reference, *rivals = runners
    with torch_threads(config.threads):
        one = interleave(_calls(runners, 1, config.threads), rounds=config.repeats)
        many = interleave(_calls(runners, config.batch, config.threads), rounds=config.repeats, most=20)
    return {
        "latency": {name: _latency(name, one, many, config.batch) for name in runners},
        "ratios": {
            name: {"batch1": _ratio(one, reference, name), "batch": _ratio(many, reference, name)}
            for name in rivals
        },
        "threads": config.threads,
        "batch": config.batch,
        "repeats": config.repeats,
    }


def _processor() -> str:
    """Name of the processor, as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """Describe the machine and the versions that bear on speed; no host name, no paths."""
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "onnxruntime": version("onnxruntime"),
        "platform": f"{platform.system()} {platform.machine()}",
    }
