"""Promotion and rollback of one registered model, each an entry of the ledger."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import EspalierError, NothingToDoError
from tasks.gate.approval import Approval
from tasks.gate.decide import Decision, decide
from tasks.promotion.act import move, moves_to, notice, settle
from tasks.promotion.audit import champions, contradictions, taken_back
from tasks.promotion.collect import collect
from tasks.promotion.ledger import Entry, Ledger, Moves
from tasks.promotion.subjects import Rows, Stored, asked, stored
from tasks.promotion.versions import Aliases, aliases, origin
from tasks.tracking.fetch import download, known_version
from tasks.tracking.shadow import shadow_rows
from tasks.tracking.store import open_client, recording, tracking_uri

if TYPE_CHECKING:
    from tasks.config import Params
    from tasks.gate.evidence import Evidence

__all__ = ["Desk", "Pending", "at_desk"]

_GATE = "; gate: "


@dataclass(frozen=True)
class Pending:
    """An entry that holds the aliases, and where they stood when it began.

    Attributes
    ----------
    entry : str
        Its run in MLflow.
    version : str
        The one it is about.
    held : Aliases
    settled : tuple of Entry
        What earlier commands had left to finish, or somebody had moved by hand.
    finished : Entry or None
        The rollback that was asked for, where an earlier command had begun it and it is finished now, or
        had moved the aliases and could not tell.
    """

    entry: str
    version: str
    held: Aliases
    settled: tuple[Entry, ...]
    finished: Entry | None = None


class Desk:
    """Where one model's promotions are decided.

    Parameters
    ----------
    root : Path
    params : Params
    """

    def __init__(self, root: Path, params: Params) -> None:
        self.root, self.params, self.name = root, params, params.registry.name
        self.client = open_client(root)
        self.ledger = Ledger(self.client, root, self.name)

    @contextmanager
    def pending(
        self, action: str, version: str | None, why: str, flow_run_id: str | None = None
    ) -> Iterator[Pending]:
        """Open an entry and hold the aliases for it.

        Parameters
        ----------
        action
            `promote` or `rollback`.
        version
            None: the challenger, or the previous champion.

        Raises
        ------
        EspalierError
            When there is no such version, it is the champion, or another entry has the aliases.
        """
        # Where nothing is left of earlier commands, what is wrong costs no entry.
        left = self.ledger.interrupted() or self._untold(action)
        chosen = version if left else self._chosen(action, version, aliases(self.client, self.name))
        entry = self.ledger.begin(action, chosen or "", why, flow_run_id)
        with self.ledger.alone(entry):
            try:
                settled = tuple(settle(self.ledger))
                now = aliases(self.client, self.name)
                done = _asked_before(version, [*_finished(action, settled), *self._untold(action)])
                with _telling(settled):
                    chosen = done.version if done else self._chosen(action, version, now)
                    if done is None and now.champion == chosen:
                        raise NothingToDoError(f"{self.name}: version {chosen} is the champion already")
                self.ledger.note(entry, version=chosen)
                yield Pending(entry, chosen, now, settled, done)
            except BaseException:
                if self._state(entry) in (
                    "open",
                    "waiting",
                ):  # what has begun to move is finished by the next command
                    self.ledger.close(entry, "failed")
                raise

    def _untold(self, action: str) -> list[Entry]:
        """Return the newest of the moves where it is a rollback, as `action` is, that nobody was told of."""
        newest = self.ledger.moved()[:1] if action == "rollback" else []
        return [entry for entry in newest if entry.action == action and not entry.confirmed]

    def confirm(self, entry: Entry) -> None:
        """Note that a rollback was told: from here on, the same command again is another one."""
        for untold in self._untold(entry.action):
            if untold.version == entry.version:
                self.ledger.note(untold.id, confirmed="yes")

    def _chosen(self, action: str, version: str | None, held: Aliases) -> str:
        """Return the version that an entry is about, as the aliases stand."""
        version = version or (held.challenger if action == "promote" else held.previous)
        if version is None:
            missing = "challenger" if action == "promote" else "previous champion"
            raise NothingToDoError(f"{self.name}: there is no {missing}; see `espalier history`")
        return str(known_version(self.client, self.name, version).version)

    def champion(self) -> str | None:
        """Return the version that is the champion now."""
        return aliases(self.client, self.name).champion

    def notice(self) -> Entry | None:
        """Enter what somebody has moved by hand; see `act.notice`."""
        return notice(self.ledger)

    def contradictions(self) -> list[str]:
        """Say where ledger and registry do not agree, and where the ledger has a gap."""
        held, kept = aliases(self.client, self.name), self.ledger
        return list(contradictions(kept.entries(), kept.moved(), kept.interrupted(), held, kept.last()))

    def _state(self, entry: str) -> str:
        return self.ledger.entry(entry).state

    def made_from(self, version: str, lock: Mapping[str, str]) -> bool:
        """Tell whether a version was made from a workspace whose outputs have these hashes."""
        hashes = origin(self.client, self.name, version).hashes
        return all(lock.get(path) == value for path, value in hashes.items())

    def evidence(self, pending: Pending, where: Path, lock: Mapping[str, str], absent: int) -> Evidence:
        """Collect what the decision rests on, `where` the workspace is as the challenger was made from it."""
        uri, policy = tracking_uri(self.root), self.params.promote
        found = collect(where, policy, self.name, self.client, uri, pending.held, lock, absent)
        beside = pending.held.champion
        rows = shadow_rows(self.client, self.name, pending.version, beside) if beside else 0
        gone = taken_back(self.ledger.moved(), pending.version)
        return replace(found, taken_back=gone, shadow_rows=rows)

    def decide(self, pending: Pending, evidence: Evidence) -> Decision:
        """Decide, and keep the decision with the entry and the version."""
        decision = decide(evidence, self.params.promote)
        self.client.log_dict(pending.entry, decision.to_dict(), "decision.json")
        self.ledger.note(pending.entry, decision=decision.verdict, reason=decision.why)
        self._tag(pending.version, decision.verdict)
        return decision

    def _tag(self, version: str, verdict: str) -> None:
        """Add what the gate says to the version's tag `verdict`: MLflow's table has room for four tags."""
        held = self.client.get_model_version(self.name, version).tags.get("verdict", "")
        before = held.partition(_GATE)[0]
        self.client.set_model_version_tag(self.name, version, "verdict", f"{before}{_GATE}{verdict}")

    def act(self, pending: Pending, decision: Decision, approval: Approval | None, *, wanted: bool) -> Entry:
        """Move the aliases if the gate says so and, where it is `wanted`, a person too.

        A person's no counts wherever the gate would move something, and a yes wherever it leaves the answer
        open, asked for or not.
        """
        if decision.verdict == "reject":
            return self._leave(pending, decision.verdict, decision.why)
        if wanted and approval is None:
            return self._leave(pending, decision.verdict, f"nobody has answered: {decision.why}")
        if approval is not None and (wanted or not approval.granted or decision.verdict == "not shown"):
            self.ledger.note(pending.entry, approval="granted" if approval.granted else "declined")
            self.ledger.note(pending.entry, person=approval.who)
            why = f"{decision.why}; {approval.who}: {approval.why}"
            return self._promote(pending, why) if approval.granted else self._leave(pending, "declined", why)
        if decision.verdict != "promote":
            return self._leave(pending, decision.verdict, decision.why)
        return self._promote(pending, decision.why)

    def _promote(self, pending: Pending, why: str) -> Entry:
        """Make the challenger the champion.

        Raises
        ------
        EspalierError
            When an alias was moved meanwhile: the decision was about another champion.
        """
        now, held = aliases(self.client, self.name), pending.held
        if (now.champion, now.previous) != (held.champion, held.previous):
            raise EspalierError(
                f"{self.name}: aliases were moved while the gate looked; nothing was changed, run again"
            )
        self.ledger.note(pending.entry, why=why)
        return self._move(pending, moves_to(pending.held, pending.version))

    def _move(self, pending: Pending, moves: Moves) -> Entry:
        move(self.ledger, pending.entry, moves)
        return self.ledger.entry(pending.entry)

    def _leave(self, pending: Pending, action: str, why: str) -> Entry:
        """Complete an entry that moves nothing."""
        self.ledger.note(pending.entry, action=action, why=why)
        self.ledger.close(pending.entry, "done")
        return self.ledger.entry(pending.entry)

    def rollback(self, pending: Pending) -> Entry:
        """Make an earlier version the champion again, once it has loaded and answered.

        Raises
        ------
        EspalierError
            When it never was the champion, for that is the gate's to say; or when it does not answer.
        """
        version, held = pending.version, pending.held
        if pending.finished is not None:
            return self._leave(pending, "rollback", f"finished what was interrupted: {pending.finished.why}")
        if version not in champions(self.ledger.moved()) | {held.previous}:
            raise EspalierError(
                f"{self.name}: version {version} was never the champion; "
                "`espalier promote` judges a challenger"
            )
        with tempfile.TemporaryDirectory() as folder:
            files = self._stored(version, Path(folder, "model"))
            self._require_answers(version, files, Path(folder, "rows.parquet"))
            if held.champion is not None:
                self._tell_columns(pending, files, self._stored(held.champion, Path(folder, "champion")))
        self.ledger.note(pending.entry, confirmed="no")
        return self._move(pending, moves_to(held, version))

    def _stored(self, version: str, folder: Path) -> Stored:
        return stored(download(tracking_uri(self.root), self.name, version, folder))

    def _require_answers(self, version: str, files: Stored, place: Path) -> None:
        """Ask the version about its own example row."""
        import pandas as pd
        from mlflow.models import Model

        example = Model.load(str(files.folder)).load_input_example(str(files.folder))
        rows = Rows(place, tuple(files.plan["labels"] or ()))
        pd.DataFrame(example).to_parquet(rows.path)
        found = asked(version, files, rows, data="")
        if found.trouble:
            raise EspalierError(f"{self.name} version {version} does not answer: {found.trouble}")

    def _tell_columns(self, pending: Pending, files: Stored, champion: Stored) -> None:
        """Add to the reason which columns the version needs that whoever feeds the champion may leave out."""
        if more := [name for name in files.columns if name not in champion.columns]:
            named = ", ".join(more[:3]) + (f" and {len(more) - 3} more" if len(more) > 3 else "")
            why = self.ledger.entry(pending.entry).why
            self.ledger.note(
                pending.entry, why=f"{why} (it needs columns the champion does without: {named})"
            )


def _finished(action: str, settled: Sequence[Entry]) -> list[Entry]:
    """Return the interrupted rollbacks that are finished now, where `action` is one."""
    return [entry for entry in settled if entry.action == action == "rollback" and entry.state == "done"]


def _asked_before(version: str | None, done: Sequence[Entry]) -> Entry | None:
    """Return the rollback that the same command had begun: again, it must not take it back."""
    return next((entry for entry in done if version in (None, entry.version)), None)


@contextmanager
def _telling(settled: Sequence[Entry]) -> Iterator[None]:
    """Say of a command that finds nothing to do what it has finished of an earlier one."""
    try:
        yield
    except NothingToDoError as error:
        if not settled:
            raise
        told = ", ".join(f"{entry.action} of version {entry.version} ({entry.state})" for entry in settled)
        raise NothingToDoError(f"finished first: {told}; then {error}") from None


@contextmanager
def at_desk(root: Path, params: Params) -> Iterator[Desk]:
    """Open the desk; a store that cannot be reached is one line."""
    with recording(root):
        yield Desk(root, params)
