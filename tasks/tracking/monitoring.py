"""A batch held against a version, as a run of the experiment `monitoring`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.drift.findings import Drift, Finding
from tasks.drift.words import verdict
from tasks.tracking import links
from tasks.tracking.entries import NOTE, log_figures, origin_tags
from tasks.tracking.store import experiment_id, open_client, recording

if TYPE_CHECKING:
    from tasks.monitoring import Watched

__all__ = ["EXPERIMENT", "record_drift"]

EXPERIMENT = "monitoring"
COLUMNS = 200  # columns of which each has figures of its own


def record_drift(root: Path, watched: Watched, *, flow_run_id: str | None) -> str:
    """Record a comparison: its figures, the policy, the report and drift.json; return the run's page.

    Raises
    ------
    EspalierError
        When MLflow cannot be reached or written.
    """
    from mlflow.entities import Metric, Param

    with recording(root):
        client = open_client(root)
        experiment = experiment_id(client, root, EXPERIMENT)
        run = str(
            client.create_run(
                experiment, tags=_tags(root, watched, flow_run_id), run_name=_name(watched)
            ).info.run_id
        )
        now = time.time_ns() // 1_000_000
        metrics = [Metric(key, value, now, 0) for key, value in figures(watched.drift).items()]
        log_figures(client, run, metrics, [Param(key, str(value)) for key, value in _params(watched).items()])
        for path in (watched.page, watched.facts):
            client.log_artifact(run, str(path))
        client.set_terminated(run)
        return links.run_page(links.server(root), experiment, run)


def _name(watched: Watched) -> str:
    return f"{watched.source.rstrip('/').rpartition('/')[2][:60]} on version {watched.version}"


def _tags(root: Path, watched: Watched, flow_run_id: str | None) -> dict[str, str]:
    return origin_tags(root, "espalier monitor", flow_run_id) | {
        "espalier.drift": ", ".join(watched.drift.kinds) or "none",
        "espalier.model_version": f"{watched.model}/{watched.version}",
        NOTE: verdict(watched.drift, watched.policy),
    }


def _params(watched: Watched) -> Mapping[str, Any]:
    policy = watched.policy.model_dump(mode="json").items()
    return {
        "model": watched.model,
        "version": watched.version,
        "source": watched.source,
        **{f"monitor.{key}": value for key, value in policy},
    }


def figures(drift: Drift) -> dict[str, float]:
    """Return the figures of a comparison by MLflow's names: what was found in all, then each test's size."""
    columns = [finding for finding in drift.findings if finding.kind == "columns"]
    found = {
        "drift/found": float(bool(drift.kinds)),
        "drift/tests": len(drift.drifted),
        "rows/batch": drift.rows,
        "rows/scored": drift.scored,
        "rows/labelled": drift.labelled,
    }
    if columns:
        found["columns/drifted"] = sum(finding.drifted for finding in columns)
        found["columns/share_drifted"] = found["columns/drifted"] / len(columns)
        found["columns/largest_psi"] = max(finding.effect for finding in columns)
    if drift.unlike is not None and drift.scored:
        found["rows/share_news_to_the_reducer"] = drift.unlike.rows / drift.scored
    for name, value in drift.metrics.get("batch", {}).items():
        if value is not None:
            found[f"batch/{name}"] = value
    return {**found, **dict(_each(drift))}


def _each(drift: Drift) -> Iterator[tuple[str, float]]:
    """Name the size of each test; of columns, those that differ most."""
    many = ("columns", "missing")
    for kind in many:
        found = [finding for finding in drift.findings if finding.kind == kind]
        yield from map(_size, sorted(found, key=lambda finding: -finding.effect)[:COLUMNS])
    yield from (_size(finding) for finding in drift.findings if finding.kind not in many)


def _size(finding: Finding) -> tuple[str, float]:
    return f"{finding.kind}/{_plain(finding.measure)}/{_plain(finding.name)}", finding.effect


def _plain(name: str) -> str:
    """Return a name in the characters that MLflow takes."""
    return re.sub(r"[^\w\-. ]", "_", name, flags=re.ASCII)[:150].lower()
