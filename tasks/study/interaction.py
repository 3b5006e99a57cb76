"""Whether reducing and pruning together give more than the sum of the halves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tasks.study.objectives import Objective
from tasks.study.resample import ends, over_seeds
from tasks.study.rows import Row, complete, per_seed

__all__ = [
    "JOINT",
    "KINDS",
    "Answer",
    "Effect",
    "Interaction",
    "answer",
    "effect",
    "interactions",
    "kind",
]

Array = npt.NDArray[Any]
Four: TypeAlias = "tuple[Row, Row, Row, Row]"
Answer = Literal["helps", "does not help", "cannot tell"]
JOINT = {"columns+pruning": "columns", "rows+pruning": "rows", "all": "columns+rows"}
"""Arms that reduce the data and prune the network, and the arm that reduces in the same way alone."""

MANY = 10  # seeds that do not agree by chance
EQUAL = 1e-12

KINDS = ("nothing", "reduction", "pruning", "both", "rival")
"""What candidates do."""

WEIGHTS = np.array([1.0, -1.0, -1.0, 1.0])  # nothing, reduction, pruning, both


@dataclass(frozen=True)
class Effect:
    """A difference over seeds, positive is better, and what it answers."""

    value: float
    low: float | None
    high: float | None
    answer: Answer
    seeds: int

    def scaled(self, by: float) -> Effect:
        """Return the same in another unit; `by` is positive."""
        low, high = (None if end is None else by * end for end in (self.low, self.high))
        return replace(self, value=by * self.value, low=low, high=high)


@dataclass(frozen=True)
class Interaction:
    """Four candidates that differ in two things, and how much both do beyond the sum of each.

    Attributes
    ----------
    nothing, reduction, pruning, both
        The candidates.
    effect
        Of the headline on validation rows, signed so that positive is better.
    """

    nothing: Row
    reduction: Row
    pruning: Row
    both: Row
    effect: Effect

    @property
    def rows(self) -> Four:
        """The four candidates."""
        return self.nothing, self.reduction, self.pruning, self.both


def kind(row: Row) -> str:
    """Say what a candidate does, in one of `KINDS`."""
    if row.rival:
        return "rival"
    if row.arm in JOINT:
        return "both"
    return row.arm if row.arm in ("nothing", "pruning") else "reduction"


def answer(low: float, high: float, margin: float = 0.0) -> Answer:
    """Read an interval of a gain: above zero it helps; where no gain of a margin is left, it does not."""
    if math.isnan(low) or math.isnan(high):
        return "cannot tell"
    if low > 0:
        return "helps"
    return "does not help" if high <= 0 or high < margin else "cannot tell"


def effect(values: Array, weights: Array, margin: float = 0.0) -> Effect:
    """Weigh candidates' values (n, s) against each other, with an interval over the seeds.

    Metrics of few rows come in steps: where a few seeds give the very same difference although the values
    differ, that is chance, and no answer.
    """
    contrast = weights @ values
    found = over_seeds(contrast[None, :], lambda means: float(means[0]))
    low, high = ends(found)
    said = "cannot tell" if _by_chance(values, contrast) else answer(found.low, found.high, margin)
    return Effect(float(contrast.mean()), low, high, said, values.shape[1])


def _by_chance(values: Array, contrast: Array) -> bool:
    few = 1 < len(contrast) < MANY
    return bool(few and np.ptp(contrast) < EQUAL and np.any(np.ptp(values, axis=1) > EQUAL))


def interactions(rows: Sequence[Row], metric: Objective, margin: float = 0.0) -> list[Interaction]:
    """Find all candidates that both reduce and prune and whose halves are there too; the least changed first.

    ``both - reduction - pruning + nothing``, seed by seed: the interaction of a two by two design (Fisher,
    1935). Each half has the whole's settings of its section, reduce or prune, and all four have the same of
    everything else.

    Parameters
    ----------
    rows
        Candidates; only complete ones count.
    metric
        What they are judged by, on validation rows.
    margin
        Gain that would be worth having: where all of the interval is below it, both do not help.
    """
    able = complete(row for row in rows if not row.rival)
    index = {(row.arm, *_parts(row, row.arm)): row for row in able}
    quadruples = [_halves(row, index) for row in able if row.arm in JOINT]
    found = [_judged(four, metric, margin) for four in quadruples if four is not None]
    return sorted(found, key=lambda each: (len(each.both.overrides), each.both.name, each.both.id))


def _judged(four: Four, metric: Objective, margin: float) -> Interaction:
    sign = 1.0 if metric.higher else -1.0
    values = per_seed(four, lambda trial: metric.value(trial))
    return Interaction(*four, effect(sign * values, WEIGHTS, margin))


def _parts(row: Row, arm: str) -> tuple[str, str, str]:
    """Settings of the reduction and of pruning where the arm has them, and all other settings."""
    reduces, prunes = arm not in ("nothing", "pruning"), "pruning" in arm or arm == "all"
    reduction = _text(row.overrides, "reduce") if reduces else ""
    pruning = _text(row.overrides, "prune") if prunes else ""
    rest = {path: value for path, value in row.overrides.items() if path.split(".")[0] not in _VARIED}
    return reduction, pruning, repr(sorted(rest.items()))


_VARIED = ("reduce", "prune")


def _text(overrides: Mapping[str, Any], section: str) -> str:
    return repr(sorted((path, v) for path, v in overrides.items() if path.split(".")[0] == section))


def _halves(both: Row, index: Mapping[tuple[str, str, str, str], Row]) -> Four | None:
    reduction, pruning, rest = _parts(both, both.arm)
    nothing = index.get(("nothing", "", "", rest))
    reduced = index.get((JOINT[both.arm], reduction, "", rest))
    pruned = index.get(("pruning", "", pruning, rest))
    return None if nothing is None or reduced is None or pruned is None else (nothing, reduced, pruned, both)
