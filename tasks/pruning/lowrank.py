"""Low rank: a Linear or a convolution becomes two thinner ones, fitted to what passes through it.

With inputs X (n, m) on calibration rows and W (o, m), the W_r of rank r that minimises ||X W^T - X W_r^T|| is
U U^T W, U (o, r) the leading eigenvectors of the outputs' products W X^T X W^T (Eckart & Young, 1936; of
networks: Zhang et al., 2015; Chen et al., 2021, "DRONE"). Of a convolution the rows of X are its windows, m
counts the cells of one: r filters of that window, then o filters of one cell. It pays where r (m + o) < m o;
both halves of a convolution run on every output cell, so weights and multiply-adds go by the same share.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.models.factored import set_ranks
from tasks.models.zoo import seeded
from tasks.pruning.decomposition import ROWS, interpolation
from tasks.pruning.factorable import Whole, candidates
from tasks.pruning.readings import Moments, moments
from tasks.pruning.recovery import Outcome, Recovery

if TYPE_CHECKING:
    from tasks.pruning.config import LowRankConfig

__all__ = ["Spectrum", "choose_ranks", "factorise", "prune_ranks", "spectra"]

_SILENT = 1e-8  # what counts where the rows say nothing, as a share of their mean square


@dataclass(frozen=True, eq=False)
class Spectrum:
    """How the outputs of a layer spread over directions.

    Attributes
    ----------
    inputs, outputs : int
        Of a convolution, cells of its window over all channels, and output channels.
    left : (min(inputs, outputs) + 1,)
        Share of the outputs' square that is lost at rank 0, 1, ...: falls from 1 to 0.
    """

    inputs: int
    outputs: int
    left: NDArray[np.float64]

    @property
    def dense(self) -> int:
        """Weights of the layer as it is."""
        return self.inputs * self.outputs

    def weights(self, rank: int) -> int:
        """Weights at a rank: never more than the layer has."""
        return min(self.dense, rank * (self.inputs + self.outputs))

    def step(self, rank: int | None) -> tuple[float, int] | None:
        """Find the smaller rank that costs least for each weight it saves, None being the layer as it is.

        Returns
        -------
        What a saved weight costs, in -log of the share kept, and the rank; None where no rank is smaller.
        """
        lost = -np.log(np.maximum(1.0 - self.left[1:], np.finfo(np.float64).tiny))
        weights = np.arange(1, len(self.left)) * (self.inputs + self.outputs)
        now, here = (self.dense, 0.0) if rank is None else (int(weights[rank - 1]), lost[rank - 1])
        smaller = weights < now
        if not smaller.any():
            return None
        prices = (lost[smaller] - here) / (now - weights[smaller])
        return float(prices.min()), int(prices.argmin()) + 1


def prune_ranks(start: Outcome, config: LowRankConfig, amount: float | None, recovery: Recovery) -> Outcome:
    """Factor Linear and convolution layers and recover.

    Parameters
    ----------
    start : Outcome
        Its network is not changed.
    amount : float
        Share of the weights of all layers that can be factored.
    """
    del config
    X = recovery.calibration(ROWS).X
    found, left = spectra(start.network, X)
    notes = tuple(
        f"{name} left alone: {why}; it stays whole, method structured may take units of it"
        for name, why in left.items()
    )
    if not found or amount is None:
        return start.then(start.network, *notes, "no layer of this network can be factored")
    ranks = choose_ranks(found, amount)
    notes += tuple(
        f"{name} stays whole: a pair would cost more than as many weights cost in other layers"
        for name in found
        if name not in ranks
    )
    notes += _short(found, ranks, amount)
    return recovery.run(start.then(factorise(start.network, ranks, X), *notes), "low-rank")


def _short(found: Mapping[str, Spectrum], ranks: Mapping[str, int], amount: float) -> tuple[str, ...]:
    """Say when rank 1 keeps more weights than the amount leaves."""
    total = sum(layer.dense for layer in found.values())
    stays = sum(layer.weights(ranks[name]) if name in ranks else layer.dense for name, layer in found.items())
    if stays <= (1.0 - amount) * total:
        return ()
    return (f"amount {amount:g} is out of reach: at rank 1 {stays / total:.1%} of the weights stay",)


def spectra(network: nn.Module, X: Tensor) -> tuple[dict[str, Spectrum], dict[str, str]]:
    """Look at every layer that could become a pair.

    Parameters
    ----------
    X : Tensor, (n, *input shape)
        Calibration rows.

    Returns
    -------
    Spectrum by layer, and the layers that are left alone with the reason.
    """
    found, left = candidates(network, X[:2])
    spread = {}
    for read in (Whole.of(name, network, len(X)) for name in found):
        (seen,) = moments([read], X, network)  # one by one: products of wide windows are large
        spread[read.layer] = _spectrum(network, read, seen)
    return spread, left


def _weight(network: nn.Module, name: str) -> NDArray[np.float64]:
    """Weights as a matrix: outputs by what each of them sees."""
    return np.asarray(network.get_parameter(f"{name}.weight").detach().double().cpu().flatten(1).numpy())


def _bias(network: nn.Module, name: str) -> NDArray[np.float64] | float:
    bias = network.get_submodule(name).bias
    return np.asarray(bias.detach().double().cpu().numpy()) if isinstance(bias, Tensor) else 0.0


def _spectrum(network: nn.Module, read: Whole, seen: Moments) -> Spectrum:
    W = _weight(network, read.layer)
    values = np.linalg.eigvalsh(W @ seen.xx @ W.T)[::-1].clip(min=0.0)[: min(W.shape)]
    total = values.sum()
    kept = np.cumsum(values) / total if total > 0 else np.ones(len(values))
    left = np.concatenate([[1.0], (1.0 - kept).clip(min=0.0)])
    left[-1] = 0.0
    return Spectrum(W.shape[1], W.shape[0], left)


def choose_ranks(found: Mapping[str, Spectrum], amount: float) -> dict[str, int]:
    """Choose ranks by layer so that a share of the weights of all layers goes where it costs least.

    Step by step that rank is lowered which loses least for each weight it saves, in ``sum of -log(1 - share
    lost)``: no other ranks of as few weights keep a larger product of the shares (Zhang et al., 2015). Layers
    that stay whole are not among the ranks. Amount 1 leaves rank 1; what loses nothing goes in any case.

    Examples
    --------
    >>> choose_ranks({"a": Spectrum(4, 4, np.array([1.0, 0.2, 0.1, 0.0, 0.0]))}, 0.5)
    {'a': 1}
    """
    allowed = (1.0 - amount) * sum(layer.dense for layer in found.values())
    ranks: dict[str, int] = {}
    stays = sum(layer.dense for layer in found.values())
    steps = {name: layer.step(None) for name, layer in found.items()}
    while moves := {name: step for name, step in steps.items() if step is not None}:
        name, (price, rank) = min(moves.items(), key=lambda move: move[1][0])
        if stays <= allowed and price > 0.0:
            break
        layer = found[name]
        stays += layer.weights(rank) - (layer.weights(ranks[name]) if name in ranks else layer.dense)
        ranks[name], steps[name] = rank, layer.step(rank)
    return {name: ranks[name] for name in found if name in ranks}


def factorise(network: nn.Module, ranks: Mapping[str, int], X: Tensor) -> nn.Module:
    """Put fitted pairs in place of layers of a copy.

    Layers are worked through in the order of `ranks`; each is fitted to what it gave in `network` from what
    comes in by now, so that later layers make up for earlier ones. The copy's `pruned_steps` remember it.

    Parameters
    ----------
    network : Module
        Not changed.
    ranks : mapping of str to int
        Layer -> rank, at least 1.
    X : Tensor, (n, *input shape)
        Calibration rows.
    """
    changed = copy.deepcopy(network)
    for name, rank in ranks.items():
        read = Whole.of(name, network, len(X))
        (seen,) = moments([read], X, changed, network)
        down, up, gain = _pair(_weight(network, name), seen, rank)
        with seeded(0):
            set_ranks(changed, {name: rank})
        _fill(changed, name, down, up, gain + _bias(network, name))
    steps = [{"module": name, "dim": "rank", "rank": rank} for name, rank in ranks.items()]
    object.__setattr__(changed, "pruned_steps", [*getattr(network, "pruned_steps", []), *steps])
    return changed


def _pair(
    W: NDArray[np.float64], seen: Moments, rank: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit down (r, m), up (o, r) and what the bias gains (o,): reduced-rank regression (Izenman, 1975).

    Directions that the rows say nothing of come last, in the order of the weights' own SVD. Rows of `down`
    and columns of `up` get the same length, which training likes.
    """
    T, _ = interpolation(seen, range(len(seen.x)))
    fitted = W @ T.T
    little = _SILENT * np.trace(seen.xx) / len(seen.xx) or 1.0
    _, vectors = np.linalg.eigh(fitted @ (seen.xx + little * np.eye(len(seen.xx))) @ fitted.T)
    up = vectors[:, ::-1][:, :rank]
    down = up.T @ fitted
    sizes = np.sqrt(np.linalg.norm(down, axis=1).clip(min=1e-12))[:, None]
    gain = W @ seen.y - up @ (down @ seen.x)
    return down / sizes, up * sizes.T, gain


@torch.no_grad()
def _fill(
    network: nn.Module,
    name: str,
    down: NDArray[np.float64],
    up: NDArray[np.float64],
    bias: NDArray[np.float64],
) -> None:
    for leaf, value in {"down.weight": down, "up.weight": up}.items():
        weight = network.get_parameter(f"{name}.{leaf}")
        weight.copy_(torch.from_numpy(value).reshape(weight.shape))
    if f"{name}.up.bias" in dict(network.named_parameters()):
        network.get_parameter(f"{name}.up.bias").copy_(torch.from_numpy(bias))
