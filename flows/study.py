"""The study: many variants of params.yaml computed side by side, compared, versioned and recorded."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.runtime import flow_run

from flows.crew import Crew, Job, Stop, Trials, begin
from flows.unfinished import noted
from flows.workers import CtrlC, computed, crew_of, watched
from tasks import pipeline
from tasks.artifacts import Layout
from tasks.config import Params, load_params
from tasks.errors import EspalierError

if TYPE_CHECKING:
    from tasks.study.candidates import Candidate
    from tasks.study.proposals import Proposals
    from tasks.study.summary import Summary
    from tasks.tracking import RecordedStudy

__all__ = ["Studied", "study"]

_log = logging.getLogger("espalier.stage")


@dataclass(frozen=True)
class Studied:
    """What a study left behind.

    Attributes
    ----------
    summary : Summary
    recorded : RecordedStudy
    stopped : str
        Why candidates were left out; empty where none was.
    """

    summary: Summary
    recorded: RecordedStudy
    stopped: str

    def facts(self) -> dict[str, Any]:
        """Return the plain JSON form, without figures."""
        return {
            "mlflow_run": self.recorded.run_id,
            "existing": self.recorded.existing,
            "candidates": len(self.summary.standing.rows),
            "verdicts": list(self.summary.verdicts),
            "stopped": self.stopped,
        }


@flow(name="study", persist_result=False, validate_parameters=False)
def study(root: Path, patience: float = 0.0) -> Studied:
    """Try the candidates of section `study`, and compare them on validation rows.

    Parameters
    ----------
    root : Path
        Workspace: a folder with params.yaml and dvc.yaml.
    patience : float
        Seconds to wait for another run to leave it.

    Raises
    ------
    EspalierError
        What the user can act on; every trial finished so far is kept, and the next run goes on from there.
    """
    begin(load_params(root).study)
    with pipeline.alone(root, patience), noted(root, flow_run.id), pipeline.recorder(root) as recorder:
        pipeline.fetch(root)
        pipeline.clean(root)
        params = load_params(root)
        search = _Search(root, params)
        trials = search.run()
        if not any(trial["status"] == "done" for trial in trials):
            raise EspalierError(_nothing(trials, search.stopped))
        timed = pipeline.time_candidates(root, trials)
        summary = pipeline.summarise(root, params, timed, search.facts())
        pipeline.version_study(root, summary)
        recorded = pipeline.record_study(recorder, summary)
        pipeline.show_study(summary, recorded)
    return Studied(summary, recorded, search.stopped)


def _nothing(trials: Sequence[dict[str, Any]], stopped: str) -> str:
    if not trials:
        return f"study: {stopped or 'nothing to try'}; run again to go on"
    reasons = sorted({str(trial["reason"]) for trial in trials})
    return f"study: every candidate failed; the first reason: {reasons[0]}"


@dataclass
class _Search:
    """Rounds of candidates, as many as the sampler proposes and time allows."""

    root: Path
    params: Params
    stopped: str = ""
    trials: Trials = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def run(self) -> Trials:
        """Return the trials of all candidates, in the order they were proposed."""
        from tasks.study import worker
        from tasks.study.facts import read_facts
        from tasks.study.proposals import Proposals

        began = time.monotonic()
        proposals = Proposals(self.params, read_facts(self.root))
        crew = crew_of(self.root, self.params.study)
        stop = Stop(Layout(self.root).state / "study" / "stop")
        stop.clear()
        _log.info("study      up to %d candidates x %d seeds", proposals.most, self.params.study.seeds)
        try:
            with watched() as ctrl_c:
                self._rounds(proposals, crew, stop, ctrl_c, began)
        finally:
            stop.clear()
            worker.stop()
        self.notes, self.seconds = proposals.notes, time.monotonic() - began
        return self.trials

    def _rounds(self, proposals: Proposals, crew: Crew, stop: Stop, ctrl_c: CtrlC, began: float) -> None:
        while batch := proposals.batch():
            if stop.asked:
                self.stopped = f"{stop.why}: later rounds were not tried"
                return
            jobs = [self._job(one) for one in batch]
            found = computed(crew, jobs, stop, ctrl_c, _told, self._deadline(began))
            self.trials += [trial for trials in found.values() for trial in trials]
            proposals.tell(trial for trials in found.values() for trial in trials)
            if missing := _missing(jobs, found):
                self.stopped = f"{stop.why or 'stopped'}: {missing}"
                return

    def _deadline(self, began: float) -> float | None:
        seconds = self.params.study.seconds
        return None if seconds is None else began + seconds

    def _job(self, one: Candidate) -> Job:
        first, count = self.params.train.seed, self.params.study.seeds
        return Job(one.id, one.arm, one.name, one.overrides, tuple(range(first, first + count)))

    def facts(self) -> dict[str, Any]:
        """How the study was run, for its report."""
        config = self.params.study
        return {
            "sampler": config.sampler,
            "runner": config.runner,
            "seconds": round(self.seconds, 1),
            "stopped": self.stopped,
            "notes": list(self.notes),
        }


def _missing(jobs: Sequence[Job], found: Mapping[str, Trials]) -> str:
    """Say what a round lacks; nothing where it is whole."""
    left = sum(job.id not in found for job in jobs)
    short = sum(len(job.seeds) - len(found[job.id]) for job in jobs if job.id in found)
    told = ((left, "candidates were not tried"), (short, "trials of candidates are missing"))
    return ", ".join(f"{count} {what}" for count, what in told if count)


def _told(job: Job, trials: Trials) -> None:
    """Say on one line what a candidate reached."""
    from tasks.study.rows import aggregate

    (row,) = aggregate(trials)
    if row.seeds:
        _log.info("%-40.40s  valid %.4f  %10s bytes", job.name, row.valid[row.headline], f"{row.bytes:,.0f}")
    else:
        _log.info("%-40.40s  failed: %s", job.name, next(iter(row.failures.values())))
