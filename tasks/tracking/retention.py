"""Runs of the workspace's own MLflow database that nothing needs any more, and their removal for good.

MLflow's own `mlflow gc` asks neither registry nor ledger, and takes every deleted experiment along.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tasks.tracking.store import own_database, reported

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["KEEP", "Family", "Needs", "Store", "open_store"]

KEEP = "espalier.keep"
"""Tag of a run that stays, whatever its age."""

_PAGE = 1000
_OWN = "espalier."
_HASH = "dvc."


@dataclass(frozen=True)
class Needs:
    """What must stay.

    Attributes
    ----------
    versions : collection of str
        Registered versions, as NAME/NUMBER.
    runs : collection of str
    experiments : collection of str
        Ids of experiments of which every run stays.
    identity : str
        Of the result that stands in the workspace.
    """

    versions: Collection[str]
    runs: Collection[str] = ()
    experiments: Collection[str] = ()
    identity: str = ""


@dataclass(frozen=True)
class Family:
    """A run with the runs nested in it, which stay or go together; and the versions made from them."""

    runs: tuple[Run, ...]
    versions: tuple[ModelVersion, ...]

    @property
    def head(self) -> Run:
        """The run that the others are nested in; the oldest where that is gone."""
        outer = [run for run in self.runs if "mlflow.parentRunId" not in run.data.tags]
        return outer[0] if outer else self.runs[-1]

    @property
    def last(self) -> float:
        """Seconds since 1970 at which the newest of its runs began."""
        return max(float(run.info.start_time or 0) for run in self.runs) / 1000.0

    @property
    def hashes(self) -> set[str]:
        """Return DVC's hashes of what the result was made of."""
        tags = ((key, value) for run in self.runs for key, value in run.data.tags.items())
        return {value for key, value in tags if key.startswith(_HASH)}

    @property
    def named(self) -> set[str]:
        """Versions that were made from it, or that it tells of."""
        return {named(version) for version in self.versions} | {
            name for run in self.runs for name in _told_of(run.data.tags)
        }

    def needed(self, needs: Needs) -> bool:
        """Say whether it stays whatever its age."""
        tags = [run.data.tags for run in self.runs]
        return (
            not any(key.startswith(_OWN) for found in tags for key in found)  # not Espalier's
            or any(run.info.experiment_id in needs.experiments for run in self.runs)
            or any(run.info.run_id in needs.runs for run in self.runs)
            or any(found.get(KEEP, "false").lower() != "false" for found in tags)
            or any(found.get("espalier.identity") == needs.identity for found in tags)
            or bool(self.named & set(needs.versions))
        )


def named(version: ModelVersion) -> str:
    """Return a version as NAME/NUMBER."""
    return f"{version.name}/{version.version}"


def _told_of(tags: Mapping[str, str]) -> Iterable[str]:
    """Versions that scored in the shadow, or were watched, by a run's tags."""
    if "espalier.model_version" in tags:
        yield tags["espalier.model_version"]
    for key in ("espalier.shadow", "espalier.answering"):
        if key in tags:
            yield f"{tags.get('espalier.model')}/{tags[key]}"


class Store:
    """A tracking store with everything that is recorded in it.

    Parameters
    ----------
    client : MlflowClient
    folder : Path, optional
        Where its files are; those elsewhere (a copied database leads to the original's) are left alone.
    """

    def __init__(self, client: MlflowClient, folder: Path | None = None) -> None:
        self.client, self.folder = client, folder

    @cached_property
    def families(self) -> list[Family]:
        """All runs, those that were deleted in MLflow too."""
        from mlflow.entities import ViewType

        runs = [
            run
            for experiment in _paged(self.client.search_experiments, view_type=ViewType.ALL)
            for run in _paged(self.client.search_runs, [experiment.experiment_id], run_view_type=ViewType.ALL)
        ]
        made = defaultdict(list)
        for version in self.versions:
            made[str(version.run_id)].append(version)
        outer = {run.info.run_id: run.data.tags.get("mlflow.parentRunId") for run in runs}
        grouped = defaultdict(list)
        for run in runs:
            grouped[_outermost(run.info.run_id, outer)].append(run)
        return [
            Family(tuple(found), tuple(version for run in found for version in made[run.info.run_id]))
            for found in grouped.values()
        ]

    @cached_property
    def versions(self) -> list[ModelVersion]:
        """All registered versions."""
        return _paged(self.client.search_model_versions)

    @cached_property
    def aliased(self) -> set[str]:
        """Versions behind an alias, whoever gave it."""
        models = _paged(self.client.search_registered_models)
        return {f"{model.name}/{number}" for model in models for number in model.aliases.values()}

    def surplus(self, needs: Needs, before: float) -> list[Family]:
        """Return the families whose last run began before a time and that nothing needs."""
        return [family for family in self.families if family.last <= before and not family.needed(needs)]

    def size(self, family: Family) -> int:
        """Return the bytes of a family's files."""
        return sum(_bytes(place) for place in self._places(family))

    def _places(self, family: Family) -> list[Path]:
        runs = [run.info.artifact_uri for run in family.runs]
        models = [model.artifact_location for model in self._models(family)]
        places = [_folder(str(address)) for address in (*runs, *models)]
        return [place for place in places if place and self.folder and place.is_relative_to(self.folder)]

    def _models(self, family: Family) -> list[Any]:
        return [
            model
            for run in family.runs
            for model in (
                *self.client.search_logged_models(
                    [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
                ),
                *self._deleted_models.get(run.info.run_id, ()),
            )
        ]

    @cached_property
    def _deleted_models(self) -> dict[str, list[Any]]:
        """Models that were deleted and not removed, by the run that made them."""
        found = defaultdict(list)
        for model_id in self._own._get_deleted_logged_models():
            model = self._own.get_logged_model(model_id, allow_deleted=True)
            found[model.source_run_id].append(model)
        return found

    @property
    def _own(self) -> Any:
        """MLflow's store below the client: `mlflow gc` removes with it, and nothing else can."""
        return self.client._tracking_client.store

    def remove(self, family: Family) -> None:
        """Remove a family for good: what refers goes before what is referred to."""
        places = self._places(family)
        for version in family.versions:
            self.client.delete_model_version(version.name, version.version)
        for model in self._models(family):
            self._own._hard_delete_logged_model(model.model_id)
        for run in sorted(family.runs, key=lambda run: run is family.head):
            if run.info.lifecycle_stage != "deleted":
                self.client.delete_run(run.info.run_id)
        for place in places:
            _cleared(place)
        for run in sorted(family.runs, key=lambda run: run is family.head):
            self._own._hard_delete_run(run.info.run_id)


def open_store(root: Path) -> Store | None:
    """Open the workspace's own database, whatever serves it; None where there is none."""
    from mlflow import MlflowClient

    uri = own_database(root)
    database = Path(uri.removeprefix("sqlite:///"))
    if not database.exists():
        return None
    with reported(root):
        return Store(MlflowClient(tracking_uri=uri, registry_uri=uri), database.parent)


def _outermost(run: str, outer: Mapping[str, str | None]) -> str:
    above = outer.get(run)
    return _outermost(above, outer) if above and above != run else run


def _paged(search: Any, *arguments: Any, **named: Any) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = search(*arguments, **named, max_results=_PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _folder(address: str) -> Path | None:
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _cleared(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
