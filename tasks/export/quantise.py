"""int8 forms of an exported model, per unit or per layer, as small as ONNX allows.

A weight w becomes q = round(w / s) with s = max|w| / 127, and stands for s q; an activation x becomes
q = round(x / s) + z in 0 .. 255, with the range that s and z cover read off calibration rows (static) or off
each batch (dynamic). Products are of int8 with int32 sums (Jacob et al. 2018).

Where activations are int8 too, weights take 7 bits of the 8: processors without VNNI add two products in 16
bits, where those of 8-bit weights saturate, and a model would answer otherwise there than elsewhere.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from tasks.errors import EspalierError
from tasks.export.compact import compact, consumers

__all__ = ["QUANTISERS", "calibration_rows", "dynamic_int8", "static_int8", "weight_int8"]

Array = npt.NDArray[np.float32]
PRODUCTS = ("Gemm", "MatMul", "Conv")
PASSING = ("Relu", "MaxPool", "GlobalAveragePool", "Flatten")  # int8 in, int8 out
PREPARED = {"onnx.infer": "onnxruntime.quant", "onnx.quant.pre_process": "onnxruntime.quant"}
UNSCALED = 7  # inputs of a QGemm before the scale and zero point of its output
NODE_BYTES = 64  # about what one more node and the constant it reads cost in the file


def calibration_rows(X: npt.NDArray[Any], count: int, seed: int) -> Array:
    """Draw up to ``count`` rows of X (n, p) without replacement, in their order, as float32."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(X))[:count])
    return np.ascontiguousarray(X[chosen], dtype=np.float32)


class _Rows:
    """Calibration rows as ONNX Runtime reads them: one batch, then None."""

    def __init__(self, rows: Array) -> None:
        self._left = iter([{"rows": rows}])

    def get_next(self) -> dict[str, Array] | None:
        return next(self._left, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence ONNX Runtime's notes on the models it makes for itself on the way."""
    import onnxruntime as ort

    root, warning = logging.getLogger(), 2
    level = root.level
    root.setLevel(logging.ERROR)
    ort.set_default_logger_severity(warning + 1)
    try:
        yield
    finally:
        ort.set_default_logger_severity(warning)
        root.setLevel(level)


def _prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with named nodes, and types where ONNX cannot infer them: behind ai.onnx.ml nodes."""
    ready = onnx.ModelProto()
    ready.CopyFrom(model)
    for i, node in enumerate(ready.graph.node):
        node.name = f"n{i}"
        if node.domain == "ai.onnx.ml":
            known = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, ["N", None])
            ready.graph.value_info.append(known)
    helper.set_model_props(ready, PREPARED)
    return ready


def _made(
    model: onnx.ModelProto, method: str, make: Callable[[onnx.ModelProto, Path], None]
) -> onnx.ModelProto:
    """Let ONNX Runtime write its model into a temporary folder, and read it."""
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        try:
            make(_prepared(model), path)
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EspalierError(
                f"export.quantise.method: ONNX Runtime cannot make a {method} int8 model of this network "
                f"({reason}); set weights or none"
            ) from error
        return onnx.load(path)


def _shared_relus(model: onnx.ModelProto) -> list[str]:
    """Name the ReLUs whose input something else reads too: ONNX Runtime would drop the ReLU for both."""
    read = consumers(model)
    return [node.name for node in model.graph.node if node.op_type == "Relu" and read[node.input[0]] > 1]


def _float_sums(model: onnx.ModelProto) -> list[str]:
    """Name the sums that are not of two int8 values from convolutions.

    A constant or a float32 value would have to be rounded first, and other products give float32 themselves:
    a sum in int8 would make the file no smaller there.
    """
    int8: set[str] = set()
    for node in model.graph.node:
        needed = {"Add": node.input, **dict.fromkeys(PASSING, node.input[:1])}.get(node.op_type)
        if node.op_type == "Conv" or (needed is not None and int8.issuperset(needed)):
            int8.update(node.output)
    return [node.name for node in model.graph.node if node.op_type == "Add" and node.output[0] not in int8]


def _rectified(model: onnx.ModelProto) -> frozenset[str]:
    """Name the nodes whose output a ReLU reads."""
    cut = {node.input[0] for node in model.graph.node if node.op_type == "Relu"}
    return frozenset(node.name for node in model.graph.node if node.output[0] in cut)


def _float_answers(model: onnx.ModelProto, rectified: frozenset[str]) -> None:
    """Let a QGemm that is dequantised at once give float32 itself, unrounded; in place.

    Not where a ReLU followed: there the cut at the lower end of 8 bits stands for it.
    """
    read, graph = consumers(model), model.graph
    behind = {node.input[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in [node for node in graph.node if node.op_type == "QGemm" and node.output[0] in behind]:
        if read[node.output[0]] == 1 and node.name.removesuffix("_quant") not in rectified:
            answer = behind[node.output[0]]
            node.input[:] = node.input[:UNSCALED]
            node.output[0] = answer.output[0]
            graph.node.remove(answer)


def static_int8(model: onnx.ModelProto, rows: Array, per_channel: bool = True) -> onnx.ModelProto:
    """Quantise weights and activations; the activations' ranges are the extremes over ``rows`` (n, p).

    Raises
    ------
    EspalierError
        When ONNX Runtime cannot quantise the graph.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    rectified: frozenset[str] = frozenset()

    def make(ready: onnx.ModelProto, path: Path) -> None:
        nonlocal rectified
        rectified = _rectified(ready)
        quantize_static(
            ready,
            path,
            _Rows(rows),
            quant_format=QuantFormat.QOperator,
            op_types_to_quantize=[*PRODUCTS, *PASSING, "Add"],
            nodes_to_exclude=_shared_relus(ready) + _float_sums(ready),
            per_channel=per_channel,
            activation_type=QuantType.QUInt8,  # signed activations are several times slower on x86
            weight_type=QuantType.QInt8,
            reduce_range=True,
        )

    made = _made(model, "static", make)
    _float_answers(made, rectified)
    return compact(made)


def dynamic_int8(model: onnx.ModelProto, rows: Array, per_channel: bool = True) -> onnx.ModelProto:
    """Quantise weights; activations by each batch's own range. ``rows`` are not looked at.

    Raises
    ------
    EspalierError
        When ONNX Runtime cannot quantise the graph.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    def make(ready: onnx.ModelProto, path: Path) -> None:
        quantize_dynamic(ready, path, weight_type=QuantType.QInt8, per_channel=per_channel, reduce_range=True)

    return compact(_made(model, "dynamic", make))


def _unit_axis(node: onnx.NodeProto, ndim: int) -> int:
    """Axis of a weight that counts the layer's units."""
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if node.op_type == "Conv" or transposed else ndim - 1


def _rounded(weight: Array, axis: int, per_channel: bool) -> tuple[npt.NDArray[np.int8], Array]:
    """Return q (as ``weight``) and s (units along ``axis``, or one number) with s q nearest to the weight."""
    others = tuple(i for i in range(weight.ndim) if i != axis) if per_channel else None
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scale: Array = (np.where(largest > 0, largest, 127) / 127).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale.reshape(-1) if per_channel else scale.reshape(())


def _stored(
    node: onnx.NodeProto, weight: Array, per_channel: bool
) -> tuple[list[TensorProto], onnx.NodeProto]:
    """Return a weight's int8 constants and the node that turns them back into it."""
    axis, name = _unit_axis(node, weight.ndim), node.input[1]
    q, scale = _rounded(weight, axis, per_channel)
    names = [f"{name}.q", f"{name}.s"]
    constants = [numpy_helper.from_array(q, names[0]), numpy_helper.from_array(scale, names[1])]
    return constants, helper.make_node("DequantizeLinear", names, [name], axis=axis)


def _pays(constants: list[TensorProto], weight: Array) -> bool:
    return sum(len(tensor.raw_data) for tensor in constants) + NODE_BYTES < weight.nbytes


def weight_int8(model: onnx.ModelProto, rows: Array, per_channel: bool = True) -> onnx.ModelProto:
    """Store weights as int8 wherever that is smaller; they are turned to float32 at each call.

    ``rows`` are not looked at. Where no weight becomes smaller, the model is returned as it is.
    """
    small = onnx.ModelProto()
    small.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in small.graph.initializer}
    nodes = []
    for node in model.graph.node:
        held = weights.get(node.input[1]) if node.op_type in PRODUCTS else None
        if held is not None and held.data_type == TensorProto.FLOAT:
            weight = numpy_helper.to_array(held)
            constants, back = _stored(node, weight, per_channel)
            if _pays(constants, weight):
                small.graph.initializer.remove(weights.pop(node.input[1]))
                small.graph.initializer.extend(constants)
                nodes.append(back)
        nodes.append(node)
    if len(nodes) == len(model.graph.node):
        return model
    del small.graph.node[:]
    small.graph.node.extend(nodes)
    return compact(small)


Quantiser = Callable[[onnx.ModelProto, Array, bool], onnx.ModelProto]
QUANTISERS: dict[str, Quantiser] = {"static": static_int8, "dynamic": dynamic_int8, "weights": weight_int8}
"""Makers of int8 models by the method's name: (model, calibration rows, per channel) -> model."""
