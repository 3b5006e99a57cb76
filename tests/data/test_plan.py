from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.plan import NumericPlan

NAN = np.nan


def _f32(*values: float) -> np.ndarray:
    return np.asarray(values, np.float32)


def make_plan() -> NumericPlan:
    """Two numbers (the second clipped and indicated) and categories of three and two levels."""
    return NumericPlan(
        names=("a", "b", "c", "d"),
        levels=(0, 0, 3, 2),
        fill=_f32(1, 5, 0, 0),
        low=_f32(-np.inf, 2, -np.inf, -np.inf),
        high=_f32(np.inf, 8, np.inf, np.inf),
        indicator=(1,),
        mean=_f32(1, 2, 0, 0, 0, 0, 0, 0),
        scale=_f32(2, 4, 1, 1, 1, 1, 1, 1),
    )


X = np.asarray([[3, NAN, 0, 1], [NAN, 10, 2, NAN], [1, 2, NAN, 0]], np.float32)


def test_features_are_numbers_then_levels_then_indicators() -> None:
    expected = [
        [1.0, 0.75, 1, 0, 0, 0, 1, 1],
        [0.0, 1.5, 0, 0, 1, 0, 0, 0],
        [0.0, 0.0, 0, 0, 0, 1, 0, 0],
    ]
    assert make_plan().transform(X).tolist() == expected


def test_owner_names_the_column_of_every_feature() -> None:
    plan = make_plan()
    assert plan.owner.tolist() == [0, 1, 2, 2, 2, 3, 3, 1]
    assert plan.width == 8
    assert plan.numbers == 2


def test_transform_leaves_its_rows_alone() -> None:
    before = X.copy()
    make_plan().transform(X)
    assert np.array_equal(X, before, equal_nan=True)


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(0, 3)))
def test_selecting_columns_equals_slicing_the_features(kept: set[int]) -> None:
    plan, positions = make_plan(), sorted(kept)
    sliced = plan.transform(X)[:, np.isin(plan.owner, positions)]
    assert np.array_equal(plan.select(positions).transform(X[:, positions]), sliced)


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(0, 3), min_size=2))
def test_selecting_twice_equals_selecting_once(kept: set[int]) -> None:
    plan, positions = make_plan(), sorted(kept)
    twice = plan.select(positions).select(range(1, len(positions)))
    assert twice.to_dict() == plan.select(positions[1:]).to_dict()


@pytest.mark.parametrize("positions", [[1, 0], [0, 0], [-1], [4]])
def test_positions_out_of_order_or_range_are_refused(positions: list[int]) -> None:
    with pytest.raises(ValueError, match=r"strictly ascending within 0\.\.3"):
        make_plan().select(positions)


def test_plan_survives_json_with_infinite_bounds() -> None:
    plan = make_plan()
    again = NumericPlan.from_dict(json.loads(json.dumps(plan.to_dict(), allow_nan=False)))
    assert again.to_dict() == plan.to_dict()
    assert np.array_equal(again.low, plan.low)
    assert np.array_equal(again.high, plan.high)


def test_grid_cells_follow_a_selection() -> None:
    ones = np.ones(3, np.float32)
    plan = NumericPlan(("p0", "p2", "p3"), (0, 0, 0), ones, -ones, ones, (), ones, ones, (0, 2, 3), (1, 2, 2))
    kept = plan.select([0, 2])
    assert kept.positions == (0, 3)
    assert kept.shape == (1, 2, 2)
