"""From a raw frame to numeric rows: what ONNX cannot express, as plain JSON and pure functions.

This file travels with the served model, so it imports the standard library, numpy and pandas only.
A plan is ``{"version": 1, "missing": [strings], "columns": [entry, ...]}``; an entry names its raw column
(``source``), its ``kind`` and the numeric columns it yields (``outputs``; ``keep`` when a selection left
only some). Entries whose outputs are numbers come first, category codes last.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "encode",
    "encode_column",
    "level_key",
    "parse_dates",
    "parse_numbers",
    "required_columns",
    "tokens",
]

Entry = dict[str, Any]
Floats = npt.NDArray[np.float32]
TOKEN = re.compile(r"\b\w\w+\b")
DATE_PARTS: dict[str, Callable[[pd.DatetimeIndex], Any]] = {
    "year": lambda when: when.year,
    "month": lambda when: when.month,
    "day": lambda when: when.day,
    "weekday": lambda when: when.day_of_week,
    "hour": lambda when: when.hour,
    "minute": lambda when: when.minute,
}
CHUNK = 4096
Weight = Callable[[str], tuple[int, float]]


def required_columns(plan: dict[str, Any]) -> list[str]:
    """Return the raw columns a frame must have, in plan order."""
    return [entry["source"] for entry in plan["columns"]]


def encode(frame: pd.DataFrame, plan: dict[str, Any]) -> Floats:
    """Return the numeric rows (n, p) of a raw frame.

    Column order and extra columns do not matter. Missing cells, sentinels and categories never seen
    (where no level pools the rare ones) become NaN.

    Raises
    ------
    ValueError
        Naming the column, when a required one is absent or a cell is no number or no date.
    """
    entries, sources = plan["columns"], required_columns(plan)
    place = _places(frame, sources)
    ends = np.cumsum([len(entry["outputs"]) for entry in entries], dtype=np.int64)
    X = np.empty((len(frame), int(ends[-1]) if len(ends) else 0), np.float32)
    kinds = [dtype.kind for dtype in frame.dtypes.to_numpy()]
    plain = [i for i, entry in enumerate(entries) if _is_plain(entry, kinds[place[entry["source"]]])]
    if plain:
        X[:, ends[plain] - 1] = _finite(_plain_block(frame, [place[sources[i]] for i in plain]))
    for i in sorted(set(range(len(entries))) - set(plain)):
        block = encode_column(frame[entries[i]["source"]], entries[i], plan.get("missing", []))
        X[:, ends[i] - block.shape[1] : ends[i]] = block
    return X


def _places(frame: pd.DataFrame, sources: Sequence[str]) -> dict[str, int]:
    """Return the position of each column; positions serve a single row far faster than labels."""
    names = frame.columns.tolist()
    place = {name: i for i, name in enumerate(names)}
    if absent := [name for name in sources if name not in place]:
        raise ValueError(f"missing required column{'s' * (len(absent) > 1)}: {', '.join(absent)}")
    if len(place) < len(names) and (twice := [name for name in sources if names.count(name) > 1]):
        raise ValueError(f"two columns named {twice[0]!r}")
    return place


def encode_column(cells: pd.Series, entry: Entry, missing: Sequence[str] = ()) -> Floats:
    """Return the block (n, outputs) of one raw column."""
    block = ENCODERS[entry["kind"]](cells, entry, missing)
    return block if entry.get("keep") is None else block[:, entry["keep"]]


def _is_plain(entry: Entry, dtype: str) -> bool:
    """Say whether a column needs a cast and nothing else: all such are taken at once."""
    return (
        entry["kind"] == "number" and dtype in "iufb" and "sentinels" not in entry and "offset" not in entry
    )


def _plain_block(frame: pd.DataFrame, positions: list[int]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):
        return frame.take(positions, axis=1).to_numpy(dtype=np.float32, na_value=np.nan)


def _finite(values: npt.NDArray[Any]) -> Floats:
    with np.errstate(over="ignore"):
        block = values.astype(np.float32, copy=False)
    return np.where(np.isfinite(block), block, np.float32(np.nan))


def is_missing(cells: pd.Series, missing: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which cells (n,) are missing: null, blank or one of `missing`."""
    absent = cells.isna().to_numpy()
    if cells.dtype.kind in "iufbmM":
        return absent
    return absent | cells.astype(str).str.strip().isin(["", *missing]).to_numpy(dtype=bool)


def parse_numbers(cells: pd.Series, missing: Sequence[str] = ()) -> npt.NDArray[np.float64]:
    """Return float64 (n,) with NaN for missing cells, durations in seconds.

    Raises
    ------
    ValueError
        Naming the first cell that is no number.
    """
    if cells.dtype.kind == "m":
        return np.asarray(cells.dt.total_seconds(), np.float64)
    if cells.dtype.kind in "iufb":
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    absent = is_missing(cells, missing)
    numbers = pd.to_numeric(cells.mask(absent), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    _refuse(cells, np.isnan(numbers) & ~absent, "a number")
    return numbers


def parse_dates(cells: pd.Series, layout: str, missing: Sequence[str] = ()) -> pd.DatetimeIndex:
    """Return the dates (UTC, no zone), NaT where missing; ValueError names the first cell that is no date."""
    if cells.dtype.kind == "M":
        return _without_zone(pd.DatetimeIndex(cells))
    absent = is_missing(cells, missing)
    text = cells.astype(str).str.strip().mask(absent)
    dates = pd.to_datetime(text, errors="coerce", format=layout, utc=True)
    _refuse(cells, dates.isna().to_numpy() & ~absent, "a date")
    return _without_zone(pd.DatetimeIndex(dates))


def _without_zone(dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return dates if dates.tz is None else dates.tz_convert("UTC").tz_localize(None)


def _refuse(cells: pd.Series, wrong: npt.NDArray[np.bool_], wanted: str) -> None:
    if wrong.any():
        raise ValueError(f"column {cells.name!r} holds {cells[wrong].iloc[0]!r}, which is not {wanted}")


def level_key(value: Any) -> str:
    """Return the level a cell stands for: 3, 3.0 and "3 " are one level."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    return str(value).strip()


def tokens(text: str) -> list[str]:
    """Return the lower-cased words of two or more characters."""
    return TOKEN.findall(text.lower())


def _number(cells: pd.Series, entry: Entry, missing: Sequence[str]) -> Floats:
    numbers = parse_numbers(cells, missing)
    numbers = np.where(np.isin(numbers, entry.get("sentinels") or []), np.nan, numbers)
    return _finite(numbers - entry.get("offset", 0.0))[:, None]


def _category(cells: pd.Series, entry: Entry, missing: Sequence[str]) -> Floats:
    known = {level: float(code) for code, level in enumerate(entry["levels"])}
    unseen = float(len(known)) if entry["other"] else np.nan
    absent = {"", *missing}
    codes, uniques = pd.factorize(cells, use_na_sentinel=True)
    keys = [level_key(value) for value in uniques]
    table = [np.nan if key in absent else known.get(key, unseen) for key in keys]
    return np.asarray([*table, np.nan], np.float32)[codes][:, None]


def _date(cells: pd.Series, entry: Entry, missing: Sequence[str]) -> Floats:
    when = parse_dates(cells, entry["format"], missing)
    parts = [_date_part(when, part, entry) for part in entry["parts"]]
    return np.column_stack(parts).astype(np.float32)


def _date_part(when: pd.DatetimeIndex, part: str, entry: Entry) -> npt.NDArray[np.float64]:
    if part == "elapsed":
        return np.asarray((when - pd.Timestamp(entry["origin"])) / pd.Timedelta(days=1), np.float64)
    return np.asarray(DATE_PARTS[part](when), np.float64)


def _text(cells: pd.Series, entry: Entry, missing: Sequence[str]) -> Floats:
    absent = is_missing(cells, missing)
    documents = ["" if gone else str(cell) for cell, gone in zip(cells, absent, strict=True)]
    chunks = [documents[i : i + CHUNK] for i in range(0, len(documents), CHUNK)]
    weight, width = TEXT_WEIGHTS[entry["method"]](entry)
    blocks = [_unit_rows(_weigh(chunk, weight, width)) for chunk in chunks]
    return np.concatenate(blocks) if blocks else np.empty((0, width), np.float32)


def _weigh(documents: list[str], weight: Weight, width: int) -> npt.NDArray[np.float64]:
    """Return the summed term weights (n, width) of documents; a term of weight 0 is none."""
    cells: list[int] = []
    values: list[float] = []
    for start, document in zip(range(0, len(documents) * width, width), documents, strict=True):
        for column, value in map(weight, tokens(document)):
            cells.append(start + column)
            values.append(value)
    total: npt.NDArray[np.float64] = np.zeros(len(documents) * width)
    np.add.at(total, np.asarray(cells, np.int64), np.asarray(values))
    return total.reshape(len(documents), width)


def _unit_rows(block: npt.NDArray[np.float64]) -> Floats:
    length = np.sqrt((block**2).sum(axis=1, keepdims=True))
    return (block / np.where(length > 0, length, 1.0)).astype(np.float32)


class _Memo(dict[str, tuple[int, float]]):
    """Signed hash bucket of each term, computed once."""

    def __init__(self, width: int) -> None:
        self.width = width

    def __missing__(self, term: str) -> tuple[int, float]:
        code = zlib.crc32(term.encode())
        self[term] = (code >> 1) % self.width, 1.0 if code & 1 else -1.0
        return self[term]


def _hashed(entry: Entry) -> tuple[Weight, int]:
    return _Memo(entry["width"]).__getitem__, entry["width"]


def _tfidf(entry: Entry) -> tuple[Weight, int]:
    terms = zip(entry["terms"], entry["idf"], strict=True)
    table = {term: (column, idf) for column, (term, idf) in enumerate(terms)}
    return lambda term: table.get(term, (0, 0.0)), len(table)


TEXT_WEIGHTS: dict[str, Callable[[Entry], tuple[Weight, int]]] = {
    "hashed": _hashed,
    "tfidf": _tfidf,
}
ENCODERS: dict[str, Callable[[pd.Series, Entry, Sequence[str]], Floats]] = {
    "number": _number,
    "category": _category,
    "date": _date,
    "text": _text,
}
