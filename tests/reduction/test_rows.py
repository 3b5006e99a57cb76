from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from pydantic import TypeAdapter

from tasks.reduction.covering import farthest_first
from tasks.reduction.reduction import Reduction
from tasks.reduction.row_config import KCenterRows, NoRows, RandomRows, RowsConfig
from tasks.reduction.rows import ROW_METHODS, round_sampler, select_rows
from tasks.reduction.strata import shares_of, subset_size

N = 100
Y = np.array([0] * 60 + [1] * 30 + [2] * 10)
Z = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)

ERRORS = np.random.default_rng(1).exponential(size=N)


def choose(method: str, factor: float = 0.5, *, seed: int = 0, task: str = "classification") -> np.ndarray:
    config = TypeAdapter(RowsConfig).validate_python({"method": method, "factor": factor})
    return select_rows(config, Z, Y, task=task, seed=seed, errors=ERRORS)


def radius(points: np.ndarray, centres: np.ndarray) -> float:
    return float(np.linalg.norm(points[:, None] - points[None, centres], axis=2).min(axis=1).max())


@pytest.mark.parametrize("method", sorted(set(ROW_METHODS) - {"none"}))
class TestEveryMethodThatChooses:
    def test_it_keeps_the_share_of_every_class(self, method: str) -> None:
        assert np.bincount(Y[choose(method)]).tolist() == [30, 15, 5]

    def test_its_rows_are_ascending_and_differ(self, method: str) -> None:
        assert (np.diff(choose(method)) > 0).all()

    def test_the_same_seed_gives_the_same_rows(self, method: str) -> None:
        np.testing.assert_array_equal(choose(method), choose(method))

    def test_one_row_is_the_smallest_subset(self, method: str) -> None:
        assert len(choose(method, 1 / N)) == 1

    def test_a_factor_below_one_row_keeps_one(self, method: str) -> None:
        assert len(choose(method, 1e-9)) == 1

    def test_the_whole_share_keeps_every_row(self, method: str) -> None:
        np.testing.assert_array_equal(choose(method, 1.0), np.arange(N))

    def test_a_numeric_target_has_no_classes_to_keep(self, method: str) -> None:
        assert len(choose(method, 0.2, task="regression")) == 20


def test_none_keeps_every_row() -> None:
    np.testing.assert_array_equal(select_rows(NoRows(), Z, Y, task="classification", seed=0), np.arange(N))


def test_another_seed_draws_other_rows() -> None:
    assert not np.array_equal(choose("random"), choose("random", seed=1))


def test_rows_on_a_grid_are_compared_cell_by_cell() -> None:
    grid = Z.reshape(N, 1, 3)
    flat = select_rows(KCenterRows(factor=0.3), Z, Y, task="classification", seed=0)
    np.testing.assert_array_equal(
        select_rows(KCenterRows(factor=0.3), grid, Y, task="classification", seed=0), flat
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_farthest_first_covers_within_twice_the_best_radius(seed: int, k: int) -> None:
    points = np.random.default_rng(seed).normal(size=(9, 2))
    best = min(radius(points, np.array(centres)) for centres in combinations(range(9), k))
    assert radius(points, farthest_first(points, k)) <= 2 * best + 1e-9


def test_farthest_first_takes_each_row_once_even_of_copies() -> None:
    assert sorted(farthest_first(np.zeros((5, 2)), 5).tolist()) == [0, 1, 2, 3, 4]


def test_farthest_first_takes_one_of_each_cluster() -> None:
    points = np.repeat(np.array([[0.0, 0], [9, 0], [0, 9]]), 4, axis=0) + 0.01 * np.arange(12)[:, None]
    assert {int(i) // 4 for i in farthest_first(points, 3)} == {0, 1, 2}


def step_by_step(points: np.ndarray, k: int) -> list[int]:
    """Farthest first as its definition says."""
    taken = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmin())]
    while len(taken) < k:
        distance = np.linalg.norm(points[:, None] - points[None, taken], axis=2).min(axis=1)
        distance[taken] = -1
        taken.append(int(distance.argmax()))
    return taken


@pytest.mark.parametrize(("pool", "block"), [(1, 7), (5, 50), (1000, 1000)])
def test_farthest_first_takes_the_farthest_row_whatever_is_looked_at_together(
    pool: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.reduction.covering.POOL", pool)
    monkeypatch.setattr("tasks.reduction.covering.BLOCK", block)
    points = np.random.default_rng(1).normal(size=(60, 3))
    assert farthest_first(points, 40).tolist() == step_by_step(points, 40)


@pytest.mark.parametrize(
    ("size", "expected"), [(0, [0, 0, 0]), (1, [1, 0, 0]), (10, [6, 3, 1]), (100, [60, 30, 10])]
)
def test_shares_add_up_and_are_proportional(size: int, expected: list[int]) -> None:
    assert shares_of(size, np.array([60, 30, 10])).tolist() == expected


@pytest.mark.parametrize(("n", "factor", "size"), [(10, 0.1, 1), (10, 1.0, 10), (3, 0.01, 1), (7, 1 / 7, 1)])
def test_a_subset_has_the_nearest_whole_number_of_rows(n: int, factor: float, size: int) -> None:
    assert subset_size(n, factor) == size


def reduction(**fields: object) -> Reduction:
    return Reduction("none", shape=(3,), **fields)  # type: ignore[arg-type]


def test_without_a_row_reduction_there_is_no_sampler() -> None:
    assert round_sampler(reduction(), Y, "classification") is None


def test_a_fixed_subset_is_the_same_every_round() -> None:
    rows = select_rows(RandomRows(factor=0.2), Z, Y, task="classification", seed=0)
    sampler = round_sampler(reduction(rows=rows, row_factor=0.2), Y, "classification")
    assert sampler is not None
    np.testing.assert_array_equal(sampler(0), rows)
    np.testing.assert_array_equal(sampler(7), rows)


def test_resampling_gives_each_round_its_own_share_of_every_class() -> None:
    sampler = round_sampler(reduction(row_factor=0.5, per_round="resampled"), Y, "classification")
    assert sampler is not None
    assert not np.array_equal(sampler(0), sampler(1))
    assert np.bincount(Y[sampler(4)]).tolist() == [30, 15, 5]


def test_a_round_depends_on_seed_and_epoch_alone() -> None:
    fields = {"row_factor": 0.5, "per_round": "resampled", "seed": 3}
    once, again = (round_sampler(reduction(**fields), Y, "classification") for _ in range(2))
    assert once is not None
    assert again is not None
    once(0)
    np.testing.assert_array_equal(once(5), again(5))


def test_one_row_a_round_works() -> None:
    sampler = round_sampler(reduction(row_factor=1 / N, per_round="resampled"), Y, "classification")
    assert sampler is not None
    assert {len(sampler(epoch)) for epoch in range(5)} == {1}
