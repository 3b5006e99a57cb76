"""Seeds derived from one seed, so that an epoch's randomness depends on (seed, purpose, epoch) alone."""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["derived_seed", "drawn_rows", "permutation"]

BATCHES, NOISE = 1, 2


def derived_seed(seed: int, *path: int) -> int:
    """Derive an independent 63-bit seed from `seed` and a path of small numbers."""
    return int(np.random.SeedSequence(seed, spawn_key=path).generate_state(1, np.uint64)[0] >> 1)


def permutation(count: int, seed: int, epoch: int) -> torch.Tensor:
    """Order of `count` rows in an epoch, int64."""
    generator = torch.Generator().manual_seed(derived_seed(seed, BATCHES, epoch))
    return torch.randperm(count, generator=generator)


def drawn_rows(count: int, most: int, seed: int, purpose: int) -> torch.Tensor:
    """Ascending positions of at most `most` of `count` rows, the same ones for the same seed and purpose."""
    return permutation(count, derived_seed(seed, purpose), 0)[:most].sort().values
