from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.config import SplitConfig
from tasks.data.splitting import split_rows
from tasks.errors import EspalierError


def _frame(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "a": rng.normal(size=rows),
            "y": rng.choice(["u", "v", "w"], rows, p=[0.6, 0.3, 0.1]),
            "g": rng.integers(0, 15, rows),
            "t": rng.integers(0, 40, rows),
        }
    )


@pytest.mark.parametrize("method", ["stratified", "random", "grouped", "time"])
def test_parts_are_ascending_disjoint_and_cover_all_rows(method, meta_of) -> None:
    frame = _frame()
    parts = split_rows(frame, meta_of(frame, group="g", time="t"), SplitConfig(method=method))
    assert all(np.all(np.diff(rows) > 0) for rows in parts.values())
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(frame)))


@settings(deadline=None, max_examples=30)
@given(rows=st.integers(20, 200), seed=st.integers(0, 5), test=st.sampled_from([0.1, 0.25, 0.5]))
def test_stratified_parts_keep_every_class_share_to_a_row(meta_of, rows, seed, test) -> None:
    frame = _frame(rows, seed)
    parts = split_rows(frame, meta_of(frame), SplitConfig(test=test, seed=seed))
    for label, count in frame["y"].value_counts().items():
        in_test = (frame["y"].iloc[parts["test"]] == label).sum()
        assert abs(in_test - test * count) <= 1
        assert (frame["y"].iloc[parts["train"]] == label).any()


def test_sizes_are_the_rounded_shares(meta_of) -> None:
    frame = _frame(100)
    parts = split_rows(frame, meta_of(frame), SplitConfig(test=0.25, valid=0.2))
    assert [len(parts[part]) for part in ("train", "valid", "test")] == [60, 15, 25]


def test_a_regression_is_stratified_by_tenths_of_the_target(meta_of) -> None:
    frame = pd.DataFrame({"a": range(100), "y": np.linspace(0, 1, 100) ** 3})
    parts = split_rows(frame, meta_of(frame, task="regression"), SplitConfig(test=0.2))
    assert np.bincount(np.asarray(parts["test"]) // 10).tolist() == [2] * 10


def test_the_seed_decides(meta_of) -> None:
    frame = _frame()
    one, same, other = (
        split_rows(frame, meta_of(frame), SplitConfig(seed=seed))["test"].tolist() for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other


def test_groups_stay_on_one_side(meta_of) -> None:
    frame = _frame()
    parts = split_rows(frame, meta_of(frame, group="g"), SplitConfig(method="grouped"))
    groups = [set(frame["g"].iloc[rows]) for rows in parts.values()]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert len(parts["test"]) == pytest.approx(30, abs=8)


def test_time_runs_from_train_over_valid_to_test(meta_of) -> None:
    frame = _frame()
    parts = split_rows(frame, meta_of(frame, time="t"), SplitConfig(method="time"))
    spans = [frame["t"].iloc[parts[part]] for part in ("train", "valid", "test")]
    assert spans[0].max() < spans[1].min()
    assert spans[1].max() < spans[2].min()


def test_time_may_be_dates_as_strings(meta_of) -> None:
    days = pd.date_range("2020-01-28", periods=40).strftime("%d/%m/%Y")
    frame = pd.DataFrame({"a": range(40), "y": [0, 1] * 20, "t": days}).sample(frac=1, random_state=0)
    parts = split_rows(frame, meta_of(frame, time="t"), SplitConfig(method="time"))
    assert frame["a"].iloc[parts["test"]].min() == 30


def test_a_column_may_say_the_part(meta_of) -> None:
    frame = pd.DataFrame(
        {"a": range(6), "y": [0, 1] * 3, "s": ["Train", "train", "valid", "valid", "TEST", "test"]}
    )
    parts = split_rows(frame, meta_of(frame, split="s"), SplitConfig(method="column"))
    assert {part: rows.tolist() for part, rows in parts.items()} == {
        "train": [0, 1],
        "valid": [2, 3],
        "test": [4, 5],
    }


def test_valid_is_cut_off_train_when_the_column_has_none(meta_of) -> None:
    frame = pd.DataFrame({"a": range(50), "y": [0, 1] * 25, "s": ["train"] * 40 + ["test"] * 10})
    parts = split_rows(frame, meta_of(frame, split="s"), SplitConfig(method="column", valid=0.2))
    assert len(parts["valid"]) == 8
    assert parts["test"].tolist() == list(range(40, 50))


@pytest.mark.parametrize(
    ("method", "message"),
    [("grouped", "source.group"), ("time", "source.time"), ("column", "source.split")],
)
def test_a_method_without_its_column_says_which_setting_names_it(method, message, meta_of) -> None:
    frame = _frame()
    with pytest.raises(EspalierError, match=message):
        split_rows(frame, meta_of(frame), SplitConfig(method=method))


def test_an_unknown_part_is_named(meta_of) -> None:
    frame = pd.DataFrame({"a": [1, 2], "y": [0, 1], "s": ["train", "holdout"]})
    with pytest.raises(EspalierError, match="'holdout'"):
        split_rows(frame, meta_of(frame, split="s"), SplitConfig(method="column"))


def test_too_few_rows_name_the_empty_part(meta_of) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "y": [0, 1, 0]})
    with pytest.raises(EspalierError, match=r"leaves valid .*without rows"):
        split_rows(frame, meta_of(frame), SplitConfig())


def test_two_groups_are_too_few(meta_of) -> None:
    frame = pd.DataFrame({"a": range(8), "y": [0, 1] * 4, "g": [0, 1] * 4})
    with pytest.raises(EspalierError, match="2 groups"):
        split_rows(frame, meta_of(frame, group="g"), SplitConfig(method="grouped"))


def test_missing_times_are_counted(meta_of) -> None:
    frame = pd.DataFrame({"a": range(8), "y": [0, 1] * 4, "t": [1.0, None] * 4})
    with pytest.raises(EspalierError, match="missing in 4 rows"):
        split_rows(frame, meta_of(frame, time="t"), SplitConfig(method="time"))


def test_a_row_without_its_part_is_counted(meta_of) -> None:
    frame = pd.DataFrame({"a": range(4), "s": ["train", "valid", "test", None], "y": [0, 1, 0, 1]})
    with pytest.raises(EspalierError, match="'s' is missing in 1 rows"):
        split_rows(frame, meta_of(frame, split="s"), SplitConfig(method="column"))
