"""The questions the gate asks, one function each: evidence and policy in, checks out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tasks.evaluation.compare import Comparison
from tasks.gate.compared import against, level_of, mcnemar, on_rows, signed, told
from tasks.gate.config import PromoteConfig
from tasks.gate.evidence import Answers, Evidence
from tasks.metrics.table import METRICS, Metric

__all__ = ["QUESTIONS", "Check", "Question", "gained"]

Array = npt.NDArray[Any]
Outcome = Literal["passed", "failed", "not shown"]
Question = Callable[[Evidence, PromoteConfig], Iterator["Check"]]

LIGHTER = 0.99
"""Share of the champion's bytes from which on a file counts as smaller."""

FASTER = 1.05
"""Times as fast from which on a model counts as faster: rounds agree on less by luck."""

NAMED = 3
BESIDE = "not worse than the champion"


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Attributes
    ----------
    name : str
    outcome : str
        `passed`, `failed`, or `not shown`: these rows do not tell.
    found, wanted : str
        For a person to read.
    rows_needed : int or None
        Test rows that would tell, where these do not.
    """

    name: str
    outcome: Outcome
    found: str
    wanted: str
    rows_needed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return asdict(self)


def _holds(name: str, holds: bool, found: str, wanted: str) -> Check:
    return Check(name, "passed" if holds else "failed", found, wanted)


def answering(evidence: Evidence, _: PromoteConfig) -> Iterator[Check]:
    """It loads and answers where torch is not."""
    trouble = evidence.challenger.trouble
    yield _holds("answers without torch", not trouble, trouble or "yes", "an answer a row")


def columns(evidence: Evidence, _: PromoteConfig) -> Iterator[Check]:
    """Whoever fed the champion can feed it."""
    if evidence.champion is None or not evidence.champion.columns:
        return
    held = set(evidence.champion.columns)
    more = [name for name in evidence.challenger.columns if name not in held]
    rest = f" and {len(more) - NAMED} more" if len(more) > NAMED else ""
    found = f"{', '.join(more[:NAMED])}{rest}" if more else "none"
    yield _holds("columns the champion does without", not more, found, "none")


def facts(evidence: Evidence, _: PromoteConfig) -> Iterator[Check]:
    """What was looked up."""
    for name, fact in evidence.facts.items():
        yield _holds(name, fact.holds, fact.found, "holds")


def quality(evidence: Evidence, policy: PromoteConfig) -> Iterator[Check]:
    """Better than knowing nothing; as good as the dense network, and as the champion."""
    if evidence.challenger.answers is None:
        return
    trivial = against(evidence, evidence.trivial, policy, margin=0.0)
    yield _holds("better than the trivial rule", trivial.low > 0, told(evidence.metric, trivial), "above 0")
    yield _no_worse("not worse than the dense network", evidence, evidence.reference, policy)
    if evidence.champion_answers is not None:
        yield _no_worse(BESIDE, evidence, evidence.champion_answers, policy)
    elif evidence.champion is not None:
        trouble = f"it cannot be asked: {evidence.champion.trouble}"
        yield Check(BESIDE, "not shown", trouble, "its answers")


def _no_worse(name: str, evidence: Evidence, rival: Answers, policy: PromoteConfig) -> Check:
    found = against(evidence, rival, policy)
    outcomes: dict[str, Outcome] = {"non-inferior": "passed", "inferior": "failed"}
    return Check(
        name,
        outcomes.get(found.verdict, "not shown"),
        told(evidence.metric, found),
        f"not below {signed(evidence.metric, -found.margin)}",
        found.rows_needed,
    )


def taken_back(evidence: Evidence, _: PromoteConfig) -> Iterator[Check]:
    """What a person has taken out of production comes back by a person alone."""
    if evidence.taken_back:
        yield Check("not taken back before", "not shown", evidence.taken_back, "a person's yes")


def shadowed(evidence: Evidence, policy: PromoteConfig) -> Iterator[Check]:
    """It has answered beside the champion for long enough."""
    least = policy.shadow_rows
    if least and evidence.champion is not None:
        yield _holds(
            "rows in the shadow",
            evidence.shadow_rows >= least,
            f"{evidence.shadow_rows:,}",
            f"at least {least:,}",
        )


def classes(evidence: Evidence, policy: PromoteConfig) -> Iterator[Check]:
    """No class is given up; of those that pass the worst is told."""
    own, rival = evidence.challenger.answers, evidence.champion_answers or evidence.reference
    if evidence.task != "classification" or own is None:
        return
    least, held = policy.classes.min, []
    for code, label in enumerate(evidence.labels):
        there = evidence.y == code
        if least is not None and there.any():
            recall = float(np.mean(own.decided[there] == code))
            yield _holds(
                f"recall of {label}", recall >= least, f"{100 * recall:.1f} %", f"at least {100 * least:g} %"
            )
        if policy.classes.loss is not None and there.any():
            held.append((f"recall of {label}", there))
    if policy.classes.loss is not None:
        yield from _kept("classes", METRICS["accuracy"], evidence, rival, held, policy.classes.loss, policy)


def slices(evidence: Evidence, policy: PromoteConfig) -> Iterator[Check]:
    """No part of the rows is given up; of those that pass the worst is told."""
    rival = evidence.champion_answers or evidence.reference
    if evidence.challenger.answers is None:
        return
    for column, levels in evidence.slices.items():
        parts = [
            (f"rows with {column} = {level}", there)
            for level in sorted(set(levels.tolist()), key=str)
            if (there := levels == level).sum() >= policy.slices.rows
        ]
        yield from _floors(evidence, parts, policy.slices.min)
        yield from _kept(column, evidence.metric, evidence, rival, parts, policy.slices.loss, policy)


def _floors(evidence: Evidence, parts: Sequence[tuple[str, Array]], least: float | None) -> Iterator[Check]:
    """Hold the headline of each part against the floor, if any, where those rows define it."""
    metric, own = evidence.metric, evidence.challenger.answers
    if least is None or own is None:
        return
    wanted = f"{'at least' if metric.higher_is_better else 'at most'} {level_of(metric, least)}"
    for name, there in parts:
        value = metric(evidence.y[there], own.judged_by(metric)[there])
        if math.isfinite(value):
            found = f"{metric.title} {level_of(metric, value)}"
            yield _holds(name, metric.gain(value, least) >= 0, found, wanted)


def _kept(
    what: str,
    metric: Metric,
    evidence: Evidence,
    rival: Answers,
    parts: Sequence[tuple[str, Array]],
    loss: float,
    policy: PromoteConfig,
) -> Iterator[Check]:
    """Fail each part that is shown to have lost more than it may; of the others tell the worst."""
    fine: list[tuple[str, Comparison]] = []
    wanted = f"not below {signed(metric, -loss)}"
    for name, there in parts:
        found = on_rows(metric, evidence, rival, there, loss, policy)
        if found.verdict == "inferior":
            yield Check(name, "failed", told(metric, found), wanted)
        else:
            fine.append((name, found))
    known = [(name, found) for name, found in fine if math.isfinite(found.difference)]
    if known:
        name, worst = min(known, key=lambda each: each[1].difference)
        yield Check(f"{what}: {len(known)}, worst {name}", "passed", told(metric, worst), wanted)


def calibration(evidence: Evidence, policy: PromoteConfig) -> Iterator[Check]:
    """Its probabilities mean what they say."""
    most, own = policy.max_calibration_error, evidence.challenger.answers
    if evidence.task == "classification" and most is not None and own is not None:
        found = METRICS["ece"](evidence.y, own.scores)
        yield _holds("calibration error", found <= most, f"{100 * found:.1f} %", f"at most {100 * most:g} %")


def limits(evidence: Evidence, policy: PromoteConfig) -> Iterator[Check]:
    """It fits where it has to run."""
    asked, own = policy.limits, evidence.challenger
    if own.answers is None:
        return
    for name, found, most, unit in (
        ("bytes", float(own.bytes), asked.max_bytes, ""),
        ("latency", own.latency_us, asked.max_latency_us, " us"),
        ("memory", own.memory_mb, asked.max_memory_mb, " MB"),
    ):
        if most is not None:
            yield _holds(name, found <= most, f"{found:,.6g}{unit}", f"at most {most:,.6g}{unit}")
    if asked.max_slowdown is not None and evidence.speed is not None:
        slower, least = 1 / evidence.speed.ratio, 1 / evidence.speed.high
        found_, wanted = f"{slower:.2f}x", f"at most {asked.max_slowdown:g}x"
        yield _holds("time beside the champion", least <= asked.max_slowdown, found_, wanted)


QUESTIONS: tuple[Question, ...] = (
    answering,
    columns,
    facts,
    quality,
    taken_back,
    shadowed,
    classes,
    slices,
    calibration,
    limits,
)


def gained(evidence: Evidence, policy: PromoteConfig) -> list[str]:
    """Return in what the challenger is shown to be ahead of the champion; nothing is a tie."""
    champion, own = evidence.champion, evidence.challenger
    if champion is None or champion.answers is None or own.answers is None:
        return []
    won = _better(evidence, champion.answers, policy)
    if own.bytes < LIGHTER * champion.bytes:
        won.append(f"{champion.bytes / own.bytes:.2f}x smaller")
    if evidence.speed is not None and evidence.speed.low > 1 and evidence.speed.ratio >= FASTER:
        won.append(f"{evidence.speed.ratio:.2f}x faster")
    fewer = len(champion.columns) - len(own.columns)
    if fewer > 0:
        won.append(f"{fewer} column{'s' * (fewer > 1)} fewer")
    return won


def _better(evidence: Evidence, rival: Answers, policy: PromoteConfig) -> list[str]:
    """Return the gain in the headline, where the interval and, of accuracy, McNemar's test show one."""
    assert evidence.challenger.answers is not None
    metric, found = evidence.metric, against(evidence, rival, policy)
    if not found.low > 0:
        return []
    if metric.name != "accuracy":
        return [f"{metric.title} {told(metric, found)}"]
    p = mcnemar(evidence.challenger.answers.decided, rival.decided, evidence.y)
    return [f"{metric.title} {told(metric, found)}, p {p:.2g}"] if p <= 1 - policy.confidence else []
