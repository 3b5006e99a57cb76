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
_MOST_ROWS, _MOST_SETS = 200_000, 16


@dataclass(frozen=True, eq=False)
class Mixing:
    """Sets of mixtures of n training rows, one set an epoch and in turn: l x_i + (1 - l) x_j (mixup).

    Zhang, Cisse, Dauphin and Lopez-Paz (2018); with a teacher's answers to the mixtures as targets, a small
    network sees as many different rows as it has epochs, and learns the teacher between the rows too (Beyer
    et al., 2022).

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
    >>> mixing = Teacher(nn.Identity(), rows).mixtures(1.0, outputs=1, seed=0)
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
        self, alpha: float, *, outputs: int, seed: int, rounds: Rounds | None = None, answered: bool = True
    ) -> Mixing:
        """Draw mixtures and answer them.

        Parameters
        ----------
        alpha : float
            Shares follow Beta(alpha, alpha): 1 is uniform, near 0 leaves most rows almost as they are.
        outputs : int
        seed : int
        rounds : callable, optional
            Epoch -> training rows it uses: only these are mixed in.
        answered : bool
            False where nobody learns from the answers.
        """
        X = network_inputs(self.rows)
        count = len(X)
        sets = min(max(_MOST_ROWS // count, 1), _MOST_SETS)
        random = np.random.default_rng(derived_seed(seed, _MIXTURES))
        partners = torch.empty(sets, count, dtype=torch.int64)
        for turn in range(sets):
            pool = np.arange(count) if rounds is None else np.asarray(rounds(turn))
            partners[turn] = torch.from_numpy(random.choice(pool, count))
        shares = torch.from_numpy(random.beta(alpha, alpha, (sets, count)).astype(np.float32))
        mixing = Mixing(partners, shares, None, outputs)
        return Mixing(partners, shares, self._answered(X, mixing), outputs) if answered else mixing

    def _answered(self, X: Tensor, mixing: Mixing) -> Tensor:
        every = torch.arange(len(X))
        found = []
        for partners, shares in zip(mixing.partners, mixing.shares, strict=True):
            chunks = (
                predict_logits(self.network, _mixed(X[rows], X[partners[rows]], shares[rows]))
                for rows in torch.split(every, 4096)
            )
            found.append(torch.cat(list(chunks)))
        return torch.stack(found)


def _mixed(a: Tensor, b: Tensor, shares: Tensor) -> Tensor:
    """`shares` (m,) of `a`, the rest of `b`, row by row; both (m, ...)."""
    return b + shares.reshape(-1, *[1] * (a.dim() - 1)) * (a - b)
