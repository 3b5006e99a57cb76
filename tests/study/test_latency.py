from __future__ import annotations

from tasks.study.trial import latencies, run_trial


def test_every_finished_candidate_gets_one_latency_for_all_its_seeds(tried):
    root, done = tried
    failed = {**done, "status": "failed", "id": "x"}
    found = latencies(root, [failed, {**done, "seed": 1}, done])
    assert [result["seed"] for result in found] == [0, 1, 0]
    assert found[0]["latency_us"] is None
    assert found[1]["latency_us"] == found[2]["latency_us"] > 0
    assert {key: found[2][key] for key in done} == done


def test_nothing_finished_nothing_timed(fresh):
    assert latencies(fresh, [run_trial(fresh, {"prune.amount": 2}, 0)])[0]["latency_us"] is None
