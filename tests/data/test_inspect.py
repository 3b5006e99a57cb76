from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.data.inspect import find_identifiers, find_leaks, find_missing_strings, find_sentinels


def test_missing_words_and_the_few_strangers_among_numbers_are_found() -> None:
    frame = pd.DataFrame(
        {"a": [str(i) for i in range(39)] + ["void"], "b": ["red", "?"] * 20, "c": range(40)}
    )
    assert find_missing_strings(frame) == ("?", "void")


def test_ordinary_levels_are_not_taken_for_gaps() -> None:
    assert find_missing_strings(pd.DataFrame({"b": ["red", "green"] * 20, "c": ["1", "x"] * 20})) == ()


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("row", range(30)),
        ("user_id", [97 * i % 1009 for i in range(30)]),
        ("key", [f"a{i}" for i in range(30)]),
    ],
)
def test_identifiers_are_found(name, cells) -> None:
    assert list(find_identifiers(pd.DataFrame({name: cells, "y": 0}), "y")) == [name]


@pytest.mark.parametrize(
    "cells",
    [
        [97 * i % 1009 for i in range(30)],
        list(np.linspace(0, 1, 30)),
        [f"2024-01-{i + 1:02}" for i in range(30)],
        [f"some words number {i} here" for i in range(30)],
        ["a"] * 30,
    ],
)
def test_measurements_dates_and_text_are_no_identifiers(cells) -> None:
    assert not find_identifiers(pd.DataFrame({"weight": cells, "y": 0}), "y")


def test_codes_far_outside_the_other_numbers_are_sentinels() -> None:
    frame = pd.DataFrame({"a": [1.0, 2, 3, -999, -999], "b": [-999.0, -500, 0, 500, 900]})
    assert find_sentinels(frame, ["a"]) == (-999.0,)
    assert find_sentinels(frame, ["b"]) == ()


def test_a_column_that_alone_tells_the_target_is_named() -> None:
    y = np.arange(200) % 2
    frame = pd.DataFrame({"after": np.where(y, "x", None), "before": np.arange(200) % 3, "y": y})
    assert find_leaks(frame, ["after", "before"], "y", ()) == {"after": 1.0}
