"""A raw batch as what is compared: cells, numeric rows, answers and, where there are labels, targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.encoding import is_missing, level_key
from tasks.drift.answers import UNKNOWN
from tasks.drift.compare import Batch
from tasks.drift.profile import Profile
from tasks.drift.schema import readable

__all__ = ["batch_of"]

Array = npt.NDArray[Any]


def batch_of(
    profile: Profile,
    frame: pd.DataFrame,
    encode: Callable[[pd.DataFrame], Array],
    answer: Callable[[Array], Array],
) -> Batch:
    """Read a raw batch (n rows) and ask the model about the rows that it can answer.

    Parameters
    ----------
    profile
    frame
        Its column of the target, where it has one, may lack values: the others are labelled rows.
    encode
        Raw rows to the model's numeric rows (m, p).
    answer
        These to probabilities (m, K) or predictions (m,).
    """
    frame = frame.reset_index(drop=True)
    known = [column for column in profile.columns if column.name in frame]
    cells = {column.name: column.cells(frame[column.name], profile.missing) for column in known}
    places = np.flatnonzero(readable(profile, cells, len(frame)))
    if len(places):
        X = encode(frame.iloc[places])
        answers = answer(X)
        sure = np.isfinite(answers).reshape(len(answers), -1).all(axis=1)
        places, X, answers = places[sure], X[sure], answers[sure]
    else:
        X, answers = np.empty((0, len(profile.plan.names)), np.float32), np.empty((0,), np.float32)
    y = _targets(profile, frame)[places]
    labelled = np.flatnonzero(~np.isnan(y))
    codes = y[labelled] if profile.labels is None else y[labelled].astype(np.int64)
    return Batch(tuple(map(str, frame)), len(frame), cells, places, X, answers, labelled, codes)


def _targets(profile: Profile, frame: pd.DataFrame) -> Array:
    """Return class codes or targets (n,), NaN where there is none."""
    if profile.target not in frame:
        return np.full(len(frame), np.nan)
    values = frame[profile.target]
    absent = is_missing(values, profile.missing)
    if profile.labels is None:
        numbers = pd.to_numeric(values.mask(absent), errors="coerce").to_numpy(np.float64, na_value=np.nan)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    place = {label: float(code) for code, label in enumerate(profile.labels)}
    codes = values.map(lambda value: place.get(level_key(value), float(UNKNOWN))).to_numpy(np.float64)
    return np.where(absent, np.nan, codes)
