"""What low rank costs in each layer alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from tasks.pruning.decomposition import ROWS
from tasks.pruning.lowrank import factorise, spectra
from tasks.pruning.recovery import Outcome, Recovery
from tasks.pruning.sensitivity import Curves, measure
from tasks.training.scoring import score

if TYPE_CHECKING:
    from tasks.pruning.config import LowRankConfig

__all__ = ["rank_sensitivity"]


def rank_sensitivity(start: Outcome, config: LowRankConfig, recovery: Recovery) -> Curves:
    """Validation metric with one layer at a time at a share of its rank less, fitted but not trained.

    A layer of m inputs and o outputs has rank min(m, o); at share s of it removed, rank
    ``max(1, round((1 - s) min(m, o)))`` stays, whether or not the pair has fewer weights than the layer.
    """
    del config
    X = recovery.calibration(ROWS).X
    full = {name: len(spectrum.left) - 1 for name, spectrum in spectra(start.network, X)[0].items()}

    def without(layer: str, share: float) -> nn.Module:
        return factorise(start.network, {layer: max(1, round((1.0 - share) * full[layer]))}, X)

    def judge(pruned: nn.Module) -> float:
        return score(pruned, recovery.valid, recovery.task)

    return measure(full, without, judge, start.network)
