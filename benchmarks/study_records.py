"""How long MLflow takes for a study of two hundred candidates: into a file, and through a running server."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from tasks.artifacts import Layout, save_raw_meta, write_json, write_text
from tasks.config import load_params
from tasks.data.meta import RawMeta
from tasks.process import collect_seldom
from tasks.study.summary import write_study
from tasks.tracking import Study, prepare, record_study, shared, tracking_uri, warm_up
from tests.tracking.servers import free_port, server
from tests.tracking.study import synthetic

__all__ = ["measured"]

CANDIDATES = 200
SPLITS = ("train", "valid", "test")
LOCK = {f"data/clean/{split}.npz": f"{place}" * 32 for place, split in enumerate(SPLITS)}
IDLE = 0.1
"""Share of a core below which a server has settled."""


def _workspace(root: Path) -> None:
    """Write what recording reads of a workspace."""
    layout = Layout(root)
    write_text(layout.params, "registry: {name: bench}\n")
    columns = tuple(f"x{place}" for place in range(784))
    kinds: Any = dict.fromkeys(columns, "number")
    save_raw_meta(
        layout.raw_meta, RawMeta("y", "classification", None, None, None, None, 5000, columns, kinds)
    )
    write_json(layout.report("clean"), {"rows": {"raw": 5000, "train": 3187, "valid": 563, "test": 1250}})


def _study(root: Path) -> Study:
    """Make up a study with its report, tables and pictures, as `espalier study` hands it to the recorder."""
    params = load_params(root)
    wanted = list(islice(synthetic.recipes(), CANDIDATES - 1))
    results = [synthetic.trial(params, own, seed) for own in wanted for seed in range(3)]
    results += [synthetic.failed(params, synthetic.REFUSED, seed) for seed in range(3)]
    made = write_study(root, results, params, {"runner": "processes", "seconds": 600.0})
    return Study(made.params, made.standing, made.verdicts, made.figures, made.files)


def _recorded(root: Path, study: Study) -> float:
    """Seconds of one recording, MLflow imported and its experiment there, as after a study's trials."""
    prepare(root)
    began = time.perf_counter()
    found = record_study(root, study, flow_run_id=None, lock=LOCK)
    seconds = time.perf_counter() - began
    if found.existing or len(found.runs) != CANDIDATES:
        raise RuntimeError(f"{len(found.runs)} runs were recorded instead of {CANDIDATES}")
    return seconds


@contextmanager
def _settled(arguments: list[str], folder: Path) -> Iterator[None]:
    """An MLflow server that has done starting, to which recording goes."""
    folder.mkdir()
    with server(arguments, free_port(), "health", folder) as url:
        _wait_until_idle()
        os.environ["MLFLOW_TRACKING_URI"] = url
        try:
            yield
        finally:
            del os.environ["MLFLOW_TRACKING_URI"]


def _wait_until_idle(seconds: float = 90.0) -> None:
    """Return when the processes that this one started use no processor to speak of."""
    until, before = time.monotonic() + seconds, None
    while time.monotonic() < until:
        used = 0.0
        for process in psutil.Process().children(recursive=True):
            try:
                used += sum(process.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
        if before is not None and used - before < 2 * IDLE:
            return
        before = used
        time.sleep(2)


def _ways(folder: Path, root: Path) -> dict[str, float]:
    study, found = _study(root), {}
    found["sqlite"] = _recorded(root, study)
    own = folder / "own"
    own.mkdir()
    store = ["server", "--backend-store-uri", f"sqlite:///{own / 'mlflow.db'}"]
    with _settled([*store, "--artifacts-destination", str(own / "artifacts")], folder / "server"):
        found["server"] = _recorded(root, study)
    other = folder / "served"
    _workspace(other)
    prepare(other)
    served = ["server", "--workers", "1", "--backend-store-uri", tracking_uri(other)]
    with shared(other), _settled(served, folder / "ui"):
        found["ui"] = _recorded(root, study)
    return found


def measured(repeats: int) -> dict[str, Any]:
    """Seconds by way, in turn: `sqlite`, `server` as MLflow starts it, `ui` as `espalier ui` does."""
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    collect_seldom()
    warm_up()
    rounds = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="espalier-bench-") as name:
            folder = Path(name)
            _workspace(folder / "root")
            rounds.append(_ways(folder, folder / "root"))
    taken = {way: [each[way] for each in rounds] for way in rounds[0]}
    return {"candidates": CANDIDATES, "median": {k: statistics.median(v) for k, v in taken.items()}, **taken}
