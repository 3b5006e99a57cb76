"""Groups of units that must go together, and their physical removal (Fang et al., 2023, DepGraph)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tasks.models.dependencies import UntraceableError, coupled_units, cut, dependency_graph, uncuttable
from tasks.pruning.importance import Slice

__all__ = ["Survey", "UnitGroup", "remove", "survey", "widths"]

_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
_CONV = nn.modules.conv._ConvNd
_REFUSED = (RuntimeError, ValueError, IndexError, AssertionError, UntraceableError)


@dataclass(frozen=True)
class UnitGroup:
    """Units of one layer with everything coupled to them: norms, residual partners, the next layers' inputs.

    Attributes
    ----------
    name : str
        The layer that the group is rooted in.
    width : int
        Count of units.
    members : tuple of str
        Layers whose outputs shrink, the root first.
    slices : tuple of Slice
        What goes from which parameter with each unit.
    """

    name: str
    width: int
    members: tuple[str, ...]
    slices: tuple[Slice, ...]


@dataclass(frozen=True)
class Survey:
    """What can be removed from a network, and what is left alone and why (layer name -> reason)."""

    groups: tuple[UnitGroup, ...]
    left: dict[str, str]


def survey(network: nn.Module, example: Tensor) -> Survey:
    """Find the groups of units that can be removed.

    The output layer is never part of a group. Every group is tried out on a copy: one unit is removed and the
    copy must still answer in the same shape. Of a network that cannot be traced every layer is left alone.

    Parameters
    ----------
    network : Module
        Not changed.
    example : Tensor, (n, *input shape)
        Two rows are enough.
    """
    probe = copy.deepcopy(network)
    names = {module: name for name, module in probe.named_modules()}
    try:
        graph = dependency_graph(probe, example)
        found = coupled_units(graph)
    except UntraceableError as error:
        return Survey((), dict.fromkeys((name for name, _ in _unreached(network)), str(error)))
    groups: list[UnitGroup] = []
    left: dict[str, str] = {}
    known: set[str] = set()
    fixed = uncuttable(probe)
    for coupled in found:
        group = _describe(graph, coupled, names)
        known.update(group.members)
        if _holds_output(graph, coupled):
            continue
        touched = [name for dep, _ in coupled if (name := names.get(dep.target.module)) in fixed]
        why = _held(group, touched[0], fixed) if touched else _refusal(network, example, group)
        if why is None:
            groups.append(group)
        else:
            left.update(dict.fromkeys(group.members, why))
    left.update((name, why) for name, why in _unreached(network) if name not in known)
    order = list(names.values())
    return Survey(tuple(sorted(groups, key=lambda group: order.index(group.name))), left)


def remove(network: nn.Module, example: Tensor, kept: Mapping[str, Sequence[int]]) -> nn.Module:
    """Remove units from a copy, together with everything coupled to them.

    The copy remembers each removal in its `pruned_steps` list, so that a network built anew by its
    builder can be cut the same way.

    Parameters
    ----------
    network : Module
        Not changed.
    example : Tensor, (n, *input shape)
    kept : mapping of str to sequence of int
        Root layer of a group -> sorted positions of the units that stay, at least one.
    """
    pruned = copy.deepcopy(network)
    now = widths(network)
    steps = [
        {"module": name, "dim": "out", "kept": [int(unit) for unit in keep]}
        for name, keep in kept.items()
        if len(keep) < now[name]
    ]
    cut(pruned, example, steps)
    object.__setattr__(pruned, "pruned_steps", [*getattr(network, "pruned_steps", []), *steps])
    return pruned


def widths(network: nn.Module) -> dict[str, int]:
    """Count of output units of every linear and convolution layer by name."""
    return {
        name: module.out_features if isinstance(module, nn.Linear) else module.out_channels
        for name, module in network.named_modules()
        if isinstance(module, (nn.Linear, _CONV))
    }


def _holds_output(graph: Any, coupled: Any) -> bool:
    """Tell whether the network's answers would lose an element: nothing follows what is cut."""
    sinks = {node.module for node in graph.module2node.values() if not node.outputs}
    return any(dep.target.module in sinks and _cuts_output(graph, dep) for dep, _ in coupled)


def _cuts_output(graph: Any, dep: Any) -> bool:
    return bool(graph.is_out_channel_pruning_fn(dep.handler))


def _describe(graph: Any, coupled: Any, names: Mapping[nn.Module, str]) -> UnitGroup:
    members = [
        names[dep.target.module]
        for dep, _ in coupled
        if isinstance(dep.target.module, (nn.Linear, _CONV)) and _cuts_output(graph, dep)
    ]
    return UnitGroup(
        name=members[0],
        width=len(coupled[0].idxs),
        members=tuple(dict.fromkeys(members)),
        slices=tuple(_slices(graph, coupled, names)),
    )


def _slices(graph: Any, coupled: Any, names: Mapping[nn.Module, str]) -> Iterator[Slice]:
    for item in coupled.items:
        module = item.dep.target.module
        dim = _dimension(module, out=_cuts_output(graph, item.dep))
        if dim is None or any(unit is None for unit in item.root_idxs):
            continue
        yield Slice(
            f"{names[module]}.weight", dim, torch.as_tensor(item.idxs), torch.as_tensor(item.root_idxs)
        )


def _dimension(module: nn.Module, *, out: bool) -> int | None:
    """Tell along which dimension of its weight a layer is cut; None where there is no such weight."""
    if isinstance(module, _NORMS):
        return 0 if module.weight is not None else None
    if isinstance(module, _CONV) and module.groups > 1:
        return 0 if out and not module.transposed else None
    if isinstance(module, (nn.Linear, _CONV)):
        transposed = isinstance(module, _CONV) and module.transposed
        return int(out == transposed)
    return None


def _refusal(network: nn.Module, example: Tensor, group: UnitGroup) -> str | None:
    """Try the removal of one unit; the reason when the rest of the network does not fit afterwards."""
    if group.width < 2:
        return "it has one unit"
    if (beyond := _beyond(network, group)) is not None:
        return f"torch-pruning counts units that {beyond} does not have"
    with torch.no_grad():
        training = network.training
        expected = network.eval()(example).shape
        network.train(training)
        try:
            smaller = remove(network, example, {group.name: range(1, group.width)})
            answer = smaller.eval()(example)
        except _REFUSED as error:
            return f"the rest of the network does not fit without one of its units ({_first_line(error)})"
    if (now := widths(smaller)[group.name]) != group.width - 1:
        return f"its units leave {group.width - now} at a time"
    return None if answer.shape == expected else "the network's answers would change their shape"


def _beyond(network: nn.Module, group: UnitGroup) -> str | None:
    """Name a parameter that has fewer places than its slice says."""
    for part in group.slices:
        if int(part.positions.max()) >= network.get_parameter(part.parameter).shape[part.dim]:
            return part.parameter
    return None


def _held(group: UnitGroup, name: str, fixed: Mapping[str, str]) -> str:
    return fixed[name] if name in group.members else f"{name} would shrink with it, but {fixed[name]}"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:120]


def _unreached(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield layers with matrices of their own that no group covers."""
    for name, module in network.named_modules():
        if any(weight.ndim >= 2 for weight in module.parameters(recurse=False)):
            yield name or type(network).__name__, f"{type(module).__name__} has no units that can be removed"
