from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.data import encoding
from tasks.data.encoding import encode, level_key, parse_dates, parse_numbers, required_columns, tokens


def _number(source: str, **more: object) -> dict[str, object]:
    return {"source": source, "kind": "number", "outputs": [source], **more}


def _plan(*entries: dict[str, object], missing: tuple[str, ...] = ()) -> dict[str, object]:
    return {"version": 1, "missing": list(missing), "columns": list(entries)}


TOWN = {"source": "town", "kind": "category", "levels": ["Bonn", "Ulm"], "other": False, "outputs": ["town"]}


def test_the_file_imports_the_standard_library_numpy_and_pandas_only() -> None:
    tree = ast.parse(Path(encoding.__file__).read_text())
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert modules <= sys.stdlib_module_names | {"numpy", "pandas"}


def test_numbers_come_as_float32_in_plan_order() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, None]})
    X = encode(frame, _plan(_number("b"), _number("a")))
    assert X.dtype == np.float32
    assert np.array_equal(X, np.asarray([[0.5, 1], [np.nan, 2]], np.float32), equal_nan=True)


def test_other_column_order_and_extra_columns_change_nothing() -> None:
    frame = pd.DataFrame({"extra": ["x"], "b": [2], "a": [1]})
    assert encode(frame, _plan(_number("a"), _number("b"))).tolist() == [[1, 2]]


def test_absent_columns_are_named() -> None:
    with pytest.raises(ValueError, match="missing required columns: b, c"):
        encode(pd.DataFrame({"a": [1]}), _plan(_number("a"), _number("b"), _number("c")))


def test_a_cell_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="column 'a' holds 'much', which is not a number"):
        encode(pd.DataFrame({"a": ["1", "much"]}), _plan(_number("a")))


def test_strings_blanks_and_missing_words_become_numbers_and_gaps() -> None:
    frame = pd.DataFrame({"a": ["1", " 2.5 ", "", "?", None]})
    X = encode(frame, _plan(_number("a"), missing=("?",)))
    assert np.array_equal(X[:, 0], np.asarray([1, 2.5, np.nan, np.nan, np.nan], np.float32), equal_nan=True)


def test_sentinels_and_infinities_are_gaps() -> None:
    frame = pd.DataFrame({"a": [1, -999], "b": [np.inf, 1e300]})
    X = encode(frame, _plan(_number("a", sentinels=[-999]), _number("b")))
    assert np.array_equal(np.isnan(X), [[False, True], [True, True]])


def test_an_offset_keeps_digits_that_float32_would_lose() -> None:
    frame = pd.DataFrame({"t": [1_700_000_001.0, 1_700_000_002.0]})
    assert encode(frame, _plan(_number("t", offset=1_700_000_000.0))).tolist() == [[1], [2]]


def test_nullable_and_boolean_columns_are_numbers() -> None:
    frame = pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [True, False]})
    X = encode(frame, _plan(_number("a"), _number("b")))
    assert np.array_equal(X, np.asarray([[1, 1], [np.nan, 0]], np.float32), equal_nan=True)


def test_levels_become_codes_and_unseen_ones_gaps() -> None:
    frame = pd.DataFrame({"town": ["Ulm", "Bonn ", "Kiel", None]})
    codes = encode(frame, _plan(TOWN))[:, 0]
    assert np.array_equal(codes, np.asarray([1, 0, np.nan, np.nan], np.float32), equal_nan=True)


def test_unseen_levels_join_the_pooled_ones_where_there_are_any() -> None:
    frame = pd.DataFrame({"town": ["Ulm", "Kiel", None]})
    codes = encode(frame, _plan({**TOWN, "other": True}))[:, 0]
    assert np.array_equal(codes, np.asarray([1, 2, np.nan], np.float32), equal_nan=True)


@pytest.mark.parametrize("values", [[3, 4], [3.0, 4.0], ["3", "4 "], pd.array([3, 4], "Int64")])
def test_a_level_is_the_same_in_every_type(values: object) -> None:
    entry = {**TOWN, "source": "n", "levels": ["3", "4"], "outputs": ["n"]}
    assert encode(pd.DataFrame({"n": values}), _plan(entry))[:, 0].tolist() == [0, 1]


def test_dates_give_calendar_parts_and_elapsed_days() -> None:
    entry = {
        "source": "d",
        "kind": "date",
        "format": "ISO8601",
        "parts": ["year", "month", "day", "weekday", "hour", "minute", "elapsed"],
        "origin": "2024-02-28",
        "outputs": ["d.year", "d.month", "d.day", "d.weekday", "d.hour", "d.minute", "d.elapsed"],
    }
    X = encode(pd.DataFrame({"d": ["2024-03-01T12:30:00", None]}), _plan(entry))
    assert X[0].tolist() == pytest.approx([2024, 3, 1, 4, 12, 30, 2 + 12.5 / 24])
    assert np.isnan(X[1]).all()


def test_strings_and_timestamps_of_one_date_encode_alike() -> None:
    text = parse_dates(pd.Series(["2024-03-01", ""]), "ISO8601")
    stamps = parse_dates(pd.Series(pd.to_datetime(["2024-03-01", None])), "ISO8601")
    assert text[0] == stamps[0]
    assert text.isna().tolist() == stamps.isna().tolist() == [False, True]


def test_zones_are_brought_to_utc() -> None:
    assert parse_dates(pd.Series(["2024-03-01T01:00+02:00"]), "ISO8601")[0] == pd.Timestamp(
        "2024-02-29 23:00"
    )


def test_a_cell_that_is_no_date_is_named() -> None:
    with pytest.raises(ValueError, match="column 'd' holds 'soon', which is not a date"):
        parse_dates(pd.Series(["2024-03-01", "soon"], name="d"), "ISO8601")


def test_kept_outputs_equal_slices_of_all_outputs() -> None:
    entry = {
        "source": "s",
        "kind": "text",
        "method": "hashed",
        "width": 8,
        "outputs": [f"s#{i}" for i in range(8)],
    }
    frame = pd.DataFrame({"s": ["one two three four", "five six"]})
    narrowed = {**entry, "keep": [1, 5], "outputs": ["s#1", "s#5"]}
    assert np.array_equal(encode(frame, _plan(narrowed)), encode(frame, _plan(entry))[:, [1, 5]])


def test_an_empty_frame_gives_no_rows_and_all_columns() -> None:
    frame = pd.DataFrame({"a": pd.Series([], dtype=float), "town": pd.Series([], dtype=str)})
    assert encode(frame, _plan(_number("a"), TOWN)).shape == (0, 2)


def test_required_columns_stand_in_plan_order() -> None:
    assert required_columns(_plan(_number("b"), TOWN)) == ["b", "town"]


def test_parsed_numbers_are_exact_in_float64() -> None:
    assert parse_numbers(pd.Series(["0.1", "16777217"])).tolist() == [0.1, 16777217.0]


@pytest.mark.parametrize(("value", "key"), [(3, "3"), (3.0, "3"), (2.5, "2.5"), (" a ", "a"), (True, "True")])
def test_level_keys(value: object, key: str) -> None:
    assert level_key(value) == key


def test_tokens_are_lower_case_words_of_two_letters_or_more() -> None:
    assert tokens("A Good-ish TEA, 5 of 10!") == ["good", "ish", "tea", "of", "10"]


def test_durations_are_seconds_and_gaps() -> None:
    frame = pd.DataFrame({"a": pd.to_timedelta(["90s", None])})
    np.testing.assert_array_equal(encode(frame, _plan(_number("a")))[:, 0], [90, np.nan])


def test_a_required_column_that_stands_twice_is_refused_by_name() -> None:
    frame = pd.DataFrame([[1.0, 2.0, 3.0, 4.0]], columns=["a", "b", "b", "c"])
    with pytest.raises(ValueError, match="two columns named 'b'"):
        encode(frame, _plan(_number("a"), _number("b")))
    assert encode(frame, _plan(_number("a"), _number("c"))).tolist() == [[1.0, 4.0]]
