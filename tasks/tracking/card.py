"""The card of a registered version: made when it is registered, kept with its run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.artifacts import Layout, read_json
from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.evaluation.reports import REPORTS
from tasks.tracking.amend import COMMIT, DIRTY
from tasks.tracking.card_text import card_text
from tasks.tracking.facts import read_facts
from tasks.tracking.fetch import find_named
from tasks.tracking.files import model_file, run_files
from tasks.tracking.store import open_client, reported

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["CARD", "card_of", "keep_card", "read_card"]

CARD = "card.md"
_HASHES = {"raw rows": "data/raw.parquet", "exported models": "models/export"}


def keep_card(client: MlflowClient, version: ModelVersion) -> str:
    """Make the card of a version from what its result's run keeps, and keep it with the version's run.

    Returns
    -------
    The card, Markdown.

    Raises
    ------
    EspalierError
        When the run lacks a report, or its settings are none that this Espalier knows.
    """
    text = _made(client, version)
    client.log_text(str(version.run_id), text, CARD)
    return text


def read_card(client: MlflowClient, version: ModelVersion) -> str:
    """Return the card that is kept; one of a version that has none is made, and not kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = run_files(client, str(version.run_id), [CARD], Path(folder)) / CARD
        if path.exists():
            return path.read_text(encoding="utf-8")
    return _made(client, version)


def card_of(root: Path, name: str, asked: str) -> str:
    """Return the card of a version by its number or an alias.

    Raises
    ------
    EspalierError
        When there is no such version, or its run lacks what a card is made of.
    """
    with reported(root):
        client = open_client(root)
        return read_card(client, find_named(client, name, asked))


def _made(client: MlflowClient, version: ModelVersion) -> str:
    own = client.get_run(str(version.run_id))
    result = client.get_run(own.data.tags.get("mlflow.parentRunId", own.info.run_id))
    model = result.data.tags.get("espalier.model_id", "")
    wanted = ["params.yaml", *(f"reports/{name}.json" for name in REPORTS)]
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(run_files(client, result.info.run_id, wanted, Path(folder)))
        lost = [name for name in wanted if not (layout.root / name).exists()]
        if lost or not model:
            missing = lost[0] if lost else "its stored model"
            raise EspalierError(
                f"{version.name} version {version.version}: no card, for its run lacks {missing}; "
                "`espalier run` records a result anew"
            )
        plan = read_json(model_file(client, model, "artifacts/serving.json", layout.root))
        facts = read_facts(layout, load_params(layout.root))
    return card_text(version.name, str(version.version), facts, plan, _origin(result))


def _origin(result: Run) -> dict[str, str]:
    tags = result.data.tags
    commit = tags.get(COMMIT, "")
    changes = " with local changes" if tags.get(DIRTY) == "true" else ""
    found = {name: tags.get(f"dvc.{path}", "") for name, path in _HASHES.items()}
    return {
        **{f"{name} (DVC, `{_HASHES[name]}`)": value for name, value in found.items() if value},
        "git commit": f"{commit}{changes}" if commit else "none was recorded",
        "Prefect flow run": tags.get("espalier.flow_run_id", "none"),
        "MLflow run": result.info.run_id,
    }
