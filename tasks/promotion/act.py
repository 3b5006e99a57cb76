"""Moving the aliases: written down first, finished by the next command when interrupted."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.errors import EspalierError
from tasks.promotion.ledger import FINAL, Entry, Ledger, Moves
from tasks.promotion.versions import CHALLENGER, CHAMPION, PREVIOUS, Aliases, aliases

__all__ = ["BY_HAND", "left", "move", "moves_to", "notice", "settle"]

BY_HAND = "by hand"
"""Action of an entry that tells what was found moved."""

_NOBODYS = "espalier-asks"
"""An alias that nobody sets; to take it away changes nothing."""


def moves_to(held: Aliases, version: str) -> Moves:
    """Return the moves that make `version` the champion, and the champion the previous one."""
    previous = held.champion if held.champion not in (None, version) else held.previous
    return Moves((held.champion, version), (held.previous, previous))


def move(ledger: Ledger, entry: str, moves: Moves) -> None:
    """Move the aliases of an entry that holds them, and complete it.

    An MLflow server may let somebody set an alias and not take one away: that is asked before anything moves.

    Raises
    ------
    EspalierError
        When a version that an alias is to name was deleted meanwhile: nothing has moved.
    """
    ledger.client.delete_registered_model_alias(ledger.name, _NOBODYS)
    if absent := _absent(ledger, moves):
        raise EspalierError(
            f"{ledger.name}: version {absent[0]} was deleted meanwhile; nothing has moved, run again"
        )
    ledger.plan(entry, moves)
    _apply(ledger, entry, moves)
    ledger.close(entry, "done")


def _apply(ledger: Ledger, entry: str, moves: Moves) -> None:
    """Bring the aliases where the plan wants them; doing it twice changes nothing more."""
    for alias, (_, version) in ((PREVIOUS, moves.previous), (CHAMPION, moves.champion)):
        if version is not None:
            ledger.client.set_registered_model_alias(ledger.name, alias, version)
    if aliases(ledger.client, ledger.name).challenger == moves.champion[1]:
        ledger.client.delete_registered_model_alias(ledger.name, CHALLENGER)
        _challenge_again(ledger, ledger.entry(entry).when)


def _challenge_again(ledger: Ledger, since: int) -> None:
    """Give the alias back to a challenger that was registered as it was taken away: MLflow takes it from any.

    That is the newest version, where it was registered since the entry began and no entry is about it.
    """
    found = ledger.client.search_model_versions(f"name = '{ledger.name}'")
    newest = max(found, key=lambda version: int(version.version))
    heard = {entry.version for entry in ledger.entries()}
    if newest.creation_timestamp >= since and str(newest.version) not in heard:
        ledger.client.set_registered_model_alias(ledger.name, CHALLENGER, newest.version)


def settle(ledger: Ledger) -> list[Entry]:
    """Bring ledger and registry together before anything new happens.

    What was interrupted between two moves is finished, unless somebody has moved the champion since.
    What somebody moved by hand is entered as such, and stays.

    Returns
    -------
    Entries that were finished or added.
    """
    told = _finish_left(ledger)
    stray = _by_hand(ledger)
    return told + ([stray] if stray else [])


def _finish_left(ledger: Ledger) -> list[Entry]:
    return [_finished(ledger, entry) for entry in ledger.interrupted()]


def _finished(ledger: Ledger, entry: Entry) -> Entry:
    ledger.close(entry.id, entry.state if entry.state in FINAL else _settled(ledger, entry))
    return ledger.entry(entry.id)


def _settled(ledger: Ledger, entry: Entry) -> str:
    """Finish the moves of an entry; what was found moved by hand is only told, and is looked at anew."""
    held = aliases(ledger.client, ledger.name)
    if entry.state != "moving" or entry.moves is None or entry.action == BY_HAND:
        return "abandoned"
    if held.champion not in entry.moves.champion:
        return "abandoned"
    if _absent(ledger, entry.moves):
        _take_back(ledger, held, entry.moves)
        return "abandoned"
    _apply(ledger, entry.id, entry.moves)
    return "done"


def _absent(ledger: Ledger, moves: Moves) -> list[str]:
    """Return those of the versions that aliases are to name that were deleted."""
    known = {str(v.version) for v in ledger.client.search_model_versions(f"name = '{ledger.name}'")}
    wanted = (moves.champion[1], moves.previous[1])
    return [version for version in wanted if version is not None and version not in known]


def _take_back(ledger: Ledger, held: Aliases, moves: Moves) -> None:
    """Put the previous champion back where a plan that is dropped has moved it, and the champion not yet."""
    was, wanted = moves.previous
    if (held.champion, held.previous) != (moves.champion[0], wanted) or was == wanted:
        return
    if was is None or _absent(ledger, Moves((None, None), (None, was))):
        ledger.client.delete_registered_model_alias(ledger.name, PREVIOUS)
    else:
        ledger.client.set_registered_model_alias(ledger.name, PREVIOUS, was)


def left(moved: Sequence[Entry]) -> tuple[str | None, str | None]:
    """Return where the newest of completed moves has left champion and previous."""
    last = moved[0].moves if moved else None
    return (last.champion[1], last.previous[1]) if last else (None, None)


def notice(ledger: Ledger) -> Entry | None:
    """Enter what somebody has moved by hand; nothing where a command is at work.

    What a killed command has left is finished first, so that its own moves are not taken for somebody's.

    Raises
    ------
    EspalierError
        When a command has begun in this moment: it enters what it finds.
    """
    if ledger.unfinished() or _unentered(ledger) is None:
        return None
    entry = _begun(ledger)
    with ledger.alone(entry):
        _finish_left(ledger)
        return _entered(ledger, entry)


def _by_hand(ledger: Ledger) -> Entry | None:
    return None if _unentered(ledger) is None else _entered(ledger, _begun(ledger))


def _begun(ledger: Ledger) -> str:
    return ledger.begin(BY_HAND, "-", "an alias was moved outside of Espalier")


def _entered(ledger: Ledger, entry: str) -> Entry | None:
    """Complete an entry with what differs; give it up where nothing does any more."""
    moves = _unentered(ledger)
    if moves is None:
        ledger.close(entry, "abandoned")
        return None
    ledger.note(entry, version=moves.champion[1] or "-")
    ledger.plan(entry, moves)
    ledger.close(entry, "done")
    return ledger.entry(entry)


def _unentered(ledger: Ledger) -> Moves | None:
    """Return what differs between the registry and the newest completed move."""
    held = aliases(ledger.client, ledger.name)
    was = left(ledger.moved())
    if was == (held.champion, held.previous):
        return None
    return Moves((was[0], held.champion), (was[1], held.previous))
