"""What a candidate will reach once it has recovered, from the few that have: a response surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.search.budget import Setting

__all__ = ["expected", "interpolated"]

_SLOPE = 0.01  # metric lost by half the columns, or half the units, as far as nothing is known
_FALLS = np.array([0.0, _SLOPE, _SLOPE]) / 2  # by fewer units and a loss at once, rather than rises
_LEVEL = 0.05  # the same for the surface's height
_PROBED = 0.3  # share of a loss before recovery that remains after it
_WORST = -1.0  # an R2 has no lower end
_BEND = 0.01  # how far the surface leaves the plane,
_OCTAVES = 2.0  # and over how many halvings


def expected(
    known: Mapping[Setting, float], before: Mapping[Setting, float], asked: Sequence[Setting], noise: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the metric after recovery that each setting should reach: kriging with linear drift.

    The surface over (log2 columns, log2 units, metric before recovery) is a plane with a priori slopes, plus
    a smooth departure from it; a measured metric is the surface plus noise. So a candidate that was lucky on
    the validation rows is drawn towards its neighbours, and one that nobody has trained is judged by them
    (Matheron, 1969; Rasmussen and Williams, 2006, section 2.7).

    Parameters
    ----------
    known : mapping
        Metrics after recovery; at least one.
    before : mapping
        Metrics of all settings without recovery.
    asked : sequence of Setting, m
    noise : float
        Standard deviation of a measured metric: of the rows it is measured on, and of the seed.

    Returns
    -------
    mean, deviation : array, (m,)

    Examples
    --------
    >>> settings = [Setting(1.0, 1.0), Setting(0.1, 0.5), Setting(1.0, 0.25)]
    >>> reached = dict.fromkeys(settings[::2], 0.9)
    >>> mean, deviation = expected(reached, dict.fromkeys(settings, 0.8), settings, 0.01)
    >>> mean[0].round(2), bool(deviation[1] > deviation[0])
    (np.float64(0.9), True)
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct

    drift = ConstantKernel(_SLOPE**2, "fixed") * DotProduct(_LEVEL / _SLOPE, "fixed")
    bend = ConstantKernel(_BEND**2, "fixed") * RBF([_OCTAVES, _OCTAVES, 1e6], "fixed")
    top = max(before.values())

    def places(settings: Sequence[Setting]) -> NDArray[np.float64]:
        lost = [max(before[setting] - top, _WORST) * _PROBED / _SLOPE for setting in settings]
        octaves = [(np.log2(setting.columns), np.log2(setting.units)) for setting in settings]
        return np.column_stack([octaves, lost])

    seen, wanted = places(list(known)), places(asked)
    measured = np.array(list(known.values())) - seen @ _FALLS
    process = GaussianProcessRegressor(drift + bend, alpha=noise**2, optimizer=None)
    process.fit(seen, measured - measured.mean())
    mean, deviation = process.predict(wanted, return_std=True)
    return mean + measured.mean() + wanted @ _FALLS, deviation


def interpolated(known: Mapping[Setting, float], asked: Sequence[Setting]) -> NDArray[np.float64]:
    """Return values at settings within a grid, bilinear in the octaves of columns and units.

    Parameters
    ----------
    known : mapping
        A value for each pair of a set of column and a set of unit shares. What is above zero everywhere grows
        in proportion: its logarithm is interpolated.
    asked : sequence of Setting, m

    Returns
    -------
    array, (m,)

    Examples
    --------
    >>> grid = {Setting(c, u): 100 * c * u for c in (0.25, 1.0) for u in (0.25, 1.0)}
    >>> interpolated(grid, [Setting(0.5, 0.5)]).round(6).tolist()
    [25.0]
    """
    from scipy.interpolate import RegularGridInterpolator

    shares = np.array([_shares(setting) for setting in known])
    axes = [np.unique(shares[:, axis]) for axis in (0, 1)]
    cells = np.empty([len(axis) for axis in axes])
    cells[tuple(np.searchsorted(axis, shares[:, i]) for i, axis in enumerate(axes))] = list(known.values())
    proportional = cells.min() > 0
    grid = RegularGridInterpolator([np.log2(axis) for axis in axes], np.log(cells) if proportional else cells)
    found: NDArray[np.float64] = grid(np.log2([_shares(setting) for setting in asked]))
    return np.exp(found) if proportional else found


def _shares(setting: Setting) -> tuple[float, float]:
    return setting.columns, setting.units
