"""The services of `espalier up`: how each is started, and how it is seen to be well."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.asking import answers, asked
from tasks.errors import EspalierError

__all__ = [
    "POOL",
    "SETTINGS",
    "Service",
    "Started",
    "attendants",
    "deploy",
    "mlflow_answers",
    "mlflow_server",
    "prefect_server",
    "project",
]

POOL = "espalier"
"""Work pool of the deployments in prefect.yaml."""

SETTINGS = {
    # Slots that runs hold outlive a restart of the server.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "60",
    # The MLflow server calls the watch, on loopback, when an alias moves (`flows.aliases`).
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "5",
}
"""What differs from Prefect's and MLflow's own settings in the background services; the environment wins."""

_SECONDS = 5.0


@dataclass(frozen=True)
class Started:
    """A process, known by its id and the time it began (seconds since 1970)."""

    pid: int
    created: float


@dataclass(frozen=True)
class Service:
    """A process of the stack.

    Attributes
    ----------
    name : str
    command : tuple of str
        Module and arguments.
    well : callable
        Says whether the one that began at a time (seconds since 1970) does its work.
    shown : str
        Where a person finds it.
    """

    name: str
    command: tuple[str, ...]
    well: Callable[[float], bool]
    shown: str


def prefect_server(api_url: str) -> Service:
    """The Prefect server whose API is at `api_url`, on loopback."""
    port = api_url.removesuffix("/api").rpartition(":")[2]
    command = ("flows.prefect_server", "--host", "127.0.0.1", "--port", port)
    return Service("prefect", command, lambda _: answers(api_url, _SECONDS), api_url.removesuffix("/api"))


def mlflow_server(url: str, database: str, artifacts: str) -> Service:
    """The MLflow server at `url`, on loopback.

    Files of runs go to `artifacts` directly, so that what is recorded with the server up is found without it.
    """
    port = url.rpartition(":")[2]
    place = ("--host", "127.0.0.1", "--port", port, "--workers", "1")
    stores = ("--backend-store-uri", database, "--default-artifact-root", artifacts, "--no-serve-artifacts")
    return Service("mlflow", ("mlflow", "server", *place, *stores), lambda _: mlflow_answers(url), url)


def attendants(root: Path, api_url: str) -> tuple[Service, Service]:
    """The worker that runs what is due, and the watch that tells of what is late."""
    name = f"{root.name}-worker"
    pool = ("--pool", POOL, "--type", "process", "--name", name)
    return (
        Service(
            "worker",
            ("prefect", "worker", "start", *pool),
            lambda began: _seen(api_url, name, began),
            f"work pool {POOL}",
        ),
        Service("watch", ("flows.watch", api_url), lambda _: True, "tells of late runs"),
    )


def project(root: Path) -> Path:
    """Return the folder with prefect.yaml: the workspace, or the nearest above it.

    Raises
    ------
    EspalierError
        When there is none.
    """
    found = next((place for place in (root, *root.parents) if (place / "prefect.yaml").is_file()), None)
    if found is None:
        raise EspalierError(f"{root}: no prefect.yaml here or above, which states the deployments")
    return found


def deploy(settings: Path, environment: Mapping[str, str]) -> None:
    """Register the deployments that prefect.yaml states, in the work pool that a worker has made.

    Raises
    ------
    EspalierError
        When Prefect refuses one.
    """
    ended = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=settings.parent,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if ended.returncode:
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        raise EspalierError(f"prefect deploy --all: {said[-1] if said else ended.returncode}")


def _seen(api_url: str, name: str, began: float) -> bool:
    """Say whether the server has heard from the worker since it began, and not long ago."""
    from datetime import datetime

    try:
        workers = asked(f"{api_url}/work_pools/{POOL}/workers/filter", {}, _SECONDS)
    except (urllib.error.URLError, OSError):
        return False  # no server, or it does not know the pool
    for worker in workers:
        heard = worker.get("last_heartbeat_time")
        if worker["name"] == name and worker["status"] == "ONLINE" and heard:
            return datetime.fromisoformat(heard).timestamp() >= began
    return False


def mlflow_answers(url: str) -> bool:
    """Say whether an MLflow server answers at `url`."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_SECONDS):
            return True
    except (urllib.error.URLError, OSError):
        return False
