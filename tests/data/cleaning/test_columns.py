from __future__ import annotations

import numpy as np
import pytest

from tasks.data.cleaning.columns import constant_columns, top_share, useless_columns
from tasks.data.cleaning.encoding import NumericColumn
from tasks.data.config import CleanConfig

NAN = np.nan
X = np.asarray([[1, 1, NAN, 0], [1, NAN, NAN, 0], [1, 1, NAN, 0], [2, 1, NAN, 0]], np.float32)
COLUMNS = [NumericColumn(name, name, "number", 0) for name in "abcd"]


def test_one_value_is_constant_with_gaps_or_without() -> None:
    assert constant_columns(X, np.zeros(4, bool)).tolist() == [False, True, True, True]


def test_a_gap_counts_where_a_feature_shows_it() -> None:
    assert constant_columns(X, np.ones(4, bool)).tolist() == [False, False, True, True]


def test_top_share_counts_the_commonest_value_or_the_gaps() -> None:
    assert top_share(X, [0, 1, 2]).tolist() == [0.75, 0.75, 1.0]


@pytest.mark.parametrize(
    ("settings", "dropped"),
    [
        ({}, [False, True, True, True]),
        ({"constant": "keep"}, [False] * 4),
        ({"near_constant": 0.7}, [True] * 4),
        ({"impute": {"indicator": True}}, [False, False, True, True]),
    ],
)
def test_settings_decide_what_goes(settings, dropped) -> None:
    useless, decisions = useless_columns(X, COLUMNS, CleanConfig.model_validate(settings), grid=False)
    assert useless.tolist() == dropped
    assert [decision.column for decision in decisions if decision.what == "column dropped"] == [
        name
        for name, gone in zip("bcda", [dropped[1], dropped[2], dropped[3], dropped[0]], strict=True)
        if gone
    ]


def test_terms_that_are_rare_stay_and_constant_ones_go() -> None:
    columns = [NumericColumn("s:tea", "s", "text", 0), NumericColumn("s:cup", "s", "text", 0)]
    rare = np.asarray([[0, 0], [0, 0], [0, 0], [1, 0]], np.float32)
    useless, _ = useless_columns(rare, columns, CleanConfig(near_constant=0.6), grid=False)
    assert useless.tolist() == [False, True]
