"""A study as data: one JSON document, and one table row a candidate and seed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from tasks.study.factors import resolved
from tasks.study.objectives import COSTS
from tasks.study.rows import Row, Trial

if TYPE_CHECKING:
    from tasks.study.summary import Summary

__all__ = ["document", "frame"]


def _candidate(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "arm": row.arm,
        "rank": row.rank,
        "front": row.on_front,
        "unranked": row.unranked,
        "valid": dict(row.valid),
        "spread": row.spread,
        "test": dict(row.test),
        **{cost: getattr(row, cost) for cost in COSTS},
        "seeds": list(row.seeds),
        "failures": {str(seed): reason for seed, reason in row.failures.items()},
        "overrides": dict(row.overrides),
        "recipe": dict(row.recipe),
    }


def document(summary: Summary) -> dict[str, Any]:
    """Return all that was found, JSON-able; `params` and a candidate's overrides make its recipe.

    Test metrics are there to be reported; nothing here was chosen by them.
    """
    standing, volumes = summary.standing, summary.families
    return {
        "name": summary.params.study.name,
        "headline": summary.metric.name,
        "objectives": [each.name for each in standing.objectives],
        "not_measured": [each.name for each in standing.missing],
        "verdicts": [asdict(finding) for finding in summary.findings],
        "picks": dict(standing.picks),
        "hypervolume": standing.volume,
        "front": [row.id for row in summary.front],
        "interactions": [
            {"candidates": [row.id for row in each.rows], **asdict(each.effect)}
            for each in summary.interactions
        ],
        "families": None if volumes is None else asdict(volumes),
        "rivals": [
            {"rival": each.rival.id, "candidate": each.own.id, **asdict(each.ahead)} for each in summary.duels
        ],
        "rows": [asdict(trade) for trade in summary.trades],
        "effects": {
            response.name: [asdict(factor) for factor in found] for response, found in summary.effects.items()
        },
        "candidates": [_candidate(row) for row in standing.rows],
        "run": dict(summary.facts),
        "computed_from": dict(summary.computed_from),
        "params": summary.params.model_dump(mode="json", by_alias=True),
    }


def frame(summary: Summary) -> pd.DataFrame:
    """Tabulate every candidate and seed: one row a trial, failed ones too, best candidates first."""
    return pd.DataFrame([_trial(row, trial) for row in summary.standing.rows for trial in row.trials])


def _trial(row: Row, trial: Trial) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "arm": row.arm,
        "seed": trial["seed"],
        "status": trial["status"],
        "reason": trial["reason"],
        "rank": row.rank,
        "front": row.on_front,
        **{f"valid/{name}": value for name, value in trial["valid"].items()},
        **{f"test/{name}": value for name, value in trial["test"].items()},
        **{cost: trial.get(cost) for cost in COSTS},
        **{name.replace(" ", "_"): value for name, value in resolved(row).items()},
        "overrides": json.dumps(dict(trial["overrides"]), sort_keys=True),
        "key": trial["key"],
        **{f"hash/{name}": value for name, value in (trial.get("hashes") or {}).items()},
    }
