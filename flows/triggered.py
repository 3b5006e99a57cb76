"""What an event, or somebody in the Prefect UI, starts: gate, watch for drift, batch scoring.

None of them computes a stage or writes into the working tree. What has no object, such as the first data
before there is a champion, is no failure for an event.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.alerts import TOLD
from flows.environment import enter
from flows.unfinished import noted
from tasks.config import load_params
from tasks.errors import NothingToDoError

__all__ = ["monitor", "predict", "promote"]


@flow(name="scheduled promote", **TOLD)
def promote(root: str = ".") -> State[Any]:
    """Hold the challenger against the champion, decide by section `promote`, and act.

    Parameters
    ----------
    root : str
        Workspace, from the folder that the worker works in.

    Raises
    ------
    EspalierError
        When another promotion is under way, or the registry cannot be reached. Nothing has moved then.
    """
    from flows.promote import promote as judge

    with _at_work(root) as here:
        try:
            judged = judge.fn(here)
        except NothingToDoError as error:
            return _nothing(error)
    entry = judged.entry
    name = "Promoted" if entry.moves else "Not promoted"
    return Completed(name=name, message=f"version {entry.version}, {entry.action}: {entry.why}")


@flow(name="scheduled monitor", **TOLD)
def monitor(root: str = ".", source: str = "", query: str = "", model: str = "champion") -> State[Any]:
    """Hold rows against those that a registered version was made from, and raise `espalier.drift`.

    Parameters
    ----------
    root : str
        Workspace, from the folder that the worker works in.
    source, query : str
        A file, `package:NAME`, or an SQLAlchemy URL with its query; empty: the source of params.yaml.
    model : str
        An alias (champion, challenger, previous) or a version's number.

    Raises
    ------
    EspalierError
        When the rows cannot be read, or the version holds no profile.
    """
    from flows.monitor import monitor as watch
    from tasks.drift.words import verdict

    with _at_work(root) as here:
        own = load_params(here).source
        at, asked = (source, query or None) if source else (own.uri, own.query)
        try:
            watched, _ = watch.fn(here, at, model, query=asked)
        except NothingToDoError as error:
            return _nothing(error)
    name = "Drift" if watched.drift.kinds else "No drift"
    return Completed(name=name, message=verdict(watched.drift, watched.policy))


@flow(name="scheduled predict", **TOLD)
def predict(
    source: str,
    to: str,
    root: str = ".",
    model: str = "champion",
    query: str = "",
    table: str = "",
    keep: list[str] | None = None,
    quarantine: str = "",
    chunk: int = 0,
    shadow: str = "",
    anew: bool = False,
) -> State[Any]:
    """Score the rows of a file or a query; killed, the same call goes on.

    Parameters
    ----------
    source, to : str
        A file, from the workspace's folder, or an SQLAlchemy URL with secrets as ${NAME}.
    root : str
        Workspace, from the folder that the worker works in.
    model : str
        An alias (champion, challenger, previous) or a version's number.
    query, table : str
        For a source, or an output, that is a database.
    keep : list of str, optional
        Columns of the source that stand beside the answers.
    quarantine : str
        File for the rows that cannot be scored; empty: beside the output.
    chunk : int
        Rows that are scored at once; 0: as many as is good.
    shadow : str
        An alias or a number: this version scores the same rows, logged and compared.
    anew : bool
        Whether what is there already is replaced.

    Raises
    ------
    EspalierError
        What a person can act on; finished chunks are kept.
    """
    from flows.predict import predict as score

    with _at_work(root) as here:
        scored = score.fn(
            here,
            source,
            to,
            model,
            query=query or None,
            table=table or None,
            keep=keep or (),
            quarantine=quarantine or None,
            chunk=chunk or None,
            anew=anew,
            shadow=shadow or None,
        )
    counts = f"{scored.rows:,} rows: {scored.scored:,} scored, {scored.quarantined:,} quarantined"
    return Completed(message=f"{counts}, by {scored.model} version {scored.version}")


@contextmanager
def _at_work(root: str) -> Iterator[Path]:
    here = Path(root).resolve()
    enter(here)
    with noted(here, flow_run.id):
        yield here


def _nothing(error: NothingToDoError) -> State[Any]:
    return Completed(name="Nothing to do", message=str(error))
