"""The decision: a pure function of evidence and policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tasks.evaluation.compare import rounded_up
from tasks.gate.checks import QUESTIONS, Check, gained
from tasks.gate.config import PromoteConfig
from tasks.gate.evidence import Evidence

__all__ = ["Decision", "decide"]

Verdict = Literal["promote", "reject", "not shown"]


@dataclass(frozen=True)
class Decision:
    """What the gate says, and every reason.

    Attributes
    ----------
    verdict : str
        `promote`; `reject`; `not shown`: these test rows do not tell, a person may.
    why : str
        One line.
    checks : tuple of Check
        Every question that was asked.
    rows : int
        Test rows it rests on.
    rows_needed : int or None
        Test rows that would settle what is not shown.
    """

    verdict: Verdict
    why: str
    checks: tuple[Check, ...]
    rows: int
    rows_needed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "rows": self.rows,
            "rows_needed": self.rows_needed,
            "checks": [check.to_dict() for check in self.checks],
        }


def decide(evidence: Evidence, policy: PromoteConfig) -> Decision:
    """Judge a challenger.

    Whatever failed rejects; else whatever these rows do not show leaves it open. Without a champion, what
    passes is the first. A challenger that is shown to be ahead in nothing is a tie, for `policy.ties`.

    Parameters
    ----------
    evidence
        Collected beforehand; nothing is measured here.
    policy
        Section `promote` of params.yaml.
    """
    checks = tuple(check for question in QUESTIONS for check in question(evidence, policy))
    failed = [check for check in checks if check.outcome == "failed"]
    if failed:
        return Decision("reject", _named("failed", failed), checks, evidence.rows)
    unknown = [check for check in checks if check.outcome == "not shown"]
    if unknown:
        wanted = [check.rows_needed for check in unknown if check.rows_needed is not None]
        most = max(wanted, default=None)
        few = (
            f" with {evidence.rows:,} test rows; about {rounded_up(most)} test rows would tell"
            if most
            else ""
        )
        why = f"{_named('not shown', unknown)}{few}"
        return Decision("not shown", why, checks, evidence.rows, most)
    verdict, why = _ahead(evidence, policy)
    return Decision(verdict, why, checks, evidence.rows)


def _ahead(evidence: Evidence, policy: PromoteConfig) -> tuple[Verdict, str]:
    champion = evidence.champion
    if champion is None:
        return "promote", "there is no champion yet"
    won = gained(evidence, policy)
    if won:
        return "promote", ", ".join(won)
    newer = bool(champion.data) and evidence.challenger.data != champion.data
    if policy.ties == "newer" and newer:
        return "promote", "as good as the champion, and made from other rows"
    return "reject", f"a tie: ahead of champion {champion.version} in nothing"


def _named(what: str, checks: list[Check]) -> str:
    first = checks[0]
    more = f" and {len(checks) - 1} more" if len(checks) > 1 else ""
    return f"{what}: {first.name} ({first.found}, wanted {first.wanted}){more}"
