"""From layers to ONNX nodes, one node a layer where ONNX has it: at batch 1 each costs about 1 us."""

from __future__ import annotations

from typing import Any

import torch
from onnx import TensorProto
from torch import nn

from tasks.export.activations import ACTIVATIONS, covers
from tasks.export.emitter import Emit, Emitter, Value, output_of
from tasks.models import layers
from tasks.models.network import Network
from tasks.models.resmlp import Block

__all__ = ["EMITTERS", "can_emit", "emit", "hooked"]


def _indicate(e: Emitter, layer: layers.Indicate, x: Value) -> str:
    cells = x.name
    if len(layer.positions) != x.sample.shape[1]:
        cells = e.node("Gather", x.name, e.constant(layer.positions), axis=1)
    missing = e.node("Cast", e.node("IsNaN", cells), to=TensorProto.FLOAT)
    return e.node("Concat", x.name, missing, axis=1)


def _impute(e: Emitter, layer: layers.Impute, x: Value) -> str:
    # One node; IsNaN and Where are two, and slower on large batches.
    return e.node(
        "Imputer",
        x.name,
        domain="ai.onnx.ml",
        imputed_value_floats=layer.fill.tolist(),
        replaced_value_float=float("nan"),
    )


def _clip(e: Emitter, layer: layers.Clip, x: Value) -> str:
    name = x.name
    if torch.isfinite(layer.low).any():
        name = e.node("Max", name, e.constant(layer.low))
    if torch.isfinite(layer.high).any():
        name = e.node("Min", name, e.constant(layer.high))
    return name


def _one_hot(e: Emitter, layer: layers.OneHot, x: Value) -> str:
    width = x.sample.shape[1]
    sizes = [layer.numbers, layer.codes, width - layer.numbers - layer.codes]
    parts = [x.name]
    if sizes != [0, width, 0]:
        kept = [size for size in sizes if size]
        first = e.node("Split", x.name, e.constant(kept), outputs=len(kept), axis=1)
        parts = [first, *(f"{first}:{i}" for i in range(1, len(kept)))]
    at = 1 if layer.numbers else 0
    spread = e.node("Gather", parts[at], e.constant(layer.column - layer.numbers), axis=1)
    parts[at] = e.node("Cast", e.node("Equal", spread, e.constant(layer.level)), to=TensorProto.FLOAT)
    return parts[0] if len(parts) == 1 else e.node("Concat", *parts, axis=1)


def _scale(e: Emitter, layer: layers.Scale, x: Value) -> str:
    inverse = (1.0 / layer.scale.double()).float()
    return e.node("Scaler", x.name, domain="ai.onnx.ml", offset=layer.mean.tolist(), scale=inverse.tolist())


def _project(e: Emitter, layer: layers.Project, x: Value) -> str:
    return e.node("Gemm", x.name, e.constant(layer.W), e.constant(layer.b))


def _grid(e: Emitter, layer: layers.Grid, x: Value) -> str:
    name = x.name
    if not layer.whole:
        name = e.node("Pad", name, e.constant([0, 0, 0, 1]))
        name = e.node("Gather", name, e.constant(layer.source), axis=1)
    return e.node("Reshape", name, e.constant([-1, *layer.shape]))


def _pool(e: Emitter, layer: layers.Pool, x: Value) -> str:
    kernel = list(layer.kernel)
    return e.node("AveragePool", x.name, kernel_shape=kernel, strides=kernel, ceil_mode=1)


def _dct(e: Emitter, layer: layers.Dct, x: Value) -> str:
    last = len(layer.keep) - 1
    name = e.node("MatMul", x.name, e.constant(layer.get_buffer(f"basis{last}").T))
    return name if last == 0 else e.node("MatMul", e.constant(layer.get_buffer("basis0")), name)


def _softmax(e: Emitter, layer: layers.Softmax, x: Value) -> str:
    return e.node("Softmax", x.name, axis=1)


def _unscale(e: Emitter, layer: layers.Unscale, x: Value) -> str:
    name = e.node("Reshape", x.name, e.constant([-1]))
    if layer.std != 1:
        name = e.node("Mul", name, e.constant(layer.std))
    if layer.mean != 0:
        name = e.node("Add", name, e.constant(layer.mean))
    if layer.log:
        name = e.node("Sub", e.node("Exp", name), e.constant(1.0))
    return name


def _linear(e: Emitter, layer: nn.Linear, x: Value) -> str:
    bias = [] if layer.bias is None else [e.constant(layer.bias)]
    if x.sample.ndim == 2:
        return e.node("Gemm", x.name, e.constant(layer.weight), *bias, transB=1)
    name = e.node("MatMul", x.name, e.constant(layer.weight.T))
    return e.node("Add", name, *bias) if bias else name


def _pads(layer: nn.Conv1d | nn.Conv2d) -> list[int]:
    """Cells added before and after each axis; 'same' puts the odd one behind, as torch does."""
    if not isinstance(layer.padding, str):
        return [int(pad) for pad in layer.padding] * 2
    wide = 1 if layer.padding == "same" else 0
    total = [wide * d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


def _conv(e: Emitter, layer: nn.Conv1d | nn.Conv2d, x: Value) -> str:
    bias = [] if layer.bias is None else [e.constant(layer.bias)]
    return e.node(
        "Conv",
        x.name,
        e.constant(layer.weight),
        *bias,
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        dilations=list(layer.dilation),
        pads=_pads(layer),
        group=layer.groups,
    )


def _pair(size: Any, axes: int) -> list[int]:
    return [int(size)] * axes if isinstance(size, int) else [int(part) for part in size]


def _max_pool(e: Emitter, layer: nn.MaxPool1d | nn.MaxPool2d, x: Value) -> str:
    axes = x.sample.ndim - 2
    sizes = [_pair(size, axes) for size in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)]
    kernel, strides, pads, dilations = sizes
    behind = pads
    if layer.ceil_mode:
        behind = [_behind(*window) for window in zip(x.sample.shape[2:], *sizes, strict=True)]
    return e.node(
        "MaxPool",
        x.name,
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=pads + behind,
        ceil_mode=0,
    )


def _behind(length: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    """Cells behind an axis that give as many whole windows as torch counts with `ceil_mode`.

    A last window may reach over the edge, but not begin there; ONNX Runtime counts in two ways of its own.

    Examples
    --------
    >>> _behind(9, kernel=2, stride=2, pad=1, dilation=1), _behind(9, kernel=2, stride=2, pad=0, dilation=1)
    (0, 1)
    """
    window = dilation * (kernel - 1) + 1
    count = -(-(length + 2 * pad - window) // stride) + 1
    if (count - 1) * stride >= length + pad:
        count -= 1
    return max((count - 1) * stride + window - length - pad, 0)


def _average(e: Emitter, layer: nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d, x: Value) -> str:
    return e.node("GlobalAveragePool", x.name)


def _batch_norm(e: Emitter, layer: nn.BatchNorm1d | nn.BatchNorm2d, x: Value) -> str:
    mean, var = layer.get_buffer("running_mean"), layer.get_buffer("running_var")
    gain = torch.ones_like(mean) if layer.weight is None else layer.weight
    offset = torch.zeros_like(mean) if layer.bias is None else layer.bias
    constants = [e.constant(tensor) for tensor in (gain, offset, mean, var)]
    return e.node("BatchNormalization", x.name, *constants, epsilon=layer.eps)


def _layer_norm(e: Emitter, layer: nn.LayerNorm, x: Value) -> str:
    gain = torch.ones(layer.normalized_shape) if layer.weight is None else layer.weight
    constants = [e.constant(tensor) for tensor in (gain, layer.bias) if tensor is not None]
    axis = -len(layer.normalized_shape)
    return e.node("LayerNormalization", x.name, *constants, axis=axis, epsilon=layer.eps)


def _flatten(e: Emitter, layer: nn.Flatten, x: Value) -> str:
    return x.name if x.sample.ndim == 2 else e.node("Flatten", x.name, axis=1)


def _block(e: Emitter, layer: Block, x: Value) -> str:
    inner = emit(e, nn.Sequential(layer.norm, layer.wide, layer.relu, layer.back), x)
    return e.node("Add", x.name, inner)


def _nothing(e: Emitter, layer: nn.Module, x: Value) -> str:
    return x.name


EMITTERS: dict[type[nn.Module], Emit] = {
    layers.Indicate: _indicate,
    layers.Impute: _impute,
    layers.Clip: _clip,
    layers.OneHot: _one_hot,
    layers.Scale: _scale,
    layers.Project: _project,
    layers.Grid: _grid,
    layers.Pool: _pool,
    layers.Dct: _dct,
    layers.Softmax: _softmax,
    layers.Unscale: _unscale,
    nn.Linear: _linear,
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.MaxPool1d: _max_pool,
    nn.MaxPool2d: _max_pool,
    nn.AdaptiveAvgPool1d: _average,
    nn.AdaptiveAvgPool2d: _average,
    nn.Flatten: _flatten,
    Block: _block,
    nn.Dropout: _nothing,
    nn.Dropout1d: _nothing,
    nn.Dropout2d: _nothing,
    nn.AlphaDropout: _nothing,
    nn.Identity: _nothing,
    **ACTIVATIONS,
}


def _chain(module: nn.Module) -> list[nn.Module] | None:
    """Return the modules that `module` runs one after the other; None when it is not known to be a chain."""
    if type(module) is nn.Sequential:
        return list(module)
    return [module.body] if isinstance(module, Network) else None


def _plain(module: nn.Module) -> bool:
    """Tell the settings of a known layer that its emitter does not cover."""
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        return module.padding_mode == "zeros"
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return module.track_running_stats
    if isinstance(module, nn.MaxPool1d | nn.MaxPool2d):
        return not module.return_indices
    if isinstance(module, nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d):
        return module.output_size in (1, (1,), (1, 1))
    if isinstance(module, nn.Flatten):
        return (module.start_dim, module.end_dim) == (1, -1)
    return covers(module)


def hooked(module: nn.Module) -> bool:
    """Whether a call of a module, or of one below it, runs hooks beside its own code."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def can_emit(module: nn.Module) -> bool:
    """Whether every layer of a module is known here; hooks and subclasses are not."""
    if hooked(module):
        return False
    chain = _chain(module)
    if chain is not None:
        return all(can_emit(part) for part in chain)
    return type(module) in EMITTERS and _plain(module)


def emit(e: Emitter, module: nn.Module, x: Value) -> str:
    """Append a known module's nodes; return the name of its output."""
    chain = _chain(module)
    if chain is None:
        return EMITTERS[type(module)](e, module, x)
    for part in chain:
        x = Value(emit(e, part, x), output_of(part, x.sample))
    return x.name
