from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.compare import Settings, compare, interval_of, rows_needed, verdict
from tasks.metrics.intervals import Interval
from tasks.metrics.table import METRICS

HOW = Settings(confidence=0.95, resamples=300, seed=0)
ACCURACY = METRICS["accuracy"]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.005, 0.02, "non-inferior"),
        (0.01, 0.03, "non-inferior"),
        (-0.01, 0.0, "non-inferior"),
        (-0.03, -0.011, "inferior"),
        (-0.03, -0.01, "not shown"),
        (-0.02, 0.02, "not shown"),
        (float("nan"), float("nan"), "not shown"),
    ],
)
def test_the_verdict_at_a_margin_of_one_point(low, high, said):
    assert verdict(low, high, 0.01) == said


def test_identical_models_are_non_inferior_at_any_margin():
    y, s = np.random.default_rng(0).integers(0, 2, (2, 30))
    found = compare(ACCURACY, y, s, s, margin=0.0, settings=HOW)
    assert (found.difference, found.low, found.high, found.verdict) == (0.0, 0.0, 0.0, "non-inferior")
    assert found.rows_needed is None


def test_models_that_never_disagree_on_few_rows_are_not_shown_to_be_equal():
    y = np.zeros(60, int)
    a, b = np.full((60, 2), [0.9, 0.1]), np.full((60, 2), [0.8, 0.2])
    found = compare(ACCURACY, y, a, b, margin=0.01, settings=HOW)
    assert (found.difference, found.verdict, found.method) == (0.0, "not shown", "Agresti-Min")
    assert found.rows_needed is not None
    assert found.rows_needed > 60


def test_a_much_worse_model_is_inferior():
    y = np.zeros(400, int)
    found = compare(ACCURACY, y, (np.arange(400) % 4 == 0).astype(int), y, margin=0.01, settings=HOW)
    assert (found.difference, found.verdict, found.method) == (-0.25, "inferior", "paired bootstrap")


def test_lower_is_better_turns_the_sign():
    y = np.arange(50.0)
    better = compare(METRICS["rmse"], y, y + 0.1, y + 1.0, margin=0.0, settings=HOW)
    assert better.difference == pytest.approx(0.9)
    assert better.low == pytest.approx(0.9)
    assert better.verdict == "non-inferior"


def test_rows_needed_closed_form():
    interval = Interval(-0.03, 0.01, "paired bootstrap")
    spread = 10 * 0.04 / (2 * 1.959964)
    wanted = (spread * (1.959964 + 0.841621) / 0.02) ** 2
    assert rows_needed(0.01, interval, 100, 0.01, 0.95) == max(101, int(np.ceil(wanted)))


def test_rows_needed_is_unknown_on_the_margins_edge():
    assert rows_needed(-0.01, Interval(-0.02, 0.0, ""), 100, 0.01, 0.95) is None
    assert rows_needed(float("nan"), Interval(-0.02, 0.0, ""), 100, 0.01, 0.95) is None


def test_rows_needed_settle_the_question_about_four_times_in_five():
    rng, settled = np.random.default_rng(1), []
    lost, won, margin = 0.05, 0.07, 0.02
    spread = np.sqrt(lost + won - (won - lost) ** 2)
    half = 1.959964 * spread / np.sqrt(500)
    n = rows_needed(won - lost, Interval(won - lost - half, won - lost + half, ""), 500, margin, 0.95)
    for _ in range(400):
        w, b, _rest = rng.multinomial(n, [won, lost, 1 - won - lost])
        d = (w - b) / n
        settled.append(d - 1.959964 * np.sqrt((w + b) / n - d * d) / np.sqrt(n) >= -margin)
    assert 0.74 <= np.mean(settled) <= 0.86


def test_accuracy_gets_wilsons_interval_and_others_the_bootstrap():
    y = np.array([0, 1] * 20)
    scores = np.tile([[0.6, 0.4], [0.3, 0.7]], (20, 1))
    assert interval_of(ACCURACY, y, scores, HOW).method == "Wilson"
    assert interval_of(METRICS["log_loss"], y, scores, HOW).method == "bootstrap"
