"""Who computes a study's candidates: threads or processes of this machine, or a Dask cluster."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from prefect.futures import PrefectFuture
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from tasks import pipeline
from tasks.errors import EspalierError
from tasks.process import live_as_long_as_parent

if TYPE_CHECKING:
    from tasks.study.config import StudyConfig

__all__ = ["LOSSES", "Job", "Stop", "Trials", "computed"]

LOSSES = 2
"""Times that a candidate may lose its worker before it counts as failed."""

_PATIENCE = 0.5
Trials = list[dict[str, Any]]

_log = logging.getLogger("espalier.stage")


@dataclass(frozen=True)
class Job:
    """A candidate as a worker gets it.

    Attributes
    ----------
    id, arm, name : str
    overrides : mapping
        Paths of params.yaml with their values.
    seeds : tuple of int
    """

    id: str
    arm: str
    name: str
    overrides: Mapping[str, Any]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Stop:
    """A file that tells workers, wherever they run, to begin nothing more.

    Attributes
    ----------
    path : Path
    """

    path: Path

    def ask(self, why: str) -> None:
        """Let the trials at work end, and none begin."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(why, encoding="utf-8")

    @property
    def why(self) -> str:
        """Why it was asked for."""
        return self.path.read_text(encoding="utf-8") if self.asked else ""

    def clear(self) -> None:
        """Forget an earlier request."""
        self.path.unlink(missing_ok=True)

    @property
    def asked(self) -> bool:
        """Whether workers are told."""
        return self.path.exists()


def computed(
    root: Path,
    config: StudyConfig,
    jobs: Sequence[Job],
    stop: Stop,
    say: Callable[[Job, Trials], None],
    deadline: float | None = None,
) -> dict[str, Trials]:
    """Compute candidates side by side; one whose worker is lost is begun again, up to `LOSSES` times.

    On Ctrl-C, or at the deadline, trials at work end and no other begins; a second Ctrl-C ends those too.

    Parameters
    ----------
    root : Path
        Workspace.
    jobs : sequence of Job
    stop : Stop
    say : callable
        Is told of each candidate as it ends.
    deadline : float, optional
        On the monotonic clock.

    Returns
    -------
    dict
        Trials by the candidate's id, in the order of `jobs`; fewer where the study was stopped.
    """
    found: dict[str, Trials] = {}
    left = list(jobs)
    for _ in range(1 + LOSSES):
        if not left or stop.asked:
            break
        for job, trials in _round(root, config, left, stop, deadline):
            found[job.id] = trials
            say(job, trials)
        left = [job for job in left if job.id not in found]
    if not stop.asked:
        for job in left:
            found[job.id] = [_lost(job, seed) for seed in job.seeds]
            say(job, found[job.id])
    return {job.id: found[job.id] for job in jobs if job.id in found}


def _round(
    root: Path, config: StudyConfig, jobs: Iterable[Job], stop: Stop, deadline: float | None
) -> Iterator[tuple[Job, Trials]]:
    """Yield candidates as they end; those whose worker is lost are not among them."""
    with _runner(config) as runner:
        futures: dict[PrefectFuture[Any], Job] = {}
        for job in jobs:
            task = pipeline.candidate.with_options(task_run_name=job.name.replace("{", "(").replace("}", ")"))
            futures[runner.submit(task, _arguments(root, job, stop))] = job
        for future in _ended(list(futures), stop, deadline):
            try:
                trials = future.result()
            except _losses():
                continue
            if trials:
                yield futures[future], trials


def _ended(
    futures: list[PrefectFuture[Any]], stop: Stop, deadline: float | None
) -> Iterator[PrefectFuture[Any]]:
    """Yield futures as they end, asking for an end to it all on Ctrl-C and at the deadline."""
    ended: SimpleQueue[PrefectFuture[Any]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    left = len(futures)
    while left:
        if deadline is not None and time.monotonic() > deadline and not stop.asked:
            stop.ask("study.seconds have passed")
        try:
            future = ended.get(timeout=_PATIENCE)
        except Empty:
            continue
        except KeyboardInterrupt:
            if stop.asked:
                raise
            stop.ask("stopped by Ctrl-C")
            _log.info("stopping: trials at work end first; Ctrl-C again drops them")
            continue
        left -= 1
        yield future


def _arguments(root: Path, job: Job, stop: Stop) -> dict[str, Any]:
    return {
        "root": root,
        "overrides": dict(job.overrides),
        "seeds": list(job.seeds),
        "labels": {"arm": job.arm, "name": job.name},
        "stop": stop.path,
    }


def _runner(config: StudyConfig) -> TaskRunner[Any]:
    workers = config.workers or os.cpu_count() or 1
    if config.runner == "threads":
        return ThreadPoolTaskRunner(max_workers=workers)
    if config.runner == "processes":
        return ProcessPoolTaskRunner(max_workers=workers, initializer=live_as_long_as_parent)
    return _dask(config, workers)


def _dask(config: StudyConfig, workers: int) -> TaskRunner[Any]:
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise EspalierError(
            "study.runner: dask needs the extra dask (pip install -c constraints.txt -e '.[dask]'); "
            "or set processes"
        ) from error
    here = {"n_workers": workers, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    options = {"cluster_kwargs": here} if config.address is None else {"address": config.address}
    runner: TaskRunner[Any] = DaskTaskRunner(**options)
    return runner


def _losses() -> tuple[type[BaseException], ...]:
    """What a future raises whose worker is gone."""
    from tasks.study.worker import WorkerLostError

    try:
        from distributed import CancelledError, KilledWorker
    except ImportError:
        return (BrokenProcessPool, WorkerLostError)
    return (BrokenProcessPool, WorkerLostError, KilledWorker, CancelledError)


def _lost(job: Job, seed: int) -> dict[str, Any]:
    from tasks.study.trial import without_figures

    reason = f"its worker was lost {1 + LOSSES} times (out of memory?)"
    labels = {"id": job.id, "arm": job.arm, "name": job.name, "overrides": dict(job.overrides)}
    return without_figures({**labels, "seed": seed}, f"lost-{job.id}-{seed}", reason)
