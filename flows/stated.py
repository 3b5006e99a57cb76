"""What prefect.yaml states, as deployments that this process can serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentTriggerTypes, TriggerTypes
from prefect.exceptions import MissingFlowError, ScriptError
from prefect.flows import load_flow_from_entrypoint
from prefect.schedules import Schedule
from pydantic import TypeAdapter
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.errors import EspalierError

__all__ = ["stated"]

_TRIGGER: TypeAdapter[DeploymentTriggerTypes] = TypeAdapter(DeploymentTriggerTypes)
_PLAIN = {"name", "description", "entrypoint", "parameters", "tags", "version"}
_READ = {*_PLAIN, "schedules", "concurrency_limit", "triggers", "work_pool", "paused"}
_NEEDED = {"name", "entrypoint"}
_OF_A_SCHEDULE = {"cron", "interval", "rrule", "timezone", "slug", "active", "parameters", "day_or"}
_REFUSED = (ValueError, TypeError, AttributeError, ImportError, OSError, MissingFlowError, ScriptError)
"""What Prefect says to values it cannot take (pydantic's error is a ValueError) and flows it cannot find."""


def stated(settings: Path) -> Iterator[RunnerDeployment]:
    """Yield what prefect.yaml states, as Prefect's own `deploy` reads it, but for the work pool.

    Raises
    ------
    EspalierError
        On a key that is not known, a flow that cannot be imported, or a value that Prefect refuses.
    """
    for told in _entries(settings):
        name = told.get("name", "?")
        unknown = sorted(set(told) - _READ)
        if unknown:
            raise EspalierError(
                f"prefect.yaml: deployment {name}: `espalier serve` does not know {', '.join(unknown)}; "
                f"it reads {', '.join(sorted(_READ))}"
            )
        if absent := sorted(_NEEDED - set(told)):
            raise EspalierError(f"prefect.yaml: deployment {name}: has no {' and no '.join(absent)}")
        try:
            yield _deployment(told)
        except _REFUSED as error:
            raise EspalierError(f"prefect.yaml: deployment {name}: {' '.join(str(error).split())}") from error


def _entries(settings: Path) -> list[Mapping[str, Any]]:
    """Return the deployments as they are written."""
    try:
        held = YAML(typ="safe").load(settings.read_text(encoding="utf-8")) or {}
    except YAMLError as error:
        said = " ".join(str(error).split())
        raise EspalierError(f"prefect.yaml cannot be read: {said}") from error
    entries = (held.get("deployments") or []) if isinstance(held, Mapping) else None
    if not isinstance(entries, list):
        raise EspalierError("prefect.yaml: write `deployments:` and below it a list, `- name: ...`")
    for told in entries:
        if not isinstance(told, Mapping):
            raise EspalierError(f"prefect.yaml: deployments: {told!r} is no deployment, `name: ...`")
    return entries


def _deployment(told: Mapping[str, Any]) -> RunnerDeployment:
    flow: Flow[..., Any] = load_flow_from_entrypoint(told["entrypoint"])
    limit = told.get("concurrency_limit")
    triggers: list[DeploymentTriggerTypes | TriggerTypes] = [
        _TRIGGER.validate_python({"name": f"{told['name']}__automation_{number}", **trigger})
        for number, trigger in enumerate(told.get("triggers") or [], start=1)
    ]
    return RunnerDeployment.from_entrypoint(
        told["entrypoint"],
        name=told["name"],
        flow_name=flow.name,
        description=told.get("description"),
        parameters=told.get("parameters") or {},
        tags=told.get("tags") or [],
        version=told.get("version"),
        schedules=[_schedule(one) for one in told.get("schedules") or []],
        concurrency_limit=ConcurrencyLimitConfig(**limit) if isinstance(limit, Mapping) else limit,
        triggers=triggers,
        paused=bool(told.get("paused")),
    )


def _schedule(told: Mapping[str, Any]) -> Schedule:
    unknown = sorted(set(told) - _OF_A_SCHEDULE)
    if unknown:
        raise ValueError(f"a schedule has no {', '.join(unknown)}")
    every = {"interval": timedelta(seconds=told["interval"])} if "interval" in told else {}
    return Schedule(**{**told, **every})
