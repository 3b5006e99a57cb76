from __future__ import annotations

import numpy as np

from tasks.data.rows import Rows

ROWS = Rows(np.arange(6, dtype=np.float32).reshape(3, 2), np.asarray([0, 1, 0]), np.asarray([4, 7, 9]))


def test_length_is_the_count_of_rows() -> None:
    assert len(ROWS) == 3


def test_taken_rows_keep_features_targets_and_numbers_together() -> None:
    taken = ROWS.take([2, 0])
    assert taken.X.tolist() == [[4, 5], [0, 1]]
    assert taken.y.tolist() == [0, 0]
    assert taken.index.tolist() == [9, 4]


def test_taken_columns_leave_the_rows_as_they_are() -> None:
    taken = ROWS.take_columns([1])
    assert taken.X.tolist() == [[1], [3], [5]]
    assert taken.index is ROWS.index
