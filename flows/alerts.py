"""Telling a person that a run failed, is late or missing: a log, and a webhook that the environment names."""

from __future__ import annotations

import json
import logging
import os
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.layout import Layout

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State

__all__ = ["TOLD", "WEBHOOK", "alert", "failed", "log_of"]

WEBHOOK = "ESPALIER_WEBHOOK_URL"
"""Environment variable with the address that alerts are sent to."""

_SECONDS = 10.0

_log = logging.getLogger("espalier.alert")


def log_of(root: Path) -> Path:
    """Return where alerts of the workspace are kept, a JSON object a line."""
    return Layout(root).state / "logs" / "alerts.jsonl"


def alert(root: Path, text: str, **facts: str) -> bool:
    """Keep an alert in the log, and send it to the webhook where one is set.

    Parameters
    ----------
    root : Path
        Workspace.
    text : str
        What a person reads; chat services show it.
    facts : str
        What a program reads.

    Returns
    -------
    bool
        Whether the webhook took it; False too where none is set.
    """
    told = {"text": text, "at": datetime.now(UTC).isoformat(timespec="seconds"), **facts}
    path = log_of(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")
    _log.error("%s", text)
    return _sent(told)


def _sent(told: dict[str, str]) -> bool:
    """Post an alert; what goes wrong is logged without the address, which may hold a secret."""
    address = os.environ.get(WEBHOOK)
    if not address:
        return False
    try:
        request = urllib.request.Request(
            address, json.dumps(told).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=_SECONDS):
            return True
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
        _log.error("%s: the alert was not taken (%s); it stands in the log of alerts", WEBHOOK, reason)
        return False


def failed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell of a run that failed or crashed: a hook for Prefect, called where the run was or its worker is."""
    root = Path(os.environ.get("PWD") or Path.cwd()) / str(flow_run.parameters.get("root", "."))
    what = f"{flow.name} {(state.name or state.type.value).lower()}: {flow_run.name}"
    said = " ".join((state.message or "").split())
    alert(
        root.resolve(),
        f"{what}: {said}" if said else what,
        kind=state.type.value.lower(),
        flow=flow.name,
        run=str(flow_run.id),
        page=_page(str(flow_run.id)),
    )


TOLD: dict[str, Any] = {
    "persist_result": False,
    "validate_parameters": False,
    "on_failure": [failed],
    "on_crashed": [failed],
}
"""How a flow that nobody looks at is declared."""


def _page(run: str) -> str:
    base = os.environ.get("PREFECT_API_URL", "").removesuffix("/api")
    return f"{base}/runs/flow-run/{run}" if base else ""
