"""Activations as ONNX nodes: one where operator set 18 has it, else the fewest that give the same."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from tasks.export.emitter import Emit, Emitter, Value

__all__ = ["ACTIVATIONS", "called_layer", "covers"]

_LINEAR = 20.0  # from here on softplus(z) is z in float32


def _one(op: str) -> Emit:
    """Return an emitter of one node without attributes."""
    return lambda e, layer, x: e.node(op, x.name)


def _alpha(op: str) -> Emit:
    """Return an emitter of one node that has the layer's alpha."""
    return lambda e, layer, x: e.node(op, x.name, alpha=float(layer.alpha))


def _leaky(e: Emitter, layer: nn.LeakyReLU, x: Value) -> str:
    return e.node("LeakyRelu", x.name, alpha=float(layer.negative_slope))


def _hard_sigmoid(e: Emitter, layer: nn.Hardsigmoid, x: Value) -> str:
    return e.node("HardSigmoid", x.name, alpha=1 / 6, beta=0.5)


def _hard_tanh(e: Emitter, layer: nn.Hardtanh, x: Value) -> str:
    return e.node("Clip", x.name, e.constant(float(layer.min_val)), e.constant(float(layer.max_val)))


def _softplus(e: Emitter, layer: nn.Softplus, x: Value) -> str:
    if layer.beta == 1:
        return e.node("Softplus", x.name)
    beta = e.constant(float(layer.beta))
    return e.node("Div", e.node("Softplus", e.node("Mul", x.name, beta)), beta)


def _prelu(e: Emitter, layer: nn.PReLU, x: Value) -> str:
    axes = max(x.sample.ndim - 2, 0)  # those behind the channels
    return e.node("PRelu", x.name, e.constant(layer.weight.reshape(-1, *[1] * axes)))


def _silu(e: Emitter, layer: nn.SiLU, x: Value) -> str:
    return e.node("Mul", x.name, e.node("Sigmoid", x.name))


def _mish(e: Emitter, layer: nn.Mish, x: Value) -> str:
    return e.node("Mul", x.name, e.node("Tanh", e.node("Softplus", x.name)))


def _gelu(e: Emitter, layer: nn.GELU, x: Value) -> str:
    return (_gelu_tanh if layer.approximate == "tanh" else _gelu_erf)(e, x)


def _gelu_erf(e: Emitter, x: Value) -> str:
    """Write x (1 + erf(x / sqrt 2)) / 2, in the order that ONNX Runtime makes one node of."""
    erf = e.node("Erf", e.node("Div", x.name, e.constant(math.sqrt(2))))
    return e.node("Mul", e.node("Mul", x.name, e.node("Add", erf, e.constant(1.0))), e.constant(0.5))


def _gelu_tanh(e: Emitter, x: Value) -> str:
    """Write x (1 + tanh u) / 2 as x sigmoid(2 u): 2 u = x (a + b x^2), a = sqrt(8 / pi), b = 0.044715 a."""
    a = math.sqrt(8 / math.pi)
    cubic = e.node("Mul", e.node("Mul", x.name, x.name), e.constant(0.044715 * a))
    twice = e.node("Mul", x.name, e.node("Add", cubic, e.constant(a)))
    return e.node("Mul", x.name, e.node("Sigmoid", twice))


ACTIVATIONS: dict[type[nn.Module], Emit] = {
    nn.ReLU: _one("Relu"),
    nn.Tanh: _one("Tanh"),
    nn.Sigmoid: _one("Sigmoid"),
    nn.Softsign: _one("Softsign"),
    nn.SELU: _one("Selu"),
    nn.Hardswish: _one("HardSwish"),
    nn.Hardsigmoid: _hard_sigmoid,
    nn.Hardtanh: _hard_tanh,
    nn.ReLU6: _hard_tanh,
    nn.LeakyReLU: _leaky,
    nn.PReLU: _prelu,
    nn.ELU: _alpha("Elu"),
    nn.CELU: _alpha("Celu"),
    nn.Softplus: _softplus,
    nn.SiLU: _silu,
    nn.Mish: _mish,
    nn.GELU: _gelu,
}
"""Emitters of activations by the module's type."""

_CALLED: dict[Any, type[nn.Module]] = {
    torch.relu: nn.ReLU,
    functional.relu: nn.ReLU,
    "relu": nn.ReLU,
    torch.tanh: nn.Tanh,
    "tanh": nn.Tanh,
    torch.sigmoid: nn.Sigmoid,
    "sigmoid": nn.Sigmoid,
    functional.softsign: nn.Softsign,
    torch.selu: nn.SELU,
    functional.selu: nn.SELU,
    functional.hardswish: nn.Hardswish,
    functional.hardsigmoid: nn.Hardsigmoid,
    functional.hardtanh: nn.Hardtanh,
    functional.relu6: nn.ReLU6,
    functional.leaky_relu: nn.LeakyReLU,
    functional.elu: nn.ELU,
    torch.celu: nn.CELU,
    functional.celu: nn.CELU,
    functional.softplus: nn.Softplus,
    functional.silu: nn.SiLU,
    functional.mish: nn.Mish,
    functional.gelu: nn.GELU,
}


def covers(layer: nn.Module) -> bool:
    """Whether the settings of a layer are those that the emitter of an activation covers."""
    return not isinstance(layer, nn.Softplus) or layer.threshold >= _LINEAR


def called_layer(node: fx.Node) -> nn.Module | None:
    """Return the layer that does what a traced call of a function does; None for other calls.

    Functions take the settings of their modules by the same names and in the same order: ``elu(x, 0.5)`` is
    ``ELU(0.5)(x)``. Dropout stands for nothing in evaluation.
    """
    settings = (*node.args[1:], *node.kwargs.values())
    if not node.args or not isinstance(node.args[0], fx.Node) or fx.Node in map(type, settings):
        return None
    if node.target is functional.dropout:
        return None if node.kwargs["training"] else nn.Identity()
    kind = _CALLED.get(node.target)
    return None if kind is None else kind(*node.args[1:], **node.kwargs)
