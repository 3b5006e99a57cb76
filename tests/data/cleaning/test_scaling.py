from __future__ import annotations

import numpy as np
import pytest

from tasks.data.cleaning.scaling import fit_scaling

X = np.asarray([[1, 10, 5], [3, 30, 5]], np.float32)
NO_TEXT = np.full(3, -1)


@pytest.mark.parametrize(
    ("method", "mean", "scale"),
    [
        ("standard", [2, 20, 5], [1, 10, 1]),
        ("minmax", [1, 10, 5], [2, 20, 1]),
        ("global", [2, 20, 5], [np.sqrt(101 / 3)] * 3),
        ("none", [0, 0, 0], [1, 1, 1]),
    ],
)
def test_scales_in_closed_form(method, mean, scale) -> None:
    fitted = fit_scaling(X, method, NO_TEXT)
    assert fitted[0].tolist() == mean
    assert fitted[1] == pytest.approx(np.asarray(scale), rel=1e-6)


def test_terms_of_one_text_share_their_deviation() -> None:
    _, scale = fit_scaling(X, "standard", np.asarray([0, 0, -1]))
    assert scale[:2] == pytest.approx([np.sqrt(101 / 2)] * 2)
