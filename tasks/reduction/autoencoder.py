"""A small autoencoder, whose encoder becomes the reducer."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.reduction.column_config import AutoencoderColumns
from tasks.reduction.linear import variance_shares
from tasks.reduction.reduction import Affine, Reduction, encode
from tasks.reduction.sample import Sample, refusal

__all__ = ["autoencoder", "train_autoencoder"]

_BLOCK = 8192


def _chain(widths: list[int]) -> nn.Sequential:
    """Linear and ReLU in turn; the last Linear stands alone."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def _error(network: nn.Module, X: Tensor) -> float:
    """Mean squared error of the reconstruction, over all cells."""
    parts = [float(torch.square(network(rows) - rows).double().sum()) for rows in torch.split(X, _BLOCK)]
    return sum(parts) / X.numel()


def _epoch(network: nn.Module, optimiser: torch.optim.Optimizer, X: Tensor, order: Tensor, size: int) -> None:
    for batch in torch.split(order, size):
        rows = X.index_select(0, batch)
        optimiser.zero_grad(set_to_none=True)
        torch.square(network(rows) - rows).mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def train_autoencoder(
    config: AutoencoderColumns, X: Tensor, valid: Tensor, seed: int
) -> tuple[nn.Sequential, list[float]]:
    """Train encoder and mirrored decoder to give the rows back (Hinton and Salakhutdinov, 2006).

    Minimises ``mean (x - g(f(x)))²`` by Adam in random batches, and ends when the error on `valid` has not
    fallen for `patience` epochs.

    Parameters
    ----------
    X, valid
        (n, d) and (m, d) float32.
    seed
        Of the initial weights and the batches; the process's generator stays as it was.

    Returns
    -------
    ``Sequential(encoder, decoder)`` with the weights of the best epoch, and each epoch's validation error.

    Raises
    ------
    EspalierError
        When the error stops being finite.
    """
    widths = [X.shape[1], *config.hidden, int(config.components)]
    draws = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = nn.Sequential(_chain(widths), _chain(widths[::-1]))
    optimiser = torch.optim.Adam(network.parameters(), config.lr, fused=True)
    errors: list[float] = []
    best: dict[str, Tensor] = {}
    while len(errors) < config.epochs and len(errors) - _best(errors) <= config.patience:
        _epoch(network, optimiser, X, torch.randperm(len(X), generator=draws), config.batch)
        errors.append(_error(network, valid))
        if not np.isfinite(errors[-1]):
            raise EspalierError(
                f"reduce.columns.lr: the autoencoder diverged in epoch {len(errors)} at {config.lr:g}; "
                "set a smaller one"
            )
        if _best(errors) == len(errors):
            best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(best)
    return network.eval(), errors


def _best(errors: list[float]) -> int:
    """Epoch (from 1) of the smallest error; 0 before the first."""
    return int(np.argmin(errors)) + 1 if errors else 0


def _affines(encoder: nn.Module) -> list[Affine]:
    linears = [layer for layer in encoder.modules() if isinstance(layer, nn.Linear)]
    return [(layer.weight.detach().T.numpy().copy(), layer.bias.detach().numpy().copy()) for layer in linears]


def _standardised(affines: list[Affine], features: NDArray[Any]) -> tuple[Affine, ...]:
    """Shift and scale the code, by one common factor, to mean 0 and mean square 1 over the training rows."""
    codes = encode(affines, features).astype(np.float64)
    mean, deviation = codes.mean(axis=0), float(codes.std(axis=0).max())
    *before, (W, b) = affines
    scale = np.sqrt(np.square(codes - mean).mean()) if deviation > 0 else 1.0
    return (*before, ((W / scale).astype(np.float32), ((b - mean) / scale).astype(np.float32)))


def autoencoder(config: AutoencoderColumns, sample: Sample) -> Reduction:
    """Encode the rows by the first half of a trained autoencoder; its layers become the reducer.

    `worth` is the variance of each unit of the code over that of all.
    """
    d, k = sample.plan.width, int(config.components)
    if k > d:
        rule = f"autoencoder of {d} features reduces nothing beyond {d}"
        raise refusal("columns.components", rule, k, f"set 1 to {d}, or auto")
    X = torch.from_numpy(np.ascontiguousarray(sample.features, dtype=np.float32))
    valid = X if sample.valid is None else torch.from_numpy(np.ascontiguousarray(sample.valid, np.float32))
    network, errors = train_autoencoder(config, X, valid, sample.seed)
    encoder = _standardised(_affines(network[0]), sample.features)
    total = float(np.square(sample.features - sample.mean).mean())
    report = {
        "reconstruction_error": _error(network, X) / total,
        "epochs": len(errors),
        "best_epoch": _best(errors),
        "valid_errors": [round(error, 9) for error in errors],
    }
    worth = variance_shares(encode(encoder, sample.features), np.eye(k))
    return Reduction(config.method, shape=(k,), encoder=encoder, worth=worth, report=report)
