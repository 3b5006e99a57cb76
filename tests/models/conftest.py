from collections.abc import Callable

import numpy as np
import pytest

from tasks.data.cleaner import Cleaner
from tasks.data.plan import NumericPlan
from tasks.data.target import TargetPlan


def random_plan(
    seed: int, numbers: int, levels: tuple[int, ...], indicator: tuple[int, ...], clip: bool
) -> NumericPlan:
    rng = np.random.default_rng(seed)
    p = numbers + len(levels)
    d = numbers + sum(levels) + len(indicator)
    mean, scale = np.zeros(d, np.float32), np.ones(d, np.float32)
    mean[:numbers], scale[:numbers] = rng.normal(size=numbers), rng.uniform(0.5, 2, numbers)
    low, high = np.full(p, -np.inf, np.float32), np.full(p, np.inf, np.float32)
    if clip:
        low[:numbers], high[:numbers] = -1.0, 1.5
    fill = np.zeros(p, np.float32)
    fill[:numbers] = rng.normal(size=numbers)
    names = tuple(f"c{i}" for i in range(p))
    return NumericPlan(names, (0,) * numbers + levels, fill, low, high, indicator, mean, scale)


def random_rows(plan: NumericPlan, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, count, n) if count else rng.normal(size=n) * 3 for count in plan.levels]
    X = np.stack(columns, axis=1).astype(np.float32)
    X[rng.random(X.shape) < 0.3] = np.nan
    return X


def as_cleaner(plan: NumericPlan, target: TargetPlan | None = None) -> Cleaner:
    columns = [{"source": name, "kind": "number", "outputs": [name]} for name in plan.names]
    target = target or TargetPlan("classification", "y", ("a", "b", "c"), "str")
    return Cleaner({"version": 1, "columns": columns}, plan, target)


@pytest.fixture
def make_plan() -> Callable[..., NumericPlan]:
    return random_plan


@pytest.fixture
def make_rows() -> Callable[..., np.ndarray]:
    return random_rows


@pytest.fixture
def make_cleaner() -> Callable[..., Cleaner]:
    return as_cleaner


@pytest.fixture
def mixed_plan() -> NumericPlan:
    return random_plan(0, 3, (3, 2), (0, 2), clip=True)


@pytest.fixture
def grid_plan() -> NumericPlan:
    """Seven of the nine cells of a 3 x 3 image: cells 0 and 5 were dropped as constant."""
    plan = random_plan(1, 7, (), (), clip=False)
    return NumericPlan(
        **{**vars(plan), "positions": (1, 2, 3, 4, 6, 7, 8), "shape": (1, 3, 3)},
    )
