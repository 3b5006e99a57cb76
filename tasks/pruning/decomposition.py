"""Interpolative decomposition of activations: units are kept that give back the others.

With the activations A (n, m) that the next layer reads on calibration rows, A ~ A_S T: the kept units S are
the pivots of a QR decomposition and T (k, m) is a least-squares fit, which the next layer takes up as W T^T
(interpolative decomposition: Cheng et al., 2005; of networks: Chee et al., 2022). A pivot is not the longest
column that is left but the one that leaves least of A W^T unexplained (orthogonal least squares: Chen et al.,
1989), since the next layer hears nothing else of A. Layers that see several cells of a unit at once are
fitted further (`tasks.pruning.windows`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.pruning.importance import Calibration, criterion
from tasks.pruning.readings import Moments, Reading, moments, obstacle, readings, thinned
from tasks.pruning.structure import UnitGroup, remove, survey
from tasks.pruning.windows import fit_windows, sees_windows

__all__ = [
    "ROWS",
    "absorb",
    "cut_and_absorb",
    "interpolation",
    "pivoted_shares",
    "unexplained",
    "unit_scores",
]

RIDGE = 0.01
"""Pull of T towards 'every kept unit stands for itself', as a share of the kept units' mean square."""

ROWS = 4096
"""Calibration rows to fit on: T has as many unknowns as a layer has units."""

SAMPLES = 10_000
"""Cells of a convolution, over all rows, that a fit takes: more say little that is new."""

CHECKED = 64
"""Calibration rows on which the smaller network must answer as the one it was cut from."""

_NOTHING = 1e-10
"""Share of its square left over below which a unit is a combination of those already kept."""


def unit_scores(
    network: nn.Module, groups: Sequence[UnitGroup], calibration: Calibration
) -> dict[str, Tensor]:
    """Score the units of every group: `unexplained`, and by magnitude where there is an `obstacle`.

    Both fall from 1 in the order in which units are kept, so that layers can be compared.
    """
    able = [group for group in groups if obstacle(network, group) is None]
    scores = unexplained(network, able, calibration.X)
    chosen, saliency = criterion("magnitude", network, calibration)
    for group in groups:
        if group.name not in scores:
            sizes = chosen.units(saliency, group.slices, group.width)
            assert sizes is not None  # magnitude looks at every weight
            scores[group.name] = _share_left(sizes.double())
    return {group.name: scores[group.name] for group in groups}


def _share_left(scores: Tensor) -> Tensor:
    """Turn scores into the share of their sum that is left before each is picked, the largest first."""
    order = torch.argsort(scores, descending=True, stable=True)
    picked = scores[order].cumsum(0) - scores[order]
    return torch.empty_like(scores).index_copy_(0, order, 1 - picked / scores.sum().clamp_min(1e-300))


def unexplained(network: nn.Module, groups: Sequence[UnitGroup], X: Tensor) -> dict[str, Tensor]:
    """Score units by the share of what is read from their group that is unexplained without them.

    Scores fall from 1 in the order in which the units are picked, so that the largest k are the first k
    pivots. Over all layers together (scope global), the largest scores are as many units of each layer as
    leave the same share unexplained everywhere.

    Parameters
    ----------
    groups : sequence of UnitGroup
        Of which none has an `obstacle`.
    X : Tensor, (n, *input shape)
        Calibration rows.
    """
    found = {group.name: readings(network, group) for group in groups}
    flat = [read for reads in found.values() for read in reads]
    rows = thinned(flat, X, network, SAMPLES)
    measured = dict(zip(map(id, flat), moments(flat, rows, network), strict=True))
    scores = {}
    for name, reads in found.items():
        parts = [(measured[id(read)].xx, _taken(read.weight(network))) for read in reads]
        scores[name] = torch.from_numpy(pivoted_shares(parts))
    return scores


def _taken(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring weights (m, r, outputs, taps) to a factor (m, <= m) of their products over everything read."""
    flat = weight.reshape(len(weight), -1)
    return flat if flat.shape[1] <= len(flat) else np.asarray(np.linalg.qr(flat.T, mode="r")).T


def pivoted_shares(parts: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Pick columns one by one so that least stays unexplained; give the share left before each pick.

    Parameters
    ----------
    parts : sequence of (G (m, m), W (m, o))
        For each reading layer G = A^T A and what it makes of each column; every layer counts the same.
        With g the column of G that is left of j, picking j explains ``||W^T g||^2 / g_j``.

    Returns
    -------
    (m,) : shares in [0, 1]; 0 for columns that those picked before give back exactly.
    """
    left = [_Left(gram, weight) for gram, weight in parts]
    shares = np.zeros(len(parts[0][0]))
    open_ = np.ones(len(shares), dtype=bool)
    for _ in range(len(shares)):
        gains = np.where(open_, sum(part.gains() for part in left), 0.0)
        best = int(gains.argmax())
        if gains[best] <= 0.0:
            break
        shares[best] = sum(part.share for part in left) / len(left)
        open_[best] = False
        for part in left:
            part.take(best)
    return shares


class _Left:
    """What one reading layer has left unexplained: the columns' products, and theirs with the output."""

    def __init__(self, gram: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
        self.G, self.C = gram.copy(), gram @ weight
        self.least = _NOTHING * np.diag(gram)
        total = float((self.C * weight).sum())
        self.total, self.share = total, float(total > 0)

    def gains(self) -> NDArray[np.float64]:
        """Share of the output that each column would explain."""
        norms = np.diag(self.G)
        alive = (norms > self.least) & (self.total > 0)
        squares = np.square(self.C).sum(axis=1)
        gains = np.zeros(len(norms))
        gains[alive] = squares[alive] / (norms[alive] * self.total)
        return gains

    def take(self, j: int) -> None:
        """Take column j out of all others: one step of Gram-Schmidt on the products."""
        if self.G[j, j] <= self.least[j] or self.total <= 0:
            return
        self.share = max(0.0, self.share - float(self.gains()[j]))
        g = self.G[:, j] / self.G[j, j]
        self.C -= np.outer(g, self.C[j])
        self.G -= np.outer(g, self.G[j])


def interpolation(
    found: Moments, kept: Sequence[int], ridge: float = RIDGE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit T (k, m) and t (m,) so that ``X_S T + t`` comes close to Y; T is pulled towards E.

    ``T = E + (X_S^T X_S + lambda I)^-1 X_S^T (Y - X_S E)``, E the rows S of the identity; lambda = ridge
    times the mean diagonal of X_S^T X_S, so that units that depend on each other need no special case.
    """
    S = np.asarray(kept)
    gram = found.xx[np.ix_(S, S)]
    unit = np.eye(len(found.x))[S]
    pull = ridge * np.trace(gram) / len(S)
    T = unit
    if pull > 0:
        T = unit + np.linalg.solve(gram + pull * np.eye(len(S)), found.xy[S] - gram @ unit)
    return T, found.y - found.x[S] @ T


def absorb(
    network: nn.Module,
    groups: Sequence[UnitGroup],
    kept: Mapping[str, Sequence[int]],
    X: Tensor,
    ridge: float = RIDGE,
) -> nn.Module:
    """Let every layer behind a group read the kept units alone and make up for the others.

    Groups are worked through in order, and each fit has what the kept units do by now on its left and what
    all units did in `network` on its right: later layers make up for earlier ones.

    Parameters
    ----------
    network : Module
        Not changed.
    groups : sequence of UnitGroup
        Of which none has an `obstacle`.
    kept : mapping of str to sequence of int
        Units that stay by group.
    X : Tensor, (n, *input shape)

    Returns
    -------
    Module
        Of the same shape; what it reads of the other units is multiplied by zero.
    """
    changed = copy.deepcopy(network)
    for group in groups:
        if len(kept[group.name]) == group.width:
            continue
        found = readings(network, group)
        rows = thinned(found, X, network, SAMPLES)
        for read, measured in zip(found, moments(found, rows, changed, network), strict=True):
            _take_up(changed, read, kept[group.name], *interpolation(measured, kept[group.name], ridge))
            if sees_windows(changed, read, len(kept[group.name])):
                fit_windows(changed, network, read, kept[group.name], rows, ridge)
    return changed


@torch.no_grad()
def _take_up(
    network: nn.Module, read: Reading, kept: Sequence[int], T: NDArray[np.float64], t: NDArray[np.float64]
) -> None:
    """W <- W T^T on the kept units and 0 elsewhere, b <- b + W t."""
    weight = read.weight(network)
    columns = np.zeros_like(weight)
    columns[np.asarray(kept)] = np.einsum("km,mrot->krot", T, weight)
    inputs = network.get_parameter(f"{read.layer}.weight").transpose(0, 1)
    inputs[read.places] = torch.from_numpy(columns).reshape(inputs[read.places].shape).to(inputs)
    if read.bias:
        bias = network.get_parameter(f"{read.layer}.bias")
        bias.add_(torch.from_numpy(np.einsum("m,mrot->o", t, weight)).to(bias))


def cut_and_absorb(
    network: nn.Module,
    example: Tensor,
    groups: Sequence[UnitGroup],
    kept: Mapping[str, Sequence[int]],
    X: Tensor,
) -> tuple[nn.Module, tuple[str, ...]]:
    """Remove units; the layers behind them absorb the least-squares correction where the graph allows it.

    Parameters
    ----------
    network : Module
        Not changed.
    example : Tensor, (n, *input shape)
        Two rows.
    X : Tensor, (n, *input shape)
        Calibration rows.

    Returns
    -------
    The smaller network, and a note for every group that goes without the correction.
    """
    refused = {
        group.name: f"{why}; they were ranked by magnitude"
        for group in groups
        if (why := obstacle(network, group)) is not None
    }
    first = remove(network, example, {name: kept[name] for name in refused})
    able = [group for group in survey(first, example).groups if group.name in set(kept) - set(refused)]
    rest = {group.name: kept[group.name] for group in able}
    absorbed = absorb(first, able, rest, X)
    pruned = remove(absorbed, example, rest)
    if not _agree(absorbed, pruned, X[:CHECKED]):
        why = "more of the network depends on it than the layers that read it"
        refused.update(dict.fromkeys(rest, why))
        pruned = remove(first, example, rest)
    return pruned, tuple(
        f"{name}: nothing makes up for the units that left, {why}" for name, why in refused.items()
    )


@torch.no_grad()
def _agree(before: nn.Module, after: nn.Module, X: Tensor) -> bool:
    """Tell whether the smaller network answers as the one it was cut from."""
    expected, answers = before.eval()(X), after.eval()(X)
    return bool((expected - answers).norm() <= 1e-3 * expected.norm())
