from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tasks.config import Params
from tasks.errors import EspalierError
from tasks.recorder import Recorder
from tasks.tracking import RecordedStudy, Study, record_study
from tasks.tracking.store import open_client
from tasks.tracking.study.writer import Writer
from tests.tracking.study import synthetic

Lock = dict[str, str]


def _record(root: Path, study: Study, lock: Lock) -> RecordedStudy:
    return record_study(root, study, flow_run_id="a-flow-run", lock=lock)


@pytest.fixture
def client(workspace: Path) -> MlflowClient:
    return open_client(workspace)


def test_a_study_is_one_run_with_a_nested_run_for_each_candidate(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    assert not found.existing
    assert set(found.runs) == {row.id for row in study.standing.rows}
    parents = {client.get_run(run).data.tags["mlflow.parentRunId"] for run in found.runs.values()}
    assert parents == {found.run_id}


def test_the_same_study_is_not_recorded_twice(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    first, second = _record(workspace, study, lock), _record(workspace, study, lock)
    assert (first.existing, second.existing) == (False, True)
    assert (second.run_id, second.runs, second.views) == (first.run_id, first.runs, first.views)
    assert len(client.search_runs([first.experiment_id])) == 1 + len(study.standing.rows)


def test_latencies_measured_anew_make_no_other_study(workspace: Path, params: Params, lock: Lock) -> None:
    first = _record(workspace, synthetic.study(params), lock)
    slower = synthetic.study(params, slowness=1.5)
    assert _record(workspace, slower, lock).run_id == first.run_id


@pytest.mark.parametrize("measure", [{"repeats": 7}, {"threads": 2}])
def test_latencies_measured_otherwise_make_another_study(params: Params, measure: dict[str, int]) -> None:
    another = params.model_copy(update={"measure": params.measure.model_copy(update=measure)})
    assert synthetic.study(another).identity != synthetic.study(params).identity


def test_another_candidate_makes_another_study_with_views_of_its_own(
    workspace: Path, params: Params, lock: Lock
) -> None:
    first = _record(workspace, synthetic.study(params, 4), lock)
    second = _record(workspace, synthetic.study(params, 5), lock)
    assert second.run_id != first.run_id
    assert not set(first.views.values()) & set(second.views.values())


def test_a_recording_that_died_is_replaced(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_files", dies)
        with pytest.raises(KeyboardInterrupt):
            _record(workspace, study, lock)
    found = _record(workspace, study, lock)
    runs = {run.info.run_id for run in client.search_runs([found.experiment_id])}
    assert runs == {found.run_id, *found.runs.values()}


def test_a_study_whose_candidate_was_deleted_is_recorded_anew(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    first = _record(workspace, study, lock)
    client.delete_run(next(iter(first.runs.values())))
    second = _record(workspace, study, lock)
    assert not second.existing
    assert len(client.search_runs([first.experiment_id])) == 1 + len(study.standing.rows)


def test_candidates_are_logged_in_the_names_of_a_result(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    best = study.candidates[0]
    run = client.get_run(found.runs[best.row.id])
    assert run.info.run_name == best.name
    assert run.data.metrics["valid/accuracy_pct"] == pytest.approx(100 * best.row.valid["accuracy"], abs=1e-3)
    assert {"test/accuracy_pct", "size/bytes", "size/log10_bytes", "speed/p50_us", "cost/train_s"} <= set(
        run.data.metrics
    )
    assert run.data.params["train.seed"] == "0, 1, 2"


def test_all_candidates_share_the_parameters(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    keys = {frozenset(client.get_run(run).data.params) for run in found.runs.values()}
    assert len(keys) == 1


def test_a_candidate_takes_one_batch_and_sends_what_all_share_once(
    workspace: Path, study: Study, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[str] = []
    described: list[bool] = []
    log_batch, log_inputs = MlflowClient.log_batch, MlflowClient.log_inputs

    def batch(self: MlflowClient, run: str, *given: Any, **named: Any) -> Any:
        batches.append(run)
        return log_batch(self, run, *given, **named)

    def inputs(self: MlflowClient, run: str, *given: Any, **named: Any) -> None:
        described.append(any(one.dataset.schema for one in named["datasets"]))
        log_inputs(self, run, *given, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", batch)
    monkeypatch.setattr(MlflowClient, "log_inputs", inputs)
    found = _record(workspace, study, lock)
    assert sorted(batches) == sorted([found.run_id, *found.runs.values()])
    assert sum(described[:-1]) == 1  # the last is the study's own


def test_every_candidate_shows_the_columns_of_its_data(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    for run in found.runs.values():
        for entry in client.get_run(run).inputs.dataset_inputs:
            assert "mlflow_colspec" in entry.dataset.schema
            assert {tag.key for tag in entry.tags} == {"mlflow.data.context"}


def test_the_front_is_coloured_and_tagged(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    tags = {row.id: client.get_run(found.runs[row.id]).data.tags for row in study.standing.rows}
    green = {id_ for id_, own in tags.items() if own["mlflow.runColor"] == "#2e7d32"}
    assert green == {id_ for id_, own in tags.items() if own["espalier.front"] == "yes"}
    assert green == {row.id for row in study.standing.rows if row.on_front}
    assert "knee" in tags[study.standing.picks["knee"]]["espalier.pick"]
    ranks = {row.id: str(row.rank) for row in study.standing.rows if row.rank}
    assert {id_: own["espalier.rank"] for id_, own in tags.items() if "espalier.rank" in own} == ranks


def test_curves_are_kept_on_the_candidates(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    history = client.get_metric_history(found.runs[study.candidates[0].row.id], "epoch/valid_accuracy_pct")
    steps = [point.step for point in history]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (1, 60)


def test_a_candidate_that_failed_is_there_with_its_reason(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    lost = next(row for row in study.standing.rows if not row.seeds)
    run = client.get_run(found.runs[lost.id])
    assert run.info.status == "FAILED"
    assert "prune.amount" in run.data.tags["espalier.unranked"]
    assert "study/rank" not in run.data.metrics


def test_data_sets_carry_the_hash_that_dvc_gave_them(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    for run in (found.run_id, *found.runs.values()):
        used = client.get_run(run).inputs.dataset_inputs
        digests = {entry.dataset.name: entry.dataset.digest for entry in used}
        assert digests == {"mnist-train": "1" * 32, "mnist-test": "2" * 32}


def test_a_candidate_that_cleans_differently_starts_from_the_raw_rows(
    workspace: Path, params: Params, lock: Lock, client: MlflowClient
) -> None:
    study = synthetic.study(params, extra=[{"clean.outliers.method": "quantile", "prune.amount": 0.6}])
    found = _record(workspace, study, lock)
    own = next(row for row in study.standing.rows if "clean.outliers.method" in row.overrides)
    used = client.get_run(found.runs[own.id]).inputs.dataset_inputs
    assert [(entry.dataset.name, entry.dataset.digest) for entry in used] == [("mnist-raw", "0" * 32)]


def test_report_plots_and_trials_stand_on_the_study(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    files = (workspace / "reports" / "study.html", workspace / "reports" / "front.png")
    for file in files:
        file.write_bytes(b"content")
    found = _record(workspace, replace(study, files=files), lock)
    held = {file.path for file in client.list_artifacts(found.run_id)}
    assert {"study.html", "params.yaml", "trials.json", "plots"} <= held
    assert [file.path for file in client.list_artifacts(found.run_id, "plots")] == ["plots/front.png"]
    assert found.views["report"].endswith("/artifacts/study.html?workflowType=machine_learning")


def test_both_views_find_the_candidates_of_this_study(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    held = client.get_experiment(found.experiment_id).tags
    keys = [tag for tag in held if tag.startswith("mlflow.sharedViewState.espalier-study-")]
    assert len(keys) == 2
    assert all(key.removeprefix("mlflow.sharedViewState.") in "".join(found.views.values()) for key in keys)
    where = f"tags.`espalier.study` = '{study.mark}'"
    runs = client.search_runs([found.experiment_id], where)
    assert {run.info.run_id for run in runs} == set(found.runs.values())


def test_a_view_that_the_user_changed_stays(
    workspace: Path, study: Study, lock: Lock, client: MlflowClient
) -> None:
    found = _record(workspace, study, lock)
    tag = f"mlflow.sharedViewState.espalier-study-{study.mark}-table"
    client.set_experiment_tag(found.experiment_id, tag, "ours")
    client.delete_run(next(iter(found.runs.values())))
    _record(workspace, study, lock)
    assert client.get_experiment(found.experiment_id).tags[tag] == "ours"


def test_the_recorder_records_a_study_in_its_own_process(
    workspace: Path, study: Study, lock: Mapping[str, str]
) -> None:
    with Recorder(workspace) as recorder:
        found = recorder.record_study(study, flow_run_id=None, lock=lock)
    assert record_study(workspace, study, flow_run_id=None, lock=lock).run_id == found.run_id


def test_an_absent_server_is_told_in_one_line(
    workspace: Path, study: Study, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(EspalierError, match="does not answer"):
        _record(workspace, study, lock)


def test_a_study_of_one_failed_candidate_is_recorded_too(workspace: Path, params: Params, lock: Lock) -> None:
    found = _record(workspace, synthetic.study(params, 1), lock)
    assert len(found.runs) == 1
    assert "compare" not in found.views


def test_candidates_stand_best_first_however_they_were_written(
    workspace: Path, params: Params, lock: Lock, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def four_at_once(_: Path) -> Iterator[int]:
        yield 4

    cleaning = [{"clean.outliers.method": "quantile", "prune.amount": amount} for amount in (0.5, 0.6)]
    study = synthetic.study(params, extra=cleaning)
    monkeypatch.setattr("tasks.tracking.study.record.many_writes", four_at_once)
    found = _record(workspace, study, lock)
    listed = client.search_runs(
        [found.experiment_id], "tags.`mlflow.parentRunId` != ''", order_by=["start_time DESC"]
    )
    assert [run.info.run_id for run in listed] == list(found.runs.values())
    assert [run.data.tags["espalier.candidate"] for run in listed] == [row.id for row in study.standing.rows]
    assert all(run.info.end_time >= run.info.start_time for run in listed)
