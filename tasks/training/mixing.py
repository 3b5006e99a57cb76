"""Rows mixed in pairs, with a teacher's answers: recovery that does not learn the few rows by heart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.training.batching import Batch, Tensors, blocks, cut
from tasks.training.records import Rounds
from tasks.training.scoring import network_inputs, predict_logits, predict_split
from tasks.training.seeds import derived_seed

__all__ = ["Mixing", "Teacher"]

_MIXTURES = 4
_MOST_SETS, _MOST_ROWS, _MOST_ANSWERS = 16, 200_000, 8_000_000


@dataclass(frozen=True, eq=False)
class Mixing:
    """Sets of mixtures of n training rows, one set an epoch and in turn: l x_i + (1 - l) x_j (mixup).

    Zhang, Cisse, Dauphin and Lopez-Paz (2018); with a teacher's answers to the mixtures as targets, a small
    network learns the teacher between the rows too (Beyer et al., 2022).

    Attributes
    ----------
    partners : Tensor, (s, n), int64
        j of each row i.
    shares : Tensor, (s, n)
        l, in [0, 1].
    answers : Tensor, (s, n, K), optional
        A teacher's logits.
    outputs : int
        K classes, or 1 for regression.
    """

    partners: Tensor
    shares: Tensor
    answers: Tensor | None
    outputs: int

    def to(self, device: torch.device) -> Mixing:
        """Put everything onto a device."""
        answers = None if self.answers is None else self.answers.to(device)
        return Mixing(self.partners.to(device), self.shares.to(device), answers, self.outputs)

    def batches(self, train: Tensors, epoch: int, order: Tensor, size: int) -> Iterator[Batch]:
        """Yield an epoch's mixtures in `order`, with mixed targets: class shares (m, K), or numbers (m,)."""
        turn = epoch % len(self.partners)
        order = order.to(train.X.device)
        for block in blocks(len(order), size):
            rows = order[block[0][0] : block[-1][1]]
            others, shares = self.partners[turn, rows], self.shares[turn, rows]
            X = _mixed(train.X[rows], train.X[others], shares)
            y = _mixed(self._targets(train.y[rows]), self._targets(train.y[others]), shares)
            yield from cut(block, X, y, None if self.answers is None else self.answers[turn, rows])

    def _targets(self, y: Tensor) -> Tensor:
        return functional.one_hot(y, self.outputs).to(torch.float32) if self.outputs > 1 else y


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained network with the training rows as it reads them.

    Examples
    --------
    >>> rows = Tensors(torch.tensor([[0.0], [1.0]]), torch.tensor([0.0, 1.0]))
    >>> mixing = Teacher(nn.Identity(), rows).mixtures(1.0, outputs=1, seed=0, epochs=1)
    >>> X, y, answers = next(mixing.batches(rows, 0, torch.arange(2), 2))
    >>> bool(torch.equal(X, answers) and torch.equal(X[:, 0], y))
    True
    """

    network: nn.Module
    rows: Tensors

    def answers(self) -> Tensor:
        """Logits (n, K) of all training rows."""
        return predict_split(self.network, self.rows, 4096, torch.device("cpu"))

    def mixtures(
        self,
        alpha: float,
        *,
        outputs: int,
        seed: int,
        epochs: int,
        rounds: Rounds | None = None,
        answered: bool = True,
    ) -> Mixing:
        """Draw mixtures and answer them.

        Parameters
        ----------
        alpha : float
            Shares follow Beta(alpha, alpha): 1 is uniform, near 0 leaves most rows almost as they are.
        outputs : int
        seed : int
        epochs : int
            As many sets are drawn, up to 16, 200,000 rows and 8 million answers in all; then they come again.
        rounds : callable, optional
            Epoch -> training rows it uses. Where it is always the same ones, only these are mixed in.
        answered : bool
            False where nobody learns from the answers.
        """
        X = network_inputs(self.rows)
        used = _used(rounds, len(X))
        sets = max(min(epochs, _MOST_SETS, _MOST_ROWS // len(used), _MOST_ANSWERS // (len(X) * outputs)), 1)
        random = np.random.default_rng(derived_seed(seed, _MIXTURES))
        partners, shares = torch.arange(len(X)).repeat(sets, 1), torch.ones(sets, len(X))
        partners[:, used] = used[torch.from_numpy(random.integers(len(used), size=(sets, len(used))))]
        shares[:, used] = torch.from_numpy(random.beta(alpha, alpha, (sets, len(used))).astype(np.float32))
        answers = self._answered(X, used, partners, shares, outputs) if answered else None
        return Mixing(partners, shares, answers, outputs)

    def _answered(self, X: Tensor, used: Tensor, partners: Tensor, shares: Tensor, outputs: int) -> Tensor:
        answers = torch.zeros(len(partners), len(X), outputs)
        for turn in range(len(partners)):
            for rows in torch.split(used, 4096):
                mixed = _mixed(X[rows], X[partners[turn, rows]], shares[turn, rows])
                answers[turn, rows] = predict_logits(self.network, mixed)
        return answers


def _used(rounds: Rounds | None, count: int) -> Tensor:
    """Rows that may be mixed: those of a round where all are alike, else all, for every row has its turn."""
    every = torch.arange(count)
    if rounds is None:
        return every
    first, second = (torch.as_tensor(rounds(epoch), dtype=torch.int64).sort().values for epoch in (0, 1))
    return first if torch.equal(first, second) else every


def _mixed(a: Tensor, b: Tensor, shares: Tensor) -> Tensor:
    """`shares` (m,) of `a`, the rest of `b`, row by row; both (m, ...)."""
    return b + shares.reshape(-1, *[1] * (a.dim() - 1)) * (a - b)
