from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.cleaning.fit import fit_clean
from tasks.data.config import CleanConfig
from tasks.errors import EspalierError

SETTINGS = st.fixed_dictionaries(
    {
        "impute": st.fixed_dictionaries(
            {
                "method": st.sampled_from(["median", "mean", "most_frequent", "constant"]),
                "indicator": st.booleans(),
            }
        ),
        "outliers": st.sampled_from(
            [
                {"method": "none"},
                {"method": "quantile", "strength": 0.1},
                {"method": "iqr", "strength": 1.0},
            ]
        ),
        "categories": st.fixed_dictionaries(
            {"method": st.sampled_from(["onehot", "ordinal"]), "rare": st.sampled_from([0.0, 0.1])}
        ),
        "text": st.fixed_dictionaries({"method": st.sampled_from(["tfidf", "hashed"]), "width": st.just(4)}),
        "dates": st.sampled_from([["year", "elapsed"], ["month"]]),
        "scale": st.sampled_from(["auto", "standard", "minmax", "global", "none"]),
        "split": st.fixed_dictionaries({"seed": st.integers(0, 3)}),
    }
)
quick = settings(max_examples=10, deadline=None)


@quick
@given(config=SETTINGS)
def test_features_of_every_part_have_no_gap(mixed_frame, meta_of, config) -> None:
    frame = mixed_frame(120)
    cleaned = fit_clean(frame, meta_of(frame), CleanConfig.model_validate(config))
    for rows in (cleaned.train, cleaned.valid, cleaned.test):
        features = cleaned.cleaner.plan.transform(rows.X)
        assert features.shape == (len(rows), cleaned.cleaner.plan.width)
        assert np.isfinite(features).all()


@quick
@given(config=SETTINGS, seed=st.integers(0, 9))
def test_column_order_and_extra_columns_do_not_matter(mixed_frame, meta_of, config, seed) -> None:
    frame = mixed_frame(120)
    cleaner = fit_clean(frame, meta_of(frame), CleanConfig.model_validate(config)).cleaner
    order = np.random.default_rng(seed).permutation(frame.columns)
    shuffled = frame[list(order)].assign(extra="x")
    assert np.array_equal(cleaner.encode(shuffled), cleaner.encode(frame), equal_nan=True)


@quick
@given(config=SETTINGS)
def test_what_is_learnt_does_not_depend_on_held_out_rows(mixed_frame, meta_of, config) -> None:
    frame, meta = mixed_frame(120), meta_of(mixed_frame(120))
    chosen = CleanConfig.model_validate(config)
    cleaned = fit_clean(frame, meta, chosen)
    held_out = np.concatenate([cleaned.valid.index, cleaned.test.index])
    changed = frame.copy()
    changed.loc[held_out, "age"] = 1e6 + held_out
    changed.loc[held_out, "town"] = "Rome"
    changed.loc[held_out, "said"] = "quite other words"
    assert fit_clean(changed, meta, chosen).cleaner.to_dict() == cleaned.cleaner.to_dict()


def test_rows_are_the_encoded_raw_rows_of_their_numbers(mixed, meta_of) -> None:
    cleaned = fit_clean(mixed, meta_of(mixed), CleanConfig())
    for rows in (cleaned.train, cleaned.valid, cleaned.test):
        raw = mixed.iloc[rows.index]
        assert np.array_equal(rows.X, cleaned.cleaner.encode(raw), equal_nan=True)
        assert np.array_equal(rows.y, cleaned.cleaner.encode_target(raw["y"]))


def test_numbers_come_first_and_codes_last(mixed, meta_of) -> None:
    plan = fit_clean(mixed, meta_of(mixed), CleanConfig()).cleaner.plan
    assert plan.names[-1] == "town"
    assert plan.levels == (0,) * (len(plan.names) - 1) + (4,)


def test_ordinal_codes_are_numbers(mixed, meta_of) -> None:
    config = CleanConfig.model_validate({"categories": {"method": "ordinal"}})
    assert set(fit_clean(mixed, meta_of(mixed), config).cleaner.plan.levels) == {0}


def test_standard_features_have_mean_nought_and_deviation_one(mixed, meta_of) -> None:
    cleaned = fit_clean(mixed[["age", "count", "y"]], meta_of(mixed[["age", "count", "y"]]), CleanConfig())
    features = cleaned.cleaner.plan.transform(cleaned.train.X)
    assert features.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert features.std(axis=0) == pytest.approx([1, 1], rel=1e-6)


def test_grids_remember_where_their_kept_cells_stand(meta_of) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 9, (60, 6)), columns=[f"p{i}" for i in range(6)])
    frame["p2"], frame["y"] = 0, rng.integers(0, 2, 60)
    plan = fit_clean(frame, meta_of(frame, shape=(1, 2, 3)), CleanConfig()).cleaner.plan
    assert plan.positions == (0, 1, 3, 4, 5)
    assert plan.shape == (1, 2, 3)
    assert len(set(plan.scale.tolist())) == 1


def test_every_decision_is_reported_with_what_column_count_and_why(mixed, meta_of) -> None:
    mixed["fixed"], mixed["empty"] = 1, None
    mixed.loc[:4, "y"] = None
    report = fit_clean(mixed, meta_of(mixed), CleanConfig()).report
    told = {(decision["what"], decision["column"]): decision for decision in report["decisions"]}
    assert told["rows dropped", "y"]["count"] == 5
    assert told["column dropped", "fixed"]["why"] == "one value"
    assert told["column dropped", "empty"]["why"] == "100.0% of cells missing"
    assert told["missing cells filled", "age"]["count"] > 0
    assert all(decision.keys() == {"what", "column", "count", "why"} for decision in report["decisions"])
    assert report["rows"]["raw"] == 200
    json.dumps(report, allow_nan=False)


def test_rows_and_columns_of_the_report_are_those_handed_on(mixed, meta_of) -> None:
    cleaned = fit_clean(mixed, meta_of(mixed), CleanConfig())
    assert cleaned.report["rows"] == {
        "raw": 200,
        "train": len(cleaned.train),
        "valid": len(cleaned.valid),
        "test": len(cleaned.test),
    }
    assert cleaned.report["columns"]["features"] == cleaned.cleaner.plan.width


def test_the_same_rows_give_the_same_json(mixed, meta_of) -> None:
    one, other = (fit_clean(mixed, meta_of(mixed), CleanConfig()) for _ in range(2))
    assert json.dumps(one.cleaner.to_dict()) == json.dumps(other.cleaner.to_dict())


def test_regression_targets_stay_in_their_units(meta_of) -> None:
    frame = pd.DataFrame({"a": np.arange(40.0), "y": np.arange(40.0) * 1000})
    cleaned = fit_clean(frame, meta_of(frame, task="regression"), CleanConfig())
    assert np.array_equal(cleaned.train.y, cleaned.train.index * 1000.0)
    assert cleaned.cleaner.target.mean == pytest.approx(cleaned.train.y.mean())


def test_the_forest_drops_training_rows_only(mixed, meta_of) -> None:
    plain = fit_clean(mixed, meta_of(mixed), CleanConfig())
    forest = CleanConfig.model_validate({"outliers": {"method": "isolation_forest", "strength": 0.1}})
    cleaned = fit_clean(mixed, meta_of(mixed), forest)
    assert len(cleaned.train) == len(plain.train) - int(0.1 * len(plain.train))
    assert np.array_equal(cleaned.test.index, plain.test.index)


def test_nothing_left_to_learn_from_is_refused(meta_of) -> None:
    frame = pd.DataFrame({"a": [1] * 20, "y": [0, 1] * 10})
    with pytest.raises(EspalierError, match="no column is left"):
        fit_clean(frame, meta_of(frame), CleanConfig(duplicates="keep"))


def test_a_label_only_held_out_rows_have_is_refused(meta_of) -> None:
    frame = pd.DataFrame({"a": range(20), "y": ["u", "v"] * 9 + ["w", "w"], "t": range(20)})
    config = CleanConfig.model_validate({"split": {"method": "time", "test": 0.2}})
    with pytest.raises(EspalierError, match=r"label 'w', which no training row has .in the test rows"):
        fit_clean(frame, meta_of(frame, time="t"), config)


def test_a_column_that_is_not_what_its_type_says_names_the_cell_and_the_setting(meta_of) -> None:
    frame = pd.DataFrame({"a": ["1", "?"] * 10, "y": [0, 1] * 10})
    meta = meta_of(frame, dtypes={"a": "number"})
    with pytest.raises(EspalierError, match=r"'a' holds '\?'.*source.dtypes.a"):
        fit_clean(frame, meta, CleanConfig())


def test_dates_without_parts_are_dropped_for_that_reason(meta_of) -> None:
    days = pd.date_range("2024-01-01", periods=20)
    frame = pd.DataFrame({"a": range(20), "day": days, "y": [0, 1] * 10})
    report = fit_clean(
        frame, meta_of(frame, dtypes={"a": "number", "day": "date"}), CleanConfig(dates=())
    ).report
    assert {d["column"]: d["why"] for d in report["decisions"]}["day"] == "clean.dates names no part"
