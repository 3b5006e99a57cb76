"""An ONNX model with nothing in it that inference does not need."""

from __future__ import annotations

import onnx

__all__ = ["compact", "consumers"]


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
