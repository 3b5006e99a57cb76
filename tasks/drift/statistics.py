"""Two samples held against each other, of which the first is known by its counts and moments alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, fdtrc, kolmogorov, ndtr

__all__ = [
    "benjamini_hochberg",
    "beyond_chance",
    "chi_square",
    "fisher",
    "grows",
    "hotelling",
    "kolmogorov_smirnov",
    "psi",
    "share_grows",
]

Array = npt.NDArray[Any]
EXPECTED = 5.0  # rows a cell of a contingency table has to expect (Cochran, 1954)


def psi(reference: Array, batch: Array) -> Array:
    """Return the population stability index of counts (..., B) of the same bins, shape (...).

    PSI = sum_i (b_i - r_i) ln(b_i / r_i) with the shares r and b of each bin: the divergence of Jeffreys
    (1946), under the name that scorecards gave it (Siddiqi, 2006, who calls 0.1 small and 0.25 large). Half a
    row is added to every bin, so that an empty one stays finite. Without drift it is about
    (B - 1) (1 / n + 1 / m), not 0 (Yurdakul, 2018): few rows need a test beside it.

    Examples
    --------
    >>> float(psi(np.array([500, 500]), np.array([500, 500])))
    0.0
    """
    r, b = (_shares(np.asarray(counts, np.float64) + 0.5) for counts in (reference, batch))
    found: Array = ((b - r) * np.log(b / r)).sum(axis=-1)
    return found


def beyond_chance(reference: Array, batch: Array) -> float:
    """Return `psi` of counts (B,) less what chance alone gives it; 0 at least.

    That is about (B - 1) (1 / n + 1 / m) for the B bins that hold rows, so that 'small' means the same
    of many rows and of few.
    """
    r, b = (np.asarray(counts, np.float64) for counts in (reference, batch))
    filled = (r + b) > 0
    chance = (int(filled.sum()) - 1) * float(1 / r.sum() + 1 / b.sum())
    return max(0.0, float(psi(r[filled], b[filled])) - chance)


def _shares(counts: Array) -> Array:
    shares: Array = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def kolmogorov_smirnov(reference: Array, batch: Array) -> tuple[Array, Array]:
    """Return the largest distance D of two distribution functions and its p, from counts (..., B) of bins.

    D = max_i |R(e_i) - B(e_i)| over the edges e of the bins, p = Q(D sqrt(n m / (n + m))) with Kolmogorov's
    Q (1933; two samples: Smirnov, 1939). Between edges D could only be larger, and ties make Q too large: p
    errs on the safe side.
    """
    r, b = (np.asarray(counts, np.float64) for counts in (reference, batch))
    n, m = r.sum(axis=-1), b.sum(axis=-1)
    distance: Array = np.abs(np.cumsum(_shares(r), axis=-1) - np.cumsum(_shares(b), axis=-1)).max(axis=-1)
    return distance, kolmogorov(np.sqrt(n * m / (n + m)) * distance)


def chi_square(reference: Array, batch: Array) -> tuple[float, float]:
    """Return Pearson's statistic of two rows of counts (L,) and its p (Pearson, 1900).

    X2 = sum_i (sqrt(m / n) r_i - sqrt(n / m) b_i)^2 / (r_i + b_i) on L - 1 degrees of freedom. Cells that
    expect fewer than five rows of either sample are counted together, by what both hold of them, so that the
    law of chi-square is near (Cochran, 1954).
    """
    r, b = _pooled(np.asarray(reference, np.float64), np.asarray(batch, np.float64))
    if len(r) < 2:
        return 0.0, 1.0
    ratio = np.sqrt(b.sum() / r.sum())
    statistic = float(((ratio * r - b / ratio) ** 2 / (r + b)).sum())
    return statistic, float(chdtrc(len(r) - 1, statistic))


def _pooled(r: Array, b: Array) -> tuple[Array, Array]:
    """Count rare cells together, and what is still rare with the rarest of the others; empty ones go."""
    both = r + b
    expected = both * min(r.sum(), b.sum()) / both.sum()
    rare = expected < EXPECTED
    if not rare.any():
        return r, b
    rest, weight = (r[rare].sum(), b[rare].sum()), expected[rare].sum()
    r, b, expected = r[~rare], b[~rare], expected[~rare]
    if weight >= EXPECTED:
        return np.append(r, rest[0]), np.append(b, rest[1])
    if len(r):
        rarest = int(expected.argmin())
        r[rarest], b[rarest] = r[rarest] + rest[0], b[rarest] + rest[1]
    return r, b


def fisher(hits: Array, rows: Array, batch_hits: Array, batch_rows: Array) -> Array:
    """Return the two-sided p of equal shares, exact (Fisher, 1934): twice the smaller tail.

    With h + k hits among n + m rows, k of the m is hypergeometric: P(k) = C(m, k) C(n, h) / C(n + m, h + k).
    """
    from scipy.stats import hypergeom

    law = hypergeom(np.add(rows, batch_rows), np.add(hits, batch_hits), batch_rows)
    k = np.asarray(batch_hits)
    tails: Array = np.minimum(1.0, 2 * np.minimum(law.cdf(k), law.sf(k - 1)))
    return tails


def share_grows(hits: int, rows: int, batch_hits: int, batch_rows: int) -> float:
    """Return the p of a share that is no larger in the batch, exact (Fisher, 1934)."""
    from scipy.stats import hypergeom

    return float(hypergeom.sf(batch_hits - 1, rows + batch_rows, hits + batch_hits, batch_rows))


def grows(mean: float, variance: float, rows: int, batch: Array) -> float:
    """Return the p of a mean that is no larger in the batch (Welch, 1947, the normal in the limit).

    z = (mean(batch) - mean) / sqrt(variance / n + variance(batch) / m).
    """
    spread = variance / rows + float(np.var(batch, ddof=1)) / len(batch)
    apart = float(np.mean(batch)) - mean
    if spread == 0:
        return float(apart <= 0)
    return float(ndtr(-apart / np.sqrt(spread)))


def hotelling(
    mean: Array, covariance: Array, rows: int, batch_mean: Array, batch_covariance: Array, batch_rows: int
) -> tuple[float, float]:
    """Return how far apart two means (r,) are and the p of none (Hotelling, 1931).

    T2 = n m / (n + m) d' S^-1 d with the pooled covariance S (r, r) and d the difference of the means;
    T2 (n + m - r - 1) / (r (n + m - 2)) is F on r and n + m - r - 1 degrees of freedom.

    Returns
    -------
    distance : float
        d' S^-1 d less what chance alone gives it, r (1 / n + 1 / m); 0 at least. Of normal samples it is
        their divergence of Jeffreys, on the scale of `psi`.
    p : float
    """
    n, m, r = rows, batch_rows, len(mean)
    pooled = ((n - 1) * covariance + (m - 1) * batch_covariance) / (n + m - 2)
    d = batch_mean - mean
    squared = float(d @ np.linalg.pinv(pooled, hermitian=True) @ d)
    freedom = n + m - r - 1
    statistic = n * m / (n + m) * squared * freedom / (r * (n + m - 2))
    return max(0.0, squared - r * (1 / n + 1 / m)), float(fdtrc(r, freedom, statistic))


def benjamini_hochberg(p: Array) -> Array:
    """Return the false-discovery rate (..., m) at which each of m tests would just be called a finding.

    q_(i) = min_{j >= i} m p_(j) / j over the sorted p (Benjamini & Hochberg, 1995). Calling those with
    q <= rate keeps the expected share of false ones among them at most `rate`; where nothing has changed all
    are false, so that `rate` also bounds how often there is any. Tests that err in the same direction keep
    that bound (Benjamini & Yekutieli, 2001).

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.5])).round(3).tolist()
    [0.03, 0.06, 0.5]
    """
    p = np.asarray(p, np.float64)
    m = p.shape[-1]
    order = np.argsort(p, axis=-1)
    raised = np.take_along_axis(p, order, axis=-1) * m / np.arange(1, m + 1)
    best = np.minimum.accumulate(raised[..., ::-1], axis=-1)[..., ::-1]
    q = np.empty_like(p)
    np.put_along_axis(q, order, np.minimum(best, 1.0), axis=-1)
    return q
