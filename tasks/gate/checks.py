"""The questions the gate asks, one function each: evidence and policy in, checks out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tasks.evaluation.compare import Comparison, Settings, compare
from tasks.gate.config import PromoteConfig
from tasks.gate.evidence import Answers, Evidence
from tasks.gate.margin import margin_of
from tasks.metrics.table import METRICS, Metric

__all__ = ["QUESTIONS", "Check", "Question", "gained"]

Array = npt.NDArray[Any]
Outcome = Literal["passed", "failed", "not shown"]
Question = Callable[[Evidence, PromoteConfig], Iterator["Check"]]

LIGHTER = 0.99
"""Share of the champion's bytes from which on a file counts as smaller."""

NAMED = 3


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
    trivial = _against(evidence, evidence.trivial, policy, margin=0.0)
    yield _holds("better than the trivial rule", trivial.low > 0, _told(evidence.metric, trivial), "above 0")
    yield _no_worse("not worse than the dense network", evidence, evidence.reference, policy)
    if evidence.champion_answers is not None:
        yield _no_worse("not worse than the champion", evidence, evidence.champion_answers, policy)


def _no_worse(name: str, evidence: Evidence, rival: Answers, policy: PromoteConfig) -> Check:
    found = _against(evidence, rival, policy)
    outcomes: dict[str, Outcome] = {"non-inferior": "passed", "inferior": "failed"}
    return Check(
        name,
        outcomes.get(found.verdict, "not shown"),
        _told(evidence.metric, found),
        f"not below {_signed(evidence.metric, -found.margin)}",
        found.rows_needed,
    )


def _against(
    evidence: Evidence, rival: Answers, policy: PromoteConfig, margin: float | None = None
) -> Comparison:
    """Hold the challenger's answers against a rival's on the same rows."""
    assert evidence.challenger.answers is not None
    metric = evidence.metric
    own, other = evidence.challenger.answers.judged_by(metric), rival.judged_by(metric)
    if margin is None and policy.margin != "auto":
        margin = float(policy.margin)
    if margin is None:
        margin = margin_of(metric, evidence.rows, metric(evidence.y, other), policy.confidence)
    return compare(metric, evidence.y, own, other, margin=margin, settings=_settings(policy))


def _settings(policy: PromoteConfig) -> Settings:
    return Settings(policy.confidence, policy.resamples)


def _signed(metric: Metric, value: float) -> str:
    return f"{100 * value:+.2f}" if metric.share else f"{value:+.4g}"


def _told(metric: Metric, found: Comparison) -> str:
    low, high = _signed(metric, found.low), _signed(metric, found.high)
    return f"{_signed(metric, found.difference)} [{low}, {high}]"


def classes(evidence: Evidence, policy: PromoteConfig) -> Iterator[Check]:
    """No class is given up; a class that passes is not mentioned."""
    own, rival = evidence.challenger.answers, evidence.champion_answers or evidence.reference
    if evidence.task != "classification" or own is None:
        return
    least, loss = policy.classes.min, policy.classes.loss
    for code, label in enumerate(evidence.labels):
        there = evidence.y == code
        name = f"recall of {label}"
        if least is not None and there.any():
            recall = float(np.mean(own.decided[there] == code))
            yield _holds(name, recall >= least, f"{100 * recall:.1f} %", f"at least {100 * least:g} %")
        if loss is not None and there.any():
            yield from _lost(name, METRICS["accuracy"], evidence, rival, there, loss, policy)


def slices(evidence: Evidence, policy: PromoteConfig) -> Iterator[Check]:
    """No part of the rows is given up; a part that passes is not mentioned."""
    rival = evidence.champion_answers or evidence.reference
    if evidence.challenger.answers is None:
        return
    for column, levels in evidence.slices.items():
        for level in sorted(set(levels.tolist()), key=str):
            there = levels == level
            if there.sum() >= policy.slices.rows:
                name = f"rows with {column} = {level}"
                yield from _lost(name, evidence.metric, evidence, rival, there, policy.slices.loss, policy)


def _lost(
    name: str,
    metric: Metric,
    evidence: Evidence,
    rival: Answers,
    there: Array,
    loss: float,
    policy: PromoteConfig,
) -> Iterator[Check]:
    """Fail where these rows are shown to have lost more than they may."""
    assert evidence.challenger.answers is not None
    own, other = evidence.challenger.answers.judged_by(metric)[there], rival.judged_by(metric)[there]
    found = compare(metric, evidence.y[there], own, other, margin=loss, settings=_settings(policy))
    if found.verdict == "inferior":
        yield Check(name, "failed", _told(metric, found), f"not below {_signed(metric, -loss)}")


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
    found = _against(evidence, champion.answers, policy)
    won = []
    if found.low > 0:
        won.append(f"{evidence.metric.title} {_told(evidence.metric, found)}")
    if own.bytes < LIGHTER * champion.bytes:
        won.append(f"{champion.bytes / own.bytes:.2f}x smaller")
    if evidence.speed is not None and evidence.speed.low > 1:
        won.append(f"{evidence.speed.ratio:.2f}x faster")
    fewer = len(champion.columns) - len(own.columns)
    if fewer > 0:
        won.append(f"{fewer} columns fewer")
    return won
