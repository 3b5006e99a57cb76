"""Rows drawn at random from an input that is read in chunks: memory is bounded by the sample and a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.scoring.inputs import Input

__all__ = ["Sample", "sample"]

CELLS = 1 << 22
"""Cells that are read at once."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Some rows of an input.

    Attributes
    ----------
    frame : DataFrame
        The rows, in the input's order.
    places : ndarray of int64, shape (n,)
        Place of each in the input, from 0.
    of : int
        Rows of the input.
    """

    frame: pd.DataFrame
    places: npt.NDArray[np.int64]
    of: int


def sample(source: Input, columns: Sequence[str], rows: int, seed: int = 0) -> Sample:
    """Draw up to `rows` rows, each as likely as any other; rows that cannot be read count and are left out.

    Of c rows in a chunk, of N that are still to come, h are taken where k are still wanted: h is drawn
    hypergeometric (c, N - c, k), so that all samples of that size are equally likely.
    """
    rng, size = np.random.default_rng(seed), max(1, CELLS // max(1, len(columns)))
    survey = source.survey(columns, size)
    total = survey.rows or 0
    frames, places = [], []
    left, wanted = total, min(rows, total)
    for chunk in source.chunks(survey, columns, size, 0):
        here = len(chunk.cells) + len(chunk.aside)
        taken = int(rng.hypergeometric(here, left - here, wanted)) if wanted else 0
        left, wanted = left - here, wanted - taken
        chosen = np.sort(rng.choice(here, taken, replace=False))
        chosen = chosen[chosen < len(chunk.cells)]
        frames.append(chunk.cells.frame(columns).iloc[chosen])
        places.append(chunk.numbers[chosen] - 1)
    return Sample(_joined(frames, columns), np.concatenate([*places, np.empty(0, np.int64)]), total)


def _joined(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    held = [frame for frame in frames if len(frame)] or list(frames[:1])
    return pd.concat(held, ignore_index=True) if held else pd.DataFrame(columns=list(columns))
