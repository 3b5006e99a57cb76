"""An ONNX model with nothing in it that inference does not need."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = ["compact", "consumers"]

_CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv")
_ONES = ("strides", "dilations")
_ZEROS = ("pads", "channels_last")
_DEFAULTS_OF = {"QGemm": "Gemm"}
_WEIGHT_ZERO_POINT = {"QLinearConv": 5}


def consumers(model: onnx.ModelProto) -> dict[str, int]:
    """Count how often each value is read; a graph's output counts as one more."""
    read: dict[str, int] = {}
    for name in [name for node in model.graph.node for name in node.input] + [
        output.name for output in model.graph.output
    ]:
        read[name] = read.get(name, 0) + 1
    return read


def _content(tensor: onnx.TensorProto) -> bytes:
    bare = onnx.TensorProto()
    bare.CopyFrom(tensor)
    bare.name = ""
    content: bytes = bare.SerializeToString(deterministic=True)
    return content


def _shared_constants(model: onnx.ModelProto) -> None:
    """Keep one of each group of equal constants, and none that nobody reads; in place."""
    first: dict[bytes, str] = {}
    renamed = {t.name: first.setdefault(_content(t), t.name) for t in model.graph.initializer}
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    read = consumers(model)
    for tensor in [t for t in model.graph.initializer if t.name not in read]:
        model.graph.initializer.remove(tensor)


def _implied(node: onnx.NodeProto, attribute: onnx.AttributeProto, version: int) -> bool:
    """Whether a node means the same without an attribute."""
    name, value = attribute.name, helper.get_attribute_value(attribute)
    if name in _ONES:
        return set(value) == {1}
    if name in _ZEROS:
        return not np.any(value)
    if name == "kernel_shape":
        return node.op_type in _CONVOLUTIONS  # their weight has it
    op = _DEFAULTS_OF.get(node.op_type, node.op_type if not node.domain else "")
    known = onnx.defs.get_schema(op, version).attributes if onnx.defs.has(op) else {}
    default = known[name].default_value if name in known else onnx.AttributeProto()
    return default.type == attribute.type and bool(helper.get_attribute_value(default) == value)


def _bare_nodes(model: onnx.ModelProto) -> None:
    """Leave out the attributes that nodes have by default; in place."""
    version = next((opset.version for opset in model.opset_import if not opset.domain), 1)
    for node in model.graph.node:
        needed = [attribute for attribute in node.attribute if not _implied(node, attribute, version)]
        del node.attribute[:]
        node.attribute.extend(needed)


def _one_zero_point(model: onnx.ModelProto) -> None:
    """Let weights whose zero points are all 0 share a single one; in place."""
    held, zeros = {tensor.name: tensor for tensor in model.graph.initializer}, {}
    for node in model.graph.node:
        at = _WEIGHT_ZERO_POINT.get(node.op_type)
        points = None if at is None else held[node.input[at]]
        if points is not None and not numpy_helper.to_array(points).any():
            node.input[at] = f"zero.{points.data_type}"
            zeros[node.input[at]] = helper.make_tensor(node.input[at], points.data_type, [], b"\0", raw=True)
    model.graph.initializer.extend(zeros.values())


def _short_names(model: onnx.ModelProto) -> None:
    """Number values and constants in the order they are first read or written; in place."""
    graph = model.graph
    names = {"": ""} | {value.name: value.name for value in [*graph.input, *graph.output]}
    free = (name for name in map("{:x}".format, range(1 << 30)) if name not in set(names))
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names[v] if v in names else names.setdefault(v, next(free)) for v in values]
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]


def compact(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with equal constants shared, short names, and neither metadata nor node names."""
    small = onnx.ModelProto()
    small.CopyFrom(model)
    _bare_nodes(small)
    _one_zero_point(small)
    _shared_constants(small)
    _short_names(small)
    for part in (small, small.graph, *small.graph.node, *small.graph.initializer):
        part.ClearField("doc_string")
    for node in small.graph.node:
        for field in ("name", "metadata_props"):
            node.ClearField(field)
    for holder, field in (
        (small.graph, "value_info"),
        (small, "metadata_props"),
        (small, "producer_version"),
    ):
        holder.ClearField(field)
    small.graph.name = small.producer_name = "espalier"
    return small
