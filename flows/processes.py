"""Processes that compute side by side, of which one that ends takes nothing of the others with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

__all__ = ["Processes"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Processes(Executor):
    """A pool whose call fails with `BrokenProcessPool` where its own process ends, and only there.

    Where a process of a `ProcessPoolExecutor` ends, the calls of all the others fail, and those that wait. So
    each process is a pool of one here, held by a thread that hands it one call at a time.

    Parameters
    ----------
    workers : int
        Processes at once.
    start : callable
        Returns a pool of one process.
    """

    def __init__(self, workers: int, start: Callable[[], ProcessPoolExecutor]) -> None:
        self._start = start
        self._threads = ThreadPoolExecutor(workers)
        self._mine = threading.local()
        self._pools: list[ProcessPoolExecutor] = []

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have a call made by the first process that is free."""
        return self._threads.submit(self._made, fn, *args, **kwargs)

    def _made(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        pool = self._pool()
        try:
            return pool.submit(fn, *args, **kwargs).result()
        except BrokenProcessPool:
            del self._mine.pool
            raise

    def _pool(self) -> ProcessPoolExecutor:
        """Return the pool of this thread: a new one where there is none, or none any more."""
        if not hasattr(self._mine, "pool"):
            self._mine.pool = self._start()
            self._pools.append(self._mine.pool)
        pool: ProcessPoolExecutor = self._mine.pool
        return pool

    def drop(self) -> None:
        """Take no more calls, and end the processes at once: what they are at fails."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools:
            for process in (pool._processes or {}).values():
                process.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; the processes end when those at work are made."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for pool in self._pools:
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)
