"""What a study found, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.evaluation.report import words
from tasks.study.against import Duel
from tasks.study.families import Families
from tasks.study.interaction import Answer, Effect, Interaction
from tasks.study.objectives import Objective

__all__ = ["TONES", "Finding", "findings", "interval_text"]

TONES: dict[Answer, Literal["good", "bad", "open"]] = {
    "helps": "good",
    "does not help": "bad",
    "cannot tell": "open",
}
REDUCTIONS = {"columns+pruning": "columns", "rows+pruning": "rows", "all": "columns and rows"}
RIVALS = {
    "random units": "random units",
    "random rows": "as many random rows",
    "small dense": "a small dense network, trained from scratch",
    "linear": "a linear model",
}


MANY = 10  # seeds from which on more are no advice


@dataclass(frozen=True)
class Finding:
    """A sentence, and whether it speaks for the recipe."""

    kind: Literal["good", "bad", "open"]
    text: str


@dataclass(frozen=True)
class _Scale:
    """How differences of the headline are written."""

    metric: Objective
    margin: float

    def value(self, number: float) -> str:
        return words.value(self.metric.name, number)

    def gain(self, number: float) -> str:
        return f"{words.difference(self.metric.name, number)}{words.unit(self.metric.name)}"

    def interval(self, found: Effect) -> str:
        return interval_text(self.metric.name, found)

    @property
    def least(self) -> str:
        return words.margin_text(self.metric.name, self.margin)


def interval_text(metric: str, found: Effect) -> str:
    """Write an interval over seeds; of one seed that there is none."""
    if found.low is None or found.high is None:
        return "one seed, no interval"
    low, high = (words.difference(metric, end) for end in (found.low, found.high))
    return f"95 % interval over {found.seeds} seeds {low} to {high}"


def findings(
    interactions: Sequence[Interaction],
    families: Families | None,
    duels: Sequence[Duel],
    metric: Objective,
    margin: float,
) -> tuple[Finding, ...]:
    """Say what was found: interaction, fronts, rivals. All but the fronts' worth is by validation rows."""
    scale = _Scale(metric, margin)
    return (
        *_together(interactions, scale),
        *_fronts(families, scale),
        *(_rival(duel, scale) for duel in duels),
    )


def _together(found: Sequence[Interaction], scale: _Scale) -> Iterator[Finding]:
    if not found:
        return
    first, told = found[0], found[0].effect
    halves = REDUCTIONS[first.both.arm]
    nothing, reduced, pruned, both = (row.valid[scale.metric.name] or 0.0 for row in first.rows)
    seen = (
        f"both {scale.value(both)}, the halves would add up to {scale.value(reduced + pruned - nothing)}: "
        f"{scale.gain(told.value)} ({scale.interval(told)}; positive is better; validation "
        f"{scale.metric.title})"
    )
    says = {
        "helps": f"Together helps: reducing {halves} and pruning gain beyond the sum of the two; {seen}.",
        "does not help": f"Together does not help beyond the sum of the halves ({halves}, pruning): {seen}. "
        f"A gain of {scale.least} or more is ruled out.",
        "cannot tell": f"Cannot tell with {_seeds(told)} whether {halves} and pruning gain together beyond "
        f"the sum of the two: {seen}." + (" More tell: study.seeds." if told.seeds < MANY else ""),
    }
    yield Finding(TONES[told.answer], says[told.answer])
    if any(each.effect.answer != "cannot tell" for each in found[1:]):
        yield _tally(found)


def _seeds(found: Effect) -> str:
    return f"{found.seeds} seed{'' if found.seeds == 1 else 's'}"


def _tally(found: Sequence[Interaction]) -> Finding:
    answers = [each.effect.answer for each in found]
    helps, not_, open_ = (answers.count(each) for each in TONES)
    most = max(TONES, key=answers.count)
    kind: Answer = most if 2 * answers.count(most) > len(found) else "cannot tell"
    return Finding(
        TONES[kind],
        f"Of {len(found)} settings of both whose halves are in the study too, together helps in {helps} and "
        f"does not in {not_}; of {open_} it cannot be told.",
    )


def _fronts(found: Families | None, scale: _Scale) -> Iterator[Finding]:
    """Say how far the front of both is ahead: hypervolume per decade is the metric's mean lead."""
    if found is None:
        return
    counts = {family.name: family.candidates for family in found.families}
    for other, ahead in found.ahead.items():
        mean = ahead.scaled(1 / found.decades)
        said = {
            "helps": "reaches more than",
            "does not help": "reaches no more than",
            "cannot tell": f"cannot be told from, with {_seeds(ahead)},",
        }[ahead.answer]
        yield Finding(
            TONES[ahead.answer],
            f"The front of both ({counts['both']} candidates) {said} the front of {other} alone "
            f"({counts[other]}): {scale.gain(mean.value)} of test {scale.metric.title} on average over file "
            f"sizes ({scale.interval(mean)}).",
        )


def _rival(duel: Duel, scale: _Scale) -> Finding:
    told = duel.ahead
    own, other = (row.valid[scale.metric.name] or 0.0 for row in (duel.own, duel.rival))
    test = " against ".join(
        words.value(scale.metric.name, row.test.get(scale.metric.name)) for row in (duel.own, duel.rival)
    )
    ratio = (duel.rival.bytes or 1) / (duel.own.bytes or 1)
    size = "as many bytes" if abs(ratio - 1) < words.SAME else f"{words.factor(ratio)} the bytes"
    said = {
        "helps": "is better than",
        "does not help": "is no better than",
        "cannot tell": f"cannot be told, with {_seeds(told)}, from",
    }[told.answer]
    return Finding(
        TONES[told.answer],
        f"{duel.own.name} {said} {RIVALS[duel.rival.arm]}: {scale.value(own)} against "
        f"{scale.value(other)}, {scale.gain(told.value)} ({scale.interval(told)}); "
        f"the rival has {size}; on test rows {test}."
        + (f" A lead of {scale.least} or more is ruled out." if told.answer == "does not help" else ""),
    )
