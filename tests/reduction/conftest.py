"""Tiny samples: tables and grids with a class that stands in a few columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tasks.data.plan import NumericPlan
from tasks.reduction.sample import Sample


def plan_of(p: int, *, levels: tuple[int, ...] = (), indicator: tuple[int, ...] = ()) -> NumericPlan:
    """A plan of `p` numbers, one category per entry of `levels`, and indicators; scaling does nothing."""
    columns, width = p + len(levels), p + sum(levels) + len(indicator)
    return NumericPlan(
        names=tuple(f"c{i}" for i in range(columns)),
        levels=(0,) * p + levels,
        fill=np.zeros(columns, np.float32),
        low=np.full(columns, -np.inf, np.float32),
        high=np.full(columns, np.inf, np.float32),
        indicator=indicator,
        mean=np.zeros(width, np.float32),
        scale=np.ones(width, np.float32),
    )


def grid_plan(*shape: int) -> NumericPlan:
    """A plan whose every cell of the grid is a column."""
    from dataclasses import replace

    cells = int(np.prod(shape))
    return replace(plan_of(cells), positions=tuple(range(cells)), shape=shape)


@pytest.fixture
def table() -> Callable[..., Sample]:
    """Make (n, d) normal features of falling deviation; the class moves the first three columns."""

    def make(n: int = 60, d: int = 8, *, classes: int = 3, task: str = "classification") -> Sample:
        rng = np.random.default_rng(0)
        y = np.arange(n) % classes
        X = rng.normal(size=(n, d)) * np.linspace(2, 0.5, d)
        X[:, :3] += 3 * np.eye(classes, 3)[y]
        target = y if task == "classification" else X[:, 0] + 0.1 * rng.normal(size=n)
        return Sample(X.astype(np.float32), target, plan_of(d), task, scores=np.linspace(1, 2, d))

    return make


@pytest.fixture
def image() -> Sample:
    """(40, 36) features on a grid of 1 x 6 x 6, two classes."""
    rng = np.random.default_rng(1)
    return Sample(
        rng.normal(size=(40, 36)).astype(np.float32),
        np.arange(40) % 2,
        grid_plan(1, 6, 6),
        "classification",
        scores=rng.uniform(1, 2, 36),
    )


@pytest.fixture
def make_plan() -> Callable[..., NumericPlan]:
    return plan_of


@pytest.fixture
def make_grid_plan() -> Callable[..., NumericPlan]:
    return grid_plan
