"""Moving the aliases: written down first, finished by the next command when interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.promotion.ledger import Entry, Ledger, Moves
from tasks.promotion.versions import CHALLENGER, CHAMPION, PREVIOUS, Aliases, aliases

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["move", "moves_to", "settle"]


def moves_to(held: Aliases, version: str) -> Moves:
    """Return the moves that make `version` the champion, and the champion the previous one."""
    previous = held.champion if held.champion not in (None, version) else held.previous
    return Moves((held.champion, version), (held.previous, previous))


def move(ledger: Ledger, entry: str, moves: Moves) -> None:
    """Move the aliases of an entry that holds them, and complete it."""
    ledger.plan(entry, moves)
    _apply(ledger.client, ledger.name, moves)
    ledger.close(entry, "done")


def _apply(client: MlflowClient, name: str, moves: Moves) -> None:
    """Bring the aliases where the plan wants them; doing it twice changes nothing more."""
    for alias, (_, version) in ((PREVIOUS, moves.previous), (CHAMPION, moves.champion)):
        if version is not None:
            client.set_registered_model_alias(name, alias, version)
    if aliases(client, name).challenger == moves.champion[1]:
        client.delete_registered_model_alias(name, CHALLENGER)


def settle(ledger: Ledger) -> list[Entry]:
    """Bring ledger and registry together before anything new happens.

    What was interrupted between two moves is finished, unless somebody has moved the champion since.
    What somebody moved by hand is entered as such, and stays.

    Returns
    -------
    Entries that were finished or added.
    """
    told = [_finished(ledger, entry) for entry in ledger.interrupted()]
    stray = _by_hand(ledger)
    return told + ([stray] if stray else [])


def _finished(ledger: Ledger, entry: Entry) -> Entry:
    held = aliases(ledger.client, ledger.name)
    ours = entry.state == "moving" and entry.moves is not None and held.champion in entry.moves.champion
    if ours and entry.moves is not None:
        _apply(ledger.client, ledger.name, entry.moves)
    ledger.close(entry.id, "done" if ours else "abandoned")
    return ledger.entry(entry.id)


def _by_hand(ledger: Ledger) -> Entry | None:
    """Enter what differs between the registry and the newest completed move."""
    held = aliases(ledger.client, ledger.name)
    last = next((e.moves for e in ledger.entries() if e.state == "done" and e.moves), None)
    was = (last.champion[1], last.previous[1]) if last else (None, None)
    if was == (held.champion, held.previous):
        return None
    entry = ledger.begin("by hand", held.champion or "-", "an alias was moved outside of Espalier")
    ledger.plan(entry, Moves((was[0], held.champion), (was[1], held.previous)))
    ledger.close(entry, "done")
    return ledger.entry(entry)
