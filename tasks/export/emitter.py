"""An ONNX graph being built: its nodes and constants so far, and the values that flow between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

__all__ = ["Emit", "Emitter", "Value", "output_of"]


@dataclass(frozen=True)
class Value:
    """A value in the graph: its ONNX name, and what it is for two sample rows."""

    name: str
    sample: Tensor


@dataclass
class Emitter:
    """Nodes and constants collected so far."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def node(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        """Append a node; return the name of its first output (``NAME:i`` for the others)."""
        name = f"v{len(self.nodes)}"
        names = [name, *(f"{name}:{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(op, list(inputs), names, domain=domain, **attributes))
        return name

    def constant(self, value: Tensor | list[int] | float) -> str:
        """Store a constant of any rank, 0 among them; return its name."""
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        return self.stored(array.astype(np.float32) if array.dtype == np.float64 else array)

    def stored(self, array: npt.NDArray[Any]) -> str:
        """Store a constant of the type that it has, float64 too; return its name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def copy(self, node: NodeProto, names: dict[str, str]) -> None:
        """Append a foreign node with its inputs renamed; its outputs join `names`."""
        inputs = [names[name] for name in node.input]
        first = self.node(node.op_type, *inputs, domain=node.domain, outputs=len(node.output))
        self.nodes[-1].attribute.extend(node.attribute)
        for i, name in enumerate(node.output):
            names[name] = f"{first}:{i}" if i else first

    def rename(self, old: str, new: str) -> None:
        """Give a node's output its public name; a bare input gets an Identity."""
        if not self.nodes:
            old = self.node("Identity", old)
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [new if name == old else name for name in names]


Emit = Callable[[Emitter, Any, Value], str]
"""Appends the nodes of a layer that reads a value; returns the name of its output."""


def output_of(module: nn.Module, sample: Tensor) -> Tensor:
    """Run a module on sample rows, without gradients."""
    with torch.no_grad():
        out: Tensor = module(sample)
    return out
