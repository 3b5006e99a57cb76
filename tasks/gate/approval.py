"""A person's answer, where the policy asks for one."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.gate.config import PromoteConfig
from tasks.gate.decide import Decision

__all__ = ["Approval", "approval_wanted"]


@dataclass(frozen=True)
class Approval:
    """Yes or no, from whom and why."""

    granted: bool
    who: str
    why: str


def approval_wanted(decision: Decision, policy: PromoteConfig) -> bool:
    """Say whether a person is asked: never about what the gate rejects."""
    if decision.verdict == "reject" or policy.require_approval == "never":
        return False
    return policy.require_approval == "always" or decision.verdict == "not shown"
