"""Merge affine neighbours for inference: scaling, projection, first layer, batch norm, target scale.

With features x, x' = (x - m) / s, z = x' P + c and y = A z + a:

    y = A Pᵀ diag(1/s) x + (a + A c - A Pᵀ (m / s))

All products are in float64 and stored in the layers' own type.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from tasks.export.config import FoldMode
from tasks.export.emit import can_emit, hooked
from tasks.export.traced import calls, followed
from tasks.models.calls import on_call
from tasks.models.factored import is_factored
from tasks.models.graph import Graph
from tasks.models.layers import Project, Scale, Unscale
from tasks.models.network import Network
from tasks.models.resmlp import Block

__all__ = ["FAR", "NEAR", "first_linear", "fold", "forms", "near_break_even", "pays", "projection"]

_AFFINE, _NORMS = (nn.Linear, nn.Conv1d, nn.Conv2d), (nn.BatchNorm1d, nn.BatchNorm2d)

NEAR = 0.25  # share of multiply-adds within which their count does not tell which of two forms is faster
FAR = 256.0  # deviations between a column's mean and zero, beyond which float32 needs the subtraction first


def pays(d: int, k: int, h: int) -> bool:
    """Whether one (d, h) product costs no more multiply-adds than (d, k) then (k, h): d h <= k (d + h)."""
    return d * h <= k * (d + h)


def projection(graph: Graph) -> tuple[int, int, int] | None:
    """Return (d, k, h) of a projection d -> k that a first Linear k -> h reads; None without one."""
    linear, last = first_linear(graph.network), _parts(graph.reducer)[-1]
    return (*last.W.shape, linear.out_features) if linear and isinstance(last, Project) else None


def near_break_even(d: int, k: int, h: int) -> bool:
    """Whether merged and apart cost about the same multiply-adds, within 25 % of the dearer."""
    merged, apart = d * h, k * (d + h)
    return abs(merged - apart) <= NEAR * max(merged, apart)


def _ends(module: nn.Module, last: bool) -> nn.Module | None:
    """Return the first (or last) layer that does arithmetic in a known chain; None when it is not known."""
    if hooked(module):
        return None
    if isinstance(module, Network):
        return _ends(module.body, last)
    if type(module) is not nn.Sequential:
        return module
    parts = reversed(list(module)) if last else iter(module)
    idle = nn.Flatten | nn.Identity | nn.Dropout
    return next((_ends(part, last) for part in parts if not isinstance(part, idle)), None)


def first_linear(network: nn.Module) -> nn.Linear | None:
    """Return the Linear that reads the network's flat input, or None where something else does."""
    layer = _ends(network, last=False)
    return layer if type(layer) is nn.Linear else None


def _set(layer: nn.Linear | nn.Conv1d | nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    """Replace a layer's affine map; a Linear's number of inputs follows."""
    kind = layer.weight.dtype
    layer.weight = nn.Parameter(weight.to(kind), requires_grad=False)
    layer.bias = nn.Parameter(bias.to(kind), requires_grad=False)
    if isinstance(layer, nn.Linear):
        layer.in_features = weight.shape[1]


def _affine(layer: nn.Linear | nn.Conv1d | nn.Conv2d) -> tuple[Tensor, Tensor]:
    weight = layer.weight.detach().double()
    bias = (
        torch.zeros(len(weight), dtype=torch.float64) if layer.bias is None else layer.bias.detach().double()
    )
    return weight, bias


def _precede(layer: nn.Linear, gain: Tensor, offset: Tensor) -> None:
    """Let a Linear take x in place of ``gain x + offset``, elementwise."""
    weight, bias = _affine(layer)
    _set(layer, weight * gain, bias + weight @ offset)


def _follow(layer: nn.Linear | nn.Conv1d | nn.Conv2d, gain: Tensor, offset: Tensor) -> None:
    """Let a layer give ``gain y + offset`` in place of y, per output channel."""
    weight, bias = _affine(layer)
    _set(layer, weight * gain.reshape(-1, *[1] * (weight.ndim - 1)), bias * gain + offset)


def _norm_affine(norm: Any) -> tuple[Tensor, Tensor]:
    """Read gain and offset of a batch norm in evaluation."""
    weight = 1.0 if norm.weight is None else norm.weight.detach().double()
    bias = 0.0 if norm.bias is None else norm.bias.detach().double()
    gain = weight / torch.sqrt(norm.running_var.double() + norm.eps)
    return gain, bias - norm.running_mean.double() * gain


def _is_norm(layer: nn.Module) -> bool:
    return type(layer) in _NORMS and bool(layer.track_running_stats)


@dataclass(frozen=True)
class _Uses:
    """How a network uses its layers.

    Attributes
    ----------
    once : set of Module
        Layers with one place and one call: what is merged into them, nothing else reads.
    per_unit : set of Module
        Batch norms whose channels are the outputs of a Linear: those that read rows (n, C). Of an input
        (n, C, L) a batch norm scales axis 1, a Linear gives axis 2.
    """

    once: set[nn.Module]
    per_unit: set[nn.Module]


def _uses(graph: Graph) -> _Uses:
    """Run a network on two rows and note which layers it calls, how often and on what."""
    read: dict[nn.Module, list[int]] = {}

    def note(layer: nn.Module, given: Tensor) -> None:
        read.setdefault(layer, []).append(given.ndim)

    places = Counter(module for _, module in graph.network.named_modules(remove_duplicate=False))
    handles = [on_call(layer, note) for layer in places if type(layer) in (*_AFFINE, *_NORMS)]
    kind = next((parameter.dtype for parameter in graph.network.parameters()), torch.float32)
    try:
        with torch.no_grad():
            graph(torch.zeros(2, len(graph.columns), dtype=kind))
    finally:
        for handle in handles:
            handle.remove()
    once = {layer for layer, axes in read.items() if len(axes) == places[layer] == 1}
    return _Uses(once, {layer for layer in once if read[layer] == [2] and type(layer) in _NORMS})


def _joins(before: nn.Module, norm: nn.Module, uses: _Uses) -> bool:
    """Whether a batch norm goes into the layer before it."""
    if not _is_norm(norm) or hooked(before) or hooked(norm) or not {before, norm} <= uses.once:
        return False
    return type(before) is not nn.Linear or norm in uses.per_unit


def _fold_norms(module: nn.Module, uses: _Uses) -> None:
    """Merge each batch norm of a chain with the Linear or convolution before it, or the Linear behind it."""
    if isinstance(module, Network):
        _fold_norms(module.body, uses)
    if isinstance(module, Block) and module.norm in uses.per_unit and not hooked(module):
        first = _ends(module.wide, last=False)
        assert isinstance(first, nn.Linear)
        if first in uses.once:
            _precede(first, *_norm_affine(module.norm))
            module.norm = nn.Identity()  # type: ignore[assignment]  # the block runs whatever stands there
    if type(module) is nn.Sequential:
        for part in module:
            _fold_norms(part, uses)
        for i in range(1, len(module)):
            before, norm = _last_half(module[i - 1]), module[i]
            if _joins(before, norm, uses):
                _follow(before, *_norm_affine(norm))  # type: ignore[arg-type]  # _joins has told its kind
                module[i] = nn.Identity()
    elif not can_emit(module):
        _fold_called_norms(module, uses)


def _fold_called_norms(module: nn.Module, uses: _Uses) -> None:
    """Merge each batch norm that alone reads a Linear or convolution with it, in modules of a user's own."""
    for names in followed(calls(module) or fx.Graph()):
        before, norm = map(module.get_submodule, names)
        if _joins(before, norm, uses):
            _follow(before, *_norm_affine(norm))  # type: ignore[arg-type]  # _joins has told its kind
            module.set_submodule(names[1], nn.Identity())


def _last_half(layer: nn.Module) -> nn.Module:
    """Return what gives the outputs of a pair, or the layer itself."""
    return layer[-1] if is_factored(layer) else layer


def _parts(module: nn.Module) -> list[nn.Module]:
    return list(module) if isinstance(module, nn.Sequential) else [module]


def _chain(parts: list[nn.Module]) -> nn.Module:
    return nn.Sequential(*parts) if parts else nn.Identity()


def _merge_projection(project: Project, linear: nn.Linear) -> None:
    weight, bias = _affine(linear)
    _set(linear, weight @ project.W.double().T, bias + weight @ project.b.double())


def _scale_into(scale: Scale, target: Project | nn.Linear) -> None:
    gain = 1.0 / scale.scale.double()
    offset = -scale.mean.double() * gain
    if isinstance(target, nn.Linear):
        _precede(target, gain, offset)
        return
    W, kind = target.W.double(), target.W.dtype
    target.b = (target.b.double() + offset @ W).to(kind)
    target.W = (gain[:, None] * W).to(kind)


def _near(scale: Scale) -> bool:
    return bool((scale.mean.abs() <= FAR * scale.scale.abs()).all())


def _fold_projection(graph: Graph, mode: FoldMode, uses: _Uses) -> None:
    """Merge the reducer's last projection into the first Linear, in place, where asked for or cheaper."""
    linear, reducer, sizes = first_linear(graph.network), _parts(graph.reducer), projection(graph)
    if linear not in uses.once or sizes is None or not isinstance(reducer[-1], Project):
        return
    if mode == "always" or (mode != "apart" and pays(*sizes)):
        _merge_projection(reducer[-1], linear)
        graph.reducer = _chain(reducer[:-1])


def _fold_scaling(graph: Graph, uses: _Uses) -> None:
    """Merge the scaling into what reads the features: a projection, or the first Linear."""
    first, before = _parts(graph.reducer)[0], _parts(graph.preprocess)
    target = first_linear(graph.network) if isinstance(first, nn.Identity) else first
    if not (isinstance(target, Project) or (isinstance(target, nn.Linear) and target in uses.once)):
        return
    if not before:
        return
    if isinstance(before[-1], Scale) and _near(before[-1]):
        _scale_into(before[-1], target)
        graph.preprocess = _chain(before[:-1])


def _fold_input(graph: Graph, mode: FoldMode, scaling: bool, uses: _Uses) -> None:
    """Merge projection and, where asked, scaling into what follows them, in place."""
    _fold_projection(graph, mode, uses)
    if scaling:
        _fold_scaling(graph, uses)


def _fold_output(graph: Graph, uses: _Uses) -> None:
    """Let the last Linear give the target's own unit, in place."""
    head, linear = graph.head, _ends(graph.network, last=True)
    if isinstance(head, Unscale) and type(linear) is nn.Linear and linear in uses.once:
        unit = linear.weight.new_ones(linear.out_features, dtype=torch.float64)
        _follow(linear, unit * head.std, unit * head.mean)
        graph.head = Unscale(log=head.log)


def forms(graph: Graph, mode: FoldMode = "auto") -> dict[str, Graph]:
    """Return the equivalent graphs that int8 is tried on: ``folded``, and ``scaled`` with its scaling apart.

    With the scaling merged, columns in large units have weights that 8 bits round away.
    """
    return {"folded": fold(graph, mode), "scaled": fold(graph, mode, scaling=False)}


def fold(graph: Graph, mode: FoldMode = "auto", scaling: bool = True) -> Graph:
    """Return an equivalent graph for inference with affine neighbours merged; the argument stays as it is.

    Parameters
    ----------
    graph
        Trained graph.
    mode
        ``never`` changes nothing. ``always`` merges projection and first Linear, ``apart`` does not, ``auto``
        does where `pays`, and so does ``measured``, which is settled by who can measure. All merge the
        scaling into what follows (unless a column's mean is over 256 deviations from zero, where float32
        would lose digits), batch norms into their neighbours, the target's scale into the last Linear.
    scaling
        False leaves the scaling of columns where it is, for 8-bit weights: with it merged, those of columns
        in large units are tiny beside the others and would be rounded away.

    Notes
    -----
    Equal to 1e-9 in float64. A first layer that reads a grid keeps projection and scaling before it. A layer
    that stands or is called in several places takes nothing up: the other places would feel it.
    """
    folded = copy.deepcopy(graph).eval()
    if mode == "never":
        return folded
    uses = _uses(folded)
    _fold_norms(folded.network, uses)
    _fold_input(folded, mode, scaling, uses)
    _fold_output(folded, uses)
    return folded
