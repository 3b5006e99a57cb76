"""Step `blocks`: whole residual blocks leave; what they were added to passes on alone (Veit et al., 2016)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tasks.models.dependencies import cut
from tasks.pruning.config import BlocksConfig
from tasks.pruning.importance import criterion
from tasks.pruning.masks import keep_largest
from tasks.pruning.recovery import Outcome, Recovery
from tasks.pruning.saliency import Calibration
from tasks.pruning.schedule import round_amount
from tasks.pruning.sensitivity import Curves, measure
from tasks.training.losses import label_loss
from tasks.training.scoring import score

__all__ = ["block_scores", "block_sensitivity", "prune_blocks", "remove_blocks", "residual_blocks"]

ROWS = 64


def prune_blocks(start: Outcome, config: BlocksConfig, amount: float | None, recovery: Recovery) -> Outcome:
    """Remove a share of the residual blocks and recover, in one round or several; one block stays.

    Parameters
    ----------
    start : Outcome
        Its network is not changed.
    amount : float
        Share of the residual blocks.
    """
    blocks = residual_blocks(start.network, recovery.calibration(ROWS).X)
    if not blocks or amount is None:
        return start.then(start.network, "no residual blocks in this network, so none can be removed")
    outcome = start
    for number in range(1, config.rounds + 1):
        wanted = round(round_amount(amount, config.rounds, number) * len(blocks))
        outcome = recovery.run(_without(outcome, config, wanted, blocks, recovery), f"round-{number}")
    return outcome


def block_sensitivity(start: Outcome, config: BlocksConfig, recovery: Recovery) -> Curves:
    """Validation metric without each residual block, the others in place and not trained; share 1 of each."""
    del config

    def judge(pruned: nn.Module) -> float:
        return score(pruned, recovery.valid, recovery.task)

    def without(block: str, share: float) -> nn.Module:
        del share
        return remove_blocks(start.network, [block])

    blocks = residual_blocks(start.network, recovery.calibration(ROWS).X)
    return measure(blocks, without, judge, start.network, shares=(1.0,))


def residual_blocks(network: nn.Module, X: Tensor) -> tuple[str, ...]:
    """Name the innermost modules that hand their input on when all of their weights are zero: x + f(x).

    Parameters
    ----------
    network : Module
        Not changed.
    X : Tensor, (n, *input shape)
        Rows on which that is tried out.
    """
    seen = _inputs(network, X)
    found = [name for name, given in seen.items() if _passes_on(network.get_submodule(name), given)]
    return tuple(
        name for name in found if not any(other != name and other.startswith(f"{name}.") for other in found)
    )


def remove_blocks(network: nn.Module, blocks: Sequence[str]) -> nn.Module:
    """Let the input of each block pass in a copy, which remembers it in its `pruned_steps`."""
    pruned = copy.deepcopy(network)
    steps = [{"module": name, "dim": "block", "kept": []} for name in blocks]
    cut(pruned, torch.empty(0), steps)
    object.__setattr__(pruned, "pruned_steps", [*getattr(network, "pruned_steps", []), *steps])
    return pruned


def block_scores(
    network: nn.Module, blocks: Sequence[str], importance: str, calibration: Calibration
) -> Tensor:
    """Importance of each block, (b,).

    bypass: the loss on calibration rows without the block less the loss with it; random: drawn; any other
    criterion: its saliency summed over the block's weights.
    """
    if importance == "bypass":
        kept = _loss(network, calibration)
        lost = [_loss(remove_blocks(network, [name]), calibration) - kept for name in blocks]
        return torch.tensor(lost)
    if importance == "random":
        return torch.rand(len(blocks), generator=torch.Generator().manual_seed(calibration.seed))
    _, saliency = criterion(importance, network, calibration)
    sums = [sum(float(v.sum()) for k, v in saliency.items() if k.startswith(f"{b}.")) for b in blocks]
    return torch.tensor(sums)


def _without(
    outcome: Outcome, config: BlocksConfig, wanted: int, blocks: Sequence[str], recovery: Recovery
) -> Outcome:
    """Remove blocks until `wanted` of the first ones are gone."""
    network = outcome.network
    left = [name for name in blocks if not isinstance(network.get_submodule(name), nn.Identity)]
    scores = block_scores(network, left, config.importance, recovery.calibration())
    choice = keep_largest({"blocks": scores}, wanted - len(blocks) + len(left))
    gone = [name for name, keep in zip(left, choice.keep["blocks"].tolist(), strict=True) if not keep]
    notes = ["one residual block stays, the amount would have removed all"] if choice.bound else []
    return outcome.then(remove_blocks(network, gone), *notes)


@torch.no_grad()
def _loss(network: nn.Module, calibration: Calibration) -> float:
    training = network.training
    outputs = network.eval()(calibration.X)
    network.train(training)
    return float(label_loss(calibration.task, outputs, calibration.y))


@torch.no_grad()
def _inputs(network: nn.Module, X: Tensor) -> dict[str, Tensor]:
    """Note what goes into modules that have weight matrices, take one tensor and are called once."""
    seen: dict[str, list[Tensor]] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[object, ...], dict[str, object]], None]:
        def hook(_: nn.Module, by_place: tuple[object, ...], by_name: dict[str, object]) -> None:
            given = (*by_place, *by_name.values())
            seen.setdefault(name, []).extend(x for x in given if isinstance(x, Tensor))

        return hook

    hooks = [
        module.register_forward_pre_hook(note(name), with_kwargs=True)
        for name, module in network.named_modules()
        if name and any(weight.ndim > 1 for weight in module.parameters())
    ]
    training = network.training
    try:
        network.eval()(X)
    finally:
        network.train(training)
        for handle in hooks:
            handle.remove()
    return {name: given[0] for name, given in seen.items() if len(given) == 1 and bool(given[0].any())}


@torch.no_grad()
def _passes_on(module: nn.Module, given: Tensor) -> bool:
    silent = copy.deepcopy(module).eval()
    for weight in silent.parameters():
        weight.zero_()
    answer = silent(given)
    return isinstance(answer, Tensor) and answer.shape == given.shape and torch.allclose(answer, given)
