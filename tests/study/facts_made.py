"""Made-up facts of cleaned data."""

from __future__ import annotations

import numpy as np

from tasks.data.plan import NumericPlan
from tasks.study.facts import Facts


def facts(columns=64, *, shape=None, task="classification", outputs=10, rows=1000):
    """Facts of number columns, on a grid where a shape is given."""
    zeros = np.zeros(columns, np.float32)
    plan = NumericPlan(
        names=tuple(f"c{place}" for place in range(columns)),
        levels=(0,) * columns,
        fill=zeros,
        low=zeros - np.inf,
        high=zeros + np.inf,
        indicator=(),
        mean=zeros,
        scale=zeros + 1,
        positions=None if shape is None else tuple(range(columns)),
        shape=shape,
    )
    return Facts(plan, task, outputs, rows)
