from __future__ import annotations

import pytest

from tasks.study.rows import aggregate, mean
from tests.study.made import failed, scored, trial


def test_a_row_holds_means_over_seeds_and_keeps_each_seed():
    (row,) = aggregate([scored("a", 1, 0.8, bytes=100), scored("a", 0, 0.9, bytes=200)])
    assert row.valid["accuracy"] == pytest.approx(0.85)
    assert row.test["accuracy"] == pytest.approx(0.83)
    assert row.bytes == 150
    assert row.seeds == (0, 1)
    assert row.per_seed("accuracy") == {0: 0.9, 1: 0.8}


def test_candidates_stay_in_the_order_in_which_they_first_appear():
    rows = aggregate([trial("b"), trial("a"), trial("b", 1)])
    assert [row.id for row in rows] == ["b", "a"]


def test_a_trial_given_twice_counts_once():
    (row,) = aggregate([scored("a", 0, 0.1), scored("a", 0, 0.9)])
    assert row.valid["accuracy"] == 0.9
    assert row.seeds == (0,)


def test_failures_are_kept_with_their_reason_and_leave_the_means_alone():
    (row,) = aggregate([scored("a", 0, 0.9), failed("a", 1, "out of memory")])
    assert row.failures == {1: "out of memory"}
    assert row.valid["accuracy"] == 0.9
    assert row.headline == "accuracy"


def test_a_candidate_that_only_failed_has_no_figures():
    (row,) = aggregate([failed("a")])
    assert row.bytes is None
    assert row.seeds == ()
    assert row.spread is None


def test_a_figure_that_one_seed_lacks_is_unknown():
    (row,) = aggregate([trial("a", 0), trial("a", 1, latency_us=None)])
    assert row.latency_us is None


def test_a_curve_is_as_long_as_every_seed_has_it():
    short = [{"epoch": 1, "valid_metric": 0.7}]
    (row,) = aggregate([trial("a", 0), trial("a", 1, history=short)])
    assert row.history == (pytest.approx(0.6),)


def test_the_spread_is_that_of_the_headline():
    (row,) = aggregate([scored("a", 0, 0.8), scored("a", 1, 0.9)])
    assert row.spread == pytest.approx(0.1 / 2**0.5)


def test_a_mean_leaves_out_what_is_not_a_number():
    assert mean([1.0, None, float("nan"), 3.0]) == 2.0
    assert mean([None]) is None
