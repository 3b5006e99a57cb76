"""Files of rows, by their ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.sources.arrays import read_npy, read_npz
from tasks.data.sources.loaded import Loaded
from tasks.data.sources.tables import read_csv
from tasks.data.sources.tensors import read_tensors
from tasks.errors import EspalierError

__all__ = ["ENDINGS", "read_file"]

Reader = Callable[[Path, str, Sequence[str]], Loaded]


def read_file(path: Path, shown: str, missing: Sequence[str], drop: Sequence[str] = ()) -> Loaded:
    """Return the rows of a file.

    Parameters
    ----------
    path
    shown
        Its name in messages.
    missing
        Strings that mean 'missing'.
    drop
        Columns that nobody wants: of a Parquet file they are not read.
    """
    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise EspalierError(f"source.uri: {shown} ends in none of {' '.join(ENDINGS)}")
    if not path.stat().st_size:
        raise EspalierError(f"{shown} is empty (0 bytes)")
    if ending == ".parquet":
        return _parquet(path, shown, missing, drop)
    return ENDINGS[ending](path, shown, missing)


def _parquet(path: Path, shown: str, missing: Sequence[str], drop: Sequence[str] = ()) -> Loaded:
    if not drop:
        return _arrow(pd.read_parquet, path, shown)
    names: list[str] = []

    def read(path: Path) -> pd.DataFrame:
        names.extend(pq.read_schema(path).names)
        return pd.read_parquet(path, columns=[name for name in names if name not in drop])

    loaded = _arrow(read, path, shown)
    return replace(loaded, unread=tuple(name for name in names if name in drop and name not in loaded.frame))


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
