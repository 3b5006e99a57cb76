"""A delimited file without the rows that cannot be read: they are put aside, the rest keep their numbers."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator
from io import StringIO, TextIOBase, TextIOWrapper
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv

from tasks.data.sources.tables import open_binary
from tasks.scoring.chunks import Aside

__all__ = ["Mended", "needs_mending"]

BLOCK = 1 << 22
ROWS = 1024


def needs_mending(path: Path, delimiter: str) -> bool:
    """Say whether a file has rows of another width than its header, or bytes that are not UTF-8."""
    return not _decodable(path) or _ragged(path, delimiter)


def _decodable(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with open_binary(path) as file:
            while block := file.read(BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _ragged(path: Path, delimiter: str) -> bool:
    """Pandas would fill short rows in silence, so their width is looked at beforehand, a block at a time."""
    wrong = 0

    def count(row: arrow_csv.InvalidRow) -> str:
        nonlocal wrong
        wrong += 1
        return "skip"

    read = arrow_csv.ReadOptions(autogenerate_column_names=True, encoding="latin-1", block_size=BLOCK)
    parse = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=count)
    convert = arrow_csv.ConvertOptions(include_columns=["f0"], column_types={"f0": pa.string()})
    try:
        with open_binary(path) as file, arrow_csv.open_csv(file, read, parse, convert) as batches:
            for _ in batches:
                if wrong:
                    return True
    except pa.ArrowInvalid:  # a quote that never closes, say
        return True
    return bool(wrong)


class Mended(TextIOBase):
    """Text of the rows as wide as the header, for pandas to read; what is put aside can be asked for.

    Parameters
    ----------
    path : Path
    delimiter : str
    """

    def __init__(self, path: Path, delimiter: str) -> None:
        self._file = TextIOWrapper(
            open_binary(path), encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        self._rows = csv.reader(self._file, delimiter=delimiter, skipinitialspace=True)
        self._delimiter, self._width, self._row, self._clean = delimiter, 0, 0, 0
        self._before: list[int] = []  # clean rows before each row put aside
        self._aside: list[tuple[int, Aside]] = []
        self._text, self._at = "", 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1) -> str:
        """Return up to `size` characters."""
        if self._at >= len(self._text):
            self._text, self._at = self._more(), 0
        end = len(self._text) if size is None or size < 0 else self._at + size
        found, self._at = self._text[self._at : end], min(end, len(self._text))
        if size is None or size < 0:
            while more := self._more():
                found += more
        return found

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]  # text, as pandas wants it of a file
        return iter(lambda: self.read(BLOCK), "")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def numbers(self, clean: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the numbers in the file of rows that are numbered (from 1) without those put aside."""
        return clean + np.searchsorted(np.asarray(self._before, np.int64), clean - 1, side="right")

    def taken(self, clean: int | None = None) -> tuple[Aside, ...]:
        """Hand over what was put aside before clean row `clean` (from 0), or all that is left."""
        due = [aside for before, aside in self._aside if clean is None or before < clean]
        self._aside = self._aside[len(due) :]
        return tuple(due)

    def _more(self) -> str:
        """Return the text of the next clean rows; empty at the end."""
        text = StringIO()
        writer = csv.writer(text, delimiter=self._delimiter, lineterminator="\n")
        written = 0
        for row in self._rows:
            if not row:
                continue
            if not self._width:
                self._width = len(row)
            elif reason := self._wrong(row):
                self._put_aside(row, reason)
                continue
            writer.writerow(row)
            written += 1
            if written == ROWS:
                break
        return text.getvalue()

    def _wrong(self, row: list[str]) -> str:
        self._row += 1
        if len(row) != self._width:
            return f"line {self._rows.line_num} has {len(row)} fields, the header has {self._width}"
        try:
            "".join(row).encode()
        except UnicodeEncodeError:
            return f"line {self._rows.line_num} holds bytes that are not UTF-8"
        self._clean += 1
        return ""

    def _put_aside(self, row: list[str], reason: str) -> None:
        shown = json.dumps([cell.encode(errors="surrogateescape").decode(errors="replace") for cell in row])
        self._before.append(self._clean)
        self._aside.append((self._clean, Aside(self._row, reason, shown)))
