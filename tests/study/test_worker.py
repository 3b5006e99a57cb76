from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.errors import EspalierError
from tasks.study import worker
from tasks.study.store import Store
from tasks.study.trial import run_trial

pytestmark = pytest.mark.slow

CANDIDATES = [{"prune.amount": 0.5}, {"prune.amount": 0.9, "model.dropout": 0.2}]


@pytest.fixture(autouse=True)
def _stopped():
    yield
    worker.stop()


def untimed(result):
    return {key: value for key, value in result.items() if key != "train_seconds"}


def in_threads(root, candidates, seeds=(0,)):
    calls = [(root, candidate, seed) for candidate in candidates for seed in seeds]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda call: run_trial(*call), calls))


def test_threads_compute_the_same_bits_as_one_process(fresh, copied):
    together = in_threads(fresh, CANDIDATES)
    root = copied()
    alone = [run_trial(root, candidate, 0) for candidate in CANDIDATES]
    assert [untimed(result) for result in together] == [untimed(result) for result in alone]
    for stage, key in alone[1]["nodes"].items():
        node, other = Store(root).node(key), Store(fresh).node(key)
        for file in (path for path in node.rglob("*") if path.is_file() and path.name != "node.json"):
            assert file.read_bytes() == (other / file.relative_to(node)).read_bytes(), (stage, file)


def test_a_process_that_was_killed_is_replaced_once(copied, monkeypatch):
    root = copied()
    taken = worker._taken
    killed = []

    def fragile():
        found = taken()
        if not killed:
            killed.append(found)
            os.kill(found._process.pid, signal.SIGKILL)
        return found

    monkeypatch.setattr(worker, "_taken", fragile)
    assert in_threads(root, CANDIDATES[:1])[0]["status"] == "done"
    assert worker._all == set(worker._idle)
    assert killed[0] not in worker._all
    (idle,) = worker._idle
    worker.stop_idle()
    assert not worker._all
    assert idle._process.poll() is not None


def test_stopping_ends_the_trials_under_way(fresh):
    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(run_trial, fresh, {"train.epochs": 2000}, 0)
        until = time.monotonic() + 120
        while not any((Store(fresh).folder / "work").rglob("last.safetensors")):
            assert not trial.done()
            assert time.monotonic() < until
            threading.Event().wait(0.02)
        worker.stop()
        with pytest.raises(worker.WorkerLostError):
            trial.result()
    assert Store(fresh).trials() == []


def test_what_stops_a_study_is_raised_where_the_trial_was_asked_for(fresh):
    (fresh / "data" / "raw.parquet").unlink()
    with pytest.raises(EspalierError, match=r"raw\.parquet"):
        in_threads(fresh, CANDIDATES[:1])
