"""A table of a database: the rows of a chunk and the note that it is finished are one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    Engine,
    Float,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from tasks.errors import EspalierError
from tasks.scoring.outputs import SET_ASIDE, store_aside
from tasks.scoring.quarantine import Quarantine
from tasks.scoring.staging import Staging

__all__ = ["TableOutput"]

_NOTES = MetaData()
BATCHES = Table(
    "espalier_batches",
    _NOTES,
    Column("batch", String(64), primary_key=True),
    Column("scores_table", String(255), primary_key=True),
    Column("model", String(255), nullable=False),
    Column("model_version", String(32), nullable=False),
    Column("input", String(2000), nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("finished_at", DateTime),
    Column("scored", BigInteger),
    Column("quarantined", BigInteger),
)
CHUNKS = Table(
    "espalier_chunks",
    _NOTES,
    Column("batch", String(64), primary_key=True),
    Column("scores_table", String(255), primary_key=True),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("scored", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
)


class TableOutput:
    """A table that batches are added to, made where there is none.

    Parameters
    ----------
    engine : Engine
    table : str
    quarantine : Quarantine
    staging : Staging
        Of this table; keeps quarantined rows until the batch is whole.
    """

    def __init__(self, engine: Engine, table: str, quarantine: Quarantine, staging: Staging) -> None:
        self.engine, self.name, self.quarantine, self.staging = engine, table, quarantine, staging
        self._table: Table | None = None
        self._batch = ""

    def receipt(self, batch: str) -> dict[str, Any] | None:
        """Return what the journal says of a batch, when it is finished."""
        _NOTES.create_all(self.engine)
        with self.engine.connect() as connection:
            found = connection.execute(select(BATCHES).where(*self._is(BATCHES, batch))).mappings().first()
        if found is None or found["finished_at"] is None:
            return None
        return {"rows": found["scored"] + found["quarantined"], **found}

    def begin(self, job: Mapping[str, Any], schema: pa.Schema, *, anew: bool) -> tuple[int, int]:
        """Refuse to leave another batch unfinished, unless `anew` takes its rows back."""
        self.quarantine.require()
        _NOTES.create_all(self.engine)
        self._batch, self._table = job["batch"], self._made(schema)
        with self.engine.begin() as connection:
            if anew:
                self._take_back(connection)
            elif other := self._unfinished(connection):
                raise EspalierError(
                    f"{self.staging.shown}: table {self.name!r} holds part of a batch, "
                    f"{other['input']} scored by {other['model']}/{other['model_version']}; finish that one, "
                    "or --anew takes its rows back"
                )
            done, scored = self._done(connection)
            if done and self._lost(connection):
                raise EspalierError(
                    f"{self.staging.folder}: the quarantined rows of this batch's beginning are "
                    "no longer there; --anew scores it from the beginning"
                )
            if not connection.scalar(self._count(BATCHES)):
                connection.execute(insert(BATCHES).values(**self._note(job)))
        self.staging.begin(dict(job))
        self.staging.trim(done)
        return done, scored

    def write(self, index: int, answers: pa.Table, aside: pa.Table | None) -> None:
        """Add a chunk's rows, once."""
        assert self._table is not None
        store_aside(self.staging, index, aside)
        note = {
            "batch": self._batch,
            "scores_table": self.name,
            "chunk": index,
            "scored": answers.num_rows,
            "quarantined": aside.num_rows if aside is not None else 0,
        }
        rows = _rows(answers)
        with self.engine.begin() as connection:
            self._note_chunk(connection, note)
            if rows:
                connection.execute(insert(self._table), rows)

    def _note_chunk(self, connection: Connection, note: Mapping[str, Any]) -> None:
        try:
            connection.execute(insert(CHUNKS).values(**note))
        except IntegrityError as error:
            raise EspalierError(
                f"{self.staging.shown}: another process has scored chunk {note['chunk']} of this batch; "
                "nothing was added twice"
            ) from error

    def quarantined(self) -> int:
        """Return how many rows are quarantined so far."""
        return self.staging.count(SET_ASIDE)

    def finish(self, receipt: Mapping[str, Any]) -> None:
        """Put the quarantine in its place, then note that the batch is whole."""
        self.quarantine.write(self.staging.tables(SET_ASIDE), receipt)
        with self.engine.begin() as connection:
            connection.execute(
                update(BATCHES)
                .where(*self._is(BATCHES, self._batch))
                .values(finished_at=_now(), scored=receipt["scored"], quarantined=receipt["quarantined"])
            )
        self.staging.discard()

    def _made(self, schema: pa.Schema) -> Table:
        """Return the table, made where it is not there.

        Raises
        ------
        EspalierError
            When one of that name has other columns.
        """
        columns = [Column(field.name, _sql_type(field)) for field in schema]
        table = Table(self.name, MetaData(), *columns)
        if not inspect(self.engine).has_table(self.name):
            table.create(self.engine)
            return table
        there = {column["name"] for column in inspect(self.engine).get_columns(self.name)}
        if absent := [field.name for field in schema if field.name not in there]:
            raise EspalierError(
                f"{self.staging.shown}: table {self.name!r} has no column {absent[0]!r}; "
                "choose another --table"
            )
        return table

    def _unfinished(self, connection: Connection) -> RowMapping | None:
        wanted = select(BATCHES).where(
            BATCHES.c.scores_table == self.name,
            BATCHES.c.batch != self._batch,
            BATCHES.c.finished_at.is_(None),
        )
        return connection.execute(wanted).mappings().first()

    def _take_back(self, connection: Connection) -> None:
        """Delete the rows of other unfinished batches, and of this one unless it can go on."""
        assert self._table is not None
        here = BATCHES.c.scores_table == self.name
        others = select(BATCHES.c.batch).where(
            here, BATCHES.c.batch != self._batch, BATCHES.c.finished_at.is_(None)
        )
        own = self._is(BATCHES, self._batch)
        whole = select(BATCHES.c.batch).where(*own, BATCHES.c.finished_at.is_not(None))
        batches = {*connection.scalars(others), *connection.scalars(whole)}
        for batch in {*batches, self._batch} if self._lost(connection) else batches:
            connection.execute(delete(self._table).where(self._table.c.batch == batch))
            connection.execute(delete(CHUNKS).where(*self._is(CHUNKS, batch)))
            connection.execute(delete(BATCHES).where(*self._is(BATCHES, batch)))

    def _done(self, connection: Connection) -> tuple[int, int]:
        """Return finished chunks and rows of this batch."""
        wanted = select(func.count(), func.coalesce(func.sum(CHUNKS.c.scored), 0))
        chunks, scored = connection.execute(wanted.where(*self._is(CHUNKS, self._batch))).one()
        return int(chunks), int(scored)

    def _lost(self, connection: Connection) -> bool:
        """Say whether rows that finished chunks quarantined are no longer here."""
        wanted = select(CHUNKS.c.chunk).where(*self._is(CHUNKS, self._batch), CHUNKS.c.quarantined > 0)
        own = self.staging.job().get("batch") == self._batch
        return any(
            not own or self.staging.load(SET_ASIDE, chunk) is None for chunk in connection.scalars(wanted)
        )

    def _note(self, job: Mapping[str, Any]) -> dict[str, Any]:
        names = ("batch", "model", "input", "fingerprint")
        return {
            **{name: job[name] for name in names},
            "model_version": job["version"],
            "scores_table": self.name,
            "started_at": _now(),
        }

    def _is(self, notes: Table, batch: str) -> tuple[Any, ...]:
        return notes.c.batch == batch, notes.c.scores_table == self.name

    def _count(self, notes: Table) -> Any:
        return select(func.count()).select_from(notes).where(*self._is(notes, self._batch))


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return rows for a database: what is not a number is NULL there."""
    plain = {field.name: _without_nan(table.column(field.name), field.type) for field in table.schema}
    rows: list[dict[str, Any]] = pa.table(plain).to_pylist()
    return rows


def _without_nan(cells: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(kind):
        return cells.cast(kind.value_type)
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_nan(cells), None, cells)
    if pa.types.is_timestamp(kind):
        return cells.cast(pa.timestamp("us"))  # UTC; most databases keep no zone
    return cells


def _sql_type(field: pa.Field) -> TypeEngine[Any]:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    for is_kind, made in _SQL_TYPES:
        if is_kind(kind):
            return made
    raise EspalierError(f"--keep {field.name}: {kind} has no place in a database; leave that column out")


_SQL_TYPES: tuple[tuple[Any, TypeEngine[Any]], ...] = (
    (pa.types.is_boolean, Boolean()),
    (pa.types.is_integer, BigInteger()),
    (pa.types.is_float64, Double()),
    (pa.types.is_floating, Float()),
    (pa.types.is_date, Date()),
    (pa.types.is_timestamp, DateTime()),
    (pa.types.is_string, Text()),
    (pa.types.is_large_string, Text()),
    (pa.types.is_null, Text()),
)
