"""MNIST-1D, made afresh: ten one-dimensional digits, stretched, moved and covered in noise (Greydanus, 2020).

The settings are those of "Scaling down deep learning"; the draws are this module's own, so its rows are
another sample of the same distribution. `load(4000, seed)` stands where the paper's 4,000 training rows do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

__all__ = ["LENGTH", "load"]

LENGTH = 40
"""Points of a row."""

_WIDE = 72  # points before the last resampling
_PADDING = (36, 60)
_SHIFTS = 48
_SCALE, _SHEAR, _SMOOTH_NOISE, _NOISE = 0.4, 0.75, 0.25, 0.02

_TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)


def load(rows: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw rows of all ten digits, as many of each.

    Parameters
    ----------
    rows
        At least 10; the digits take turns before they are shuffled.
    seed
        Equal seeds give equal rows.

    Returns
    -------
    X : float32 (rows, 40)
    y : int64 (rows,)
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % len(_TEMPLATES))
    templates = _templates()
    return np.stack([_row(templates[label], rng) for label in y]).astype(np.float32), y


def _templates() -> NDArray[np.float64]:
    """Each of deviation 1 / 6, beginning at zero."""
    x = np.asarray(_TEMPLATES, dtype=np.float64)
    x /= x.std(axis=1, keepdims=True)
    return np.asarray((x - x[:, :1]) / 6.0)


def _row(template: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Pad, scale, shift, fill the padding with smooth noise, add fine noise, shear and resample."""
    # The offset tells the template's own zeros from padding, which alone is filled.
    padded = np.pad(template + 1e-8, (0, int(rng.integers(_PADDING[0], _PADDING[1], endpoint=True))))
    x = _resampled(padded, _WIDE) * (1 + _SCALE * (rng.random() - 0.5))
    x = np.roll(x, rng.integers(_SHIFTS))
    smooth = gaussian_filter1d(_SMOOTH_NOISE * rng.standard_normal(_WIDE), 2)
    x = np.where(x != 0, x, smooth) + _NOISE * rng.standard_normal(_WIDE)
    x -= _SHEAR * (rng.random() - 0.5) * np.linspace(-0.5, 0.5, _WIDE)
    return _resampled(x, LENGTH)


def _resampled(x: NDArray[Any], length: int) -> NDArray[Any]:
    """Interpolate linearly at `length` even places."""
    return np.asarray(np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(x)), x))
