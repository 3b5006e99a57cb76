"""How Prefect runs our tasks, and how it hears what happened to a model."""

from __future__ import annotations

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.task_engine import TaskRunTimeoutError

from tasks.errors import lost_connection

__all__ = ["NETWORK", "STAGE", "emit"]


def _crossed_a_network(_task: Any, _run: Any, state: Any) -> bool:
    error = state.result(raise_on_failure=False)
    return not isinstance(error, TaskRunTimeoutError) and lost_connection(error)


NETWORK: dict[str, Any] = {
    "retries": 2,
    "retry_delay_seconds": [2, 10],
    "retry_condition_fn": _crossed_a_network,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
STAGE: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}


def emit(event: str, model: str, payload: dict[str, Any]) -> None:
    """Tell Prefect that something happened to a registered model."""
    resource = {"prefect.resource.id": f"espalier.model.{model}", "prefect.resource.name": model}
    emit_event(event, resource=resource, payload=payload)
