"""One ONNX file from numeric row to answer: written, checked, stripped of what inference does not need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

from tasks.errors import EspalierError
from tasks.export.emit import can_emit, emit, hooked
from tasks.export.emitter import Emitter, Value, output_of
from tasks.export.traced import calls, emit_calls
from tasks.files import write_bytes
from tasks.models.graph import Graph
from tasks.models.user import UserNetwork

__all__ = [
    "ATOL",
    "RTOL",
    "allowed_apart",
    "check_parity",
    "export_onnx",
    "run_onnx",
    "serialised",
    "session",
    "to_model",
]

OPSET, ML_OPSET, IR_VERSION = 18, 3, 10
RTOL, ATOL = 1e-4, 1e-5
_ROUNDINGS = 64  # of float32, by which sums in another order may differ
Array = npt.NDArray[np.float32]


def _append(e: Emitter, module: nn.Module, x: Value) -> Value:
    """Append one part of the graph, by hand where its layers and calls are known, else by torch.onnx."""
    own = module.body if isinstance(module, UserNetwork) and not hooked(module) else module
    if can_emit(module):
        name = emit(e, module, x)
    elif (traced := calls(own)) is not None:
        name = emit_calls(e, own, traced, x)
    else:
        from tasks.export.torch_path import splice

        name = splice(e, module, x)
    return Value(name, output_of(module, x.sample))


def _in_float32(e: Emitter, x: Value) -> Value:
    """Cast what a part gives in another type, which the next one does not read."""
    if x.sample.dtype == torch.float32:
        return x
    return Value(e.node("Cast", x.name, to=TensorProto.FLOAT), x.sample.float())


def _outputs(name: str, sample: torch.Tensor) -> Any:
    shape = ["N", *sample.shape[1:]]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def to_model(graph: Graph) -> onnx.ModelProto:
    """Build the ONNX model of a graph: input ``rows`` float32 (N, p), NaN = missing.

    The output is ``probabilities`` (N, K), or ``prediction`` (N,) for regression. No doc strings, node names
    or metadata; equal graphs give equal bytes.
    """
    e, p = Emitter(), len(graph.columns)
    x = Value("rows", torch.zeros(2, p))
    for part in (graph.preprocess, graph.reducer, graph.network, graph.head):
        x = _in_float32(e, _append(e, part, x))
    answer = "probabilities" if graph.task == "classification" else "prediction"
    inputs = [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", p])]
    e.rename(x.name, answer)
    body = helper.make_graph(e.nodes, "espalier", inputs, [_outputs(answer, x.sample)], e.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="espalier")
    onnx.checker.check_model(model)
    return model


def serialised(model: onnx.ModelProto) -> bytes:
    """Return the bytes of a model's file; equal models give equal bytes in any process."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def session(model: Path | bytes, threads: int = 1) -> Any:
    """Open an ONNX Runtime session on the CPU.

    Parameters
    ----------
    model
        File, or the model's bytes.
    threads
        Threads inside an operator; operators run one after the other.

    Raises
    ------
    EspalierError
        When ONNX Runtime refuses the model.
    """
    import onnxruntime as ort
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, NotImplemented

    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    source = model if isinstance(model, bytes) else str(model)
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidGraph, NotImplemented) as error:
        reason = " ".join(str(error).split())[:200]
        raise EspalierError(f"export: ONNX Runtime refuses the model ({reason})") from error


def run_onnx(opened: Any, X: npt.NDArray[Any], batch: int = 4096) -> Array:
    """Answer numeric rows (n, p): probabilities (n, K) or predictions (n,)."""
    rows = np.ascontiguousarray(X, dtype=np.float32)
    starts = range(0, max(len(rows), 1), batch)
    return np.concatenate([opened.run(None, {"rows": rows[i : i + batch]})[0] for i in starts])


def _with_gaps(X: npt.NDArray[Any]) -> Array:
    """Add copies of some rows in which every third cell is missing, and a row that is missing whole."""
    rows = np.array(X, dtype=np.float32)
    gaps = rows[:64].copy()
    gaps.reshape(-1)[::3] = np.nan
    return np.concatenate([rows, gaps, np.full((1, rows.shape[1]), np.nan, np.float32)])


def allowed_apart(wanted: Array, task: str) -> npt.NDArray[np.float64]:
    """Return by how much each answer may differ: of predictions, in their own spread, whatever their unit.

    Predictions of mean m and deviation s may differ by rtol |y - m| + max(atol s, 64 eps max |y|): float32
    rounds sums of their size by a few eps, which is much of a spread that is small beside the mean.
    """
    exact = np.where(np.isfinite(wanted), wanted, 0.0).astype(np.float64)
    if task == "classification":
        return np.asarray(RTOL * np.abs(exact) + ATOL)
    finite = exact[np.isfinite(wanted)]
    mean, spread = (float(finite.mean()), float(finite.std())) if finite.size else (0.0, 0.0)
    rounding = _ROUNDINGS * float(np.finfo(np.float32).eps) * float(np.max(np.abs(finite), initial=0.0))
    return np.asarray(RTOL * np.abs(exact - mean) + max(ATOL * spread, rounding))


def check_parity(graph: Graph, model: Path | bytes, X: npt.NDArray[Any]) -> float:
    """Compare an exported model with its eager graph on numeric rows, missing cells among them.

    Parameters
    ----------
    graph
        The unfolded graph.
    model
        ONNX file or bytes.
    X
        Numeric rows (n, p) in the graph's columns.

    Returns
    -------
    float
        Largest absolute difference.

    Raises
    ------
    EspalierError
        When the two differ by more than 1e-4 of an answer + 1e-5; for regression by more than 1e-4 of a
        prediction's distance from their mean + 1e-5 of their spread, or what float32 cannot tell apart.
    """
    rows = _with_gaps(X)
    with torch.no_grad():
        wanted = graph.predict(torch.from_numpy(rows)).numpy()
    got = run_onnx(session(model), rows)
    allowed = allowed_apart(wanted, graph.task)
    alike = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    apart = np.where(alike, 0.0, np.abs(got - wanted))
    worst = float(np.max(apart, initial=0.0))
    if not (apart <= allowed).all():
        least = float(np.min(allowed[np.isfinite(wanted)], initial=np.inf))
        raise EspalierError(
            f"export: the ONNX model differs from the network by up to {worst:.2g} on {len(rows)} rows "
            f"(allowed: {least:.2g} and more); set export.fold: never"
        )
    return worst


def export_onnx(graph: Graph, path: Path) -> Path:
    """Write a graph as one ONNX file; see `to_model`. The same graph gives the same bytes in any process."""
    write_bytes(path, serialised(to_model(graph)))
    return path
