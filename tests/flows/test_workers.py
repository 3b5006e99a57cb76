import multiprocessing
import signal
import time
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from flows.crew import Crew as RealCrew
from flows.crew import Job, Stop
from flows.processes import Processes
from flows.study import _Search
from flows.workers import _lost, computed, watched
from tasks.config import Params
from tasks.process import COPIES
from tasks.study.candidates import Candidate
from tasks.study.config import StudyConfig
from tasks.study.summary import summarise
from tests.flows.worked import asleep, worked
from tests.study.made import scored


def test_a_candidate_that_lost_its_worker_is_a_failed_one_like_any_other():
    job = Job("lost", "pruning", "prune=structured:0.50", {"prune.amount": 0.5}, (0, 1))
    lost = [_lost(job, seed) for seed in job.seeds]
    assert {"key", "status", "valid", "test", "headline", "bytes"} <= set(lost[0])
    summary = summarise([scored("fine", 0), scored("fine", 1), *lost], Params())
    assert summary.by_id["lost"].failures.keys() == {0, 1}
    assert summary.standing.picks["best"] == "fine"


class Crew:
    """Workers that are done with a candidate as soon as it is handed to them, and see `Stop`."""

    @contextmanager
    def at_work(self):
        yield self

    def known(self, job):
        return []

    def submit(self, runner, job, stop):
        future = Future()
        future.set_result([] if stop.asked else [{"seed": seed} for seed in job.seeds])
        return future

    def received(self, result):
        return result

    def halt(self):
        pass


@pytest.fixture
def stop(tmp_path):
    return Stop(tmp_path / "stop")


@pytest.fixture
def ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


JOBS = [Job(name, "grid", name, {}, (0,)) for name in ("a", "b", "c")]


def test_ctrl_c_while_a_candidate_is_told_of_ends_the_study_with_what_is_there(stop):
    told = []

    def say(job, trials):
        told.append(job.id)
        if len(told) == 1:
            signal.raise_signal(signal.SIGINT)

    with watched() as ctrl_c:
        found = computed(Crew(), JOBS, stop, ctrl_c, say)
        assert stop.why == "stopped by Ctrl-C"
        assert computed(Crew(), [Job("d", "grid", "d", {}, (0,))], stop, ctrl_c, say) == {}
    assert list(found) == told == ["a", "b", "c"]


def test_a_second_ctrl_c_is_raised_and_afterwards_so_is_the_first():
    with watched() as ctrl_c:
        signal.raise_signal(signal.SIGINT)
        assert ctrl_c.presses == 1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_where_ctrl_c_is_ignored_it_stays_so(ignored):
    with watched() as ctrl_c:
        signal.raise_signal(signal.SIGINT)
    assert ctrl_c.presses == 0
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_every_candidate_gets_all_seeds():
    params = Params.model_validate({"train": {"seed": 7}, "study": {"seeds": 3}})
    assert _Search(Path(), params)._job(Candidate("c", "all", "", {})).seeds == (7, 8, 9)


class Halfway(Crew):
    """Workers that have `count` of a candidate's trials; Ctrl-C is pressed meanwhile."""

    def __init__(self, **count):
        self.count = count

    def submit(self, runner, job, stop):
        future = Future()
        future.set_result([{"seed": seed} for seed in job.seeds[: self.count.get(job.id)]])
        return future


class Rounds:
    """Proposals of as many rounds as named."""

    notes = ()

    def __init__(self, *rounds):
        self.rounds = iter([[Candidate(name, "all", name, {}) for name in names] for names in rounds])

    def batch(self):
        return next(self.rounds, [])

    def tell(self, results):
        list(results)


@pytest.mark.parametrize(
    ("rounds", "count", "said"),
    [
        (["abc", "def"], {"b": 1, "c": 0}, "1 candidates were not tried, 2 trials of candidates are missing"),
        (["abc"], {"c": 1}, "2 trials of candidates are missing"),
        (["abc", "def"], {}, "later rounds were not tried"),
        (["abc"], {}, ""),
    ],
)
def test_a_study_that_is_stopped_says_what_it_lacks(stop, monkeypatch, rounds, count, said):
    monkeypatch.setattr("flows.study._told", lambda job, trials: None)
    search = _Search(Path(), Params.model_validate({"study": {"seeds": 3}}))
    with watched() as ctrl_c:
        signal.raise_signal(signal.SIGINT)
        search._rounds(Rounds(*rounds), Halfway(**count), stop, ctrl_c, 0.0)
    assert search.stopped == (said and f"stopped by Ctrl-C: {said}")


def one_process():
    return ProcessPoolExecutor(1, multiprocessing.get_context("forkserver" if COPIES else "spawn"))


class Processed(Crew):
    """Two processes of the kind that runner `processes` has, without Prefect."""

    def __init__(self, begun):
        self.begun = begun

    @contextmanager
    def at_work(self):
        with Processes(2, one_process) as pool:
            yield pool

    def submit(self, runner, job, stop):
        return runner.submit(worked, job.id, job.seeds, self.begun)


def test_a_candidate_that_kills_its_worker_takes_no_other_one_with_it(stop, tmp_path):
    jobs = [Job(name, "grid", name, {}, (0, 1)) for name in ("killer", *"abcdef")]
    begun = tmp_path / "begun"
    begun.mkdir()
    with watched() as ctrl_c:
        found = computed(Processed(begun), jobs, stop, ctrl_c, lambda job, trials: None)
    assert list(found) == [job.id for job in jobs]
    assert "its worker was lost 3 times" in found.pop("killer")[0]["reason"]
    assert all([trial["seed"] for trial in trials] == [0, 1] for trials in found.values())
    times = {path.name: len(path.read_text().splitlines()) for path in begun.iterdir()}
    assert times == {"killer": 3, **dict.fromkeys("abcdef", 1)}


def test_processes_are_as_many_as_asked_for_and_kept_for_the_next_call(tmp_path):
    with Processes(2, one_process) as pool:
        calls = [pool.submit(worked, str(name), [0], tmp_path) for name in range(12)]
        assert len({call.result()[0]["worker"] for call in calls}) <= 2


def test_the_runner_of_processes_has_such_a_pool():
    crew = RealCrew(Path(), StudyConfig(runner="processes", workers=2))
    with crew.at_work() as runner:
        assert isinstance(runner._executor, Processes)


def test_a_second_ctrl_c_drops_what_is_at_work(tmp_path):
    crew, begun = RealCrew(Path(), StudyConfig(runner="processes", workers=1)), tmp_path / "begun"

    def interrupted():
        with crew.at_work() as runner:
            runner._executor.submit(asleep, begun)
            while not (begun.exists() and begun.read_text()):
                time.sleep(0.05)
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < 200
    assert not psutil.pid_exists(int(begun.read_text()))
