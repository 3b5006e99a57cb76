"""The registered model: each result's compressed export is one version, the newest result the challenger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.tracking import Recorded
from tasks.tracking.amend import COMMIT, with_commit
from tasks.tracking.card import CARD, keep_card
from tasks.tracking.facts import metric_format
from tasks.tracking.links import server, version_page
from tasks.tracking.store import environment, open_client, reported, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

    from tasks.config import Params

__all__ = ["CHALLENGER", "CHAMPION", "Registered", "register"]

CHALLENGER = "challenger"
CHAMPION = "champion"
SEE_CARD = f"- model card: `{CARD}` of the source run"
DESCRIPTION = "Raw rows in, prediction out; made by `espalier run`."


@dataclass(frozen=True)
class Registered:
    """A registered version and its page; existing: the same result had been registered before."""

    name: str
    version: str
    url: str
    existing: bool


def register(root: Path, params: Params, recorded: Recorded) -> Registered:
    """Register the compressed model of a recorded result as the challenger, unless it is the champion.

    Raises
    ------
    EspalierError
        When MLflow cannot be reached or written.
    """
    with reported(root):
        client = open_client(root)
        name = params.registry.name
        _require_model(client, name)
        known = _version_of(client, name, recorded.runs["compressed"])
        version = known or _create(client, root, name, recorded)
        if known and recorded.amended:
            _describe(client, version, recorded)
        _link(client, recorded.model_id, version)
        if not known or recorded.amended:
            keep_card(client, version)
        _challenge(client, name, version)
        page = version_page(server(root), name, version.version)
        return Registered(name, str(version.version), page, existing=known is not None)


def _require_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version_of(client: MlflowClient, name: str, run: str) -> ModelVersion | None:
    return next(iter(client.search_model_versions(f"name = '{name}' and run_id = '{run}'")), None)


def _create(client: MlflowClient, root: Path, name: str, recorded: Recorded) -> ModelVersion:
    result = client.get_run(recorded.run_id)
    with environment(MLFLOW_TRACKING_URI=tracking_uri(root)):  # a local registry looks the model up there
        return client.create_model_version(
            name,
            source=f"models:/{recorded.model_id}",
            run_id=recorded.runs["compressed"],
            model_id=recorded.model_id,
            tags=_tags(result),
            description=f"{result.data.tags['mlflow.note.content']}\n{SEE_CARD}",
        )


def _describe(client: MlflowClient, version: ModelVersion, recorded: Recorded) -> None:
    """Let the version's description name the commit that its run names since."""
    commit = client.get_run(recorded.run_id).data.tags[COMMIT]
    told = with_commit(version.description or "", commit)
    client.update_model_version(version.name, version.version, description=told)


def _tags(result: Run) -> dict[str, str]:
    """Return four short tags: MLflow's version table shows each as one clipped line."""
    figures, tags = result.data.metrics, result.data.tags
    headline = tags["espalier.headline"]
    unit = " %" if headline.endswith("_pct") else ""
    form = metric_format(headline)
    shown = f"{figures[headline]:{form}}{unit}" if headline in figures else "undefined"
    return {
        headline.removeprefix("test/").removesuffix("_pct"): shown,
        "size": f"{figures['size/bytes'] / 1000:.4g} kB, {figures['size/times_smaller']:.1f}x",
        "speed": f"{figures['speed/p50_us']:.3g} us, {figures['speed/times_faster']:.1f}x",
        "verdict": tags["espalier.verdict"],
    }


def _link(client: MlflowClient, model_id: str, version: ModelVersion) -> None:
    """Name the version on its LoggedModel, for MLflow's Models column; servers do so themselves."""
    held = json.loads(client.get_logged_model(model_id).tags.get("mlflow.modelVersions", "[]"))
    own = {"name": version.name, "version": str(version.version)}
    if own not in [{**entry, "version": str(entry["version"])} for entry in held]:
        client.set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps([*held, own])})


def _challenge(client: MlflowClient, name: str, version: ModelVersion) -> None:
    aliases: Mapping[str, str] = client.get_registered_model(name).aliases
    held = {alias for alias, number in aliases.items() if str(number) == str(version.version)}
    if not held & {CHALLENGER, CHAMPION}:
        client.set_registered_model_alias(name, CHALLENGER, version.version)
