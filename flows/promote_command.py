"""`espalier promote`, `rollback` and `history`: what they print."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.session import connected, server, stoppable
from tasks.gate.approval import Approval

if TYPE_CHECKING:
    from flows.promote import Judged
    from tasks.promotion.ledger import Entry

__all__ = ["NOT_PROMOTED", "history", "promote", "rollback"]

NOT_PROMOTED = 4
"""Exit code of `espalier promote` where the challenger stays what it is."""

Say = Callable[[str], object]
_MARKS = {"passed": "ok", "failed": "NO", "not shown": "?"}
_MOVED = "`espalier history` says what has moved; run again to finish it"
_WIDTH = 80
_COLUMNS = (3, 33, 25, 16)


def promote(root: Path, approval: Approval | None, say: Say, *, as_json: bool) -> bool:
    """Hold the challenger against the champion and say what came of it.

    Returns
    -------
    Whether it is the champion now.
    """
    from flows.promote import promote as flow

    with stoppable(_MOVED), server() as embedded, connected(embedded):
        judged = flow(root, approval, ask=False)
    for line in [_judged_json(judged, root)] if as_json else _judged(judged, root):
        say(line)
    return judged.entry.moves is not None


def rollback(root: Path, version: str | None, why: str, say: Say, *, as_json: bool) -> None:
    """Make an earlier version the champion again, and say so; killed before, the same command finishes it."""
    from flows.promote import rollback as flow

    with stoppable(_MOVED):
        with server() as embedded, connected(embedded):
            entry = flow(root, version, why)
        for line in [_rolled_json(entry, root)] if as_json else _rolled(entry, root):
            say(line)
        _confirm(root, entry)


def _confirm(root: Path, entry: Entry) -> None:
    """Note that the rollback is told."""
    from tasks.config import load_params
    from tasks.promotion.desk import at_desk

    with at_desk(root, load_params(root)) as desk:
        desk.confirm(entry)


def _rolled(entry: Entry, root: Path) -> Iterator[str]:
    yield f"{entry.action}: {_moves(entry) if entry.moves else entry.why}"
    if not entry.moves:
        yield f"Champion    version {entry.version}; the same command again is another rollback"
    yield from _served(root)


def _rolled_json(entry: Entry, root: Path) -> str:
    return json.dumps({**_plain(entry), "answering": _answering(root)})


def history(root: Path, say: Say, *, as_json: bool) -> None:
    """Print the ledger, the newest line first, and where it and the registry contradict each other."""
    from tasks.config import load_params
    from tasks.promotion.desk import at_desk

    with at_desk(root, load_params(root)) as desk:
        entries, contradictions = desk.ledger.entries(), desk.contradictions()
    if as_json:
        say(json.dumps({"entries": [_plain(e) for e in entries], "contradictions": contradictions}))
        return
    if not entries:
        say("the ledger is empty: nothing was promoted yet")
    for entry in entries:
        say(f"{_date(entry)}  {entry.action:10} {entry.version:>4}  {entry.state:9}  {_moves(entry)}")
        if entry.why:
            told = f"{entry.who}: {entry.why}"
            say(textwrap.fill(told, _WIDTH, initial_indent="  ", subsequent_indent="  "))
    for text in contradictions:
        say(f"contradiction: {text}")


def _answering(root: Path) -> list[dict[str, str]]:
    """Where processes of this machine serve the champion, and which version answers there."""
    from tasks.config import load_params
    from tasks.serving.notes import answering

    found = answering(root, load_params(root).registry.name, "champion")
    return [{"url": url, "version": version} for url, version in found]


def _served(root: Path) -> Iterator[str]:
    for each in _answering(root):
        yield f"Answering   version {each['version']} at {each['url']}"


def _judged(judged: Judged, root: Path) -> Iterator[str]:
    for entry in judged.settled:
        yield f"{entry.action} ({entry.state}): {_moves(entry)}"
    yield ""
    for check in judged.decision.checks:
        yield from _row(_MARKS[check.outcome], check.name, check.found, check.wanted)
    yield ""
    action, why = judged.entry.action, judged.decision.why
    said = why if why.startswith(f"{action}:") else f"{action}: {why}"
    yield textwrap.fill(said, _WIDTH, subsequent_indent="  ")
    if judged.entry.moves:
        yield f"Champion    version {judged.champion}"
        yield from _served(root)
    elif judged.decision.verdict != "reject" and judged.entry.action != "declined":
        yield 'Next        a person decides: espalier promote --approve --why "..."'


def _row(*cells: str) -> Iterator[str]:
    """Write a row of the table; what a cell has no room for stands in the lines below."""
    columns = [textwrap.wrap(cell, width) for cell, width in zip(cells, _COLUMNS, strict=True)]
    for line in zip_longest(*columns, fillvalue=""):
        yield " ".join(f"{text:{width}}" for text, width in zip(line, _COLUMNS, strict=True)).rstrip()


def _judged_json(judged: Judged, root: Path) -> str:
    return json.dumps(
        {
            "decision": judged.decision.to_dict(),
            "entry": _plain(judged.entry),
            "settled": [_plain(entry) for entry in judged.settled],
            "champion": judged.champion,
            "answering": _answering(root),
        }
    )


def _plain(entry: Entry) -> dict[str, Any]:
    return {
        "run": entry.id,
        "action": entry.action,
        "state": entry.state,
        "when": _date(entry),
        "who": entry.who,
        "why": entry.why,
        "version": entry.version,
        "moves": entry.moves.to_dict() if entry.moves else None,
    }


def _date(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.when / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _moves(entry: Entry) -> str:
    if entry.moves is None:
        return "nothing moved"
    (was, now), (_, previous) = entry.moves.champion, entry.moves.previous
    return f"champion {was or '-'} -> {now or '-'}, previous {previous or '-'}"
