"""`espalier predict`: the flow, and what came out of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.session import connected, server, stoppable
from flows.terminal import log_to_terminal
from tasks.errors import EspalierError, masked

if TYPE_CHECKING:
    from tasks.scoring.batch import Scored

__all__ = ["predict"]


def predict(
    root: Path,
    source: str,
    to: str,
    model: str,
    started_in: Path,
    say: Callable[[str], object],
    **options: Any,
) -> None:
    """Score a batch and tell what came out.

    Parameters
    ----------
    root : Path
        Workspace.
    source, to, model : str
        See `flows.predict.predict`, also for `options`.
    started_in : Path
        Folder that paths start from.
    say : callable
        Takes each line for the user.

    Raises
    ------
    EspalierError
        Also when not one row could be scored.
    """
    from tasks.config import load_params
    from tasks.scoring.request import Request, input_path

    load_params(root)
    asked = {name: value for name, value in options.items() if name != "shadow"}
    input_path(Request(source, to, folder=started_in, **asked))  # what is wrong here costs no server
    log_to_terminal()
    with stoppable(), server() as embedded:
        scored = _scored(root, source, to, model, started_in, embedded, options)
    for line in _told(scored, to, started_in):
        say(line)
    if scored.rows and not scored.scored:
        raise EspalierError(f"{masked(source)}: not one row could be scored; the quarantine file says why")


def _scored(
    root: Path, source: str, to: str, model: str, started_in: Path, embedded: Any, options: dict[str, Any]
) -> Scored:
    with connected(embedded):
        from flows.predict import predict as flow

        scored: Scored = flow(root, source, to, model, folder=started_in, **options)
        return scored


def _told(scored: Scored, to: str, started_in: Path) -> Iterator[str]:
    known = " (already whole)" if scored.existing else ""
    yield f"\nAnswers     {to}{known}"
    yield f"Rows        {scored.rows:,}: {scored.scored:,} scored, {scored.quarantined:,} quarantined"
    yield f"Model       {scored.model} version {scored.version}"
    if scored.resumed:
        yield f"Resumed     {scored.resumed:,} rows had been scored before"
    if scored.shadow:
        agreed = scored.shadow.get("agreement")
        alike = "" if agreed is None else f", {100 * agreed:.2f} % with the same label"
        yield f"Shadow      {scored.shadow['rows']:,} rows by version {scored.shadow['shadow']}{alike}"
    if scored.quarantine:
        yield f"Quarantine  {os.path.relpath(scored.quarantine, started_in)}"
