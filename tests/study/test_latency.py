from __future__ import annotations

import pytest

from tasks.config import apply_overrides
from tasks.study.store import Store
from tasks.study.trial import latencies, run_trial


def test_every_finished_candidate_gets_one_latency_for_all_its_seeds(copied, tried):
    root, done = copied(), tried[1]
    failed = {**done, "status": "failed", "id": "x"}
    found = latencies(root, [failed, {**done, "seed": 1}, done])
    assert [result["seed"] for result in found] == [0, 1, 0]
    assert found[0]["latency_us"] is None
    assert found[1]["latency_us"] == found[2]["latency_us"] > 0
    assert {key: found[2][key] for key in done} == done


def test_nothing_finished_nothing_timed(fresh):
    assert latencies(fresh, [run_trial(fresh, {"prune.amount": 2}, 0)])[0]["latency_us"] is None


@pytest.fixture
def sittings(monkeypatch):
    """Have every sitting come to another latency; returns those held, a list of the models timed in each."""
    held = []

    def interleave(calls, rounds):
        held.append(list(calls))
        return {name: [len(held) * 1e-6] for name in calls}

    monkeypatch.setattr("tasks.study.latency.interleave", interleave)
    return held


def test_the_same_models_are_timed_once(copied, tried, sittings):
    root, trials = copied(), [tried[1]]
    assert latencies(root, trials) == latencies(root, [*trials, *trials])[:1]
    assert sittings == [[tried[1]["id"]]]


@pytest.mark.parametrize("setting", ["study.name=anew", "measure.repeats=4", "measure.threads=2"])
def test_another_name_or_way_of_timing_is_another_sitting(copied, tried, sittings, setting):
    root = copied()
    before = latencies(root, [tried[1]])
    apply_overrides(root, [setting])
    assert latencies(root, [tried[1]])[0]["latency_us"] == 2 * before[0]["latency_us"]


def test_candidates_of_one_study_are_never_of_two_sittings(copied, tried, sittings):
    root = copied()
    latencies(root, [tried[1]])
    other = {**tried[1], "id": "other", "key": "other"}
    assert {each["latency_us"] for each in latencies(root, [tried[1], other])} == {2.0}


def test_another_machine_times_for_itself(copied, tried, sittings, monkeypatch):
    root = copied()
    latencies(root, [tried[1]])
    monkeypatch.setattr("tasks.study.latency.machine", lambda: {"cpu": "another"})
    assert latencies(root, [tried[1]])[0]["latency_us"] == 2.0


def test_latencies_go_with_the_trials_they_are_of(copied, tried, sittings):
    root = copied()
    store = Store(root)
    latencies(root, [tried[1]])
    store.prune()
    latencies(root, [tried[1]])
    assert len(sittings) == 1
    store.prune(keep=[])
    assert not list((store.folder / "latencies").iterdir())
