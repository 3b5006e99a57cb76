"""Addresses of MLflow's pages that open the right view."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

from tasks.tracking.store import tracking_uri

__all__ = ["LOCAL_SERVER", "artifact_page", "compare_page", "run_page", "runs_page", "server", "version_page"]

LOCAL_SERVER = "http://127.0.0.1:5000"
SIDE = "workflowType=machine_learning"


def server(root: Path) -> str:
    """Return the address of the tracking server; where the store is a file, the one `make ui` starts."""
    uri = tracking_uri(root)
    return uri.rstrip("/") if urlsplit(uri).scheme in ("http", "https") else LOCAL_SERVER


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
