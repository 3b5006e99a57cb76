from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from tasks.export.serving import chosen
from tasks.metrics.classification import (
    accuracy,
    as_codes,
    balanced_accuracy,
    best_threshold,
    confusion,
    decide,
    expected_calibration_error,
    log_loss,
    macro_f1,
    per_class,
    reliability,
    roc_auc,
    roc_curve,
)

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 4, 300)
P = RNG.dirichlet(np.ones(4), 300) + np.eye(4)[Y] * 0.3
P /= P.sum(axis=1, keepdims=True)
LABELS = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (accuracy, lambda y, p: sk.accuracy_score(y, p.argmax(1))),
        (balanced_accuracy, lambda y, p: sk.balanced_accuracy_score(y, p.argmax(1))),
        (macro_f1, lambda y, p: sk.f1_score(y, p.argmax(1), average="macro")),
        (log_loss, sk.log_loss),
        (roc_auc, lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr")),
    ],
)
def test_metrics_agree_with_scikit_learn(ours, theirs):
    assert ours(Y, P) == pytest.approx(theirs(Y, P), abs=1e-12)


def test_auc_of_two_classes_counts_ties_as_half():
    y = np.array([0, 0, 1, 1])
    assert roc_auc(y, np.array([[0.5, 0.5]] * 4)) == 0.5
    scores = np.array([0.1, 0.4, 0.4, 0.8])
    assert roc_auc(y, np.stack([1 - scores, scores], 1)) == sk.roc_auc_score(y, scores)


def test_auc_is_unknown_with_one_class():
    assert np.isnan(roc_auc(np.zeros(3, int), np.array([[0.4, 0.6]] * 3)))


def test_auc_averages_over_the_classes_that_occur():
    y = np.array([0, 1, 0, 1])
    scores = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]])
    assert roc_auc(y, scores) == 1.0


@pytest.mark.parametrize("metric", [accuracy, balanced_accuracy, macro_f1])
def test_label_metrics_take_codes_or_probabilities(metric):
    assert metric(Y, P) == metric(Y, as_codes(P))


def test_shuffled_labels_score_at_chance():
    rng = np.random.default_rng(1)
    y = rng.permutation(np.repeat(np.arange(4), 5000))
    scores = rng.dirichlet(np.ones(4), len(y))
    assert accuracy(y, scores) == pytest.approx(0.25, abs=0.015)
    assert roc_auc(y, scores) == pytest.approx(0.5, abs=0.015)


def test_log_loss_stays_finite_at_probability_zero():
    assert log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(-np.log(1e-7))


def test_confusion_counts_true_down_and_predicted_across():
    assert confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist() == [[1, 1], [0, 1]]


def test_ece_is_the_gap_between_confidence_and_accuracy():
    y = np.array([0] * 7 + [1] * 3)
    assert expected_calibration_error(y, np.tile([0.9, 0.1], (10, 1))) == pytest.approx(0.2)


def test_ece_is_zero_when_confidence_is_earned():
    y = np.array([0] * 3 + [1])
    assert expected_calibration_error(y, np.tile([0.75, 0.25], (4, 1))) == pytest.approx(0.0)


def test_ece_weighs_bins_by_their_rows():
    y = np.array([0, 0, 0, 1])
    scores = np.array([[1.0, 0.0]] * 3 + [[0.6, 0.4]])
    assert expected_calibration_error(y, scores) == pytest.approx(0.75 * 0 + 0.25 * 0.6)


def test_reliability_bins_hold_every_row():
    bins = reliability(Y, P)
    assert sum(b["rows"] for b in bins) == len(Y)
    assert all(b["low"] <= b["confidence"] <= b["high"] for b in bins)


def test_roc_curve_runs_from_corner_to_corner_and_has_the_auc_below_it():
    positive = Y == 1
    false, true = roc_curve(positive, P[:, 1])
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(sk.roc_auc_score(positive, P[:, 1]))


def test_per_class_agrees_with_scikit_learn():
    table = per_class(Y, P, LABELS)
    precision, recall, f1, support = sk.precision_recall_fscore_support(Y, P.argmax(1))
    assert [row["precision"] for row in table] == pytest.approx(precision)
    assert [row["recall"] for row in table] == pytest.approx(recall)
    assert [row["f1"] for row in table] == pytest.approx(f1)
    assert [row["support"] for row in table] == support.tolist()


def test_a_class_without_rows_counts_zero():
    assert per_class(np.array([0]), np.array([0]), ("a", "b"))[1] == {
        "label": "b",
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 0,
    }


def test_decide_follows_the_threshold_of_two_classes_only():
    two = np.array([[0.6, 0.4], [0.8, 0.2]])
    assert decide(two, 0.3).tolist() == [1, 0]
    assert decide(two, None).tolist() == [0, 0]
    assert decide(np.array([[0.2, 0.3, 0.5]]), 0.9).tolist() == [2]


def test_the_best_threshold_separates_what_can_be_separated():
    scores = np.array([0.05, 0.1, 0.2, 0.3])
    cut = best_threshold(np.array([0, 0, 1, 1]), np.stack([1 - scores, scores], 1))
    assert cut == pytest.approx(0.15)


def test_the_best_threshold_is_a_half_when_nothing_is_gained():
    scores = np.array([0.2, 0.3, 0.7, 0.9])
    assert best_threshold(np.array([0, 0, 1, 1]), np.stack([1 - scores, scores], 1)) == 0.5


def test_many_scores_still_give_a_threshold_between_them():
    scores = np.random.default_rng(3).uniform(size=5000)
    cut = best_threshold((scores > 0.2).astype(int), np.stack([1 - scores, scores], 1), accuracy)
    assert cut == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("low", [0.5, 0.9999999, 1e-7])
def test_a_threshold_between_two_neighbouring_scores_keeps_them_apart(low):
    low = np.float32(low)
    scores = np.array([low, np.nextafter(low, np.float32(2))])
    probabilities = np.column_stack([1 - scores, scores])
    y = np.array([0, 1])
    threshold = best_threshold(y, probabilities)
    assert list(decide(probabilities, threshold)) == [0, 1]
    assert list(chosen(probabilities, threshold)) == [0, 1]
