from __future__ import annotations

import numpy as np
import pytest

from tasks.errors import EspalierError
from tasks.metrics.table import METRICS, headline, metrics_of, score_all

PERFECT = {
    "classification": (np.array([0, 1, 1]), np.array([[1.0, 0], [0, 1], [0, 1]])),
    "regression": (np.array([0.0, 1, 3]), np.array([0.0, 1, 3])),
}
WORSE = {
    "classification": (np.array([0, 1, 1]), np.array([[0.4, 0.6], [0.3, 0.7], [0.9, 0.1]])),
    "regression": (np.array([0.0, 1, 3]), np.array([1.0, 1, 1])),
}


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_perfect_answers_score_better_than_others(metric):
    best, other = metric(*PERFECT[metric.task]), metric(*WORSE[metric.task])
    assert metric.gain(best, other) > 0


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_a_perfect_score_is_one_or_zero(metric):
    assert metric(*PERFECT[metric.task]) == pytest.approx(1.0 if metric.higher_is_better else 0.0, abs=1e-6)


@pytest.mark.parametrize(("task", "name"), [("classification", "accuracy"), ("regression", "r2")])
def test_the_automatic_headline(task, name):
    assert headline("auto", task) is METRICS[name]


def test_a_metric_of_the_other_task_is_refused_with_the_choices():
    with pytest.raises(EspalierError, match=r"evaluate.metric: 'r2' .* auto or one of accuracy, balanced"):
        headline("r2", "classification")


def test_every_metric_of_the_task_is_scored():
    assert list(score_all("regression", *WORSE["regression"])) == [m.name for m in metrics_of("regression")]


def test_an_undefined_metric_is_none():
    found = score_all("classification", np.array([1, 1]), np.array([[0.2, 0.8], [0.6, 0.4]]))
    assert found["roc_auc"] is None
    assert found["accuracy"] == 0.5


def test_decided_codes_replace_the_likeliest_class_for_label_metrics_only():
    y, scores = np.array([0, 1]), np.array([[0.6, 0.4], [0.7, 0.3]])
    found = score_all("classification", y, scores, np.array([0, 1]))
    assert found["accuracy"] == 1.0
    assert found["log_loss"] == pytest.approx(-(np.log(0.6) + np.log(0.3)) / 2)
