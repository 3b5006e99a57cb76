"""A study's candidates computed side by side, begun again where a worker is lost, ended early on demand."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any

from prefect.futures import PrefectFuture

from flows.crew import Crew, Job, Stop, Trials, losses

if TYPE_CHECKING:
    from tasks.study.config import StudyConfig

__all__ = ["LOSSES", "CtrlC", "computed", "crew_of", "watched"]

LOSSES = 2
"""Times that a candidate may lose its worker before it counts as failed."""

_PATIENCE = 0.5

_log = logging.getLogger("espalier.stage")


@dataclass
class CtrlC:
    """Presses of Ctrl-C since a study began.

    Attributes
    ----------
    presses : int
    heeded : bool
        Whether the first one has led to an end.
    """

    presses: int = 0
    heeded: bool = False

    def press(self, _number: int, _frame: FrameType | None) -> None:
        """Count one; the second is raised.

        An exception at the first could come up anywhere, in the middle of Prefect's locks too: the loop that
        waits for candidates looks at the count instead.
        """
        self.presses += 1
        if self.presses > 1:
            raise KeyboardInterrupt


@contextmanager
def watched() -> Iterator[CtrlC]:
    """Count presses of Ctrl-C for the block, where this thread gets them and they are not ignored."""
    ctrl_c = CtrlC()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield ctrl_c
        return
    signal.signal(signal.SIGINT, ctrl_c.press)
    try:
        yield ctrl_c
    finally:
        signal.signal(signal.SIGINT, before)


def crew_of(root: Path, config: StudyConfig) -> Crew:
    """Return the workers that section `study` asks for."""
    if config.runner != "dask" or config.address is None:
        return Crew(root, config)
    from flows.cluster import Cluster

    return Cluster(root, config)


def computed(
    crew: Crew,
    jobs: Sequence[Job],
    stop: Stop,
    ctrl_c: CtrlC,
    say: Callable[[Job, Trials], None],
    deadline: float | None = None,
) -> dict[str, Trials]:
    """Compute candidates side by side; one whose worker is lost is begun again, up to `LOSSES` times.

    On Ctrl-C, or at the deadline, trials at work end and no other begins; a second Ctrl-C ends those too.

    Parameters
    ----------
    crew : Crew
    jobs : sequence of Job
    stop : Stop
    ctrl_c : CtrlC
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
        for job, trials in _round(crew, left, stop, ctrl_c, deadline):
            found[job.id] = trials
            say(job, trials)
        left = [job for job in left if job.id not in found]
    if not stop.asked:
        for job in left:
            found[job.id] = [_lost(job, seed) for seed in sorted(job.seeds)]
            say(job, found[job.id])
    return {job.id: found[job.id] for job in jobs if job.id in found}


def _round(
    crew: Crew, jobs: Sequence[Job], stop: Stop, ctrl_c: CtrlC, deadline: float | None
) -> Iterator[tuple[Job, Trials]]:
    """Yield candidates as they end; those whose worker is lost are not among them."""
    known = {job.id: crew.known(job) for job in jobs}
    left = [(job, _rest(job, known[job.id])) for job in jobs]
    yield from ((job, _by_seed(known[job.id])) for job, rest in left if not rest.seeds)
    begin = [(job, rest) for job, rest in left if rest.seeds]
    if not begin:
        return
    with crew.at_work() as runner:
        futures = {crew.submit(runner, rest, stop): job for job, rest in begin}

        def ask(why: str) -> None:
            stop.ask(why)
            crew.halt()

        def look() -> None:
            if ctrl_c.presses and not ctrl_c.heeded:
                ctrl_c.heeded = True
                _log.info("stopping: trials at work end first; Ctrl-C again drops them")
                ask("stopped by Ctrl-C")
            if deadline is not None and time.monotonic() > deadline and not stop.asked:
                ask("study.seconds have passed")

        for future in _ended(list(futures), look):
            try:
                trials = crew.received(future.result())
            except losses():
                continue
            if trials:
                job = futures[future]
                yield job, _by_seed([*known[job.id], *trials])


def _by_seed(trials: Trials) -> Trials:
    return sorted(trials, key=lambda trial: int(trial["seed"]))


def _rest(job: Job, known: Trials) -> Job:
    """Return a candidate without the seeds that are known."""
    ended = {trial["seed"] for trial in known}
    return replace(job, seeds=tuple(seed for seed in job.seeds if seed not in ended))


def _ended(futures: list[PrefectFuture[Any]], look: Callable[[], None]) -> Iterator[PrefectFuture[Any]]:
    """Yield futures as they end; look around after each, and while waiting."""
    ended: SimpleQueue[PrefectFuture[Any]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    left = len(futures)
    while left:
        look()
        try:
            future = ended.get(timeout=_PATIENCE)
        except Empty:
            continue
        left -= 1
        yield future


def _lost(job: Job, seed: int) -> dict[str, Any]:
    from tasks.study.figures import without_figures

    reason = f"its worker was lost {1 + LOSSES} times (out of memory?)"
    labels = {"id": job.id, "arm": job.arm, "name": job.name, "overrides": dict(job.overrides)}
    return without_figures({**labels, "seed": seed}, f"lost-{job.id}-{seed}", reason)
