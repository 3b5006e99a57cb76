"""Who computes a study's candidates on this machine: processes, threads, or a Dask cluster made for it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from prefect.futures import PrefectFuture
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from flows.processes import Processes
from tasks import pipeline
from tasks.errors import EspalierError
from tasks.process import COPIES, preload, work

if TYPE_CHECKING:
    from prefect.tasks import Task

    from tasks.study.config import StudyConfig

__all__ = ["NEEDS_EXTRA", "Crew", "Job", "Stop", "Trials", "begin", "losses", "named"]

Trials = list[dict[str, Any]]
NEEDS_EXTRA = (
    "study.runner: dask needs the extra dask (pip install -c constraints.txt -e '.[dask]'); or set processes"
)


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

    @property
    def labels(self) -> dict[str, str]:
        """What a trial passes through."""
        return {"arm": self.arm, "name": self.name}


@dataclass(frozen=True)
class Stop:
    """A file that tells workers of this machine to begin nothing more.

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


def begin(config: StudyConfig) -> None:
    """Begin what workers need long before there is anything to compute; returns at once.

    Parameters
    ----------
    config : StudyConfig
    """
    if config.runner == "processes":
        preload()
    elif config.runner == "dask" and config.address is None:
        preload("distributed.nanny", "prefect_dask")


class Crew:
    """Workers that share the workspace's disk.

    Parameters
    ----------
    root : Path
        Workspace.
    config : StudyConfig
    """

    def __init__(self, root: Path, config: StudyConfig) -> None:
        self.root, self.config = root, config

    @contextmanager
    def at_work(self) -> Iterator[TaskRunner[Any]]:
        """Have workers ready for the block, which gets Prefect's task runner."""
        with self._runner() as runner:
            yield runner

    def _runner(self) -> TaskRunner[Any]:
        workers = self.config.workers or os.cpu_count() or 1
        if self.config.runner == "threads":
            return ThreadPoolTaskRunner(max_workers=workers)
        if self.config.runner == "processes":
            return _Apart(max_workers=workers, initializer=work)
        return _dask(workers)

    def known(self, job: Job) -> Trials:
        """Return the trials of a candidate that need no worker; these workers look for themselves."""
        return []

    def submit(self, runner: Any, job: Job, stop: Stop) -> PrefectFuture[Any]:
        """Have a candidate computed."""
        overrides, seeds = dict(job.overrides), list(job.seeds)
        given = {"root": self.root, "overrides": overrides, "seeds": seeds, "labels": job.labels}
        future: PrefectFuture[Any] = runner.submit(
            named(pipeline.candidate, job), {**given, "stop": stop.path}
        )
        return future

    def received(self, result: Any) -> Trials:
        """Return the trials of what a worker answered, all of them in the store of this disk."""
        trials: Trials = result
        return trials

    def halt(self) -> None:
        """Tell workers that do not see the file `Stop` to begin nothing more."""


class _Apart(ProcessPoolTaskRunner):
    """Prefect's runner, with `Processes` that start as copies of the one that `preload` began, if any."""

    def __enter__(self) -> Self:
        super().__enter__()
        pool: Any = self._executor  # has not started a process yet
        context = multiprocessing.get_context("forkserver" if COPIES else "spawn")
        start = partial(ProcessPoolExecutor, 1, context, pool._initializer, pool._initargs)
        apart: Any = Processes(self._max_workers, start)
        self._executor = apart
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if exc_type is not None and issubclass(exc_type, KeyboardInterrupt):
            pool: Any = self._executor
            pool.drop()  # Prefect waits for what is at work, which is not wanted any more
        super().__exit__(exc_type, exc_value, traceback)


def named(task: Task[Any, Any], job: Job) -> Task[Any, Any]:
    """Return the task with the candidate's name, in which braces would be a template's."""
    return task.with_options(task_run_name=job.name.replace("{", "(").replace("}", ")"))


def _dask(workers: int) -> TaskRunner[Any]:
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise EspalierError(NEEDS_EXTRA) from error
    settings: dict[str, Any] = {"distributed.worker.profile.enabled": False}  # stops a trial every 10 ms
    if COPIES:
        settings["distributed.worker.multiprocessing-method"] = "forkserver"
    import_module("dask").config.set(settings)
    here = {
        "n_workers": workers,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "preload": ["tasks.process"],
    }
    runner: TaskRunner[Any] = DaskTaskRunner(cluster_kwargs=here)
    return runner


def losses() -> tuple[type[BaseException], ...]:
    """What a future raises whose worker is gone."""
    from tasks.study.worker import WorkerLostError

    try:
        from distributed import CancelledError, KilledWorker
    except ImportError:
        return (BrokenProcessPool, WorkerLostError)
    return (BrokenProcessPool, WorkerLostError, KilledWorker, CancelledError)
