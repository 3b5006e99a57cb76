"""How often a batch without drift is called drift, and how often a stated drift is found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasks.drift.statistics import benjamini_hochberg, chi_square, fisher, hotelling, kolmogorov_smirnov
from tests.drift.simulated import NUMBERS, held, profile, table

RATE = 0.05


def _most(rate: float, repeats: int) -> int:
    """The count that a rate no larger exceeds once in a thousand tests."""
    return int(stats.binom.ppf(0.999, repeats, rate))


def _bins(reference: np.ndarray, batch: np.ndarray, bins: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Counts of both samples, each row its own reference and batch, by the reference's quantiles."""
    edges = np.quantile(reference, np.linspace(0, 1, bins + 1)[1:], axis=1, method="inverted_cdf").T

    def below(x: np.ndarray) -> np.ndarray:
        return (x[:, :, None] <= edges[:, None, :]).sum(axis=1)

    def counts(x: np.ndarray) -> np.ndarray:
        up_to = np.column_stack([np.zeros(len(x), np.int64), below(x), np.full(len(x), x.shape[1])])
        return np.diff(up_to, axis=1)

    return counts(reference), counts(batch)


@pytest.mark.parametrize("law", ["normal", "exponential", "integers"])
def test_numbers_without_drift_are_called_drift_no_more_often_than_stated(law):
    rng, repeats = np.random.default_rng(1), 3000
    draw: Callable[[int], np.ndarray] = {
        "normal": lambda n: rng.normal(size=(repeats, n)),
        "exponential": lambda n: rng.exponential(size=(repeats, n)),
        "integers": lambda n: rng.poisson(1.5, size=(repeats, n)).astype(float),
    }[law]
    _, p = kolmogorov_smirnov(*_bins(draw(300), draw(150)))
    for rate in (0.01, RATE):
        assert (p <= rate).sum() <= _most(rate, repeats)


def test_levels_without_drift_are_called_drift_no_more_often_than_stated():
    rng, repeats = np.random.default_rng(2), 3000
    shares = [0.4, 0.3, 0.15, 0.08, 0.04, 0.02, 0.005, 0.005]
    p = np.array(
        [
            chi_square(r, b)[1]
            for r, b in zip(
                rng.multinomial(400, shares, repeats), rng.multinomial(150, shares, repeats), strict=True
            )
        ]
    )
    for rate in (0.01, RATE):
        assert (p <= rate).sum() <= _most(rate, repeats)
    assert (p <= RATE).mean() > 0.03  # the test is not merely blunt


def test_missing_cells_without_drift_are_called_drift_no_more_often_than_stated():
    rng, repeats = np.random.default_rng(3), 3000
    hits, batch = rng.binomial(400, 0.05, repeats), rng.binomial(150, 0.05, repeats)
    p = fisher(hits, np.full(repeats, 400), batch, np.full(repeats, 150))
    assert (p <= RATE).sum() <= _most(RATE, repeats)


def test_centres_without_drift_are_called_drift_no_more_often_than_stated():
    rng, repeats, axes = np.random.default_rng(4), 2000, 8
    u, v = (np.clip(rng.standard_t(3, size=(repeats, n, axes)), -4, 4) for n in (300, 100))
    p = np.array(
        [
            hotelling(
                x.mean(axis=0), np.cov(x, rowvar=False), 300, y.mean(axis=0), np.cov(y, rowvar=False), 100
            )[1]
            for x, y in zip(u, v, strict=True)
        ]
    )
    assert (p <= RATE).sum() <= _most(RATE, repeats)
    assert (p <= RATE).mean() > 0.03


def test_forty_columns_that_move_together_raise_no_more_false_alarms_than_stated():
    rng, repeats, columns = np.random.default_rng(6), 400, 40
    shared = {n: rng.normal(size=(repeats, n, 1)) for n in (200, 100)}
    draws = [np.sqrt(0.7) * shared[n] + np.sqrt(0.3) * rng.normal(size=(repeats, n, columns)) for n in shared]
    p = np.column_stack(
        [kolmogorov_smirnov(*_bins(*(draw[..., j] for draw in draws)))[1] for j in range(columns)]
    )
    alarms = (benjamini_hochberg(p) <= RATE).any(axis=1)
    assert alarms.sum() <= _most(RATE, repeats)


@pytest.fixture(scope="module")
def made():
    return profile(np.random.default_rng(0))


def test_a_whole_comparison_without_drift_is_called_drift_no_more_often_than_stated():
    rng, repeats = np.random.default_rng(7), 100
    alarms = sum(
        bool(
            held(
                profile(rng, 400, 150), table(200, rng), false_discovery=RATE, psi=0, missing=0, worse=0
            ).kinds
        )
        for _ in range(repeats)
    )
    assert alarms <= _most(RATE, repeats)


def _shift(column: str, by: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(**{column: frame[column] + by * frame[column].std()})


def _elsewhere(frame: pd.DataFrame) -> pd.DataFrame:
    """A quarter of the rows come from another town."""
    moved = np.arange(len(frame)) % 4 == 0
    return frame.assign(city=np.where(moved, "Trier", frame["city"]))


def _gone(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(a=frame["a"].mask(np.arange(len(frame)) % 12 == 0))


def _torn_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Every column keeps its distribution, nothing else: what reduced the columns no longer holds."""
    rng = np.random.default_rng(0)
    return frame.assign(**{name: rng.permutation(frame[name].to_numpy()) for name in NUMBERS})


def _mostly_yes(frame: pd.DataFrame) -> pd.DataFrame:
    """Five of six rows of one class stay away."""
    return frame[(frame["answer"] == "yes") | (np.arange(len(frame)) % 6 == 0)]


def _wrong(frame: pd.DataFrame) -> pd.DataFrame:
    flipped = np.where(frame["answer"] == "yes", "no", "yes")
    return frame.assign(answer=np.where(np.arange(len(frame)) % 5 == 0, flipped, frame["answer"]))


@pytest.mark.parametrize(
    ("change", "kind", "name"),
    [
        (_shift("b", 0.5), "columns", "b"),
        (_shift("e", 1.0), "columns", "e"),
        (_elsewhere, "columns", "city"),
        (_gone, "missing", "a"),
        (_torn_apart, "reduced", "reconstruction error"),
        (_mostly_yes, "predictions", "probability of yes"),
        (_wrong, "performance", "share of wrong answers"),
    ],
    ids=[
        "half a deviation",
        "a skewed column",
        "levels",
        "missing",
        "correlations",
        "predictions",
        "answers",
    ],
)
def test_a_stated_drift_of_500_rows_is_found_nine_times_in_ten(made, change, kind, name):
    rng, repeats = np.random.default_rng(8), 20
    found = sum(
        any(
            f.drifted and f.kind == kind and f.name == name
            for f in held(made, change(table(500, rng))).findings
        )
        for _ in range(repeats)
    )
    assert found >= 0.9 * repeats


def test_correlations_that_break_move_no_column(made):
    drift = held(made, _torn_apart(table(500, np.random.default_rng(9))))
    assert "reduced" in drift.kinds
    assert "columns" not in drift.kinds


def test_a_drift_too_small_to_matter_is_not_called_so_however_sure_it_is(made):
    frame = _shift("b", 0.2)(table(20_000, np.random.default_rng(10)))
    found = {f.name: f for f in held(made, frame).findings if f.kind == "columns"}
    assert found["b"].q < 0.01
    assert found["b"].effect < 0.1
    assert not found["b"].drifted
