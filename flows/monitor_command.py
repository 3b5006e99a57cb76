"""`espalier monitor`: the flow, and what came out of it."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flows.session import connected, server, stoppable
from flows.terminal import log_to_terminal

if TYPE_CHECKING:
    from flows.embedded import EmbeddedServer
    from tasks.monitoring import Watched

__all__ = ["monitor"]


def monitor(
    root: Path,
    source: str,
    model: str,
    started_in: Path,
    say: Callable[[str], object],
    *,
    query: str | None = None,
    as_json: bool = False,
) -> bool:
    """Hold a batch against a registered version and tell what was found.

    Parameters
    ----------
    root : Path
        Workspace.
    source, model, query
        See `flows.monitor.monitor`.
    started_in : Path
        Folder that paths start from.
    say : callable
        Takes each line for the user.
    as_json : bool
        Whether a JSON object is all that is said.

    Returns
    -------
    Whether there is drift.
    """
    from tasks.config import load_params
    from tasks.monitoring import source_of

    load_params(root)
    source_of(source, query, started_in)  # what is wrong here costs no server
    if not as_json:
        log_to_terminal()
    with stoppable(), server() as embedded:
        watched, page = _watched(root, source, model, query, started_in, embedded)
    if as_json:
        say(json.dumps({**watched.to_dict(), "mlflow": page}, indent=1))
    else:
        for line in _told(watched, page, started_in):
            say(line)
    return bool(watched.drift.kinds)


def _watched(
    root: Path, source: str, model: str, query: str | None, folder: Path, embedded: EmbeddedServer | None
) -> tuple[Watched, str]:
    with connected(embedded):
        from flows.monitor import monitor as flow

        found: tuple[Watched, str] = flow(root, source, model, query=query, folder=folder)
        return found


def _told(watched: Watched, page: str, started_in: Path) -> Iterator[str]:
    from tasks.drift import words

    drift = watched.drift
    yield ""
    yield from _filled(words.verdict(drift, watched.policy))
    yield ""
    yield from words.table_lines(drift)
    notes = [*words.missed(drift), *words.sentences(drift)]
    if notes:
        yield ""
        for note in notes[:8]:
            yield from _filled(note, "- ", "  ")
        if len(notes) > 8:
            yield f"... and {len(notes) - 8} more in the report"
    yield ""
    yield f"Model       {watched.model} version {watched.version}, made from {drift.known:,} rows"
    yield f"Report      {os.path.relpath(watched.page, started_in)}"
    yield f"MLflow      experiment monitoring, run {page.partition('/runs/')[2].partition('?')[0]}"
    if watched.events:
        yield f"Event       espalier.drift ({', '.join(watched.events)})"


def _filled(text: str, first: str = "", later: str = "") -> list[str]:
    return textwrap.wrap(text, 80, initial_indent=first, subsequent_indent=later)
