"""Criteria of units against what leaving a unit out costs: `python -m benchmarks.criteria` prints tables.

Each seed is a split and a dense network trained on it, of linear layers. Beside every criterion stand two
references: the loss on the same calibration rows without one unit, measured unit by unit, and the first-order
change of the answers instead of the loss. Nothing is trained after the removal, test rows are not read.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from benchmarks.decomposition import PROBLEMS, Dense, trained
from benchmarks.page import table
from tasks.models.dependencies import dependency_graph
from tasks.pruning.decomposition import cut_and_absorb, unit_scores
from tasks.pruning.importance import Calibration
from tasks.pruning.masks import keep_largest
from tasks.pruning.structure import UnitGroup, remove
from tasks.pruning.units import score_units
from tasks.training.losses import label_loss
from tasks.training.seeds import permutation

ROWS, PER_ROW = 1024, 256  # calibration rows, and those that torch-pruning's Hessian takes one by one
CRITERIA = ("magnitude", "lamp", "activation", "taylor", "hessian", "random", "decomposition")
Scores = dict[str, Tensor]


class Measured(NamedTuple):
    """Figures of every criterion in the order of `heads`, and facts of the network."""

    figures: dict[str, list[float]]
    facts: dict[str, float]


def sample(dense: Dense) -> Calibration:
    """Training rows that every score is from."""
    order = permutation(len(dense.train), dense.seed, 0)[:ROWS]
    return Calibration(dense.train.X[order], dense.train.y[order], "classification", dense.seed)


@torch.no_grad()
def loss(network: nn.Module, rows: Calibration) -> float:
    """Mean cross-entropy."""
    return float(label_loss(rows.task, network(rows.X), rows.y))


@torch.no_grad()
def silenced(network: nn.Module, group: UnitGroup, units: Sequence[int]) -> nn.Module:
    """A copy in which no layer reads these units of a group any more."""
    made = copy.deepcopy(network)
    for part in group.slices:
        if part.dim == 1:
            places = part.positions[torch.isin(part.units, torch.tensor(units))]
            made.get_parameter(part.parameter)[:, places] = 0.0
    return made


def without(dense: Dense, rows: Calibration) -> Scores:
    """Loss without a unit less the loss with it, unit by unit."""
    whole = loss(dense.network, rows)
    return {
        group.name: torch.tensor(
            [loss(silenced(dense.network, group, [unit]), rows) - whole for unit in range(group.width)]
        )
        for group in dense.groups
    }


def answers(dense: Dense, rows: Calibration) -> Scores:
    """Mean square of the answers' first-order change when a unit's sum becomes 0, over rows and outputs.

    ``sum_k E_n[(a dz_k/da)^2]`` with a the unit before its activation and z the centred logits.
    """
    scores: Scores = {}
    for group in dense.groups:
        held: list[Tensor] = []
        layer = dense.network.get_submodule(group.name)
        hook = layer.register_forward_hook(lambda _m, _x, made, held=held: held.append(made))
        logits = dense.network(rows.X)
        hook.remove()
        for output in (logits - logits.mean(dim=1, keepdim=True)).T:
            (slope,) = torch.autograd.grad(output.sum(), held, retain_graph=True)
            change = (held[0] * slope).detach().square().mean(dim=0)
            scores[group.name] = scores.get(group.name, torch.zeros_like(change)) + change
    return scores


def scored(dense: Dense, rows: Calibration) -> dict[str, Scores]:
    """Every criterion's scores."""
    found = {
        name: unit_scores(dense.network, dense.groups, rows)
        if name == "decomposition"
        else score_units(dense.network, dense.groups, name, rows)
        for name in CRITERIA
    }
    return found | {
        "first-order change of the answers": answers(dense, rows),
        "loss without": without(dense, rows),
    }


def torch_prunings(dense: Dense, rows: Calibration) -> dict[str, Scores]:
    """Torch-pruning's own Taylor and Hessian scores, summed over a group as ours are."""
    from torch_pruning import function
    from torch_pruning.pruner import importance

    network = copy.deepcopy(dense.network)
    graph = dependency_graph(network, rows.X[:2])
    scorers: dict[str, Any] = {
        "taylor": importance.GroupTaylorImportance(group_reduction="sum"),
        "hessian": importance.GroupHessianImportance(group_reduction="sum"),
    }
    weights, squares = list(network.parameters()), [torch.zeros_like(w) for w in network.parameters()]
    for row in range(PER_ROW):
        one = label_loss(rows.task, network(rows.X[row : row + 1]), rows.y[row : row + 1])
        for total, slope in zip(squares, torch.autograd.grad(one, weights), strict=True):
            total += slope.square() / PER_ROW
    # its own accumulate_grad keeps the last row alone
    scorers["hessian"]._accu_grad = dict(zip(weights, squares, strict=True))
    scorers["hessian"]._counter = dict.fromkeys(weights, 1)
    slopes = torch.autograd.grad(label_loss(rows.task, network(rows.X), rows.y), weights)
    found: dict[str, Scores] = {}
    for name, scorer in scorers.items():
        for weight, slope in zip(weights, slopes, strict=True):
            weight.grad = slope.clone()
        for group in dense.groups:
            layer, units = network.get_submodule(group.name), list(range(group.width))
            coupled = graph.get_pruning_group(layer, function.prune_linear_out_channels, idxs=units)
            found.setdefault(name, {})[group.name] = scorer(coupled).detach()
    return found


def pruned(dense: Dense, rows: Calibration, name: str, scores: Scores, share: float) -> nn.Module:
    """What is left when a share of every layer goes; decomposition makes up for it."""
    choice = keep_largest(scores, dense.counts(share))
    kept = {layer: mask.nonzero().flatten().tolist() for layer, mask in choice.keep.items()}
    if name == "decomposition":
        return cut_and_absorb(dense.network, rows.X[:2], dense.groups, kept, rows.X)[0]
    return remove(dense.network, rows.X[:2], kept)


@torch.no_grad()
def favourite(dense: Dense, network: nn.Module) -> float:
    """Share of validation rows that get the commonest answer, in percent."""
    found = network(dense.valid.X).argmax(dim=1)
    return 100 * float(torch.bincount(found).max()) / len(found)


def hardest(dense: Dense, rows: Calibration) -> float:
    """Share of the loss's slope by the logits that the hardest 5 % of the rows hold, in percent."""
    with torch.no_grad():
        logits = dense.network(rows.X)
        slopes = logits.softmax(dim=1) - nn.functional.one_hot(rows.y, logits.shape[1])
        sizes = slopes.norm(dim=1).sort(descending=True).values
    return 100 * float(sizes[: len(sizes) // 20].sum() / sizes.sum())


def correlation(first: Scores, second: Scores) -> float:
    """Spearman's, mean over the layers."""
    return statistics.mean(float(spearmanr(first[name], second[name]).statistic) for name in first)


def measured(dense: Dense, shares: Sequence[float]) -> Measured:
    """Score, remove and look."""
    rows = sample(dense)
    found, whole = scored(dense, rows), loss(dense.network, rows)
    alone = found["loss without"]
    figures: dict[str, list[float]] = {}
    for name, scores in found.items():
        left = [pruned(dense, rows, name, scores, share) for share in shares]
        gone = keep_largest(scores, dense.counts(shares[0])).keep
        figures[name] = [
            correlation(scores, alone),
            *(dense.accuracy(network) for network in left),
            favourite(dense, left[-1]),
            sum(float(alone[layer][~keep].sum()) for layer, keep in gone.items()),
            loss(left[0], rows) - whole,
        ]
    same = {name: correlation(found[name], scores) for name, scores in torch_prunings(dense, rows).items()}
    facts = {"dense": dense.accuracy(dense.network), "loss": whole, "hardest": hardest(dense, rows)}
    return Measured(figures, facts | same)


def heads(shares: Sequence[float]) -> list[str]:
    """Of the table; the names of its figures."""
    return [
        "criterion",
        "rank correlation with the loss without",
        *(f"accuracy, {share:.0%} removed" for share in shares),
        f"commonest answer, {shares[-1]:.0%}",
        f"loss of the {shares[0]:.0%}, one by one",
        "together",
    ]


def lines(found: Sequence[Measured], shares: Sequence[float]) -> str:
    """A sentence and a table, means over seeds."""
    facts = {key: statistics.mean(seed.facts[key] for seed in found) for key in found[0].facts}
    forms = [".2f", *[".1f"] * len(shares), ".0f", ".3f", ".3f"]
    cells = []
    for name in found[0].figures:
        means = map(statistics.mean, zip(*(seed.figures[name] for seed in found), strict=True))
        cells.append([name, *(f"{mean:{form}}" for mean, form in zip(means, forms, strict=True))])
    said = (
        f"dense {facts['dense']:.1f} %, loss on calibration rows {facts['loss']:.4f}; the hardest 5 % of the "
        f"rows hold {facts['hardest']:.0f} % of its slope; rank correlation with torch-pruning's own scores: "
        f"Taylor {facts['taylor']:.3f}, Hessian {facts['hessian']:.3f}"
    )
    return f"{said}\n\n{table(heads(shares), cells)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a sentence and a table per problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.75])
    parser.add_argument("--only", default="", help="problems whose name contains this")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name, problem in PROBLEMS.items():
        if options.only in name and "cnn" not in name:
            seeds = range(options.first, options.first + options.seeds)
            found = [measured(trained(problem, seed), options.shares) for seed in seeds]
            print(f"{name}: {lines(found, options.shares)}\n", flush=True)


if __name__ == "__main__":
    main()
