"""What `espalier doctor` looks at."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from flows.asking import answers, require_welcome
from flows.embedded import free_port
from flows.ui import MLFLOW_PORT, PREFECT_PORT
from tasks import versioning
from tasks.config import load_params
from tasks.errors import EspalierError, masked

__all__ = ["Check", "examine"]

_RANGES = {
    "dvc": ("3.67", "4"),
    "fastapi": ("0", "0.151"),
    "mlflow": ("3.17", "4"),
    "prefect": ("3.8.8", "3.9"),
    "sqlalchemy": ("2.0", "2.1"),
    "torch": ("2.9", "2.14"),
}
_LEAST_FREE = 2 * 1024**3


@dataclass(frozen=True)
class Check:
    """One thing looked at, and what to do when it is not well."""

    name: str
    ok: bool
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{'ok ' if self.ok else 'BAD'}  {self.name:10} {self.found}"
        return line if self.ok else f"{line}\n     {'':10} -> {self.remedy}"


def examine(root: Path) -> Iterator[Check]:
    """Look at versions, settings, locks, remotes, servers, ports and space of the workspace `root`."""
    yield _python()
    yield from (_version(name, *limits) for name, limits in _RANGES.items())
    yield _settings(root)
    yield _run_lock(root)
    yield from _dvc(root)
    yield _prefect()
    yield _mlflow(root)
    yield from (_port("MLflow", MLFLOW_PORT), _port("Prefect", PREFECT_PORT))
    yield _space(root)


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info[:2] in ((3, 11), (3, 12)), found, "use Python 3.11 or 3.12")


def _version(name: str, least: str, below: str) -> Check:
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, "not installed", "make run (installs what constraints.txt names)")
    fits = Version(least) <= Version(found) < Version(below)
    return Check(name, fits, found, f"needs >={least},<{below}: pip install -c constraints.txt -e .")


def _settings(root: Path) -> Check:
    try:
        load_params(root)
    except EspalierError as error:
        return Check("params", False, str(error), "correct params.yaml")
    return Check("params", True, "params.yaml is valid")


def _run_lock(root: Path) -> Check:
    try:
        with versioning.workspace_lock(root):
            return Check("lock", True, "no run holds the workspace")
    except EspalierError as error:
        return Check("lock", False, str(error), "wait, or end that process; the lock goes with it")


def _dvc(root: Path) -> Iterator[Check]:
    try:
        changed = versioning.status(root)
        state = "up to date" if not changed else f"{len(changed)} stage(s) to run: {', '.join(changed)}"
        yield Check("stages", True, state)
        busy = versioning.busy(root)
        yield Check("dvc locks", not busy, busy or "free", "wait, or end that process and run again")
        place = versioning.remote(root)
        yield Check("remote", place is not None, place or "none set", "espalier remote URL")
    except EspalierError as error:
        yield Check("dvc", False, str(error), "see https://dvc.org/doc/user-guide/troubleshooting")


def _prefect() -> Check:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Check("prefect at", True, "embedded: started with each run")
    try:
        require_welcome(url)
    except EspalierError as error:
        return Check("prefect at", False, masked(url), str(error))
    return Check("prefect at", answers(url), url, "start that server, or unset PREFECT_API_URL")


def _mlflow(root: Path) -> Check:
    from tasks import tracking

    uri = tracking.tracking_uri(root)
    try:
        tracking.require_usable(root)
    except EspalierError as error:
        served = os.environ.get("MLFLOW_TRACKING_URI")
        known = "start that server, give it what it asks for, or unset MLFLOW_TRACKING_URI"
        remedy = known if served else "bring a backup back, or move that file away"
        return Check("mlflow at", False, str(error), remedy)
    return Check("mlflow at", True, masked(uri))


def _port(name: str, port: int) -> Check:
    free = free_port(port) == port
    return Check(
        "port",
        True,
        f"{port} is {'free' if free else 'taken'}: `espalier ui` serves {name} "
        + ("there" if free else "on another and says which"),
    )


def _space(root: Path) -> Check:
    free = shutil.disk_usage(root).free
    return Check("space", free > _LEAST_FREE, f"{free / 1024**3:.1f} GiB free", "free 2 GiB or more")
