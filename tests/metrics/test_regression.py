from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from tasks.metrics.regression import mae, r2, rmse

Y = np.random.default_rng(0).normal(size=50)
P = Y + np.random.default_rng(1).normal(size=50)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(rmse, sk.root_mean_squared_error), (mae, sk.mean_absolute_error), (r2, sk.r2_score)],
)
def test_metrics_agree_with_scikit_learn(ours, theirs):
    assert ours(Y, P) == pytest.approx(theirs(Y, P))


def test_predicting_the_mean_explains_nothing():
    assert r2(Y, np.full(50, Y.mean())) == pytest.approx(0.0)


def test_r2_is_unknown_for_a_constant_target():
    assert np.isnan(r2(np.ones(3), np.ones(3)))
