"""What the ledger says of the past: who was the champion, who took it back, and where it has gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tasks.promotion.act import BY_HAND, left
from tasks.promotion.ledger import Entry
from tasks.promotion.versions import Aliases

__all__ = ["champions", "contradictions", "taken_back"]


def champions(moved: Sequence[Entry]) -> set[str]:
    """Return every version that has been the champion."""
    moves = [entry.moves for entry in moved if entry.moves is not None]
    return {version for each in moves for version in each.champion if version is not None}


def taken_back(moved: Sequence[Entry], version: str) -> str:
    """Say who took a version out of production, where that is the last that became of it there; else ''.

    Parameters
    ----------
    moved
        Completed moves, the last one first.
    """
    for entry in moved:
        before, after = entry.moves.champion if entry.moves else (None, None)
        if after == version:
            return ""
        if before == version:
            return (
                f"{entry.action} by {entry.who}: {entry.why}" if entry.action in ("rollback", BY_HAND) else ""
            )
    return ""


def contradictions(
    entries: Sequence[Entry], moved: Sequence[Entry], interrupted: Sequence[Entry], now: Aliases, last: str
) -> Iterator[str]:
    """Say where ledger and registry do not agree, and where the ledger has a gap.

    Parameters
    ----------
    entries
        All entries.
    moved
        Completed moves, the last one first.
    interrupted
        Entries whose process is gone.
    now
        Where the aliases stand.
    last
        The entry that the registered model calls the last one done; '' where it calls none so.
    """
    for newer, older in pairwise((*moved, None)):
        yield from _gaps(newer, older)
    yield from _missing(entries, last)
    for alias, here, there in zip(
        ("champion", "previous"), (now.champion, now.previous), left(moved), strict=True
    ):
        if here != there:
            yield f"the registry's {alias} is {here or '-'}, the ledger's {there or '-'}: moved by hand"
    for entry in interrupted:
        yield f"work on version {entry.version} was interrupted; the next command settles it"


def _missing(entries: Sequence[Entry], last: str) -> Iterator[str]:
    """Say which entries are named by another, or by the registered model, and are not there."""
    known = {entry.id for entry in entries} | {""}
    for entry in entries:
        if entry.state == "done" and entry.after not in known:
            yield f"{entry.action} of {entry.version} came after run {entry.after}: that entry is missing"
    if last not in known:
        yield f"the last entry was run {last}: it is missing"


def _gaps(newer: Entry | None, older: Entry | None) -> Iterator[str]:
    """Say what an entry did not find as the one before it left it; before the first there was nothing."""
    if newer is None or newer.moves is None:
        return
    left_by = older.moves if older else None
    for alias in ("champion", "previous"):
        found, was = getattr(newer.moves, alias)[0], getattr(left_by, alias)[1] if left_by else None
        if found != was:
            yield (
                f"{newer.action} of {newer.version} found {alias} {found or '-'} where {was or '-'} "
                "was left: an entry is missing"
            )
