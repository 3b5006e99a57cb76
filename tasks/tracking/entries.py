"""What every recording does alike: tags of origin, batches, tags of the experiment that users may change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.tracking.identity import code_version
from tasks.tracking.store import user

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

__all__ = ["NOTE", "log_figures", "origin_tags", "set_own_tags"]

NOTE = "mlflow.note.content"
ENTRIES_AT_ONCE = 1000
PARAMS_AT_ONCE = 100
WRITTEN = "espalier.written"  # digests of the experiment's tags as they were written here


def origin_tags(root: Path, command: str, flow_run_id: str | None) -> dict[str, str]:
    """Return who recorded a run, by which command, at which commit and in which flow run."""
    code = code_version(root)
    tags = {
        "mlflow.user": user(),
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": code.commit,
        "espalier.git_dirty": str(code.dirty).lower(),
        "espalier.flow_run_id": flow_run_id or "",
    }
    return {key: value for key, value in tags.items() if value}


def log_figures(client: MlflowClient, run: str, metrics: Sequence[Metric], params: Sequence[Param]) -> None:
    """Log in as few calls as MLflow's limits allow: one call each would take a hundred times as long."""
    last = params[max(0, (len(params) - 1) // PARAMS_AT_ONCE * PARAMS_AT_ONCE) :]
    for start in range(0, len(params) - len(last), PARAMS_AT_ONCE):
        client.log_batch(run, params=params[start : start + PARAMS_AT_ONCE])
    first = ENTRIES_AT_ONCE - len(last)
    client.log_batch(run, metrics=metrics[:first], params=last)
    for start in range(first, len(metrics), ENTRIES_AT_ONCE):
        client.log_batch(run, metrics=metrics[start : start + ENTRIES_AT_ONCE])


def set_own_tags(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> None:
    """Bring tags of the experiment (saved views, its note) up to date; what a user changed stays."""
    held = client.get_experiment(experiment).tags
    written: dict[str, str] = json.loads(held.get(WRITTEN, "{}"))
    for tag, value in tags.items():
        own = tag not in held or _digest(held[tag]) == written.get(tag)
        if own and held.get(tag) != value:
            client.set_experiment_tag(experiment, tag, value)
            written[tag] = _digest(value)
    if json.dumps(written) != held.get(WRITTEN):
        client.set_experiment_tag(experiment, WRITTEN, json.dumps(written))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
