"""Delimited text: CSV and TSV, gzipped or not."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, cast

import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from tasks.data.sources.loaded import Loaded
from tasks.errors import EspalierError

__all__ = ["Dialect", "dialect", "open_binary", "read_csv"]

DELIMITERS = (",", ";", "\t", "|")
DECIMAL_COMMA = re.compile(r"(?:^|;)\s*-?\d+,\d+\s*(?:;|$)", re.MULTILINE)


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written."""

    delimiter: str
    decimal: str

    def options(self, missing: Sequence[str]) -> dict[str, Any]:
        """Return how pandas reads such a file."""
        return {
            "sep": self.delimiter,
            "decimal": self.decimal,
            "na_values": list(missing),
            "skipinitialspace": True,
            "low_memory": False,
        }


def dialect(path: Path, shown: str) -> Dialect:
    """Return the dialect of a delimited file.

    Raises
    ------
    EspalierError
        When its first line names no column, or one twice.
    """
    header, sample = _beginning(path)
    delimiter = max(DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)
    _check_header(header, delimiter, shown)
    return Dialect(delimiter, "," if delimiter == ";" and DECIMAL_COMMA.search(sample) else ".")


def read_csv(path: Path, shown: str, missing: Sequence[str]) -> Loaded:
    """Return the rows of a delimited file with one header line, UTF-8.

    Raises
    ------
    EspalierError
        Naming the line where bytes are not UTF-8 or a row has more or fewer fields than the header.
    """
    try:
        found = dialect(path, shown)
        _check_widths(path, shown, found.delimiter)
        frame = pd.read_csv(path, encoding="utf-8-sig", **found.options(missing))
    except UnicodeDecodeError as error:
        raise EspalierError(f"{shown}: {_undecodable(path)}; save it as UTF-8") from error
    except pd.errors.EmptyDataError as error:
        raise EspalierError(f"{shown} is empty: it has no header line") from error
    except (pd.errors.ParserError, csv.Error, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise EspalierError(f"{shown} is no readable table: {str(error).strip()}") from error
    return Loaded(frame)


def open_binary(path: Path) -> IO[bytes]:
    """Open a file, gzipped or not, for its bytes."""
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _beginning(path: Path) -> tuple[str, str]:
    """Return the header line, and some text after it."""
    with open_binary(path) as file:
        header, sample = file.readline().decode("utf-8-sig"), file.read(4096)
    first, *rest = re.split(r"\r\n?|\n", header, maxsplit=1)  # lines may end in a bare carriage return
    return first, "".join(rest) + sample.decode(errors="replace")


def _check_header(header: str, delimiter: str, shown: str) -> None:
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if not any(names):
        raise EspalierError(f"{shown} is empty: its first line names no column")
    if repeated := [name for name in names if name and names.count(name) > 1]:
        raise EspalierError(f"{shown} has two columns named {repeated[0]!r}; rename one")


def _check_widths(path: Path, shown: str, delimiter: str) -> None:
    """Refuse rows of another width than the header; pandas would fill short ones in silence."""
    wrong = 0

    def count(row: arrow_csv.InvalidRow) -> str:
        nonlocal wrong
        wrong += 1
        return "skip"

    with open_binary(path) as file:
        read = arrow_csv.ReadOptions(autogenerate_column_names=True, encoding="latin-1")
        parse = arrow_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=count
        )
        convert = arrow_csv.ConvertOptions(include_columns=["f0"], column_types={"f0": pa.string()})
        try:
            arrow_csv.read_csv(file, read, parse, convert)
        except pa.ArrowInvalid as error:
            raise EspalierError(f"{shown} is no readable table: {error}") from error
    if wrong:
        raise EspalierError(
            f"{shown}: {_first_ragged(path, delimiter)} ({wrong} such rows); mend or remove them"
        )


def _first_ragged(path: Path, delimiter: str) -> str:
    with open_binary(path) as raw:
        rows = csv.reader(TextIOWrapper(raw, encoding="latin-1", newline=""), delimiter=delimiter)
        width = len(next(rows))
        for row in rows:
            if row and len(row) != width:
                return f"line {rows.line_num} has {len(row)} fields, the header has {width}"
    return "rows differ in width"


def _undecodable(path: Path) -> str:
    with open_binary(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"line {number} holds the byte 0x{line[error.start]:02x}, which is not UTF-8"
    return "its bytes are not UTF-8"
