from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.data.encoding import encode_column
from tasks.drift.columns import Column
from tasks.drift.reading import read_cells

MISSING = ("?",)


def test_numbers_are_read_as_the_encoding_reads_them():
    entry = {"kind": "number", "sentinels": [-999.0], "outputs": ["a"]}
    cells = pd.Series(["1", " 2.5", "?", "-999", None, ""])
    found = read_cells(cells, entry, MISSING)
    encoded = encode_column(cells, entry, MISSING)[:, 0]
    assert found.missing.tolist() == np.isnan(encoded).tolist()
    assert found.parts[""].tolist() == encoded[~np.isnan(encoded)].tolist()


def test_a_cell_without_meaning_is_unreadable_and_not_missing():
    found = read_cells(pd.Series(["1", "many", "?"]), {"kind": "number"}, MISSING)
    assert found.unreadable.tolist() == [False, True, False]
    assert found.missing.tolist() == [False, False, True]
    assert found.parts[""].tolist() == [1.0]


@pytest.mark.parametrize("cells", [pd.Series([3, 4]), pd.Series([3.0, 4.0]), pd.Series(["3 ", "4"])])
def test_a_level_is_the_same_in_whatever_type_it_comes(cells):
    assert read_cells(cells, {"kind": "category"}, MISSING).parts[""] == ["3", "4"]


def test_dates_are_compared_by_their_missing_cells_alone():
    entry = {"kind": "date", "format": "%Y-%m-%d"}
    found = read_cells(pd.Series(["2026-01-31", "31.1.2026", None]), entry, MISSING)
    assert found.parts == {}
    assert found.unreadable.tolist() == [False, True, False]
    assert found.missing.tolist() == [False, False, True]


def test_texts_are_their_length_and_the_share_of_words_the_model_knows():
    entry = {"kind": "text", "terms": ["good", "food"]}
    found = read_cells(pd.Series(["Good food!", "good riddance to bad rubbish", None, "?"]), entry, MISSING)
    assert found.parts["words"].tolist() == [2, 5]
    assert found.parts["known words"].tolist() == [1.0, 0.2]


def test_a_column_counts_training_rows_and_comes_back_whole():
    column = Column.fit(pd.Series([1.0, 2.0, np.nan], name="a"), {"kind": "number"}, MISSING, read=True)
    assert (column.rows, column.missing) == (3, 1)
    assert Column.from_dict(column.to_dict()).to_dict() == column.to_dict()
