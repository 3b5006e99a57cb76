from __future__ import annotations

import numpy as np
import pytest

from tasks.errors import EspalierError
from tasks.reduction import duplicates as module
from tasks.reduction.distances import distances
from tasks.reduction.duplicates import thin_out

POINTS = np.random.default_rng(0).normal(size=(40, 3))


def closest(points: np.ndarray) -> float:
    D = distances(points, points)
    return float(D[~np.eye(len(points), dtype=bool)].min())


def step_by_step(points: np.ndarray, k: int) -> list[int]:
    """What it says: drop the later of the two closest."""
    alive = list(range(len(points)))
    while len(alive) > k:
        D = np.linalg.norm(points[alive][:, None] - points[alive], axis=2) + np.diag(
            np.full(len(alive), np.inf)
        )
        alive.remove(alive[max(np.unravel_index(D.argmin(), D.shape))])
    return alive


@pytest.mark.parametrize("k", [1, 10, 39, 40])
def test_the_later_of_the_two_closest_goes_again_and_again(k: int) -> None:
    assert thin_out(POINTS, k).tolist() == step_by_step(POINTS, k)


def test_copies_go_first() -> None:
    points = np.vstack([POINTS[:10], POINTS[:5]])
    assert thin_out(points, 10).tolist() == list(range(10))


def test_with_a_quantile_only_what_is_closer_goes() -> None:
    nearest = distances(POINTS, POINTS)
    np.fill_diagonal(nearest, np.inf)
    limit = np.quantile(nearest.min(axis=1), 0.3)
    kept = thin_out(POINTS, 1, quantile=0.3)
    assert 1 < len(kept) < 40
    assert closest(POINTS[kept]) > limit


def test_the_factor_is_the_least_that_stays_with_a_quantile() -> None:
    assert len(thin_out(POINTS, 39, quantile=0.9)) == 39


def test_more_rows_than_can_be_compared_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 30)
    with pytest.raises(EspalierError, match=r"at most 30 \(got 40\); use random, or k_medoids or k_center"):
        thin_out(POINTS, 20)
