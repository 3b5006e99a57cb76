"""What a batch is: where from, where to, by which model; from that its inputs, outputs and key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.errors import EspalierError, masked
from tasks.scoring.database import opened
from tasks.scoring.delimited import DelimitedInput
from tasks.scoring.inputs import Input, Survey
from tasks.scoring.outputs import FileOutput, Output
from tasks.scoring.parquet import ParquetInput
from tasks.scoring.quarantine import Quarantine
from tasks.scoring.query import QueryInput
from tasks.scoring.served import Served
from tasks.scoring.staging import Staging
from tasks.scoring.table_output import TableOutput

__all__ = [
    "Request",
    "answer_schema",
    "chunk_rows",
    "input_path",
    "job_of",
    "open_input",
    "open_output",
    "settings_of",
    "staging_of",
]

DELIMITED = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
CELLS = 1 << 23
LEAST, MOST = 1 << 10, 1 << 17
NUMBER = pa.field("row_number", pa.int64())
TEXT = pa.dictionary(pa.int8(), pa.string())
STAMPS = (
    pa.field("model_version", TEXT),
    pa.field("scored_at", pa.timestamp("us", "UTC")),
    pa.field("batch", TEXT),
)


@dataclass(frozen=True)
class Request:
    """What is to be scored, and where to.

    Attributes
    ----------
    source, to : str
        A file, or an SQLAlchemy URL with secrets as ${NAME}.
    query, table : str or None
        For a source, or an output, that is a database.
    keep : tuple of str
        Columns of the source that stand beside the answers.
    quarantine : str or None
        File for the rows that cannot be scored; by default beside the output.
    chunk : int or None
        Rows that are scored at once; by default what fits 8 million cells.
    anew : bool
        Whether what is there already is replaced.
    folder : Path
        Folder that paths start from.
    state : Path
        Folder for what an unfinished batch has so far, where the output is a database.
    """

    source: str
    to: str
    query: str | None = None
    table: str | None = None
    keep: tuple[str, ...] = ()
    quarantine: str | None = None
    chunk: int | None = None
    anew: bool = False
    folder: Path = Path()
    state: Path = Path(".espalier/scoring")

    def __post_init__(self) -> None:
        for option, value, place in (("--query", self.query, self.source), ("--table", self.table, self.to)):
            if ("://" in place) != (value is not None):
                need = "is needed" if value is None else "is only used"
                raise EspalierError(f"{option} {need} with an SQLAlchemy URL, this is {masked(place)}")
        if twice := [name for name in self.keep if self.keep.count(name) > 1]:
            raise EspalierError(f"--keep names {twice[0]!r} twice")
        if self.chunk is not None and self.chunk < 1:
            raise EspalierError(f"--chunk: at least 1 row (got {self.chunk})")
        if self.quarantine is not None and not self.quarantine.endswith(".parquet"):
            raise EspalierError(f"--quarantine: {self.quarantine} does not end in .parquet")
        if "://" not in self.to and not self.to.endswith(".parquet"):
            raise EspalierError(f"--to: {self.to} does not end in .parquet and is no SQLAlchemy URL")
        self._require_apart()

    def _require_apart(self) -> None:
        """Refuse to write where something is read, or two things to one file."""
        read = None if self.query is not None else self.folder / Path(self.source).expanduser()
        aside = self.folder / self.quarantine_name("")
        pairs = (
            (f"--to: {self.to}", self.file, read, "the file that is read"),
            (f"quarantine {self.quarantine_name('')}", aside, read, "the file that is read"),
            (f"quarantine {self.quarantine_name('')}", aside, self.file, "what --to names"),
        )
        for told, path, other, what in pairs:
            if path and other and path.resolve() == other.resolve():
                raise EspalierError(f"{told} is {what}, which would be lost; choose another file")

    def quarantine_name(self, batch: str) -> str:
        """Return the file for the rows of a batch that cannot be scored, from `folder`."""
        if self.quarantine is not None:
            return self.quarantine
        if self.file is not None:
            return str(Path(self.to).with_name(f"{self.file.stem}.quarantine.parquet"))
        return f"{self.table}.{batch}.quarantine.parquet"

    @property
    def file(self) -> Path | None:
        """The output where it is a file."""
        return None if "://" in self.to else self.folder / self.to


def chunk_rows(request: Request, model: Served) -> int:
    """Return rows of a chunk; by default a power of two."""
    if request.chunk is not None:
        return request.chunk
    width = max(len(model.required) + len(request.keep), model.outputs)
    fits = max(CELLS // width, LEAST)
    return int(min(1 << (fits.bit_length() - 1), MOST))


def staging_of(request: Request) -> Staging:
    """Return where the batch is while it is not whole: beside a file, or in the state folder."""
    if request.file is not None:
        if not request.file.parent.is_dir():
            raise EspalierError(f"--to: there is no folder {request.file.parent}")
        return Staging(request.file.with_name(f".{request.file.name}.scoring"), request.to)
    place = hashlib.sha256(f"{request.to}\n{request.table}".encode()).hexdigest()[:16]
    return Staging(request.state / place, f"{request.to} ({request.table})")


def settings_of(request: Request, model: Served, rows: int) -> dict[str, Any]:
    """Return what decides about the answers beside the input's content."""
    return {
        "format": 1,
        "model": model.name,
        "version": model.version,
        "digest": model.digest,
        "keep": list(request.keep),
        "rows": rows,
        "query": request.query,
    }


def job_of(settings: dict[str, Any], source: Input, survey: Survey) -> dict[str, Any]:
    """Return a batch: its key, and what it is made from."""
    key = json.dumps({**settings, "fingerprint": survey.fingerprint}, sort_keys=True)
    return {
        "batch": hashlib.sha256(key.encode()).hexdigest()[:16],
        "model": settings["model"],
        "version": settings["version"],
        "input": source.shown,
        "fingerprint": survey.fingerprint,
        "settings": settings,
    }


def open_input(request: Request, model: Served, staging: Staging) -> Input:
    """Return the input of a request."""
    if request.query is not None:
        return QueryInput(request.source, request.query, request.folder, staging.rows)
    path = input_path(request)
    assert path is not None
    if path.name.lower().endswith(".parquet"):
        return ParquetInput(path, request.source)
    return DelimitedInput(path, request.source, model.missing)


def input_path(request: Request) -> Path | None:
    """Return the file that is read; None where it is a database.

    Raises
    ------
    EspalierError
        When it is not there, is empty, or of no known kind.
    """
    if request.query is not None:
        return None
    path = request.folder / Path(request.source).expanduser()
    if not path.is_file():
        raise EspalierError(f"no file {request.source}")
    if not path.stat().st_size:
        raise EspalierError(f"{request.source} is empty (0 bytes)")
    if not path.name.lower().endswith((".parquet", *DELIMITED)):
        raise EspalierError(f"{request.source} ends in none of .parquet {' '.join(DELIMITED)}")
    return path


@contextmanager
def open_output(request: Request, staging: Staging, batch: str) -> Iterator[Output]:
    """Open where a batch goes to, for a block."""
    name = request.quarantine_name(batch)
    quarantine = Quarantine(request.folder / name, name, batch, request.anew)
    if request.file is not None:
        yield FileOutput(request.file, quarantine, staging)
        return
    with opened(request.to, request.folder, make=True) as engine:
        yield TableOutput(engine, str(request.table), quarantine, staging)


def answer_schema(request: Request, model: Served, survey: Survey) -> pa.Schema:
    """Return the columns of the output.

    Raises
    ------
    EspalierError
        When a column that is kept has the name of one of the answer.
    """
    own = [NUMBER, *model.fields, *STAMPS]
    kept = [pa.field(name, survey.kinds[name]) for name in request.keep]
    if taken := {field.name for field in own} & set(request.keep):
        raise EspalierError(f"--keep: the output has a column {sorted(taken)[0]!r} of its own")
    return pa.schema([NUMBER, *kept, *model.fields, *STAMPS])
