from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.data.cleaning.target import fit_target, known_targets, label_type
from tasks.data.config import TargetConfig
from tasks.errors import EspalierError


def _meta(meta_of, task: str = "classification", **more):
    return meta_of(pd.DataFrame({"a": [1.0], "y": [0]}), task=task, **more)


def test_rows_without_a_target_are_dropped_and_counted(meta_of) -> None:
    known, (decision,) = known_targets(pd.Series(["u", None, "?", "v"]), _meta(meta_of, missing=("?",)))
    assert known.tolist() == [0, 3]
    assert decision.count == 2


def test_infinite_regression_targets_are_missing(meta_of) -> None:
    known, _ = known_targets(pd.Series([1.0, np.inf, np.nan]), _meta(meta_of, "regression"))
    assert known.tolist() == [0]


def test_labels_stand_in_natural_order(meta_of) -> None:
    plan, _ = fit_target(pd.Series([10.0, 9.0, 9.0]), _meta(meta_of), TargetConfig())
    assert plan.labels == ("9", "10")
    assert plan.label_dtype == "int"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1, 2], "int"), ([1.0, 2.5], "float"), (["a", "b"], "str"), ([True, False], "bool"), (["1", 2], "str")],
)
def test_label_types(values, dtype) -> None:
    assert label_type(pd.Series(values)) == dtype


def test_regression_is_standardised_after_the_logarithm(meta_of) -> None:
    y = pd.Series([0.0, np.e - 1, np.e**2 - 1])
    plan, _ = fit_target(y, _meta(meta_of, "regression"), TargetConfig(log=True))
    assert plan.mean == pytest.approx(1)
    assert plan.std == pytest.approx(np.std([0, 1, 2]))


@pytest.mark.parametrize(
    ("task", "values", "log", "message"),
    [
        ("classification", ["u", "u"], False, "one class"),
        ("classification", ["u", "v"], True, "for a regression"),
        ("regression", [-2.0, 3.0], True, "above -1"),
        ("regression", [2.0, 2.0], False, "one value"),
        ("regression", ["tea", "cup"], False, "not a number"),
    ],
)
def test_targets_nothing_can_be_learnt_from_are_refused(meta_of, task, values, log, message) -> None:
    with pytest.raises(EspalierError, match=message):
        fit_target(pd.Series(values), _meta(meta_of, task), TargetConfig(log=log))


def test_a_target_missing_everywhere_is_refused(meta_of) -> None:
    with pytest.raises(EspalierError, match="missing in every row"):
        known_targets(pd.Series([None, None], dtype="str"), _meta(meta_of))


def test_one_value_is_found_where_rounding_gives_it_a_deviation(meta_of) -> None:
    values = pd.Series([3.7] * 200)
    assert values.to_numpy().std() > 0
    with pytest.raises(EspalierError, match=r"has one value \(3\.7\)"):
        fit_target(values, _meta(meta_of, "regression"), TargetConfig())
