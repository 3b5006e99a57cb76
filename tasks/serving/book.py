"""What two versions answered to the same requests, kept and compared."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.files import read_json, write_json
from tasks.layout import Layout
from tasks.scoring.chunks import FrameCells
from tasks.scoring.served import Answered, Served, answer_fields
from tasks.scoring.shadow import Comparison, refusing, side_by_side, tried
from tasks.serving.beside import Item
from tasks.serving.bodies import frame_of
from tasks.serving.refusal import Refusal

__all__ = ["Book"]


@cache
def _fields(folder: str) -> tuple[pa.Field, ...]:
    return answer_fields(read_json(Path(folder) / "artifacts" / "serving.json"))


class Book:
    """What two versions answered to the same requests: Parquet files, and a note with how they compare.

    Parameters
    ----------
    root : Path
    answering : str
        Version that answers.
    folder : str
        Its files.
    model : Served
        The one in the shadow.
    """

    def __init__(self, root: Path, answering: str, folder: str, model: Served) -> None:
        began = datetime.now(UTC)
        self.key, self.day = (answering, model.version), began.date()
        self._batch = f"requests-{began:%Y%m%dT%H%M%S.%f}-{os.getpid()}"
        self._place = Layout(root).state / "shadow" / f"{self._batch}-{model.version}"
        self._answering, self._fields, self._model = answering, _fields(folder), model
        self._comparison, self._parts = Comparison(), 0
        self._tables: list[pa.Table] = []
        self._rows = self._asked = 0
        self.waiting = 0

    def add(self, item: Item) -> None:
        """Have the version in the shadow answer a request."""
        answered = _answered(item.answer, self._fields)
        rows = len(answered.rows)
        numbers = np.arange(self._rows, self._rows + rows) + 1
        beside = _beside(self._model, item, rows)
        table = side_by_side(numbers, answered, beside, self._fields, self._model.fields)
        self._comparison.add(table)
        self._tables.append(table)
        self._rows, self._asked, self.waiting = self._rows + rows, self._asked + 1, self.waiting + rows

    def write(self, dropped: int) -> bool:
        """Write what has come since the last time; False where nothing has.

        Parameters
        ----------
        dropped : int
            Requests that were not handed over, since the server began.
        """
        if not self._tables:
            return False
        self._place.mkdir(parents=True, exist_ok=True)
        part = self._place / f"{self._parts:06}.parquet"
        temporary = part.with_suffix(".tmp")
        pq.write_table(pa.concat_tables(self._tables), temporary)
        temporary.replace(part)
        self._tables, self._parts, self.waiting = [], self._parts + 1, 0
        facts = {"batch": self._batch, "model": self._model.name, "input": "requests", "fingerprint": ""}
        versions = {"answering": self._answering, "shadow": self._model.version, "log": self._place.name}
        counts = {"requests": self._asked, "dropped": dropped}
        note = {**facts, **versions, **counts, **self._comparison.told()}
        write_json(self._place.with_name(f"{self._place.name}.json"), note)
        return True


def _answered(answer: bytes, fields: Sequence[pa.Field]) -> Answered:
    predictions = json.loads(answer)["predictions"]
    columns = [pa.array([each[field.name] for each in predictions], field.type) for field in fields]
    return Answered(np.arange(len(predictions)), tuple(columns), ())


def _beside(model: Served, item: Item, rows: int) -> Answered:
    """Return what the version in the shadow answers; a body that it cannot read is refused row by row."""
    try:
        frame = frame_of(item.body, item.kind, model.required)
    except Refusal as refusal:
        return refusing(model, rows, str(refusal))
    return tried(model, FrameCells(frame))
