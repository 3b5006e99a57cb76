"""Graph <-> JSON spec and tensors, without pickle: what is saved rebuilds its own architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.formats import Format
from tasks.models.dependencies import cut
from tasks.models.factored import ranks, set_ranks
from tasks.models.graph import Graph
from tasks.models.layers import LAYERS, Layer
from tasks.models.network import Network
from tasks.models.user import UserNetwork, build_user
from tasks.models.zoo import FAMILIES, seeded

__all__ = ["from_spec", "network_from_spec", "network_spec", "replay", "to_spec"]

FORMAT = Format("the model", 1)
_PLAIN: dict[str, type[nn.Module]] = {"Identity": nn.Identity, "Flatten": nn.Flatten, "ReLU": nn.ReLU}


def to_spec(graph: Graph) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Take a graph apart: a JSON-able spec of its architecture, and its tensors by name."""
    spec = {
        "version": FORMAT.version,
        "task": graph.task,
        "labels": None if graph.labels is None else list(graph.labels),
        "columns": list(graph.columns),
        "preprocess": _chain_spec(graph.preprocess),
        "reducer": _chain_spec(graph.reducer),
        "network": network_spec(graph.network),
        "head": _chain_spec(graph.head),
    }
    return spec, {name: tensor.detach().cpu().clone() for name, tensor in graph.state_dict().items()}


def from_spec(spec: Mapping[str, Any], tensors: Mapping[str, Tensor], root: Path | None = None) -> Graph:
    """Rebuild a graph exactly, in evaluation mode.

    Parameters
    ----------
    root
        Workspace whose `nets/` holds a user's network; the current folder by default.

    Raises
    ------
    EspalierError
        When the spec is of another format, or a user's builder no longer gives the network that was saved.
    """
    spec = FORMAT.current(spec)
    graph = Graph(
        spec["columns"],
        _chain(spec["preprocess"], tensors, "preprocess"),
        _chain(spec["reducer"], tensors, "reducer"),
        network_from_spec(spec["network"], root),
        _chain(spec["head"], tensors, "head"),
        spec["task"],
        spec["labels"],
    )
    _load(graph, tensors, spec["network"])
    return graph.eval()


def _load(graph: Graph, tensors: Mapping[str, Tensor], network: Mapping[str, Any]) -> None:
    try:
        graph.load_state_dict(dict(tensors))
    except RuntimeError as error:
        if network["kind"] != UserNetwork.kind:
            raise
        raise EspalierError(
            f"{network['builder']} no longer builds the network that was saved "
            f"({' '.join(str(error).split())[:200]}); restore its code, or train again"
        ) from error


def _chain_spec(chain: nn.Module) -> list[dict[str, Any]]:
    return [_layer_spec(layer) for layer in (chain if isinstance(chain, nn.Sequential) else [chain])]


def _layer_spec(layer: nn.Module) -> dict[str, Any]:
    if isinstance(layer, Layer):
        return {"layer": type(layer).__name__, **layer.settings()}
    if isinstance(layer, nn.Identity | nn.Flatten | nn.ReLU):
        return {"layer": type(layer).__name__}
    raise TypeError(f"{type(layer).__name__} is no layer of {sorted(LAYERS)}")


def _chain(specs: Sequence[Mapping[str, Any]], tensors: Mapping[str, Tensor], name: str) -> nn.Module:
    if len(specs) == 1 and specs[0]["layer"] in ("Identity", "Softmax", "Unscale"):
        return _layer(specs[0], {})
    return nn.Sequential(
        *(_layer(spec, _below(tensors, f"{name}.{position}.")) for position, spec in enumerate(specs))
    )


def _layer(spec: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    settings = {key: value for key, value in spec.items() if key != "layer"}
    if spec["layer"] in _PLAIN:
        return _PLAIN[spec["layer"]]()
    return LAYERS[spec["layer"]](**settings, **tensors)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor.clone()
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def network_spec(network: nn.Module) -> dict[str, Any]:
    """Spec of a network: its kind and its sizes, or how to build a user's again."""
    if not isinstance(network, Network):
        raise TypeError(f"{type(network).__name__} is no Network; wrap a module in UserNetwork")
    found = {} if isinstance(network, UserNetwork) else ranks(network)
    return {"kind": network.kind, **network.sizes(), **({"ranks": found} if found else {})}


def network_from_spec(spec: Mapping[str, Any], root: Path | None = None, seed: int = 0) -> Network:
    """Build the network of a spec with initial weights drawn by `seed`, as `build_network` draws them."""
    sizes = {key: value for key, value in spec.items() if key != "kind"}
    with seeded(seed):
        if spec["kind"] != UserNetwork.kind:
            wanted = sizes.pop("ranks", {})
            built = FAMILIES[spec["kind"]].from_sizes(sizes)
            set_ranks(built, wanted)
            return built
        network = build_user(sizes["builder"], sizes["input_shape"], sizes["outputs"], root or Path())
        replay(network, sizes["pruned"])
    network.pruned_steps = [dict(step) for step in sizes["pruned"]]
    return network


def replay(network: Network, steps: Sequence[Mapping[str, Any]]) -> None:
    """Remove from a freshly built network what structured pruning removed, in the same order, in place.

    Parameters
    ----------
    steps
        {"module": name, "dim": "out" | "in", "kept": indices that stay, counted before the step}; what
        depends on the removed channels follows through torch-pruning's dependency graph. A step with "input"
        took inputs from a layer that reads the network's own input.
    """
    if steps:
        cut(network, torch.zeros(2, *network.input_shape), steps)
    for step in steps:
        if step.get("input"):
            network.input_shape = (len(step["kept"]),)
