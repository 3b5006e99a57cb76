"""Files of rows, by their ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from tasks.data.sources.arrays import read_npy, read_npz
from tasks.data.sources.loaded import Loaded
from tasks.data.sources.tables import read_csv
from tasks.data.sources.tensors import read_tensors
from tasks.errors import EspalierError

__all__ = ["ENDINGS", "read_file"]

Reader = Callable[[Path, str, Sequence[str]], Loaded]


def read_file(path: Path, shown: str, missing: Sequence[str]) -> Loaded:
    """Return the rows of a file; `shown` is its name in messages, `missing` the strings that mean so."""
    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise EspalierError(f"source.uri: {shown} ends in none of {' '.join(ENDINGS)}")
    if not path.stat().st_size:
        raise EspalierError(f"{shown} is empty (0 bytes)")
    return ENDINGS[ending](path, shown, missing)


def _parquet(path: Path, shown: str, missing: Sequence[str]) -> Loaded:
    return _arrow(pd.read_parquet, path, shown)


def _feather(path: Path, shown: str, missing: Sequence[str]) -> Loaded:
    return _arrow(pd.read_feather, path, shown)


def _arrow(read: Callable[[Path], pd.DataFrame], path: Path, shown: str) -> Loaded:
    try:
        frame = read(path)
    except (pa.ArrowException, OSError) as error:
        raise EspalierError(
            f"{shown} is not a readable {path.suffix[1:]} file: {_first_line(error)}"
        ) from error
    named = isinstance(frame.index, pd.MultiIndex) or frame.index.name is not None
    return Loaded(frame.reset_index(drop=not named))


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


ENDINGS: dict[str, Reader] = {
    ".csv": read_csv,
    ".csv.gz": read_csv,
    ".tsv": read_csv,
    ".tsv.gz": read_csv,
    ".parquet": _parquet,
    ".feather": _feather,
    ".npz": read_npz,
    ".npy": read_npy,
    ".pt": read_tensors,
    ".pth": read_tensors,
}
