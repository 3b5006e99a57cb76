"""Other libraries' pruning as their documentation shows it, each from a trained network to a smaller one.

All train on with this project's loop, on labels alone: what differs is what is removed, and how. A library
that is not installed is left out by name.
"""

from __future__ import annotations

import copy
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from tasks.models.zoo import seeded
from tasks.pruning.masks import prunable_weights
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.fit import Hooks, fit

__all__ = ["PEERS", "NothingToPruneError", "Peer", "Recover", "installed", "quiet", "recover"]


class NothingToPruneError(Exception):
    """A library takes no layer of this network."""


@dataclass(frozen=True, eq=False)
class Recover:
    """How a network trains on after something was removed."""

    train: Tensors
    valid: Tensors
    task: str
    outputs: int
    seed: int
    epochs: int

    @property
    def example(self) -> torch.Tensor:
        """Two network inputs."""
        return self.train.X[:2]


def recover(network: nn.Module, how: Recover, hooks: Hooks | None = None) -> nn.Module:
    """Train a copy with one cycle of the learning rate; the best validation epoch counts."""
    return fit(
        network,
        how.train,
        how.valid,
        TrainConfig(seed=how.seed),
        task=how.task,
        outputs=how.outputs,
        seed=how.seed,
        epochs=how.epochs,
        hooks=hooks,
    ).network


def _layers(network: nn.Module) -> dict[str, nn.Module]:
    """Layers with a weight to prune, in the order they run."""
    names = [name.rpartition(".")[0] for name in prunable_weights(network)]
    return {name: network.get_submodule(name) for name in names}


def _copy_weights(source: nn.Module, target: nn.Module) -> nn.Module:
    """Load the tensors that a copy of the unpruned network has by the same names."""
    have = source.state_dict()
    target.load_state_dict({name: have[name] for name in target.state_dict()})
    return target.eval()


def torch_unstructured(network: nn.Module, amount: float, how: Recover) -> nn.Module:
    """`torch.nn.utils.prune.global_unstructured`, training under its masks, `remove`."""
    pruned = copy.deepcopy(network)
    weights = [(layer, "weight") for layer in _layers(pruned).values()]
    torch_prune.global_unstructured(weights, pruning_method=torch_prune.L1Unstructured, amount=amount)
    with torch.no_grad():
        pruned(how.example)  # its weights are results of autograd until then, which cannot be copied
    pruned = recover(pruned, how)
    for layer in _layers_masked(pruned):
        torch_prune.remove(layer, "weight")  # type: ignore[no-untyped-call]
    return _copy_weights(pruned, copy.deepcopy(network))


def _layers_masked(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if hasattr(layer, "weight_orig")]


def _torch_pruning(network: nn.Module, amount: float, how: Recover, importance: str) -> nn.Module:
    import torch_pruning as tp

    pruned = copy.deepcopy(network)
    *_, head = _layers(pruned).values()
    with seeded(how.seed):
        pruner = tp.pruner.BasePruner(
            pruned,
            how.example,
            importance=getattr(tp.importance, importance)(),
            pruning_ratio=amount,
            ignored_layers=[head],
        )
        pruner.step()
    return recover(pruned, how)


def torch_pruning(network: nn.Module, amount: float, how: Recover) -> nn.Module:
    """Torch-Pruning: `BasePruner` with `GroupMagnitudeImportance`, the classifier ignored, then training."""
    return _torch_pruning(network, amount, how, "GroupMagnitudeImportance")


def random_units(network: nn.Module, amount: float, how: Recover) -> nn.Module:
    """Units drawn by chance, as many as the others remove; Torch-Pruning removes them."""
    return _torch_pruning(network, amount, how, "RandomImportance")


def torchao(network: nn.Module, amount: float, how: Recover) -> nn.Module:
    """Prototype `SaliencyPruner` of torchao: prepare, step, prune, then training. Linear and Conv2d alone.

    Raises
    ------
    NothingToPruneError
        When no hidden layer is one of these.
    """
    from torchao.prototype.sparsity.pruner import SaliencyPruner

    pruned = copy.deepcopy(network)
    *hidden, _ = [(n, layer) for n, layer in _layers(pruned).items() if not isinstance(layer, nn.Conv1d)]
    if not hidden:
        raise NothingToPruneError
    pruner = SaliencyPruner({})
    config = [{"tensor_fqn": f"{name}.weight", "sparsity_level": amount} for name, _ in hidden]
    pruner.prepare(pruned, config)
    pruner.enable_mask_update = True
    pruner.step()
    traced = pruner.prune()
    for name in dict(network.named_modules()):  # its traced module, back in the network's own class
        if name and not list(network.get_submodule(name).children()):
            pruned.set_submodule(name, traced.get_submodule(name))
    return recover(pruned, how)


def nncf(network: nn.Module, amount: float, how: Recover) -> nn.Module:
    """`nncf.prune`, unstructured over all layers, its exponential scheduler for half the epochs, `strip`."""
    os.environ.setdefault("NNCF_CI", "1")  # it sends usage data otherwise
    import nncf as lib
    from nncf.torch.function_hook.pruning.magnitude.schedulers import ExponentialMagnitudePruningScheduler

    mode = lib.PruneMode.UNSTRUCTURED_MAGNITUDE_GLOBAL
    pruned = lib.prune(copy.deepcopy(network), mode=mode, ratio=0.0, examples_inputs=how.example)
    half = max(1, how.epochs // 2)

    def before_epoch(training: nn.Module, epoch: int, _: int) -> None:
        schedule = ExponentialMagnitudePruningScheduler(
            training, mode=mode, initial_ratio=0.0, target_ratio=amount, target_epoch=half
        )
        schedule.step(epoch)

    pruned = recover(pruned, how, Hooks(before_epoch=before_epoch, settled=half))
    pruned = lib.strip(pruned, strip_format=lib.StripFormat.IN_PLACE, example_input=how.example)
    return _copy_weights(pruned, copy.deepcopy(network))


Prune = Callable[[nn.Module, float, Recover], nn.Module]


@dataclass(frozen=True)
class Peer:
    """A method with the package it needs, whether it takes whole units, and whether it is a baseline only."""

    prune: Prune
    package: str
    structured: bool
    baseline: bool = False


PEERS: dict[str, Peer] = {
    "torch.nn.utils.prune": Peer(torch_unstructured, "torch", structured=False),
    "nncf": Peer(nncf, "nncf", structured=False),
    "Torch-Pruning": Peer(torch_pruning, "torch_pruning", structured=True),
    "torchao SaliencyPruner": Peer(torchao, "torchao", structured=True),
    "random units": Peer(random_units, "torch_pruning", structured=True, baseline=True),
}


def installed() -> dict[str, Peer]:
    """Methods whose package is there."""
    return {name: peer for name, peer in PEERS.items() if find_spec(peer.package)}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' own notes off the terminal; failures still raise."""
    names = ("torch.onnx", "nncf", "torchao", "torch.utils._pytree")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
