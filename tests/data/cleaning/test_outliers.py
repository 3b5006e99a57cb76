from __future__ import annotations

import numpy as np

from tasks.data.cleaning.outliers import drop_isolated, fit_bounds
from tasks.data.config import IqrOutliers, IsolationForestOutliers, NoOutliers, QuantileOutliers

X = np.asarray([[i, 0] for i in range(101)], np.float32)
X[:3, 1] = 9
BOTH = np.ones(2, bool)


def test_without_a_method_nothing_is_clipped() -> None:
    low, high = fit_bounds(X, NoOutliers(), BOTH)
    assert np.isinf([low, high]).all()


def test_quantiles_bound_each_tail() -> None:
    low, high = fit_bounds(X, QuantileOutliers(method="quantile", strength=0.05), BOTH)
    assert (low[0], high[0]) == (5, 95)


def test_iqr_reaches_past_the_quartiles() -> None:
    low, high = fit_bounds(X, IqrOutliers(method="iqr", strength=1.5), BOTH)
    assert (low[0], high[0]) == (25 - 75, 75 + 75)


def test_a_column_whose_bounds_would_meet_is_left_alone() -> None:
    low, high = fit_bounds(X, IqrOutliers(method="iqr"), BOTH)
    assert np.isinf([low[1], high[1]]).all()


def test_columns_that_are_not_measured_are_left_alone() -> None:
    low, _ = fit_bounds(X, QuantileOutliers(method="quantile"), np.asarray([False, True]))
    assert np.isinf(low[0])


def test_gaps_do_not_move_the_bounds() -> None:
    gappy = np.vstack([X, np.full((9, 2), np.nan, np.float32)])
    config = QuantileOutliers(method="quantile", strength=0.1)
    assert fit_bounds(gappy, config, BOTH)[0][0] == fit_bounds(X, config, BOTH)[0][0]


def test_the_forest_drops_its_share_and_the_row_far_away() -> None:
    cloud = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    cloud[17] = 50
    config = IsolationForestOutliers(method="isolation_forest", strength=0.03)
    rows, (decision,) = drop_isolated(cloud, config, seed=0)
    assert len(rows) == 97
    assert 17 not in rows
    assert decision.count == 3
