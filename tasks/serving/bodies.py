"""What a request holds, looked at before MLflow's app: a body that it would answer badly is refused here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tasks.serving.refusal import Refusal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["JSON", "PARQUET", "Checked", "check_body", "frame_of", "media_type"]

JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"
MOST_CELLS = 8_000_000
"""Cells of a Parquet body: few bytes can stand for any number of them."""
LARGEST_BITS = 1023
NAMED = 3

Columns = dict[str, Sequence[Any]]


def media_type(headers: Mapping[str, str]) -> str:
    """Return what the body is said to be.

    Raises
    ------
    Refusal
        When it is nothing that is read here.
    """
    kind, _, rest = headers.get("content-type", "").partition(";")
    kind, charset = kind.strip().lower(), rest.lower().partition("charset=")[2].strip(' "')
    if kind not in (JSON, PARQUET):
        said = f"Content-Type {kind} is not read here" if kind else "the request has no Content-Type"
        hint = "; a CSV does not say what its cells are" if kind == "text/csv" else ""
        raise _unread(f"{said}: send {JSON}, or {PARQUET}{hint}")
    if charset not in ("", "utf-8", "utf8"):
        raise _unread(f"charset {charset} is not read here: send utf-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _unread(f"Content-Encoding {headers['content-encoding']} is not read: send it plain")
    return kind


def _unread(sentence: str) -> Refusal:
    return Refusal(sentence, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


@dataclass(frozen=True)
class Checked:
    """A body that can be put to MLflow's app.

    Attributes
    ----------
    body : bytes
    names : frozenset of str
        Columns that it brings.
    """

    body: bytes
    names: frozenset[str]


def check_body(body: bytes, kind: str, required: Sequence[str]) -> Checked:
    """Look at a body.

    Parameters
    ----------
    body : bytes
    kind : str
        `JSON` or `PARQUET`.
    required : sequence of str
        Columns that the model asks for; others do not matter.

    Raises
    ------
    Refusal
        Naming the column, the row or the key that is wrong.
    """
    if kind == PARQUET:
        return Checked(body, _parquet_names(body, required))
    form, columns, names = _columns(body, required)
    return Checked(_plain(columns) if form in _REWORKED else body, names)


def _plain(columns: Columns) -> bytes:
    """Return columns as MLflow reads them cell for cell."""
    split = {"columns": list(columns), "data": list(zip(*columns.values(), strict=True))}
    return json.dumps({"dataframe_split": split}).encode()


def frame_of(body: bytes, kind: str, required: Sequence[str]) -> pd.DataFrame:
    """Return the required columns of a body as a frame.

    Raises
    ------
    Refusal
        As `check_body`.
    """
    import pandas as pd

    if kind == PARQUET:
        _parquet_names(body, required)
        return pd.read_parquet(BytesIO(body))[list(required)]
    return pd.DataFrame(_columns(body, required)[1])


def _columns(body: bytes, required: Sequence[str]) -> tuple[str, Columns, frozenset[str]]:
    """Return the form of a JSON body, its required columns (single values, equally long), and all names."""
    form, held = _form(body)
    if held in ([], {}):
        raise Refusal(f"{form}: there are no rows")
    columns = _FORMS[form](form, held, required)
    for name, cells in columns.items():
        _check_cells(name, cells)
    if not len(next(iter(columns.values()))):
        raise Refusal(f"{form}: there are no rows")
    first = held[0] if isinstance(held, list) else held
    return form, columns, frozenset(first["columns"] if form == "dataframe_split" else first)


def _form(body: bytes) -> tuple[str, Any]:
    try:
        parsed = json.loads(body)
    except RecursionError:
        raise Refusal("the body is not JSON that is read here: it is nested too deeply") from None
    except ValueError as error:
        raise Refusal(f"the body is not JSON: {error}") from None
    wanted = f"send a JSON object with one of {', '.join(_FORMS)}"
    if not isinstance(parsed, dict):
        raise Refusal(f"the body is {_kind(parsed)}: {wanted}")
    if parsed.pop("params", None):
        raise Refusal("params: the model takes none")
    if strange := [key for key in parsed if key not in _FORMS]:
        raise Refusal(f"unknown key {strange[0]!r}: {wanted}")
    if len(parsed) != 1:
        raise Refusal(f"the body has {' and '.join(parsed) or 'no rows'}: {wanted}")
    return next(iter(parsed.items()))


def _records(form: str, held: Any, required: Sequence[str]) -> Columns:
    if not isinstance(held, list):
        raise Refusal(f"{form}: {_kind(held)} where a list of objects is wanted, one a row")
    wanted = set(required)
    for number, row in enumerate(held, start=1):
        if not isinstance(row, dict):
            raise Refusal(f"{form}: row {number} is {_kind(row)}, not an object with names")
        if not wanted <= row.keys():
            where = f" in row {number}; null says that a cell is missing" if len(held) > 1 else ""
            raise _missing(required, row, where)
    return {name: [row[name] for row in held] for name in required}


def _split(form: str, held: Any, required: Sequence[str]) -> Columns:
    if not isinstance(held, dict) or not isinstance(held.get("columns"), list):
        raise Refusal(f"{form}: an object with columns, a list of names, and data is wanted")
    names, rows = held["columns"], held.get("data")
    if strange := [key for key in held if key not in ("columns", "data", "index")]:
        raise Refusal(f"{form}: unknown key {strange[0]!r}; it has columns, data and, if you like, index")
    if not isinstance(rows, list):
        raise Refusal(f"{form}: data is {_kind(rows)} where a list of lists is wanted, one a row")
    if strange := [name for name in names if not isinstance(name, str)]:
        raise Refusal(f"{form}: {_kind(strange[0])} among the columns' names")
    if not set(required) <= set(names):
        raise _missing(required, names)
    if twice := [name for name in required if names.count(name) > 1]:
        raise Refusal(f"two columns named {twice[0]!r}")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != len(names):
            told = f"has {len(row)} cells" if isinstance(row, list) else f"is {_kind(row)}"
            raise Refusal(f"{form}: row {number} {told} where there are {len(names)} columns")
    if (index := held.get("index")) is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise Refusal(f"{form}: index does not have as many entries as data has rows")
    places = {name: names.index(name) for name in required}
    return {name: [row[place] for row in rows] for name, place in places.items()}


def _inputs(form: str, held: Any, required: Sequence[str]) -> Columns:
    if isinstance(held, list):
        return _records(form, held, required)
    if not isinstance(held, dict):
        raise Refusal(f"{form}: {_kind(held)} where an object of columns, or a list of rows, is wanted")
    if not set(required) <= held.keys():
        raise _missing(required, held)
    columns = {name: held[name] for name in required}
    listed = [name for name, cells in columns.items() if isinstance(cells, list)]
    if not listed:
        return {name: [cell] for name, cell in columns.items()}
    if len(listed) < len(columns):
        odd = next(name for name in columns if name not in listed)
        raise Refusal(f"{form}: column {odd!r} is {_kind(held[odd])} where others are lists")
    first = len(columns[required[0]])
    if odd := next((name for name, cells in columns.items() if len(cells) != first), ""):
        told = f"{len(columns[odd])} cells, column {required[0]!r} has {first}"
        raise Refusal(f"{form}: column {odd!r} has {told}")
    return columns


_FORMS: dict[str, Callable[[str, Any, Sequence[str]], Columns]] = {
    "dataframe_records": _records,
    "dataframe_split": _split,
    "instances": _records,
    "inputs": _inputs,
}

_REWORKED = ("instances", "inputs")
"""MLflow makes an array without axes of each cell here, one that is no longer missing of a null."""


def _check_cells(name: str, cells: Sequence[Any]) -> None:
    for number, cell in enumerate(cells, start=1):
        if isinstance(cell, list | dict):
            raise Refusal(f"column {name!r}, row {number}: {_kind(cell)} where a single value is wanted")
        if isinstance(cell, int) and cell.bit_length() > LARGEST_BITS:
            raise Refusal(f"column {name!r}, row {number}: the number is too large")


def _parquet_names(body: bytes, required: Sequence[str]) -> frozenset[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(BytesIO(body)) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Refusal(f"the body is not Parquet: {error}".splitlines()[0]) from None
    if not set(required) <= set(schema.names):
        raise _missing(required, schema.names)
    if twice := [name for name in required if schema.names.count(name) > 1]:
        raise Refusal(f"two columns named {twice[0]!r}")
    if not rows:
        raise Refusal("there are no rows")
    if rows * len(schema.names) > MOST_CELLS:
        raise Refusal(
            f"{rows:,} rows of {len(schema.names)} columns are too many cells: send fewer at once",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    for name in required:
        kind = schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise Refusal(f"column {name!r} holds {kind} where single values are wanted")
    return frozenset(schema.names)


def _missing(required: Sequence[str], held: Iterable[Any], where: str = "") -> Refusal:
    names = set(held)
    absent = [name for name in required if name not in names]
    shown = ", ".join(absent[:NAMED]) + (f" and {len(absent) - NAMED} more" if len(absent) > NAMED else "")
    return Refusal(f"missing required column{'s' * (len(absent) > 1)}: {shown}{where}")


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
