"""How a process keeps house, when it ends, and how."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import forkserver, resource_tracker
from typing import Any

__all__ = [
    "COPIES",
    "collect_seldom",
    "computes_alone",
    "dask_setup",
    "leave",
    "live_as_long_as_parent",
    "preload",
    "work",
]

COPIES = sys.platform == "linux"
"""Whether a process may start as a copy of `preload`'s; elsewhere system libraries may not survive that."""

_LIBRARIES = (
    "prefect.main",
    "prefect.task_engine",
    "pandas",
    "scipy.stats",
    "torch",
    "sklearn.decomposition",
    "onnx",
    "onnxruntime",
    "dvc.repo",
    "ruamel.yaml",
)
_THREADS = "OMP_NUM_THREADS"
_one_at_a_time = threading.Event()


def collect_seldom() -> None:
    """Look for garbage less often.

    Importing Prefect, MLflow and PyTorch makes a million objects that stay: looking through them again and
    again costs a tenth of a run.
    """
    gc.set_threshold(100_000, 50, 100)


def leave(code: int) -> None:
    """End the process without taking apart what it imported, which costs part of a second.

    No exit handler that is still to come is called. Of those registered by an import, before anything else,
    logging's is needed: log handlers write out what they hold back.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def live_as_long_as_parent() -> None:
    """Leave Ctrl-C to the process that started this one, and end when it was killed: a pool would wait on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def work() -> None:
    """Keep house in a process that computes: `live_as_long_as_parent`, `collect_seldom`."""
    live_as_long_as_parent()
    collect_seldom()


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the process that made the cluster; Dask calls this in each worker it preloads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    collect_seldom()
    if worker.state.nthreads == 1:
        _one_at_a_time.set()


def computes_alone() -> bool:
    """Say whether this thread may use what a process has once: its random numbers, its number of threads."""
    return _one_at_a_time.is_set() or threading.current_thread() is threading.main_thread()


def preload(*further: str) -> None:
    """Have the libraries imported that processes to come need: they start as copies of one that has them.

    That takes a worker seconds otherwise, after it is asked for. Returns at once. No module of this project
    is among them: a worker imports those that the asking process has.

    Parameters
    ----------
    *further
        Modules besides; one that is not installed is passed over.
    """
    if not COPIES:
        return
    multiprocessing.set_forkserver_preload([*_LIBRARIES, *further])
    resource_tracker.ensure_running()  # before signals are blocked, for it unblocks them
    blocked, threads = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}), os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"  # a candidate has one; libraries read this when they are imported
    try:
        forkserver.ensure_running()  # inherits both: Ctrl-C is for the process that asks
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if threads is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = threads


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
