from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.curves import (
    GRID,
    class_curves,
    error_curve,
    macro_roc,
    quintiles,
    range_curves,
    range_table,
)

RNG = np.random.default_rng(0)
Y = RNG.normal(size=200)


def test_a_perfect_model_has_a_perfect_roc():
    y = np.array([0, 1, 2, 0, 1, 2])
    assert (macro_roc(y, np.eye(3)[y], range(3)) == 1).all()


def test_scores_that_say_nothing_lie_on_the_diagonal():
    y = np.array([0, 1] * 10)
    assert macro_roc(y, np.full((20, 2), 0.5), range(2)) == pytest.approx(GRID)


def test_classes_without_rows_are_left_out_of_the_average():
    y = np.array([0, 1, 0, 1])
    assert (macro_roc(y, np.eye(3)[y], range(3)) == 1).all()


def test_confusion_takes_the_decided_codes():
    y, scores = np.array([0, 1]), np.array([[0.6, 0.4], [0.6, 0.4]])
    assert class_curves(y, scores, np.array([1, 1]), ("a", "b"))["confusion"] == [[0, 1], [0, 1]]


def test_quintiles_cut_the_target_into_five_ranges_of_equal_rows():
    table = range_table(Y, Y, quintiles(Y))
    assert [row["support"] for row in table] == [40] * 5
    assert all(row["rmse"] == 0 for row in table)


def test_a_range_without_rows_has_no_error():
    table = range_table(np.array([5.0]), np.array([4.0]), np.array([0.0, 1.0]))
    assert [row["rmse"] for row in table] == [None, None, 1.0]


def test_few_distinct_targets_give_fewer_ranges():
    assert len(quintiles(np.array([0.0] * 9 + [1.0]))) == 1


def test_perfect_predictions_are_reliable_and_within_every_tolerance():
    curves = range_curves(Y, Y, quintiles(Y), 2.0)
    assert np.trace(curves["confusion"]) == len(Y)
    assert all(point["confidence"] == pytest.approx(point["accuracy"]) for point in curves["reliability"])
    assert set(curves["roc"]) == {1.0}


def test_the_error_curve_counts_rows_within_a_tolerance():
    found = error_curve(np.zeros(4), np.array([0.0, 0.5, -0.5, 2.0]), 1.0)
    assert found[0] == 0.25
    assert found[-1] == 0.75
