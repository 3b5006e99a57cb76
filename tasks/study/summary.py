"""A study's results, ranked and judged; written as a page, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.config import Params
from tasks.files import fingerprint, write_bytes, write_frame, write_json, write_text
from tasks.metrics.table import AUTO
from tasks.study.against import Duel, duels
from tasks.study.effects import Factor, main_effects
from tasks.study.families import Families, families
from tasks.study.interaction import Interaction, interactions
from tasks.study.objectives import HEADLINE, Objective, objective
from tasks.study.rows import Row, Trial, aggregate
from tasks.study.standing import Standing, stand
from tasks.study.trade import Trade, trades
from tasks.study.verdicts import Finding, findings

__all__ = ["Summary", "summarise", "write_study"]

RESPONSES = (HEADLINE, "bytes", "latency_us", "train_seconds")
"""What main effects are told of."""


@dataclass(frozen=True)
class Summary:
    """What came of a study.

    Attributes
    ----------
    params
        The workspace's, which the candidates change.
    facts
        How the study was run: sampler, runner, seconds, notes.
    metric
        The headline, that candidates are judged by.
    standing
        Candidates with their ranks, and the picks.
    effects
        Main effects by what they are effects on.
    interactions
        Both against the sum of the halves, the workspace's own recipe first.
    families
        Hypervolumes of reducing, pruning and both.
    duels
        Candidates against rivals.
    trades
        Metric against training time where rows alone differ.
    findings
        All of it in words.
    computed_from
        Hashes of what it rests on.
    files
        What was written.
    """

    params: Params
    facts: Mapping[str, Any]
    metric: Objective
    standing: Standing
    effects: Mapping[Objective, Sequence[Factor]]
    interactions: Sequence[Interaction]
    families: Families | None
    duels: Sequence[Duel]
    trades: Sequence[Trade]
    findings: tuple[Finding, ...]
    computed_from: Mapping[str, Any]
    files: tuple[Path, ...] = field(default=(), compare=False)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What was found, a sentence each."""
        return tuple(finding.text for finding in self.findings)

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """Candidates by id."""
        return {row.id: row for row in self.standing.rows}

    @property
    def front(self) -> list[Row]:
        """Candidates on the front, by the first objective."""
        return [row for row in self.standing.rows if row.on_front]

    def pick(self, name: str) -> Row | None:
        """Return a candidate by the name of a pick; None where nothing qualifies."""
        found = self.standing.picks.get(name)
        return None if found is None else self.by_id[found]

    @property
    def figures(self) -> dict[str, float]:
        """Figures of the whole study, by name."""
        rows = self.standing.rows
        counts = {
            "candidates": len(rows),
            "failed": sum(bool(row.failures) for row in rows),
            "front": len(self.front),
            "trials": sum(len(row.trials) for row in rows),
        }
        found: dict[str, float | None] = {**counts, "hypervolume": self.standing.volume}
        if self.interactions:
            told = self.interactions[0].effect
            found |= {"interaction": told.value, "interaction_low": told.low, "interaction_high": told.high}
        if self.families is not None:
            found |= {f"hypervolume_{f.name}": f.volume for f in self.families.families}
            found |= {f"ahead_of_{name}": each.value for name, each in self.families.ahead.items()}
        return {name: float(value) for name, value in found.items() if value is not None}


def summarise(results: Sequence[Trial], params: Params, facts: Mapping[str, Any] | None = None) -> Summary:
    """Rank candidates and judge what was gained, by validation metrics and costs.

    Parameters
    ----------
    results
        Of `run_trial`, timed by `latencies`.
    params
        The workspace's, with section `study`.
    facts
        How the study was run, for the page.
    """
    rows, study, margin = aggregate(results), params.study, params.evaluate.margin
    metric = objective(HEADLINE, _headline(rows, params))
    wanted = list(dict.fromkeys(objective(name, metric.name) for name in study.objectives))
    limits = {str(name): bound for name, bound in study.constraints.items()}
    standing = stand(rows, wanted, limits, margin=margin)
    base = params.model_dump(mode="json", by_alias=True)
    responses = (objective(name, metric.name) for name in RESPONSES)
    together = interactions(standing.rows, metric, margin)
    volumes, against = families(standing.rows, metric, margin), duels(standing.rows, metric, margin)
    return Summary(
        params=params,
        facts=facts or {},
        metric=metric,
        standing=standing,
        effects={each: found for each in responses if (found := main_effects(rows, each, base))},
        interactions=together,
        families=volumes,
        duels=against,
        trades=trades(standing.rows, metric),
        findings=findings(together, volumes, against, metric, margin),
        computed_from=_sources(results, base),
    )


def _headline(rows: Sequence[Row], params: Params) -> str:
    """Name of the metric that the trials were judged by; where none finished, of the one asked for."""
    asked = params.evaluate.metric
    default = AUTO["classification"] if asked == "auto" else asked
    return next((row.headline for row in rows if row.headline), default)


def _sources(results: Sequence[Trial], base: Mapping[str, Any]) -> dict[str, Any]:
    """Hashes of data, code, parameters and trials."""
    hashes = [trial.get("hashes") or {} for trial in results]
    found = {name: sorted({str(each[name]) for each in hashes if name in each}) for name in ("data", "code")}
    trials = sorted((str(trial["key"]), str(trial["status"])) for trial in results)
    return {
        **{name: values[0] if len(values) == 1 else values for name, values in found.items()},
        "params": fingerprint(settings=base)[:32],
        "trials": fingerprint(settings=trials)[:32],
    }


def write_study(
    root: Path, results: Sequence[Trial], params: Params, facts: Mapping[str, Any] | None = None
) -> Summary:
    """Write reports/study.html, study.json, study.parquet and study-*.png of a workspace, and no older ones.

    Parameters
    ----------
    root
        Workspace.
    results, params, facts
        As `summarise` takes them.

    Returns
    -------
    The summary, with the files written.
    """
    from tasks.study.pictures import pictures
    from tasks.study.report import render
    from tasks.study.tables import document, frame

    summary, folder = summarise(results, params, facts), Path(root) / "reports"
    page, data, table = (folder / f"study.{kind}" for kind in ("html", "json", "parquet"))
    drawn = {folder / f"study-{name}.png": picture for name, picture in pictures(summary).items()}
    write_text(page, render(summary))
    write_json(data, document(summary))
    write_frame(table, frame(summary))
    for path, picture in drawn.items():
        write_bytes(path, picture)
    for path in set(folder.glob("study-*.png")) - drawn.keys():
        path.unlink()
    return replace(summary, files=(page, data, table, *drawn))
