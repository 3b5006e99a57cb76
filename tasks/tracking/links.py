"""Addresses of MLflow's pages that open the right view."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

from tasks.files import write_text
from tasks.layout import Layout
from tasks.tracking.store import tracking_uri

__all__ = [
    "LOCAL_SERVER",
    "artifact_page",
    "compare_page",
    "how_to_open",
    "run_page",
    "runs_page",
    "served",
    "server",
    "version_page",
]

LOCAL_SERVER = "http://127.0.0.1:5000"
SIDE = "workflowType=machine_learning"


def server(root: Path) -> str:
    """Return the address of the tracking server: the one that is set, or that of `espalier ui`.

    Where neither is, the address that `espalier ui` takes when its port is free.
    """
    return reached(root) or LOCAL_SERVER


def how_to_open(root: Path) -> str:
    """Say what makes the pages open; nothing where a server is there."""
    port = urlsplit(LOCAL_SERVER).port
    return "" if reached(root) else f"opens while `espalier ui` runs (it says so where port {port} is taken)"


@contextmanager
def served(root: Path, url: str) -> Iterator[None]:
    """Let pages be linked to `url`, on loopback, while the block runs."""
    note = _note(root)
    write_text(note, url)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def reached(root: Path) -> str | None:
    """Return the address at which pages of the workspace answer, None where nobody serves them."""
    uri = tracking_uri(root)
    if urlsplit(uri).scheme in ("http", "https"):
        return uri.rstrip("/")
    note = _note(root)
    url = note.read_text(encoding="utf-8").strip() if note.exists() else ""
    return url if url and _listens(url) else None


def _listens(url: str) -> bool:
    """Whether somebody is at the port: a server that was killed leaves its note behind."""
    place = urlsplit(url)
    with suppress(OSError), socket.create_connection((place.hostname or "", place.port or 0), timeout=1.0):
        return True
    return False


def _note(root: Path) -> Path:
    return Layout(root).state / "mlflow_server"


def run_page(base: str, experiment: str, run: str) -> str:
    """Return the page of one run."""
    return f"{base}/#/experiments/{experiment}/runs/{run}?{SIDE}"


def artifact_page(base: str, experiment: str, run: str, path: str) -> str:
    """Return the page that shows a file of a run."""
    return f"{base}/#/experiments/{experiment}/runs/{run}/artifacts/{quote(path)}?{SIDE}"


def runs_page(base: str, experiment: str, view: str, *, chart: bool = False) -> str:
    """Return the runs page in the saved view `view`, as a table or as charts."""
    mode = "CHART" if chart else "TABLE"
    return f"{base}/#/experiments/{experiment}/runs?viewStateShareKey={view}&compareRunsMode={mode}&{SIDE}"


def compare_page(base: str, experiments: Sequence[str], runs: Sequence[str]) -> str:
    """Return the page that compares `runs`."""
    chosen, held = (quote(json.dumps(list(ids), separators=(",", ":"))) for ids in (runs, experiments))
    return f"{base}/#/compare-runs?runs={chosen}&experiments={held}&{SIDE}"


def version_page(base: str, name: str, version: str) -> str:
    """Return the page of a registered model's version."""
    return f"{base}/#/models/{quote(name, safe='')}/versions/{version}?{SIDE}"
