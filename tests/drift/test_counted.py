from __future__ import annotations

import json

import numpy as np
import pytest

from tasks.drift.columns import counted_from_dict
from tasks.drift.counted import NEW, OTHER, Bins, Levels


def test_bins_count_every_row_once_and_few_beyond_the_ends():
    values = np.random.default_rng(0).normal(size=1000)
    bins = Bins.fit(values)
    assert bins.counts.sum() == 1000
    assert bins.counts[0] == bins.counts[-1] == 0
    assert set(bins.counts[1:-1].tolist()) <= {49, 50, 51}


def test_what_lies_outside_the_training_rows_has_bins_of_its_own():
    bins = Bins.fit(np.arange(100.0))
    assert bins.count(np.array([-0.01, 0.0, 99.0, 99.01]))[[0, -1]].tolist() == [1, 1]


def test_a_value_that_many_rows_share_stays_in_one_bin():
    bins = Bins.fit(np.array([0.0] * 90 + [1.0] * 10))
    assert bins.counts.tolist() == [0, 90, 10, 0]


def test_a_constant_column_sees_any_other_value():
    bins = Bins.fit(np.full(50, 3.0))
    assert bins.count(np.array([2.0, 3.0, 3.0, 4.0])).tolist() == [1, 2, 1]


def test_numbers_that_are_not_finite_are_left_out():
    assert Bins.fit(np.array([1.0, np.nan, np.inf])).counts.sum() == 1
    assert Bins.fit(np.array([np.nan])).count(np.array([1.0])).tolist() == [1]


def test_rare_levels_are_counted_together_and_not_named():
    levels = Levels.fit(["x"] * 10 + ["y"] * 3 + ["Jane Doe"])
    assert levels.names == ("x",)
    assert levels.counts.tolist() == [10, 3, 1]
    assert "Jane Doe" not in json.dumps(levels.to_dict())


def test_a_level_never_seen_is_told_from_a_rare_one():
    levels = Levels.fit(["x"] * 10 + ["y"] * 3 + ["once"])
    assert levels.count(["x", "y", "once", "never", "never"]).tolist() == [1, 2, 2]
    assert levels.new({"x": 1, "never": 2}) == {"never": 2}
    assert levels.shape(np.array([1, 2, 2])).labels == ("x", OTHER, NEW)


def test_levels_nobody_repeats_are_expected_to_be_new():
    """Names of visitors: most are new in any batch, which is no drift."""
    rng = np.random.default_rng(0)
    visitors = [f"visitor {i}" for i in rng.integers(0, 10**6, 4000)]
    levels = Levels.fit(visitors[:3000])
    counts = levels.count(visitors[3000:])
    assert counts[-1] / 1000 == pytest.approx(levels.counts[-1] / 3000, abs=0.02)


def test_both_come_back_from_json_whole():
    bins, levels = Bins.fit(np.array([0.1, 1 / 3, 2.5e-7])), Levels.fit(["ä"] * 6 + ["b"])
    for made in (bins, levels):
        again = counted_from_dict(json.loads(json.dumps(made.to_dict())))
        assert again.to_dict() == made.to_dict()
    assert (
        counted_from_dict(bins.to_dict()).count(np.array([1 / 3])).tolist()
        == bins.count(np.array([1 / 3])).tolist()
    )
