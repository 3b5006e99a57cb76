"""Score a batch: read ahead, answer, write behind; chunks that are finished stay finished."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.errors import EspalierError
from tasks.scoring.ahead import ahead, behind
from tasks.scoring.chunks import Aside, Chunk, aside_table, shown_rows
from tasks.scoring.inputs import Input, Survey
from tasks.scoring.outputs import Output
from tasks.scoring.request import (
    Request,
    answer_schema,
    chunk_rows,
    job_of,
    open_input,
    open_output,
    settings_of,
    staging_of,
)
from tasks.scoring.served import Answered, Served
from tasks.scoring.shadow import Shadow
from tasks.scoring.staging import Staging

__all__ = ["Scored", "score_batch"]

Say = Callable[[str], object]
SECONDS = 2.0


@dataclass(frozen=True)
class Scored:
    """A whole batch.

    Attributes
    ----------
    batch : str
        Its key: content of the input, version of the model, columns kept.
    model, version, input, fingerprint : str
    rows, scored, quarantined : int
    quarantine : str or None
        Where rows that cannot be scored are; None without any.
    resumed : int
        Rows that an earlier, killed process had scored.
    seconds : float
        Of this process.
    existing : bool
        Whether the batch had been whole before.
    shadow : mapping or None
        How a version in the shadow compares; see `shadow.compared`.
    """

    batch: str
    model: str
    version: str
    input: str
    fingerprint: str
    rows: int
    scored: int
    quarantined: int
    quarantine: str | None = None
    resumed: int = 0
    seconds: float = 0.0
    existing: bool = False
    shadow: Mapping[str, Any] | None = None


def score_batch(request: Request, model: Served, say: Say, shadow: Served | None = None) -> Scored:
    """Score a batch, or what is left of it; one that is whole already is left alone.

    Parameters
    ----------
    request : Request
    model : Served
    say : callable
        Takes lines of progress.
    shadow : Served, optional
        A version that scores the same rows; its answers are logged and compared, never returned.

    Raises
    ------
    EspalierError
        What the user can act on; finished chunks are kept.
    """
    began, rows, staging = time.monotonic(), chunk_rows(request, model), staging_of(request)
    settings = settings_of(request, model, rows)
    with staging.held():
        source = open_input(request, model, staging)
        before = staging.job()
        if before.get("settings") != settings:
            shutil.rmtree(staging.rows, ignore_errors=True)
        wanted = [*dict.fromkeys([*model.required, *request.keep])]
        say(f"reading    {source.shown}")
        beside = _beside(shadow, model, source, say)
        read = [*dict.fromkeys([*wanted, *(beside.model.required if beside else ())])]
        survey = source.survey(read, rows)
        job = job_of(settings, source, survey)
        with open_output(request, staging, job["batch"]) as output:
            if not request.anew and (receipt := output.receipt(job["batch"])):
                if before.get("batch") == job["batch"]:
                    staging.discard()
                return _known(job, receipt)
            if before and before["batch"] != job["batch"]:
                say(f"anew       an unfinished batch was of {_told(before)}, this is of {_told(job)}")
            schema = answer_schema(request, model, survey)
            work = _Work(model, source, survey, wanted, read, rows, schema, staging, beside, say)
            log = request.state.parent / "shadow"
            return work.into(output, job, log, anew=request.anew, began=began)


def _beside(shadow: Served | None, model: Served, source: Input, say: Say) -> Shadow | None:
    """Return the version in the shadow, unless the input lacks columns that it needs."""
    if shadow is None:
        return None
    beside = Shadow(shadow, model)
    if absent := beside.missing(source.names()):
        named = ", ".join(map(repr, absent[:3]))
        say(f"shadow     {shadow.name}/{shadow.version} is not in the shadow: {source.shown} lacks {named}")
        return None
    return beside


@dataclass(frozen=True)
class _Work:
    """A batch that is about to be scored."""

    model: Served
    source: Input
    survey: Survey
    wanted: Sequence[str]
    read: Sequence[str]
    rows: int
    schema: pa.Schema
    staging: Staging
    shadow: Shadow | None
    say: Say

    def into(self, output: Output, job: Mapping[str, Any], log: Path, *, anew: bool, began: float) -> Scored:
        """Score the batch into its output; what the shadow answered goes below `log`."""
        done, resumed = output.begin(job, self.schema, anew=anew)
        if done:
            self.say(f"going on   {resumed:,} rows are scored already")
        scored = resumed + self._score(output, done, resumed + output.quarantined(), job["batch"])
        quarantined = output.quarantined()
        self._check_none_is_lost(scored + quarantined)
        facts = {name: job[name] for name in ("batch", "model", "version", "input", "fingerprint")}
        counts: dict[str, Any] = {"rows": scored + quarantined, "scored": scored, "quarantined": quarantined}
        compared = self._close_shadow(log, job)
        output.finish({**facts, **counts})
        where = str(output.quarantine.path) if quarantined else None
        seconds = time.monotonic() - began
        return Scored(**facts, **counts, quarantine=where, resumed=resumed, seconds=seconds, shadow=compared)

    def _close_shadow(self, log: Path, job: Mapping[str, Any]) -> dict[str, Any] | None:
        if self.shadow is None:
            return None
        place = log / f"{job['batch']}-{self.shadow.model.version}.parquet"
        return self.shadow.close(self.staging, place, job)

    def _score(self, output: Output, done: int, before: int, batch: str) -> int:
        """Score what is not done yet; return how many rows that were."""
        progress = _Progress(self.say, self.survey.rows, before)
        chunks = self.source.chunks(self.survey, self.read, self.rows, done)
        with ahead(chunks) as read, behind() as write:
            for chunk in read:
                if chunk.index == done:
                    self.model.hold_against(chunk.cells)
                answered = self.model.score(chunk.cells)
                answers = self._answers(chunk, answered, batch)
                aside = self._aside(chunk, answered)
                beside = self.shadow.answer(chunk, answered) if self.shadow else None
                write(partial(self._write, output, chunk.index, answers, aside, beside))
                progress.add(answers.num_rows, 0 if aside is None else aside.num_rows)
        progress.tell()
        return progress.scored

    def _write(
        self,
        output: Output,
        index: int,
        answers: pa.Table,
        aside: pa.Table | None,
        beside: pa.Table | None,
    ) -> None:
        """Keep what the shadow answered, and then the chunk, which is finished with it."""
        if self.shadow is not None and beside is not None:
            self.staging.store(self.shadow.kind, index, beside)
        output.write(index, answers, aside)

    def _answers(self, chunk: Chunk, answered: Answered, batch: str) -> pa.Table:
        n, whole = len(answered.rows), not answered.aside
        kept = [field for field in self.schema if field.name in self._kept()]
        carried = [chunk.cells.column(field.name, field.type) for field in kept]
        places = pa.array(answered.rows)
        columns = [
            pa.array(chunk.numbers[answered.rows]),
            *(column if whole else column.take(places) for column in carried),
            *answered.columns,
            _constant(self.model.version, n),
            pa.array(np.full(n, _now()), self.schema.field("scored_at").type),
            _constant(batch, n),
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _kept(self) -> set[str]:
        own = {field.name for field in self.model.fields} | {
            "row_number",
            "model_version",
            "scored_at",
            "batch",
        }
        return set(self.schema.names) - own

    def _aside(self, chunk: Chunk, answered: Answered) -> pa.Table | None:
        if not answered.aside and not chunk.aside:
            return None
        places = [place for place, _ in answered.aside]
        shown = shown_rows(chunk.cells, self.wanted, places) if places else []
        own = [
            Aside(int(chunk.numbers[place]), reason, cells)
            for (place, reason), cells in zip(answered.aside, shown, strict=True)
        ]
        return aside_table([*chunk.aside, *own])

    def _check_none_is_lost(self, rows: int) -> None:
        if self.survey.rows is not None and rows != self.survey.rows:
            raise EspalierError(
                f"{self.source.shown} has {self.survey.rows:,} rows, {rows:,} were scored or quarantined; "
                "the batch is not called whole"
            )


class _Progress:
    """Lines of progress, one every other second."""

    def __init__(self, say: Say, total: int | None, before: int) -> None:
        self._say, self._total, self._before = say, total, before
        self.scored, self._aside = 0, 0
        self._began = self._last = time.monotonic()

    def add(self, scored: int, aside: int) -> None:
        """Count rows, and tell when it is time."""
        self.scored, self._aside = self.scored + scored, self._aside + aside
        if time.monotonic() - self._last >= SECONDS:
            self.tell()

    def tell(self) -> None:
        """Say how far it is."""
        self._last = time.monotonic()
        new = self.scored + self._aside
        done = new + self._before
        share = f" of {self._total:,} ({100 * done / self._total:.0f} %)" if self._total else ""
        pace = new / max(self._last - self._began, 1e-9)
        aside = f", {self._aside:,} quarantined" if self._aside else ""
        self._say(f"scored     {done:,}{share} rows, {pace:,.0f} a second{aside}")


def _known(job: Mapping[str, Any], receipt: Mapping[str, Any]) -> Scored:
    facts = {name: job[name] for name in ("batch", "model", "version", "input", "fingerprint")}
    counts: dict[str, Any] = {name: int(receipt[name]) for name in ("rows", "scored", "quarantined")}
    return Scored(**facts, **counts, existing=True)


def _told(job: Mapping[str, Any]) -> str:
    return f"{job['input']} by {job['model']}/{job['version']}"


def _constant(text: str, rows: int) -> pa.Array:
    codes = pa.array(np.zeros(rows, np.int8))
    return pa.DictionaryArray.from_arrays(codes, pa.array([text], pa.string()))


def _now() -> np.datetime64:
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")
