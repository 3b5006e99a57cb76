from flows.crew import Job
from flows.workers import _lost
from tasks.config import Params
from tasks.study.summary import summarise
from tests.study.made import scored


def test_a_candidate_that_lost_its_worker_is_a_failed_one_like_any_other():
    job = Job("lost", "pruning", "prune=structured:0.50", {"prune.amount": 0.5}, (0, 1))
    lost = [_lost(job, seed) for seed in job.seeds]
    assert {"key", "status", "valid", "test", "headline", "bytes"} <= set(lost[0])
    summary = summarise([scored("fine", 0), scored("fine", 1), *lost], Params())
    assert summary.by_id["lost"].failures.keys() == {0, 1}
    assert summary.standing.picks["best"] == "fine"
