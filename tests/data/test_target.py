from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tasks.data.target import TargetPlan

CLASSES = TargetPlan("classification", "y", ("2", "10"), "int")


def test_codes_and_labels_are_inverse() -> None:
    codes = CLASSES.encode(pd.Series([10, 2, 10]))
    assert codes.tolist() == [1, 0, 1]
    assert CLASSES.decode(codes).tolist() == [10, 2, 10]


@pytest.mark.parametrize(
    ("dtype", "labels", "decoded"),
    [
        ("str", ("a", "b"), ["b", "a"]),
        ("bool", ("False", "True"), [True, False]),
        ("float", ("0.5", "1.5"), [1.5, 0.5]),
    ],
)
def test_labels_come_back_in_their_type(dtype, labels, decoded) -> None:
    plan = TargetPlan("classification", "y", labels, dtype)
    assert plan.decode(np.asarray([1, 0])).tolist() == decoded


def test_an_unknown_label_is_named() -> None:
    with pytest.raises(ValueError, match="label '7', which no training row has"):
        CLASSES.encode(pd.Series([2, 7]))


def test_missing_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="1 missing"):
        CLASSES.encode(pd.Series([2, None]))


def test_regression_keeps_original_units() -> None:
    plan = TargetPlan("regression", "y", None, "float", mean=3.0, std=2.0, log=True)
    assert plan.encode(pd.Series([1.5, 7.0])).tolist() == [1.5, 7.0]
    assert plan.outputs == 1


def test_plan_survives_json() -> None:
    assert TargetPlan.from_dict(json.loads(json.dumps(CLASSES.to_dict()))) == CLASSES
