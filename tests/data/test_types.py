from __future__ import annotations

import pandas as pd
import pytest

from tasks.data.config import SourceConfig
from tasks.data.types import column_type, target_task
from tasks.errors import EspalierError


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, 2], "number"),
        ([True, False], "number"),
        (pd.to_timedelta(["1h", None]), "number"),
        (["1", "2.5", ""], "number"),
        (["1", "?", "2"], "category"),
        (["2024-01-01", None], "date"),
        (pd.to_datetime(["2024-01-01"]), "date"),
        (["red", "green"], "category"),
        (["red tea is good for you", "green tea is better for him"], "text"),
        (["never married at all yet"] * 9, "category"),
        ([None, None], "category"),
    ],
)
def test_column_types(cells, kind) -> None:
    assert column_type(pd.Series(cells)) == kind


def test_missing_words_do_not_hide_numbers() -> None:
    assert column_type(pd.Series(["1", "?"]), ("?",)) == "number"


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 5, "classification"),
        ([True, False] * 5, "classification"),
        ([0, 1, 2] * 5, "classification"),
        ([0.0, 1.0, None] * 5, "classification"),
        (["0", "1"] * 5, "classification"),
        ([0.5, 1.0] * 5, "regression"),
        (list(range(100)), "regression"),
        ([str(i / 3) for i in range(9)], "regression"),
    ],
)
def test_tasks_are_read_off_the_target(values, task) -> None:
    assert target_task(pd.Series(values, name="y"), SourceConfig()) == task


def test_a_stated_task_overrules() -> None:
    assert target_task(pd.Series([0, 1] * 5), SourceConfig(task="regression")) == "regression"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "a", None], "one class"),
        (["a", "b", "c"], "3 classes in 3 rows"),
        ([None, None], "missing in every row"),
    ],
)
def test_targets_nothing_can_be_learnt_from_are_refused(values, message) -> None:
    with pytest.raises(EspalierError, match=message):
        target_task(pd.Series(values, name="y", dtype="str"), SourceConfig())
