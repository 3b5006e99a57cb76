"""Removal of units with all that depends on them, through torch-pruning's graph (Fang et al., 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from tasks.errors import EspalierError
from tasks.models.factored import set_ranks

__all__ = ["UntraceableError", "coupled_units", "cut", "dependency_graph", "uncuttable"]


class UntraceableError(EspalierError):
    """What depends on what in a network cannot be told."""


def dependency_graph(network: nn.Module, example: Tensor) -> Any:
    """Trace which layers depend on which; nothing about the network changes.

    The graph follows autograd, so for the moment no weight is frozen.

    Parameters
    ----------
    example
        Two network inputs are enough.

    Raises
    ------
    UntraceableError
    """
    from torch_pruning import DependencyGraph

    frozen = [weight for weight in network.parameters() if not weight.requires_grad]
    training = network.training
    network.eval().requires_grad_(True)
    try:
        with torch.enable_grad(), _followed():
            return DependencyGraph().build_dependency(network, example_inputs=[example], verbose=False)
    finally:
        network.train(training)
        for weight in frozen:
            weight.requires_grad_(False)


def coupled_units(graph: Any) -> list[Any]:
    """Return torch-pruning's groups of units that leave together, one for each layer or several.

    Raises
    ------
    UntraceableError
    """
    with _followed():
        return list(graph.get_all_groups())


@contextmanager
def _followed() -> Iterator[None]:
    """Turn whatever torch-pruning meets in a network that it was not written for into one error."""
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UntraceableError(f"torch-pruning cannot follow this network ({lines[0][:120]})") from error


def cut(network: nn.Module, example: Tensor, steps: Sequence[Mapping[str, Any]]) -> None:
    """Remove units in place, one step after the other.

    Parameters
    ----------
    example
        Two network inputs are enough.
    steps
        {"module": name below the network, "dim": "out" | "in", "kept": positions that stay, counted before
        the step}, with "input": of the network's own input; "dim": "rank" with "rank": the layer becomes an
        untrained pair; "dim": "block": the module hands its input on.
    """
    for kind, some in groupby(steps, _kind):
        if kind == "rank":
            set_ranks(network, {step["module"]: step["rank"] for step in some})
        elif kind == "block":
            for step in some:
                network.set_submodule(step["module"], nn.Identity())
        elif kind == "input":
            inputs = list(some)
            for step in inputs:
                _take_inputs(network, step)
            example = _narrowed(example, inputs)
        else:
            _cut_units(network, example, list(some))


def uncuttable(network: nn.Module) -> dict[str, str]:
    """Name the layers whose weights cannot be cut, each with the reason.

    A weight that is another layer's too would be two weights afterwards; one that is computed from others
    (`torch.nn.utils.parametrize`) is no parameter.
    """
    owners: dict[int, list[str]] = {}
    for name, module in network.named_modules():
        for weight in module.parameters(recurse=False):
            owners.setdefault(id(weight), []).append(name)
    shared = {name: names for names in owners.values() if len(names) > 1 for name in names}
    found = {
        name: f"it shares a weight with {', '.join(other for other in names if other != name)}"
        for name, names in shared.items()
    }
    for name, module in network.named_modules():
        if is_parametrized(module):
            found[name] = "its weights are computed from others (torch.nn.utils.parametrize)"
    return found


def _kind(step: Mapping[str, Any]) -> str:
    if step.get("input"):
        return "input"
    return step["dim"] if step["dim"] in ("rank", "block") else "units"


def _take_inputs(network: nn.Module, step: Mapping[str, Any]) -> None:
    """Let a linear layer read fewer numbers: nothing else depends on what comes from outside."""
    layer = network.get_submodule(step["module"])
    assert isinstance(layer, nn.Linear)
    weight = layer.weight
    layer.weight = nn.Parameter(weight.detach()[:, step["kept"]].clone(), weight.requires_grad)
    layer.in_features = len(step["kept"])


def _narrowed(example: Tensor, steps: Sequence[Mapping[str, Any]]) -> Tensor:
    """Take from an example what the steps took from the network's input: each reader of it has them all."""
    for step in steps:
        if step["module"] == steps[0]["module"]:
            example = example[:, step["kept"]]
    return example


def _cut_units(network: nn.Module, example: Tensor, steps: Sequence[Mapping[str, Any]]) -> None:
    graph = dependency_graph(network, example)
    trainable = {name: weight.requires_grad for name, weight in network.named_parameters()}
    for step in steps:
        module = network.get_submodule(step["module"])
        pruner, outwards = graph.get_pruner_of_module(module), step["dim"] == "out"
        width = (pruner.get_out_channels if outwards else pruner.get_in_channels)(module)
        remove = pruner.prune_out_channels if outwards else pruner.prune_in_channels
        if gone := sorted(set(range(width)) - set(step["kept"])):
            with _followed():
                graph.get_pruning_group(module, remove, gone).prune()
    for name, weight in network.named_parameters():
        weight.requires_grad_(trainable[name])
