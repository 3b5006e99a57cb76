from __future__ import annotations

import json

import numpy as np
import pytest

from tasks.evaluation.config import EvaluateConfig
from tasks.evaluation.judge import Case, Splits, judge, share
from tasks.evaluation.plots import flat_metrics, plot_tables

CONFIG = EvaluateConfig(bootstrap=100)


def _classes(labels, seed=0, n=120):
    rng, k = np.random.default_rng(seed), len(labels)
    y = Splits(*(rng.integers(0, k, n) for _ in range(3)))

    def model(skill):
        parts = [
            rng.dirichlet(np.ones(k), n) + skill * np.eye(k)[part] for part in (y.train, y.valid, y.test)
        ]
        return Splits(*(part / part.sum(1, keepdims=True) for part in parts))

    return Case("classification", labels, y), {"reference": model(2.0), "compressed": model(0.3)}


def _numbers(n=100):
    rng = np.random.default_rng(0)
    y = Splits(*(rng.normal(50, 10, n) for _ in range(3)))

    def model(error):
        return Splits(*(part + rng.normal(0, error, n) for part in (y.train, y.valid, y.test)))

    return Case("regression", (), y), {"reference": model(1.0), "compressed": model(8.0)}


CASES = {"two": _classes(("a", "b")), "three": _classes(("a", "b", "c")), "numbers": _numbers()}


@pytest.mark.parametrize("name", CASES)
def test_the_report_is_plain_json_and_the_same_again(name):
    case, scores = CASES[name]
    first = json.dumps(judge(case, scores, CONFIG), allow_nan=False)
    assert first == json.dumps(judge(case, scores, CONFIG), allow_nan=False)


@pytest.mark.parametrize("name", CASES)
def test_every_model_is_judged_on_every_split(name):
    case, scores = CASES[name]
    report = judge(case, scores, CONFIG)
    for model in report["models"].values():
        low, high = model["interval"]
        assert low <= model["metrics"][report["metric"]] <= high
        assert set(model["metrics"]) == set(model["valid"]) == set(model["train"])


@pytest.mark.parametrize("name", CASES)
def test_a_worse_model_is_inferior(name):
    case, scores = CASES[name]
    found = judge(case, scores, CONFIG)["comparisons"]["compressed"]
    assert found["difference"] < 0
    assert found["verdict"] == "inferior"


def test_the_threshold_comes_from_validation_rows_alone():
    case, scores = CASES["two"]
    before = judge(case, scores, CONFIG)["models"]["reference"]["threshold"]
    flipped = Case(case.task, case.labels, Splits(case.y.train, case.y.valid, 1 - case.y.test))
    assert judge(flipped, scores, CONFIG)["models"]["reference"]["threshold"] == before


def test_a_given_threshold_is_used_for_labels():
    case, scores = CASES["two"]
    report = judge(case, scores, CONFIG.model_copy(update={"threshold": 0.999}))
    assert report["threshold"] == 0.999
    assert report["models"]["compressed"]["metrics"]["accuracy"] == np.mean(case.y.test == 0)


def test_more_than_two_classes_have_no_threshold():
    assert judge(*CASES["three"], CONFIG)["threshold"] is None


def test_the_gap_is_positive_when_training_rows_are_easier():
    case, scores = CASES["numbers"]
    sure = {"reference": Splits(case.y.train, scores["reference"].valid, scores["compressed"].test)}
    for metric in ("r2", "rmse"):
        report = judge(case, sure, CONFIG.model_copy(update={"metric": metric}))
        assert report["models"]["reference"]["gap"] > 0


def test_shuffled_labels_judge_at_chance():
    rng = np.random.default_rng(4)
    y = Splits(*(rng.integers(0, 2, 4000) for _ in range(3)))
    scores = {"reference": Splits(*(rng.dirichlet(np.ones(2), 4000) for _ in range(3)))}
    metrics = judge(Case("classification", ("a", "b"), y), scores, CONFIG)["models"]["reference"]["metrics"]
    assert metrics["accuracy"] == pytest.approx(0.5, abs=0.03)
    assert metrics["roc_auc"] == pytest.approx(0.5, abs=0.03)


def test_the_whole_test_set_is_used_at_factor_one():
    assert share(5, 1.0, 0).tolist() == [0, 1, 2, 3, 4]


def test_a_share_is_seeded_ascending_and_of_the_right_size():
    found = share(100, 0.2, 3)
    assert len(found) == 20
    assert (np.diff(found) > 0).all()
    assert (found == share(100, 0.2, 3)).all()
    assert (found != share(100, 0.2, 4)).any()
    assert len(share(100, 0.001, 0)) == 1


@pytest.mark.parametrize("name", CASES)
def test_plot_data_has_one_column_a_model(name):
    case, scores = CASES[name]
    tables = plot_tables(judge(case, scores, CONFIG))
    assert list(tables) == ["confusion", "reliability", "roc", "per_class"]
    for table in ("roc", "per_class"):
        assert list(tables[table])[-2:] == ["reference", "compressed"]
    assert tables["confusion"]["rows"].sum() == len(case.y.test)
    assert set(tables["reliability"]["model"]) == {"reference", "compressed"}


def test_flat_metrics_are_numbers_only():
    report = judge(*CASES["two"], CONFIG)
    for model in report["models"].values():
        model["size"] = {"bytes": 3}
    flat = flat_metrics(report)
    assert flat["reference"]["size"] == {"bytes": 3}
    assert set(flat["difference"]) == {"compressed"}
    leaves = [flat]
    while leaves:
        leaf = leaves.pop()
        assert isinstance(leaf, dict | int | float)
        leaves += leaf.values() if isinstance(leaf, dict) else []
