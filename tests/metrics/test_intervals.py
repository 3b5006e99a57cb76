from __future__ import annotations

import numpy as np
import pytest

from tasks.metrics.intervals import (
    MANY,
    SEEN,
    agresti_min,
    bootstrap,
    drawn_rows,
    paired_bootstrap,
    paired_shares,
    quantile,
    wilson,
)


def share(y, s):
    return float(np.mean(y == s))


def test_the_quantile_of_95_percent():
    assert quantile(0.95) == pytest.approx(1.959964, abs=1e-6)


def test_wilson_closed_form():
    found = wilson(8, 10, 0.95)
    assert (found.low, found.high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)


def test_wilson_stays_inside_zero_and_one():
    assert wilson(10, 10, 0.95).high == pytest.approx(1.0, abs=1e-15)
    assert wilson(0, 10, 0.95).low == pytest.approx(0.0, abs=1e-15)


def test_wilson_covers_the_true_proportion():
    hits = np.random.default_rng(0).binomial(80, 0.9, 2000)
    inside = [(found := wilson(int(k), 80, 0.95)).low <= 0.9 <= found.high for k in hits]
    assert 0.93 <= np.mean(inside) <= 0.97


def test_agresti_min_covers_the_true_difference_with_few_disagreements():
    cells = np.random.default_rng(1).multinomial(100, [0.03, 0.02, 0.95], 2000)
    inside = [
        (found := agresti_min(int(w), int(b), 100, 0.95)).low <= 0.01 <= found.high for w, b, _ in cells
    ]
    assert np.mean(inside) >= 0.94


def test_agresti_min_does_not_take_silence_for_certainty():
    found = agresti_min(0, 0, 100, 0.95)
    assert found.low == pytest.approx(-found.high)
    assert found.high > 0.01


def test_the_paired_bootstrap_covers_the_true_difference():
    rng, inside = np.random.default_rng(2), []
    for seed in range(150):
        y, u, v = np.zeros(120), rng.uniform(size=120), rng.uniform(size=120)
        a = (u < 0.2).astype(int)
        b = np.where(v < 0.15, 1 - a, a)
        true = 0.8 - (0.8 * 0.85 + 0.2 * 0.15)
        found = paired_bootstrap(share, y, a, b, resamples=200, confidence=0.95, seed=seed)
        inside.append(found.low <= true <= found.high)
    assert np.mean(inside) >= 0.9


def test_identical_models_differ_by_exactly_nothing():
    rng = np.random.default_rng(3)
    y, s = rng.integers(0, 3, 40), rng.integers(0, 3, 40)
    found = paired_bootstrap(share, y, s, s, resamples=200, confidence=0.95, seed=0)
    assert (found.low, found.high) == (0.0, 0.0)


def test_pairing_narrows_the_interval():
    rng = np.random.default_rng(4)
    y = np.zeros(300)
    a = (rng.uniform(size=300) < 0.3).astype(int)
    b = a.copy()
    b[:5] = 1 - b[:5]
    paired = paired_bootstrap(share, y, a, b, resamples=400, confidence=0.95, seed=0)
    alone = bootstrap(share, y, a, resamples=400, confidence=0.95, seed=0)
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(5)
    y, a, b = rng.integers(0, 2, (3, 60))
    how = {"resamples": 100, "confidence": 0.9}
    first = paired_bootstrap(share, y, a, b, **how, seed=7)
    assert first == paired_bootstrap(share, y, a, b, **how, seed=7)
    assert first != paired_bootstrap(share, y, a, b, **how, seed=8)


def test_more_confidence_is_wider():
    y, a = np.random.default_rng(6).integers(0, 2, (2, 100))
    narrow = bootstrap(share, y, a, resamples=300, confidence=0.6, seed=0)
    wide = bootstrap(share, y, a, resamples=300, confidence=0.99, seed=0)
    assert wide.low < narrow.low
    assert narrow.high < wide.high


def test_shares_resample_as_their_rows_do():
    y, a, b = np.zeros(400, int), np.zeros(400, int), np.zeros(400, int)
    a[:30], b[20:60] = 1, 1
    how = {"resamples": 4000, "confidence": 0.95, "seed": 0}
    rows = paired_bootstrap(share, y, a, b, **how)
    counts = paired_shares(30, 20, 400, **how)
    assert (counts.low, counts.high) == pytest.approx((rows.low, rows.high), abs=0.006)


def test_resamples_of_some_rows_are_as_wide_as_those_of_all(monkeypatch):
    rng = np.random.default_rng(8)
    y = rng.normal(size=4000)
    a, b = y + rng.normal(size=4000), y + 1.1 * rng.normal(size=4000)
    how = {"resamples": 800, "confidence": 0.9, "seed": 0}

    def error(t, s):
        return float(np.mean(np.abs(t - s)))

    full = paired_bootstrap(error, y, a, b, **how)
    monkeypatch.setattr("tasks.metrics.intervals.MANY", 500)
    some = paired_bootstrap(error, y, a, b, **how)
    assert (some.low, some.high) == pytest.approx((full.low, full.high), abs=0.15 * (full.high - full.low))


def test_a_resample_draws_enough_of_what_is_rare():
    assert drawn_rows(500, 3) == 500
    assert drawn_rows(1_000_000, 500_000) == MANY
    assert drawn_rows(1_000_000, 1_000) == 1_000 * SEEN
    assert drawn_rows(1_000_000, 2) == 1_000_000


def test_a_figure_that_is_never_defined_has_no_interval():
    found = bootstrap(
        lambda y, s: float("nan"), np.zeros(5), np.zeros(5), resamples=9, confidence=0.9, seed=0
    )
    assert np.isnan([found.low, found.high]).all()
