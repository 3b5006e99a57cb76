"""MLflow's side of a run, in a process of its own: ready with MLflow imported while stages compute.

Importing MLflow and making its database take seconds, which a process that computes would lose.
"""

from __future__ import annotations

import atexit
import multiprocessing
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from tasks import registry, tracking
from tasks.errors import EspalierError, lost_connection
from tasks.process import collect_seldom, leave, live_as_long_as_parent

if TYPE_CHECKING:
    from tasks.config import Params
    from tasks.outcome import StageOutcome

__all__ = ["Recorder"]

T = TypeVar("T")


class Recorder:
    """Records and registers the results of one workspace; a context manager around a run.

    Parameters
    ----------
    root : Path
        The workspace.

    Raises
    ------
    EspalierError
        On entry, when an MLflow server that is set does not answer or the database is broken: before anything
        is computed. Later, as `tracking.record` and `registry.register` do.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> Self:
        tracking.require_usable(self.root)
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_start)
        self._pool.submit(_guarded, partial(_ready, self.root))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def record(
        self,
        params: Params,
        outcomes: Sequence[StageOutcome],
        *,
        flow_run_id: str | None,
        lock: Mapping[str, str],
    ) -> tracking.Recorded:
        """Record the workspace's result, or find the run that has it; see `tracking.record`."""
        record = partial(tracking.record, flow_run_id=flow_run_id, lock=lock)
        return self._asked(partial(record, self.root, params, outcomes))

    def record_study(
        self, study: tracking.Study, *, flow_run_id: str | None, lock: Mapping[str, str]
    ) -> tracking.RecordedStudy:
        """Record a study with its candidates, or find the run that has it; see `tracking.record_study`."""
        record = partial(tracking.record_study, flow_run_id=flow_run_id, lock=lock)
        return self._asked(partial(record, self.root, study))

    def register(self, params: Params, recorded: tracking.Recorded) -> registry.Registered:
        """Register a recorded result's compressed model; see `registry.register`."""
        return self._asked(partial(registry.register, self.root, params, recorded))

    def _asked(self, call: Callable[[], T]) -> T:
        try:
            found = self._pool.submit(_guarded, call).result()
        except BrokenProcessPool as error:
            raise EspalierError(
                "MLflow: the process that records the result was ended from outside (out of memory?). "
                "Nothing computed is lost; run again to record it"
            ) from error
        if isinstance(found, _Refused):
            raise EspalierError(found.text) from (ConnectionError() if found.lost_connection else None)
        return found


@dataclass(frozen=True)
class _Refused:
    """An expected failure on its way between processes, where an exception would lose its cause."""

    text: str
    lost_connection: bool


def _ready(root: Path) -> None:
    """Prepare for a result, known or new: the latter only in the background, for it may never come."""
    tracking.prepare(root)
    threading.Thread(target=tracking.warm_up, daemon=True).start()


def _guarded(call: Callable[[], T]) -> T | _Refused:
    try:
        return call()
    except EspalierError as error:
        return _Refused(str(error), lost_connection(error))


def _start() -> None:
    live_as_long_as_parent()
    collect_seldom()
    atexit.register(leave, 0)  # after all that others registered: taking MLflow apart costs half a second
