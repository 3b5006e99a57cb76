"""What came of a trial: the figures that its stages' reports hold, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.config import Params
from tasks.files import read_json
from tasks.layout import Layout
from tasks.study.nodes import LAST
from tasks.study.workshop import Workshop

__all__ = ["with_figures", "without_figures"]

_MADE_BY = ("reduce", "train", "prune")
"""The stages whose time a candidate costs; the reference is everybody's."""


_EMPTY: dict[str, Any] = {
    "status": "done",
    "reason": None,
    "headline": None,
    "valid": {},
    "test": {},
    "bytes": None,
    "macs": None,
    "parameters": None,
    "train_seconds": None,
    "history": [],
    "recipe": {},
    "nodes": {},
}
"""What a trial that failed has in place of figures."""


def without_figures(
    head: Mapping[str, Any], key: str, reason: str, nodes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the result of a trial that failed.

    Parameters
    ----------
    head
        Its id, seed, arm, name and overrides.
    key
        By which it is told from others.
    reason
        Why it failed.
    nodes
        Keys of the stages that had ended.
    """
    return {**head, "key": key, **_EMPTY, "status": "failed", "reason": reason, "nodes": dict(nodes or {})}


def with_figures(head: Mapping[str, Any], key: str, workshop: Workshop) -> dict[str, Any]:
    """Return the result of a trial whose stages have all ended.

    Parameters
    ----------
    head, key
        As `without_figures` takes them.
    workshop
        Where its stages' reports are.
    """
    return {**head, "key": key, **_EMPTY, **_outcome(workshop)}


def _outcome(workshop: Workshop) -> dict[str, Any]:
    """Gather a trial's figures from the reports of its nodes."""
    reports = {stage: read_json(Layout(workshop.node(stage)).report(stage)) for stage in (*_MADE_BY, LAST)}
    judged = reports[LAST]["models"]["compressed"]
    size = judged["size"]
    took = [workshop.facts(stage)["seconds"] or 0.0 for stage in _MADE_BY]
    return {
        "headline": reports[LAST]["metric"],
        "valid": judged["valid"],
        "test": judged["metrics"],
        "bytes": size["bytes"],
        "macs": size["multiply_adds"],
        "parameters": size["parameters"],
        "train_seconds": round(sum(took), 3),
        "history": reports["prune"]["history"] or reports["train"]["history"],
        "recipe": _recipe(workshop.params, reports),
        "nodes": workshop.keys,
    }


def _recipe(params: Params, reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    columns, rows, pruned = reports["reduce"]["columns"], reports["reduce"]["rows"], reports["prune"]
    quantised = reports[LAST]["quantisation"]
    chosen = quantised["chosen"] if quantised else "none"
    return {
        "model": params.model.method,
        "columns": {key: columns[key] for key in ("method", "before", "after")},
        "rows": {key: rows[key] for key in ("method", "before", "after")},
        "inputs": reports[LAST]["models"]["compressed"]["size"]["inputs"],
        "prune": params.prune.method,
        "amount": pruned["amount"] or 0.0,
        "int8": None if chosen == "none" else chosen,
    }
