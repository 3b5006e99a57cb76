"""How fast the candidates of a study answer: timed together when all are there, one after the other.

What one sitting came to is kept with what was timed: the same study again has the same latencies, and so the
same report and the same run in MLflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts import load_cleaner, load_rows
from tasks.config import Params, load_params
from tasks.evaluation.latency import interleave
from tasks.evaluation.speed import machine
from tasks.export.onnx import session
from tasks.files import fingerprint, read_json
from tasks.layout import Layout
from tasks.study.nodes import LAST
from tasks.study.store import Store

__all__ = ["latencies"]

_MODEL = "compressed"


def latencies(root: str | Path, results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Time each finished candidate's exported model on one row, all of them in turn, unless that is known.

    It is where the very same models were timed for a study of this name, on this machine and with these
    `measure.threads` and `measure.repeats`. A candidate is timed with its lowest seed: another seed has the
    same layers, as a rule the same sizes.

    Parameters
    ----------
    root
        Workspace.
    results
        Of `run_trial`.

    Returns
    -------
    list of dict
        The results in their order, each with `latency_us`, the median in microseconds; None for a failed one,
        and for one whose model is not on this disk.
    """
    store = Store(Path(root))
    timed: dict[str, Mapping[str, Any]] = {}
    for result in sorted(results, key=lambda result: int(result["seed"])):
        if result["status"] == "done" and store.facts(result["nodes"][LAST]):
            timed.setdefault(result["id"], result)
    micro = _sitting(store, load_params(Path(root)), timed)
    done = [result["status"] == "done" for result in results]
    return [
        {**result, "latency_us": micro.get(result["id"]) if here else None}
        for result, here in zip(results, done, strict=True)
    ]


def _sitting(store: Store, params: Params, timed: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return microseconds by candidate, all from one sitting: the kept one, or one that is held now."""
    config, trials = params.measure, {name: str(result["key"]) for name, result in timed.items()}
    settings = [params.study.name, config.threads, config.repeats, machine(), sorted(trials.items())]
    key = fingerprint(settings=settings)[:32]
    kept = store.latencies(key)
    if kept is not None:
        return kept
    calls = {name: _call(store, result["nodes"], config.threads) for name, result in timed.items()}
    times = interleave(calls, rounds=config.repeats) if calls else {}
    micro = {name: round(float(np.median(found)) * 1e6, 3) for name, found in times.items()}
    if micro:
        store.keep_latencies(key, micro, sorted(trials.values()))
    return micro


def _call(store: Store, nodes: Mapping[str, str], threads: int) -> Callable[[], object]:
    judged = Layout(store.node(nodes[LAST]))
    row = _row(store.node(nodes["clean"]), tuple(read_json(judged.serving(_MODEL))["columns"]))
    return partial(session(judged.onnx(_MODEL), threads).run, None, {"rows": row})


def _row(clean: Path, columns: tuple[str, ...]) -> Any:
    """Return the first validation row, (1, p), of the columns that the model takes."""
    names, rows = _clean(clean)
    return np.ascontiguousarray(rows[:, [names[column] for column in columns]])


@lru_cache(maxsize=1)
def _clean(clean: Path) -> tuple[dict[str, int], Any]:
    layout = Layout(clean)
    names = {name: place for place, name in enumerate(load_cleaner(layout.cleaner).plan.names)}
    return names, load_rows(layout.rows("valid")).X[:1]
