from __future__ import annotations

import numpy as np
import pytest

from tasks.metrics.intervals import agresti_min, bootstrap, paired_bootstrap, quantile, wilson


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
