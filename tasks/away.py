"""A candidate computed by a worker of a Dask cluster, on this disk or another.

These functions run in the worker; what they take and return crosses the network, and holds no credentials.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from tasks import versioning
from tasks.errors import EspalierError
from tasks.study import worker
from tasks.study.private import Parcel, installed, is_here, private_workspace, require_same
from tasks.study.store import Store
from tasks.study.trial import run_trials
from tasks.versioning import Offer

__all__ = ["Made", "compute", "halt_name", "node_files", "release", "seen"]


@dataclass(frozen=True)
class Made:
    """What a worker made of a candidate.

    Attributes
    ----------
    trials : list of dict
    worker : str
        Its address in the cluster.
    root : str
        The workspace it worked in.
    kept : tuple of str
        Keys of the trials that are in the store there.
    """

    trials: list[dict[str, Any]]
    worker: str
    root: str
    kept: tuple[str, ...]


def halt_name(token: str) -> str:
    """Name of the Dask event that tells workers to begin nothing more of a study."""
    return f"espalier-halt-{token}"


def seen(root: str, token: str) -> dict[str, Any]:
    """Return whether this worker sees the workspace's disk, and what is installed here."""
    return {"disk": is_here(Path(root), token), "installed": installed(), "host": socket.gethostname()}


def compute(
    sent: Parcel,
    offered: Offer | None,
    overrides: Mapping[str, Any],
    seeds: Sequence[int],
    labels: Mapping[str, str],
) -> Made:
    """Compute a candidate, seed by seed; nothing begins any more once the study is halted.

    Raises
    ------
    EspalierError
        When this worker has another Espalier than the study, or no way to its inputs.
    """
    dask = import_module("distributed")
    host = socket.gethostname()
    require_same(sent.installed, installed(), host)
    root, halted = _workspace(sent, offered, f"worker {host}"), dask.Event(halt_name(sent.token))
    trials = run_trials(root, overrides, seeds, halted.is_set, **labels, base=sent.params)
    store = Store(root)
    kept = tuple(trial["key"] for trial in trials if store.trial(trial["key"]) is not None)
    return Made(trials, dask.get_worker().address, str(root), kept)


def _workspace(sent: Parcel, offered: Offer | None, where: str) -> Path:
    root = Path(sent.root)
    if is_here(root, sent.token):
        return root
    if offered is None:
        raise EspalierError(
            f"{where}: joined after the start, and does not see the workspace's disk; run again, and its "
            "inputs go through the DVC remote"
        )
    logging.getLogger("dvc").setLevel(logging.ERROR)
    try:
        return private_workspace(sent, partial(versioning.collect, offered=offered))
    except EspalierError as error:
        raise EspalierError(f"{where}: {error}") from error


def node_files(root: str, key: str) -> dict[str, bytes]:
    """Return the files of a node of this worker's workspace."""
    return Store(Path(root)).packed(key)


def release() -> None:
    """End the idle processes that computed trials here."""
    worker.stop_idle()
