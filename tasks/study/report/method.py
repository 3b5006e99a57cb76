"""How a study was run, and how its figures came about."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from tasks.evaluation.report import words
from tasks.evaluation.report.table import recipe

if TYPE_CHECKING:
    from tasks.study.summary import Summary

__all__ = ["method"]


def method(summary: Summary) -> str:
    """Return facts, notes, method in sentences, and the parameters that candidates change."""
    points = "".join(f"<li>{escape(text)}</li>" for text in (*_notes(summary.facts), *_lines(summary)))
    base = summary.params.model_dump(mode="json", by_alias=True)
    return (
        f"<dl class='facts'>{_list(_facts(summary))}</dl><ul>{points}</ul>"
        "<details><summary>The parameters that candidates change</summary>"
        f"{recipe({name: section for name, section in base.items() if name != 'registry'})}</details>"
    )


def _list(facts: Mapping[str, str]) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())


def _notes(facts: Mapping[str, Any]) -> list[str]:
    return [str(note) for note in facts.get("notes", ())]


def _facts(summary: Summary) -> dict[str, str]:
    study, told = summary.params.study, dict(summary.facts)
    trials = sum(len(row.trials) for row in summary.standing.rows)
    limits = ", ".join(
        f"{name} {'>=' if end == 'min' else '<='} {value:g}"
        for name, bound in study.constraints.items()
        for end, value in (("min", bound.min), ("max", bound.max))
        if value is not None
    )
    found = {
        "sampler": study.sampler,
        "candidates": words.amount(len(summary.standing.rows)),
        "trials": words.amount(trials),
        "seeds": words.amount(study.seeds),
        "objectives": ", ".join(study.objectives),
        "constraints": limits or "none",
        "runner": study.runner,
        "workers": "one a core" if study.workers is None else str(study.workers),
    }
    if "seconds" in told:
        found["took"] = words.seconds_text(told.pop("seconds"))
    shown = {name: str(value) for name, value in told.items() if name not in ("notes", "stopped", *found)}
    hashes = {f"{name} hash": str(value) for name, value in summary.computed_from.items()}
    return {**found, **shown, **hashes}


def _lines(summary: Summary) -> list[str]:
    margin = words.margin_text(summary.metric.name, summary.params.evaluate.margin)
    return [
        "Ranks, front, knee, picks and verdicts rest on validation rows and costs. The best of many "
        "candidates is flattered by the rows that chose it; the test figure beside it is not.",
        "Front: no other candidate is as good in every objective and better in one. The knee is where "
        "it bulges most: the smallest sum of the objectives, each brought to 0 to 1 over the front, "
        "costs as logarithms.",
        "The box for the hypervolume ends a tenth of the front's range beyond its worst values.",
        "Together: both less reduction less pruning plus nothing, seed by seed, each half with the "
        "whole's settings. It helps where all of the 95 % interval is above 0, and does not where all "
        f"of it is below {margin} (evaluate.margin).",
        "Intervals over the seeds: bootstrap of the seeds, the same ones for all candidates, widened "
        "by Student's t as few seeds ask for. They tell what other seeds would have given on the same "
        "rows.",
        "Fronts of reduction, of pruning and of both: each chooses on validation rows, among its own "
        "candidates and nothing at all, and counts by what it chose reaches on test rows, over the "
        "logarithm of bytes; the mean over the sizes is told, with what lies five margins below the "
        "worst front's best counted as that. A front of more candidates has more to choose from.",
        "Rivals: random units and random rows are held against the candidate they copy but for "
        "chance; the small dense network and the linear model against the best candidate, on "
        "validation rows, that is no larger.",
        "Effects: least squares of all factors at once, so that none is credited with another's; "
        "rivals do not count.",
        "Training time is that of the stages reduce, train and prune, as measured when each was "
        "computed, beside whatever ran at the same time. Latency was measured at the end, for one "
        "row, all candidates in turn.",
    ]
