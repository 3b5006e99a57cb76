"""An entry that waits for a person: meanwhile others have the aliases, and may decide what it is about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.errors import NothingToDoError
from tasks.promotion.act import settle
from tasks.promotion.ledger import FINAL
from tasks.promotion.versions import aliases
from tasks.tracking.store import reported

if TYPE_CHECKING:
    from tasks.promotion.desk import Pending
    from tasks.promotion.ledger import Ledger

__all__ = ["DECIDED", "waiting"]

DECIDED = ("reject", "declined")
"""Actions of entries that move nothing and nevertheless settle what becomes of a version."""


@contextmanager
def waiting(ledger: Ledger, pending: Pending, seconds: float) -> Iterator[Callable[[], bool]]:
    """Let others have the aliases for a block, of so many seconds at most, and have them again after it.

    Yields
    ------
    A function, for any thread, that tells whether something has meanwhile decided what was waited for.

    Raises
    ------
    NothingToDoError
        When something has: the entry is closed as one that gave way.
    EspalierError
        When somebody else has the aliases for long.
    """
    seen = {entry.id for entry in ledger.entries() if entry.state in FINAL}
    news: list[str] = []

    def decided() -> bool:
        if not news:
            with reported(ledger.root):
                news.extend(_news(ledger, pending, seen))
        return bool(news)

    ledger.wait(pending.entry, seconds)
    yield decided
    ledger.go_on(pending.entry)
    settle(ledger)
    if decided():
        _give_way(ledger, pending, news[0])
    ledger.note(pending.entry, state="open")


def _give_way(ledger: Ledger, pending: Pending, news: str) -> None:
    if ledger.entry(pending.entry).state not in FINAL:
        ledger.note(pending.entry, why=news)
        ledger.close(pending.entry, "gave way")
    raise NothingToDoError(f"{ledger.name}: version {pending.version} is not waited for any more: {news}")


def _news(ledger: Ledger, pending: Pending, seen: Collection[str]) -> Iterator[str]:
    """Say what has made the question idle: a move, a decision about this version, too long a wait."""
    for entry in ledger.entries():
        about = entry.version == pending.version and entry.action in DECIDED
        if entry.id == pending.entry and entry.state in FINAL:
            yield "it took so long that another command has taken over"
        elif entry.id not in seen and entry.state == "done" and (about or entry.moves is not None):
            yield f"{entry.action} of version {entry.version} by {entry.who}: {entry.why}"
    now, held = aliases(ledger.client, ledger.name), pending.held
    if (now.champion, now.previous) != (held.champion, held.previous):
        yield "an alias was moved by hand"
