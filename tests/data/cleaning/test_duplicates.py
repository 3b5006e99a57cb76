from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.data.cleaning.duplicates import drop_duplicates

UNIQUE = list(range(100, 120))


def _parts(train: int, valid: int, test: int) -> dict[str, np.ndarray]:
    ends = np.cumsum([0, train, valid, test])
    return {name: np.arange(ends[i], ends[i + 1]) for i, name in enumerate(("train", "valid", "test"))}


def test_training_rows_that_stand_elsewhere_or_twice_go_and_are_counted() -> None:
    frame = pd.DataFrame({"a": [*UNIQUE, 1, 1, 2, 3, 2, 8, 3], "y": 0})
    parts, decisions = drop_duplicates(frame, _parts(24, 2, 1))
    assert parts["train"].tolist() == [*range(20), 20]
    assert parts["test"].tolist() == [26]
    assert {(decision.why, decision.count) for decision in decisions} == {
        ("also in test", 1),
        ("also in validation", 1),
        ("repeats a training row", 1),
    }


def test_validation_rows_that_stand_in_test_go() -> None:
    frame = pd.DataFrame({"a": [*UNIQUE, 1, 2, 1], "y": 0})
    parts, decisions = drop_duplicates(frame, _parts(20, 2, 1))
    assert parts["valid"].tolist() == [21]
    assert [decision.what for decision in decisions] == ["rows dropped from valid"]


def test_test_rows_are_never_touched() -> None:
    frame = pd.DataFrame({"a": [*UNIQUE, 1, 5, 5], "y": 0})
    parts, _ = drop_duplicates(frame, _parts(20, 1, 2))
    assert parts["test"].tolist() == [21, 22]


def test_equal_features_with_another_target_are_no_duplicates() -> None:
    frame = pd.DataFrame({"a": [1] * 4, "y": [0, 1, 2, 3]})
    parts, decisions = drop_duplicates(frame, _parts(2, 1, 1))
    assert not decisions
    assert len(parts["train"]) == 2


def test_missing_cells_equal_each_other() -> None:
    frame = pd.DataFrame({"a": [*UNIQUE, None, None, 1, 2], "b": [*map(str, UNIQUE), None, None, "u", "v"]})
    parts, _ = drop_duplicates(frame, _parts(22, 1, 1))
    assert len(parts["train"]) == 21


def test_a_table_of_few_distinct_rows_is_kept_and_says_so() -> None:
    frame = pd.DataFrame({"a": [0, 1] * 30, "y": 0})
    parts, decisions = drop_duplicates(frame, _parts(40, 10, 10))
    assert len(parts["train"]) == 40
    assert [decision.what for decision in decisions] == ["repeated rows kept"]


def test_the_reason_says_which_part_would_be_emptied() -> None:
    few = pd.DataFrame({"a": [0, 1] * 30, "y": 0})
    assert "over half of train" in drop_duplicates(few, _parts(40, 10, 10))[1][0].why
    same = pd.DataFrame({"a": [*UNIQUE, 1, 1], "y": 0})
    parts, (decision,) = drop_duplicates(same, _parts(20, 1, 1))
    assert len(parts["valid"]) == 1
    assert decision.why == "all of valid would go: few distinct values"
