from __future__ import annotations

import numpy as np
import pytest

from tasks.reduction.difficulty import cover_difficulty, error_norms, hardest

ERRORS = np.random.default_rng(0).exponential(size=200)


def covered(k: int, *, bins: int = 10, cutoff: float = 0.1) -> np.ndarray:
    return cover_difficulty(ERRORS, k, bins=bins, cutoff=cutoff, rng=np.random.default_rng(0))


def test_the_error_is_the_distance_to_the_one_hot_class() -> None:
    answers = np.array([[[0.2, 0.8], [0.5, 0.5]]])
    expected = [np.hypot(0.2, 0.2), np.hypot(0.5, 0.5)]
    np.testing.assert_allclose(error_norms(answers, np.array([1, 0]), "classification"), expected)


def test_the_error_is_the_mean_over_networks() -> None:
    answers = np.random.default_rng(1).dirichlet(np.ones(3), (4, 6))
    y = np.arange(6) % 3
    each = [error_norms(one[None], y, "classification") for one in answers]
    np.testing.assert_allclose(error_norms(answers, y, "classification"), np.mean(each, axis=0))


def test_the_error_of_a_number_is_absolute() -> None:
    assert error_norms(np.array([[[1.0], [2.0]]]), np.array([3.0, 1.5]), "regression").tolist() == [2.0, 0.5]


def test_the_hardest_are_those_with_the_largest_errors() -> None:
    assert hardest(np.array([3.0, 1, 3, 2]), 3).tolist() == [0, 2, 3]


def test_every_range_of_difficulty_gives_the_same_or_all_it_has() -> None:
    chosen = covered(60)
    edges = np.linspace(ERRORS.min(), np.sort(ERRORS)[179], 11)
    at = np.clip(np.digitize(ERRORS, edges) - 1, 0, 9)
    have, got = np.bincount(at[edges[-1] >= ERRORS], minlength=10), np.bincount(at[chosen], minlength=10)
    full = got == have
    assert got.sum() == 60
    assert got[~full].max() - got[~full].min() <= 1
    assert got[full].max(initial=0) <= got[~full].min()


def test_the_hardest_share_is_left_out() -> None:
    assert ERRORS[covered(60, cutoff=0.3)].max() <= np.sort(ERRORS)[139]


def test_the_cutoff_gives_way_where_rows_run_short() -> None:
    assert len(covered(195, cutoff=0.5)) == 195
    assert len(covered(200, cutoff=0.5)) == 200


def test_rows_of_one_difficulty_are_drawn_at_random() -> None:
    chosen = cover_difficulty(np.ones(20), 5, bins=4, cutoff=0.1, rng=np.random.default_rng(1))
    assert len(set(chosen.tolist())) == 5


@pytest.mark.parametrize("bins", [1, 3, 500])
def test_any_number_of_ranges_works(bins: int) -> None:
    assert len(set(covered(50, bins=bins).tolist())) == 50
