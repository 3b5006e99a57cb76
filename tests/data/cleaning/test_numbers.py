from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.data.cleaning.numbers import fit_number
from tasks.data.encoding import encode_column


def test_sentinels_are_counted_and_become_gaps() -> None:
    cells = pd.Series([1.0, -999, 3, -999], name="a")
    entry, (decision,) = fit_number(cells, (-999.0,), ())
    assert decision.count == 2
    assert np.isnan(encode_column(cells, entry)[:, 0]).tolist() == [False, True, False, True]


def test_numbers_high_above_their_spread_are_shifted() -> None:
    cells = pd.Series(1.7e9 + np.arange(5), name="t")
    entry, decisions = fit_number(cells, (), ())
    assert np.diff(encode_column(cells, entry)[:, 0]).tolist() == [1, 1, 1, 1]
    assert decisions


def test_ordinary_numbers_are_left_as_they_are() -> None:
    entry, decisions = fit_number(pd.Series([0.0, 5.0, -3.0], name="a"), (), ())
    assert entry == {"source": "a", "kind": "number", "outputs": ["a"]}
    assert not decisions
