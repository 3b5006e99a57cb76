from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tasks.drift.statistics import (
    benjamini_hochberg,
    beyond_chance,
    chi_square,
    fisher,
    grows,
    hotelling,
    kolmogorov_smirnov,
    psi,
    share_grows,
)


def test_psi_of_proportional_counts_is_nearly_nothing_and_of_a_normal_shift_its_square():
    assert psi(np.array([5000, 15000]), np.array([1000, 3000])) < 1e-6
    edges = np.linspace(-4, 4, 400)
    cells = np.diff(stats.norm.cdf(edges)) * 1e9, np.diff(stats.norm.cdf(edges, loc=0.3)) * 1e9
    assert psi(*cells) == pytest.approx(0.09, rel=0.02)


@pytest.mark.parametrize("rows", [60, 600])
def test_without_drift_a_stability_index_beyond_chance_is_about_nothing(rows):
    rng = np.random.default_rng(0)
    r, b = (rng.multinomial(n, [0.1] * 10, 2000) for n in (rows, 2 * rows))
    assert psi(r, b).mean() == pytest.approx(9 * (1 / rows + 0.5 / rows), rel=0.1)
    assert np.mean([beyond_chance(*pair) for pair in zip(r, b, strict=True)]) < 0.4 * psi(r, b).mean()


def test_psi_is_symmetric_and_finite_where_a_bin_is_empty():
    r, b = np.array([10, 0, 90]), np.array([0, 50, 50])
    assert np.isfinite(psi(r, b))
    assert psi(r, b) == pytest.approx(psi(b, r))


def test_kolmogorov_smirnov_of_single_rows_a_bin_is_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=300), rng.normal(0.2, size=200)
    edges = np.sort(np.concatenate([x, y]))
    r, b = (np.bincount(np.searchsorted(edges, part), minlength=501) for part in (x, y))
    distance, p = kolmogorov_smirnov(r, b)
    known = stats.ks_2samp(x, y, method="asymp")
    assert distance == pytest.approx(known.statistic)
    assert p == pytest.approx(known.pvalue, rel=0.3)


def test_coarser_bins_only_raise_p():
    rng = np.random.default_rng(1)
    r, b = rng.integers(0, 30, (2, 50, 40))
    fine = kolmogorov_smirnov(r, b)[1]
    coarse = kolmogorov_smirnov(*(c.reshape(50, 10, 4).sum(axis=2) for c in (r, b)))[1]
    assert (coarse >= fine - 1e-12).all()


def test_chi_square_is_scipys_where_no_cell_is_rare():
    r, b = np.array([120, 80, 300]), np.array([40, 50, 90])
    known = stats.chi2_contingency(np.array([r, b]), correction=False)
    assert chi_square(r, b) == pytest.approx((known.statistic, known.pvalue))


def test_rare_levels_are_counted_together():
    r, b = np.array([500, 480, 4, 4, 4, 4, 4]), np.array([500, 480, 4, 4, 4, 4, 4])
    assert chi_square(r, b) == pytest.approx((0.0, 1.0))
    both = np.array([500, 480, 20]), np.array([470, 490, 40])
    apart = np.array([500, 480, *[2] * 10]), np.array([470, 490, *[4] * 10])
    assert chi_square(*apart) == pytest.approx(chi_square(*both))


def test_one_level_alone_tells_nothing():
    assert chi_square(np.array([900, 0, 0]), np.array([100, 0, 0])) == (0.0, 1.0)


def test_fishers_tails_are_scipys():
    table = [[3, 97], [9, 41]]
    exact = stats.fisher_exact(table, alternative="less").pvalue
    assert share_grows(3, 100, 9, 50) == pytest.approx(exact)
    assert fisher(
        np.array([3, 0]), np.array([100, 10]), np.array([9, 0]), np.array([50, 10])
    ) == pytest.approx([2 * exact, 1.0])


def test_a_mean_that_grows_is_welchs_test_in_the_limit():
    rng = np.random.default_rng(0)
    x, y = rng.exponential(1.0, 4000), rng.exponential(1.1, 3000)
    known = stats.ttest_ind(y, x, equal_var=False, alternative="greater").pvalue
    assert grows(x.mean(), x.var(ddof=1), len(x), y) == pytest.approx(known, rel=0.05)
    assert grows(1.0, 0.0, 10, np.ones(5)) == 1.0
    assert grows(1.0, 0.0, 10, np.full(5, 2.0)) == 0.0


def test_hotelling_in_one_dimension_is_the_t_test():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=60), rng.normal(0.4, size=40)
    moments = [(np.array([part.mean()]), np.array([[part.var(ddof=1)]]), len(part)) for part in (x, y)]
    _, p = hotelling(*moments[0], *moments[1])
    assert p == pytest.approx(stats.ttest_ind(x, y).pvalue)


def test_hotelling_does_not_depend_on_the_axes():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 3)), rng.normal(0.3, size=(50, 3))
    turn = rng.normal(size=(3, 3))
    found = [
        hotelling(a.mean(axis=0), np.cov(a, rowvar=False), 90, b.mean(axis=0), np.cov(b, rowvar=False), 50)
        for a, b in ((x, y), (x @ turn, y @ turn))
    ]
    assert found[0] == pytest.approx(found[1])


def test_benjamini_hochberg_is_scipys():
    p = np.random.default_rng(0).uniform(size=(5, 30)) ** 3
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p, axis=1))


def test_among_false_nulls_the_share_of_false_findings_stays_below_the_rate():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(4000, 40))
    p[:, :8] = stats.norm.sf(rng.normal(3.5, size=(4000, 8)))
    found = benjamini_hochberg(p) <= 0.1
    share = (found[:, 8:].sum(axis=1) / np.maximum(1, found.sum(axis=1))).mean()
    assert share <= 0.1
    assert share > 0.06  # m0 / m of the rate, so the bound is used
    assert found[:, :8].mean() > 0.7
