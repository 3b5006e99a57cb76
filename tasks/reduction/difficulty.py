"""How hard a row is to the reference, and subsets by that."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.reduction.strata import Indices, level_shares

__all__ = ["cover_difficulty", "error_norms", "hardest"]


def error_norms(answers: NDArray[Any], y: NDArray[Any], task: str) -> NDArray[np.float64]:
    """EL2N: ``E ||p(x) - e_y||_2`` over networks, e_y the class one-hot (Paul, Ganguli and Dziugaite, 2021).

    Parameters
    ----------
    answers
        (networks, n, K) probabilities, or (networks, n, 1) predictions of the standardised target, whose
        error is the absolute one.
    y
        (n,) class codes, or the standardised target.

    Examples
    --------
    >>> sure = np.array([[[1.0, 0.0], [1.0, 0.0]]])
    >>> error_norms(sure, np.array([0, 1]), "classification").round(3).tolist()
    [0.0, 1.414]
    """
    wanted = np.eye(answers.shape[2])[y] if task == "classification" else np.asarray(y, np.float64)[:, None]
    return np.asarray(np.linalg.norm(answers.astype(np.float64) - wanted, axis=2).mean(axis=0))


def hardest(errors: NDArray[Any], k: int) -> Indices:
    """Ascending positions of the `k` largest errors; of equal ones the earlier."""
    return np.sort(np.argsort(-errors, kind="stable")[:k])


def cover_difficulty(
    errors: NDArray[Any], k: int, *, bins: int, cutoff: float, rng: np.random.Generator
) -> Indices:
    """Coverage-centric selection: random rows of every range of difficulty (Zheng et al., 2023).

    The hardest share `cutoff` is left out (as far as `k` rows remain), the rest is cut into `bins` ranges of
    equal width of the error, and each gives the same number of rows, or all it has.

    Returns
    -------
    Ascending positions, `k` of them.
    """
    left = max(k, round(len(errors) * (1 - cutoff)))
    easy = np.argsort(errors, kind="stable")[:left]
    low, high = errors[easy[0]], errors[easy[-1]]
    edges = np.linspace(low, high, bins + 1)[1:-1]
    at = np.searchsorted(edges, errors[easy], side="right") if high > low else np.zeros(left, dtype=np.int64)
    members = [easy[at == i] for i in range(bins) if (at == i).any()]
    quota = level_shares(k, np.array([len(rows) for rows in members]))
    drawn = [rng.choice(rows, q, replace=False) for rows, q in zip(members, quota, strict=True)]
    return np.sort(np.concatenate(drawn))
