"""A batch held against the profile of a model: one family of tests, one false-discovery rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.drift.answers import answer_parts, mistakes
from tasks.drift.columns import Counted
from tasks.drift.config import Kind, MonitorConfig
from tasks.drift.counted import Levels
from tasks.drift.findings import Drift, Finding, Unlike
from tasks.drift.profile import DISTANCE, ERROR, Profile
from tasks.drift.reading import Cells, Part
from tasks.drift.schema import schema_differences
from tasks.drift.statistics import (
    benjamini_hochberg,
    beyond_chance,
    chi_square,
    fisher,
    grows,
    hotelling,
    kolmogorov_smirnov,
    share_grows,
)
from tasks.metrics.classification import decide
from tasks.metrics.table import score_all

__all__ = ["Batch", "compare", "family"]

Array = npt.NDArray[Any]
FEWEST = 20  # values that a distribution is compared from
WORST = 10


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows to be held against a profile.

    Attributes
    ----------
    names : tuple of str
        Columns of the raw batch.
    rows : int
    cells : mapping
        Columns that the profile knows, read as it does.
    places : ndarray of int64, shape (m,)
        Rows that the model can answer.
    X : ndarray of float32, shape (m, p)
        These as the model takes them.
    answers : ndarray
        What the model answers to these.
    labelled : ndarray of int64, shape (l,)
        Which of these m have a known answer.
    y : ndarray, shape (l,)
        Class codes (-1 of a class that no training row has), or targets.
    """

    names: tuple[str, ...]
    rows: int
    cells: Mapping[str, Cells]
    places: Array
    X: Array
    answers: Array
    labelled: Array
    y: Array


def compare(profile: Profile, batch: Batch, policy: MonitorConfig) -> Drift:
    """Compare a batch with the rows that a model was made from.

    Every test of the batch stands in one family, so that `policy.false_discovery` bounds the share of false
    ones among what is called drift, and how often a batch without drift has any.
    """
    features = profile.plan.transform(batch.X)
    errors = profile.space.errors(features) if len(features) else None
    asked = policy.tests
    tests = [
        *(_columns(profile, batch, policy) if "columns" in asked else ()),
        *(_missing(profile, batch, policy) if "missing" in asked else ()),
        *(_reduced(profile, features, errors, policy) if "reduced" in asked else ()),
        *(_predictions(profile, batch, policy) if "predictions" in asked else ()),
        *(_performance(profile, batch, policy) if "performance" in asked else ()),
    ]
    decided = batch.rows >= policy.rows
    schema = (
        schema_differences(profile, batch.names, batch.cells, policy.missing) if "schema" in asked else ()
    )
    return Drift(
        rows=batch.rows,
        scored=len(batch.places),
        labelled=len(batch.labelled),
        known=profile.rows,
        decided=decided,
        schema=tuple(schema),
        findings=family(tests, policy.false_discovery, decided=decided),
        unlike=_unlike(profile, batch, errors),
        metrics=_metrics(profile, batch),
    )


def family(tests: list[Finding], rate: float, *, decided: bool = True) -> tuple[Finding, ...]:
    """Judge tests together by Benjamini and Hochberg's procedure; the most certain come first."""
    if not tests:
        return ()
    q = benjamini_hochberg(np.array([test.p for test in tests]))
    judged = [
        replace(test, q=float(each), drifted=decided and bool(each <= rate and test.effect >= test.least))
        for test, each in zip(tests, q, strict=True)
    ]
    return tuple(sorted(judged, key=lambda test: (not test.drifted, test.q, -test.effect)))


def _columns(profile: Profile, batch: Batch, policy: MonitorConfig) -> Iterator[Finding]:
    for column in profile.columns:
        if column.name not in batch.cells or not (column.read or policy.columns == "all"):
            continue
        for part, reference in column.parts.items():
            name = f"{column.name}: {part}" if part else column.name
            values = batch.cells[column.name].parts[part]
            yield from _distribution("columns", name, reference, values, policy.psi)


def _distribution(kind: Kind, name: str, reference: Counted, values: Part, least: float) -> Iterator[Finding]:
    """Compare values with a reference, where both have rows enough."""
    if isinstance(reference, Levels) != isinstance(values, list):
        raise TypeError(f"{name}: numbers and levels cannot be compared")
    counts = reference.count(values)  # type: ignore[arg-type]  # checked above
    rows = int(counts.sum())
    if min(rows, int(reference.counts.sum())) < FEWEST:
        return
    if isinstance(reference, Levels):
        test, (_, p) = "chi-square", chi_square(reference.counts, counts)
    else:
        test, p = "KS", float(kolmogorov_smirnov(reference.counts, counts)[1])
    effect = beyond_chance(reference.counts, counts)
    yield Finding(kind, name, test, p, "PSI", effect, least, rows, shape=reference.shape(counts))


def _missing(profile: Profile, batch: Batch, policy: MonitorConfig) -> Iterator[Finding]:
    columns = [
        column
        for column in profile.columns
        if column.name in batch.cells and (column.read or policy.columns == "all") and column.rows
    ]
    if not columns or not batch.rows:
        return
    hits, rows = (np.array([getattr(column, key) for column in columns]) for key in ("missing", "rows"))
    found = np.array([int(batch.cells[column.name].missing.sum()) for column in columns])
    p = fisher(hits, rows, found, np.full(len(columns), batch.rows))
    for column, each, before, now in zip(columns, p, hits / rows, found / batch.rows, strict=True):
        if before == now == 0:
            continue
        yield Finding(
            "missing",
            column.name,
            "Fisher",
            float(each),
            "points",
            abs(float(now - before)),
            policy.missing,
            batch.rows,
            told=f"{100 * before:.1f} % to {100 * now:.1f} %",
        )


def _reduced(
    profile: Profile, features: Array, errors: Array | None, policy: MonitorConfig
) -> Iterator[Finding]:
    if len(features) < FEWEST:
        return
    found = profile.space.moments_of(features)
    axes = len(found.mean)
    if axes:
        known = profile.space.moments.first(axes)
        effect, p = hotelling(
            known.mean, known.covariance, known.rows, found.mean, found.covariance, found.rows
        )
        told = f"on {axes} principal {'axis' if axes == 1 else 'axes'}"
        yield Finding(
            "reduced", "centre", "Hotelling", p, "PSI", effect, policy.psi, len(features), told=told
        )
    values = {DISTANCE: profile.space.distances(features)} | ({} if errors is None else {ERROR: errors})
    for name, reference in profile.signals.items():
        yield from _distribution("reduced", name, reference, values[name], policy.psi)


def _predictions(profile: Profile, batch: Batch, policy: MonitorConfig) -> Iterator[Finding]:
    if not len(batch.places):
        return
    parts = answer_parts(batch.answers, profile.labels, profile.threshold)
    for name, reference in profile.answers.items():
        yield from _distribution("predictions", name, reference, parts[name], policy.psi)


def _performance(profile: Profile, batch: Batch, policy: MonitorConfig) -> Iterator[Finding]:
    if len(batch.labelled) < FEWEST:
        return
    answers, promised = batch.answers[batch.labelled], profile.mistakes
    found = mistakes(batch.y, answers, profile.labels, profile.threshold)
    now, rows = float(found.mean()), len(found)
    if profile.labels is None:
        test, p = "Welch", grows(promised.mean, promised.variance, promised.rows, found)
        told = f"{promised.mean:.4g} to {now:.4g}"
    else:
        test, p = "Fisher", share_grows(promised.wrong, promised.rows, int(found.sum()), rows)
        told = f"{100 * promised.mean:.1f} % to {100 * now:.1f} %"
    growth = now / max(promised.mean, 0.5 / promised.rows) - 1
    yield Finding("performance", promised.name, test, p, "growth", growth, policy.worse, rows, told=told)


def _metrics(profile: Profile, batch: Batch) -> dict[str, Mapping[str, float | None]]:
    """Score the labelled rows whose class is known beside what was promised."""
    known = batch.y >= 0 if profile.labels is not None else np.isfinite(batch.y)
    if not known.any():
        return {}
    y, answers = batch.y[known], batch.answers[batch.labelled][known]
    codes = None if profile.labels is None else decide(answers, profile.threshold)
    return {"batch": score_all(profile.task, y, answers, codes), "promised": profile.mistakes.metrics}


def _unlike(profile: Profile, batch: Batch, errors: Array | None) -> Unlike | None:
    if errors is None or profile.limit is None:
        return None
    over = errors / max(profile.limit.error, 1e-30)
    worst = np.argsort(over, kind="stable")[::-1][:WORST]
    rows = tuple((int(batch.places[i]), float(over[i])) for i in worst if over[i] > 1)
    return Unlike(int((over > 1).sum()), profile.limit.share * len(errors), rows)
