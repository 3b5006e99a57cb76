"""Tables to profile and batches to hold against them, drawn from a known law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tasks.data.meta import RawMeta
from tasks.data.plan import NumericPlan
from tasks.drift.answers import Mistakes
from tasks.drift.batch import batch_of
from tasks.drift.compare import Batch, compare
from tasks.drift.config import MonitorConfig
from tasks.drift.findings import Drift
from tasks.drift.profile import Known, Profile, fit_profile

NUMBERS = ("a", "b", "c", "d", "e", "f")
NAMES = (*NUMBERS, "city")
CITIES = ("Bonn", "Ulm", "Jena", "Trier")
META = RawMeta(
    "answer",
    "classification",
    None,
    None,
    None,
    None,
    0,
    NAMES,
    {**dict.fromkeys(NUMBERS, "number"), "city": "category"},
)
ENCODING: dict[str, Any] = {
    "version": 1,
    "missing": ["?"],
    "columns": [
        *({"source": name, "kind": "number", "outputs": [name]} for name in NUMBERS),
        {"source": "city", "kind": "category", "levels": list(CITIES), "other": False, "outputs": ["city"]},
    ],
}
SERVED: dict[str, Any] = {"encoding": ENCODING, "labels": ["no", "yes"], "threshold": 0.5}
LOADINGS = np.random.default_rng(5).normal(size=(2, 6))


def table(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Six numbers on two latent axes with a little noise, one skewed, one rounded, a level, some missing."""
    latent = rng.normal(size=(rows, 2))
    cells = latent @ LOADINGS + 0.1 * rng.normal(size=(rows, 6))
    frame = pd.DataFrame(cells, columns=NUMBERS)
    frame["e"] = np.exp(frame["e"])
    frame["f"] = frame["f"].round()
    frame.loc[rng.random(rows) < 0.05, "d"] = np.nan
    frame["city"] = rng.choice(CITIES, rows, p=[0.5, 0.3, 0.15, 0.05])
    frame["answer"] = np.where(latent[:, 0] + 0.5 * rng.normal(size=rows) > 0, "yes", "no")
    return frame


def encode(frame: pd.DataFrame) -> np.ndarray:
    """The table as numeric rows."""
    codes = frame["city"].map({city: i for i, city in enumerate(CITIES)})
    return np.column_stack([frame[list(NUMBERS)].to_numpy(np.float32), codes.to_numpy(np.float32)])


def answer(X: np.ndarray) -> np.ndarray:
    """Probabilities by the first latent axis, as far as the columns a to c tell."""
    axis = np.linalg.pinv(LOADINGS[:, :3])[:, 0]
    z = np.nan_to_num(X[:, :3]) @ axis
    p = 1 / (1 + np.exp(-3 * z))
    return np.column_stack([1 - p, p]).astype(np.float32)


def plan(frame: pd.DataFrame) -> NumericPlan:
    """Standardise numbers, one-hot the level."""
    numbers = frame[list(NUMBERS)].to_numpy(np.float64)
    mean, scale = np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)
    levels = len(CITIES)
    return NumericPlan(
        NAMES,
        (0,) * 6 + (levels,),
        np.append(mean, 0).astype(np.float32),
        np.full(7, -np.inf, np.float32),
        np.full(7, np.inf, np.float32),
        (),
        np.concatenate([mean, np.zeros(levels)]).astype(np.float32),
        np.concatenate([scale, np.ones(levels)]).astype(np.float32),
    )


def profile(rng: np.random.Generator, rows: int = 1500, valid: int = 400) -> Profile:
    """Profile of a model whose reducer keeps the principal components of the training rows."""
    train, other = table(rows, rng), table(valid, rng)
    scaling = plan(train)
    x = scaling.transform(encode(train)).astype(np.float64)
    _, _, V = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    W = V[:5].T
    X = encode(other)
    wrong = np.asarray((answer(X)[:, 1] >= 0.5) != (other["answer"] == "yes"), np.float64)
    return fit_profile(
        Known(train, encode(train), X, answer(X), Mistakes.of(wrong, {"accuracy": 0.9}, classes=True)),
        META,
        ENCODING,
        scaling,
        SERVED,
        ((W, -x.mean(axis=0) @ W),),
    )


def batch(made: Profile, frame: pd.DataFrame) -> Batch:
    """The table, read and answered."""
    return batch_of(made, frame, encode, answer)


def held(made: Profile, frame: pd.DataFrame, **policy: Any) -> Drift:
    """The table held against a profile."""
    return compare(made, batch(made, frame), MonitorConfig(**policy))
