"""How a process keeps house, when it ends, and how."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading

__all__ = ["collect_seldom", "dask_setup", "leave", "live_as_long_as_parent"]


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


def dask_setup(_worker: object) -> None:
    """Leave Ctrl-C to the process that made the cluster; Dask calls this in each worker it preloads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
