"""Batches of an epoch: by index from memory, or through a DataLoader for rows that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

__all__ = ["Batch", "Tensors", "blocks", "cut", "memory_batches", "spans", "stream_batches"]

Batch = tuple[Tensor, Tensor, Tensor | None]
"""Network input (m, ...), y (m,), teacher logits (m, K) or None."""

BLOCK = 64
"""Batches gathered by one index operation: one gather is far cheaper than many small ones."""


@dataclass(frozen=True, eq=False)
class Tensors:
    """Rows and targets of one split.

    Attributes
    ----------
    X
        float32 (n, *input shape); or numeric rows, perhaps memory-mapped, when `prepare` is given.
    y
        (n,): class codes int64, or the standardised target float32.
    prepare
        Turns a batch of `X` into the network's input; None when `X` is that already.
    """

    X: Tensor
    y: Tensor
    prepare: Callable[[Tensor], Tensor] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def inputs(self, X: Tensor, device: torch.device) -> Tensor:
        """Return the network's input of a batch of `X`, on `device`."""
        return (X if self.prepare is None else self.prepare(X)).to(device)


def spans(count: int, size: int) -> list[tuple[int, int]]:
    """Cut `count` rows into batches of `size`; a last batch of one row joins the one before it.

    Batch norm cannot learn from a single row.

    Examples
    --------
    >>> spans(7, 3)
    [(0, 3), (3, 7)]
    """
    starts = list(range(0, count, size))
    if len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))


def memory_batches(train: Tensors, teacher: Tensor | None, order: Tensor, size: int) -> Iterator[Batch]:
    """Yield the batches of an epoch whose rows all lie on one device, in `order`."""
    order = order.to(train.X.device)
    for block in blocks(len(order), size):
        rows = order[block[0][0] : block[-1][1]]
        yield from cut(block, train.X[rows], train.y[rows], None if teacher is None else teacher[rows])


def blocks(count: int, size: int) -> Iterator[list[tuple[int, int]]]:
    """Yield the spans of `count` rows, those of one gather at a time."""
    every = spans(count, size)
    for start in range(0, len(every), BLOCK):
        yield every[start : start + BLOCK]


def cut(block: Sequence[tuple[int, int]], X: Tensor, y: Tensor, soft: Tensor | None) -> Iterator[Batch]:
    """Yield the batches of a block's gathered rows."""
    offset = block[0][0]
    for start, stop in block:
        piece = slice(start - offset, stop - offset)
        yield X[piece], y[piece], None if soft is None else soft[piece]


class _Rows(Dataset[Batch]):
    """Whole batches by their row numbers, read from `X` as they are asked for."""

    def __init__(self, train: Tensors, teacher: Tensor | None, device: torch.device) -> None:
        self.train, self.teacher, self.device = train, teacher, device

    def __getitem__(self, rows: Sequence[int]) -> Batch:
        picked = torch.as_tensor(rows)
        soft = None if self.teacher is None else self.teacher[picked].to(self.device)
        X = self.train.inputs(self.train.X[picked], self.device)
        return X, self.train.y[picked].to(self.device), soft


def stream_batches(
    train: Tensors, teacher: Tensor | None, order: Tensor, size: int, device: torch.device
) -> Iterator[Batch]:
    """Yield the batches of an epoch through a DataLoader; only one batch is in memory at a time."""
    batches = [order[start:stop] for start, stop in spans(len(order), size)]
    loader = DataLoader(
        _Rows(train, teacher, device),
        sampler=batches,  # with batch_size=None a sampler yields whole batches
        batch_size=None,
        generator=torch.Generator(),  # its own: the loader's draw must not move the dropout stream
    )
    yield from loader
