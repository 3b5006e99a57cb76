from __future__ import annotations

import json

import numpy as np
import pytest

from tasks.drift.batch import batch_of
from tasks.drift.compare import compare, family
from tasks.drift.config import MonitorConfig
from tasks.drift.findings import Finding
from tasks.drift.profile import Profile
from tests.drift.simulated import NUMBERS, answer, encode, held, profile, table

ROWS = 500


@pytest.fixture(scope="module")
def made():
    return profile(np.random.default_rng(0))


@pytest.fixture
def frame():
    return table(ROWS, np.random.default_rng(1))


def _kinds(drift):
    return {(d.column, d.what): d for d in drift.schema}


def test_the_profile_comes_back_whole_and_judges_alike(made, frame):
    document = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    again = Profile.from_dict(document, made.arrays())
    assert again.to_dict() == made.to_dict()
    one, other = held(made, frame).to_dict(), held(again, frame).to_dict()
    assert [f["name"] for f in other["findings"]] == [f["name"] for f in one["findings"]]
    assert other["drifted"] is False


def test_every_kind_is_looked_at(made, frame):
    drift = held(made, frame)
    assert {f.kind for f in drift.findings} == {"columns", "missing", "reduced", "predictions", "performance"}
    assert {f.name for f in drift.findings if f.kind == "columns"} == {*NUMBERS, "city"}
    assert {f.name for f in drift.findings if f.kind == "reduced"} == {
        "centre",
        "distance from the centre",
        "reconstruction error",
    }
    assert drift.scored == drift.labelled == ROWS


def test_only_what_the_policy_names_is_looked_at(made, frame):
    assert {f.kind for f in held(made, frame, tests=("missing",)).findings} == {"missing"}
    assert held(made, frame.drop(columns="f"), tests=("missing",)).schema == ()


def test_an_absent_column_that_the_model_reads_is_drift_and_nothing_is_scored(made, frame):
    drift = held(made, frame.drop(columns="c"))
    assert _kinds(drift)["c", "absent"].drifted
    assert drift.kinds == ("schema",)
    assert drift.scored == 0
    assert {f.kind for f in drift.findings} == {"columns", "missing"}


def test_a_column_nobody_knows_is_told_and_is_no_drift(made, frame):
    drift = held(made, frame.assign(extra=1))
    assert not _kinds(drift)["extra", "unknown"].drifted
    assert ("answer", "unknown") not in _kinds(drift)


def test_unreadable_cells_are_told_and_their_rows_not_scored(made, frame):
    cells = frame["a"].astype(object)
    cells[:50] = "n/a!"
    drift = held(made, frame.assign(a=cells))
    assert _kinds(drift)["a", "unreadable"].rows == 50
    assert _kinds(drift)["a", "unreadable"].drifted
    assert drift.scored == ROWS - 50


def test_a_few_unreadable_cells_are_no_drift(made, frame):
    cells = frame["a"].astype(object)
    cells[:3] = "n/a!"
    assert not _kinds(held(made, frame.assign(a=cells)))["a", "unreadable"].drifted


def test_new_levels_are_named_the_commonest_first(made, frame):
    frame.loc[:4, "city"], frame.loc[5, "city"] = "Oslo", "Rome"
    found = _kinds(held(made, frame))["city", "new levels"]
    assert (found.told, found.rows) == ("'Oslo', 'Rome'", 6)


def test_a_batch_below_the_minimum_is_described_and_not_judged(made):
    frame = table(60, np.random.default_rng(2)).assign(b=100.0)
    drift = held(made, frame)
    assert not drift.decided
    assert drift.kinds == ()
    assert min(f.q for f in drift.findings) < 1e-6


def test_without_labels_the_error_is_not_looked_at(made, frame):
    drift = held(made, frame.drop(columns="answer"))
    assert drift.labelled == 0
    assert drift.metrics == {}
    assert all(f.kind != "performance" for f in drift.findings)


def test_rows_whose_label_has_not_come_yet_are_left_out(made, frame):
    frame.loc[100:, "answer"] = None
    drift = held(made, frame)
    (found,) = (f for f in drift.findings if f.kind == "performance")
    assert found.rows == drift.labelled == 100


def test_a_label_no_training_row_had_is_a_wrong_answer(made, frame):
    drift = held(made, frame.assign(answer="perhaps"))
    (found,) = (f for f in drift.findings if f.kind == "performance")
    assert found.told.endswith("to 100.0 %")
    assert found.drifted
    assert drift.metrics == {}


def test_an_error_that_falls_is_no_drift(made, frame):
    answers = np.where(held_answers(made, frame) >= 0.5, "yes", "no")
    (found,) = (f for f in held(made, frame.assign(answer=answers)).findings if f.kind == "performance")
    assert found.effect == -1.0
    assert not found.drifted


def held_answers(made, frame):
    from tests.drift.simulated import batch

    return batch(made, frame).answers[:, 1]


def test_rows_the_reducer_cannot_express_are_counted_and_named(made, frame):
    frame.loc[7, "b"] += 40
    drift = held(made, frame)
    assert drift.unlike is not None
    assert drift.unlike.worst[0][0] == 7
    assert drift.unlike.expected == pytest.approx(ROWS * (1 - 397 / 401))


def test_an_empty_batch_is_compared_with_nothing(made, frame):
    drift = held(made, frame.iloc[:0])
    assert (drift.rows, drift.findings, drift.decided) == (0, (), False)


def _test(p, effect=1.0):
    return Finding("columns", "a", "KS", p, "PSI", effect, 0.1, 10)


def test_a_family_calls_drift_what_is_sure_and_large():
    judged = family([_test(0.5), _test(1e-6, effect=0.05), _test(1e-6)], 0.01)
    assert [f.drifted for f in judged] == [True, False, False]
    assert judged[0].q == pytest.approx(1.5e-6)


def test_one_of_many_tests_has_to_be_surer_than_one_of_few():
    assert family([_test(0.008)], 0.01)[0].drifted
    assert not any(f.drifted for f in family([_test(0.008), *[_test(0.9)] * 20], 0.01))


def test_rows_that_the_model_answers_with_no_number_are_not_scored_and_no_mistakes(made, frame):
    def unsure(X):
        scores = answer(X)
        scores[::5] = np.nan
        return scores

    found = batch_of(made, frame, encode, unsure)
    assert len(found.places) == len(found.X) == len(found.answers) == ROWS - ROWS // 5
    drift = compare(made, found, MonitorConfig())
    assert (drift.rows, drift.scored, drift.labelled) == (ROWS, 400, 400)
    assert "performance" not in drift.kinds
