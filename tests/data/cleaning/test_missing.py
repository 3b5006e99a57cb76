from __future__ import annotations

import numpy as np
import pytest

from tasks.data.cleaning.missing import fit_fill, fit_indicator
from tasks.data.config import ImputeConfig

NAN = np.nan
X = np.asarray([[1, NAN, NAN, 5], [2, 4, NAN, 5], [9, 4, NAN, 6], [NAN, 1, NAN, 7]], np.float32)


@pytest.mark.parametrize(
    ("method", "fill"),
    [
        ("median", [2, 4, 0, 5.5]),
        ("mean", [4, 3, 0, 5.75]),
        ("most_frequent", [1, 4, 0, 5]),
        ("constant", [7, 7, 7, 7]),
    ],
)
def test_fillers_in_closed_form(method, fill) -> None:
    assert fit_fill(X, ImputeConfig(method=method, value=7)).tolist() == fill


def test_indicators_stand_where_training_rows_have_gaps() -> None:
    assert fit_indicator(X, ImputeConfig(indicator=True)) == (0, 1, 2)
    assert fit_indicator(X, ImputeConfig()) == ()
