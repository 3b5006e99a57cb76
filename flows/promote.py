"""The gate: a challenger becomes the champion when it has earned it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow
from prefect.runtime import flow_run

from tasks import lifecycle
from tasks.config import load_params
from tasks.gate.approval import Approval, approval_wanted

if TYPE_CHECKING:
    from tasks.gate.decide import Decision
    from tasks.promotion.ledger import Entry

__all__ = ["Judged", "promote", "rollback"]


@dataclass(frozen=True)
class Judged:
    """What a promotion came to.

    Attributes
    ----------
    decision : Decision
    entry : Entry
        Its line in the ledger: promote, reject, not shown or declined.
    settled : tuple of Entry
        What earlier commands had left to finish, or somebody had moved by hand.
    champion : str or None
        Version that is the champion now.
    """

    decision: Decision
    entry: Entry
    settled: tuple[Entry, ...]
    champion: str | None


@flow(name="promote", persist_result=False, validate_parameters=False)
def promote(root: Path, approval: Approval | None = None, *, ask: bool = True) -> Judged:
    """Hold the challenger against the champion, decide, and act.

    Parameters
    ----------
    root : Path
        Workspace.
    approval : Approval, optional
        A person's answer given beforehand.
    ask : bool
        Whether to pause for a person where the policy wants one and none has answered; else the challenger
        stays what it is.

    Raises
    ------
    NothingToDoError
        When there is no challenger, or while a person was asked the answer was given elsewhere.
    EspalierError
        When the workspace is not as it was when the challenger was made, or another
        promotion is under way: nothing has moved then.
    NotServedError
        When the aliases have moved, and a process of `espalier serve-model` does not take the champion over.
    """
    params = load_params(root)
    with lifecycle.desk(root, params) as desk, desk.pending("promote", None, "", flow_run.id) as pending:
        with lifecycle.as_it_was(desk, pending) as where:
            lock, absent = lifecycle.lineage(where)
            evidence = lifecycle.collect_evidence(desk, pending, where, lock, absent)
        decision = lifecycle.decide(desk, pending, evidence)
        wanted = approval_wanted(decision, params.promote)
        if wanted and approval is None and ask:
            approval = lifecycle.ask_person(desk, pending, decision, params.promote)
        entry = lifecycle.act(desk, pending, decision, approval, wanted=wanted)
        if entry.moves:
            lifecycle.confirm_served(root, desk.name, pending.version)
        return Judged(decision, entry, pending.settled, desk.champion())


@flow(name="rollback", persist_result=False, validate_parameters=False)
def rollback(root: Path, version: str | None, why: str) -> Entry:
    """Make an earlier version the champion again, by default the previous one.

    Until `Desk.confirm` has noted that it is told, asking again finishes it and does not take it back.

    Raises
    ------
    EspalierError
        When there is none, it does not answer, or another promotion is under way: nothing has moved then.
    NotServedError
        When the aliases have moved, and a process of `espalier serve-model` does not take the version over.
    """
    with lifecycle.desk(root, load_params(root)) as desk:
        entry = lifecycle.roll_back(desk, version, why)
        lifecycle.confirm_served(root, desk.name, entry.version)
        return entry
