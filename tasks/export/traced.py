"""Networks whose modules call each other in code of their own: their calls traced, each of a known kind.

A trace (torch.fx: Reed et al., 2022) is used only where all of it is known here, so that a branch on values
or a shape, or a weight that is read beside its layer, stays with torch.onnx.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx, nn

from tasks.export.activations import called_layer
from tasks.export.emit import can_emit, emit, hooked
from tasks.export.emitter import Emitter, Value, output_of

__all__ = ["calls", "emit_calls", "followed"]

_FUNCTIONS: dict[Any, str] = {
    operator.add: "Add",
    operator.iadd: "Add",
    torch.add: "Add",
    torch.flatten: "Flatten",
    "flatten": "Flatten",
}
_IN_PLACE = (operator.iadd,)
_UNTRACEABLE = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    fx.proxy.TraceError,
)
"""What code raises that asks a traced value for more than it knows."""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) is not nn.Sequential and can_emit(m)


def calls(module: nn.Module) -> fx.Graph | None:
    """Trace what a module calls, in order; None where something in it is not known, a hook for one.

    Examples
    --------
    >>> [node.target for node in calls(nn.Sequential(nn.Linear(2, 3), nn.ReLU())).nodes][1:3]
    ['0', '1']
    >>> calls(nn.Bilinear(2, 3, 4)) is None
    True
    """
    if hooked(module):
        return None
    try:
        graph = _Tracer().trace(module)
    except _UNTRACEABLE:
        return None
    return graph if all(_known(node, module) for node in graph.nodes) else None


def followed(graph: fx.Graph) -> Iterator[tuple[str, str]]:
    """Name each pair of modules of which the second alone reads the first; both are called once."""
    called = [node.target for node in graph.nodes if node.op == "call_module"]
    for node in graph.nodes:
        before = node.args[0] if node.op == "call_module" else None
        if isinstance(before, fx.Node) and before.op == "call_module" and len(before.users) == 1:
            pair = (str(before.target), str(node.target))
            if all(called.count(name) == 1 for name in pair):
                yield pair


def emit_calls(e: Emitter, module: nn.Module, graph: fx.Graph, x: Value) -> str:
    """Append the nodes of a module's calls; return the name of its output."""
    values: dict[fx.Node, Value] = {}
    for node in graph.nodes:
        given = [values[each] for each in node.all_input_nodes]
        match node.op:
            case "placeholder":
                values[node] = x
            case "output":
                return given[0].name
            case _ if (layer := _layer(node, module)) is not None:
                values[node] = Value(emit(e, layer, given[0]), output_of(layer, given[0].sample))
            case _:
                values[node] = _function(e, _FUNCTIONS[node.target], given)
    raise AssertionError("every graph has an output")


def _layer(node: fx.Node, module: nn.Module) -> nn.Module | None:
    """Return the layer that a node calls, or that does what its function does; None for other functions."""
    return module.get_submodule(str(node.target)) if node.op == "call_module" else called_layer(node)


def _function(e: Emitter, op: str, given: list[Value]) -> Value:
    samples = [value.sample for value in given]
    evaluate: dict[str, Callable[..., torch.Tensor]] = {
        "Add": torch.add,
        "Flatten": lambda x: torch.flatten(x, 1),
    }
    return Value(e.node(op, *(value.name for value in given)), evaluate[op](*samples))


def _known(node: fx.Node, module: nn.Module) -> bool:
    match node.op:
        case "placeholder":
            return len(node.graph.find_nodes(op="placeholder")) == 1
        case "output":
            return isinstance(node.args[0], fx.Node)
        case "call_module":
            return _plain(node, 1) and _spares(node, _in_place(module.get_submodule(str(node.target))))
        case _:
            return _known_function(node)


def _plain(node: fx.Node, values: int) -> bool:
    """Whether a call takes so many different values and nothing else."""
    return len(node.all_input_nodes) == len(node.args) == values and not node.kwargs


def _spares(node: fx.Node, in_place: bool) -> bool:
    """Whether nobody else reads what a call overwrites."""
    return not in_place or len(node.all_input_nodes[0].users) == 1


def _in_place(layer: nn.Module) -> bool:
    return bool(getattr(layer, "inplace", False))


def _known_function(node: fx.Node) -> bool:
    if (layer := called_layer(node)) is not None:
        return can_emit(layer) and _spares(node, _in_place(layer))
    match _FUNCTIONS.get(node.target):
        case "Add":
            return _plain(node, 2) and _spares(node, node.target in _IN_PLACE)
        case "Flatten":
            return node.args[1:] == (1,) and not node.kwargs
    return False
