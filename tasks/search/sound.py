"""Whether a network bears every row: finite numbers for all."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tasks.errors import EspalierError
from tasks.training.scoring import predict_logits

__all__ = ["check_sound", "unanswered"]


def unanswered(network: nn.Module, X: Tensor) -> Tensor:
    """Return the positions of rows that a network answers with NaN or infinite numbers.

    Parameters
    ----------
    network : Module
    X : Tensor, (n, *input shape)

    Returns
    -------
    Tensor, int64
    """
    return torch.nonzero(~torch.isfinite(predict_logits(network, X)).all(dim=1))[:, 0]


def check_sound(network: nn.Module, parts: Mapping[str, Tensor]) -> None:
    """Refuse a network that does not bear every row.

    Parameters
    ----------
    network : Module
    parts : mapping
        Its inputs, by what they are called.

    Raises
    ------
    EspalierError
        Naming the first row that is answered with NaN or an infinite number.
    """
    for name, X in parts.items():
        wrong = unanswered(network, X)
        if len(wrong):
            raise EspalierError(
                f"the network answers {len(wrong)} of {len(X)} {name} rows with NaN or infinite numbers, the "
                f"first is row {int(wrong[0])} of them (from 0); a logarithm, a root or a division in it "
                "does not bear every row: mend that, or leave such rows out"
            )
