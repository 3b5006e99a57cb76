from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tasks.artifacts import Layout, read_json, write_json
from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.evaluation.reports import MODELS
from tasks.outcome import StageOutcome
from tasks.registry import register
from tasks.tracking import Recorded, record
from tasks.tracking.identity import code_version, identity, output_hash, result_hashes
from tasks.tracking.store import open_client
from tasks.tracking.writer import Writer

Lock = dict[str, str]


def _record(root: Path, lock: Lock, flow: str | None = None) -> Recorded:
    outcomes = [StageOutcome("fetch", "ran", 1.0), StageOutcome("clean", "skipped", 0.1)]
    return record(root, load_params(root), outcomes, flow_run_id=flow, lock=lock)


def _artifacts(client: MlflowClient, run: str, folder: str | None = None) -> set[str]:
    return {file.path for file in client.list_artifacts(run, folder)}


def test_a_result_is_one_run_with_a_nested_run_for_each_model(workspace: Path, lock: Lock) -> None:
    found, client = _record(workspace, lock), open_client(workspace)
    assert not found.existing
    assert tuple(found.runs) == tuple(MODELS)
    parents = {client.get_run(run).data.tags["mlflow.parentRunId"] for run in found.runs.values()}
    assert parents == {found.run_id}


def test_the_same_result_is_not_recorded_twice(workspace: Path, lock: Lock) -> None:
    first, second = _record(workspace, lock), _record(workspace, lock)
    assert second.existing
    assert (second.run_id, second.runs, second.model_id) == (first.run_id, first.runs, first.model_id)
    assert len(open_client(workspace).search_runs([first.experiment_id])) == 1 + len(MODELS)


def test_another_output_is_another_result(workspace: Path, lock: Lock) -> None:
    first = _record(workspace, lock)
    second = _record(workspace, lock | {"reports/evaluate.json": "9" * 32})
    assert not second.existing
    assert second.run_id != first.run_id


def test_what_only_measure_wrote_makes_no_other_result(workspace: Path, lock: Lock) -> None:
    first = _record(workspace, lock)
    again = _record(workspace, lock | {"reports/measure.json": "9" * 32, "reports/report.html": "8" * 32})
    assert again.run_id == first.run_id


def test_a_recording_that_died_is_replaced(
    workspace: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_files", dies)
        with pytest.raises(KeyboardInterrupt):
            _record(workspace, lock)
    found, client = _record(workspace, lock), open_client(workspace)
    runs = client.search_runs([found.experiment_id])
    assert not found.existing
    assert {run.info.run_id for run in runs} == {found.run_id, *found.runs.values()}
    assert [model.model_id for model in client.search_logged_models([found.experiment_id])] == [
        found.model_id
    ]


def test_an_absent_server_loses_nothing_and_the_next_run_records(
    workspace: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        with pytest.raises(EspalierError, match="does not answer"):
            _record(workspace, lock)
    assert not _record(workspace, lock).existing


def test_a_result_carries_report_plots_tables_and_parameters(workspace: Path, lock: Lock) -> None:
    found, client = _record(workspace, lock), open_client(workspace)
    assert {"report.html", "params.yaml", "plots", "reports"} <= _artifacts(client, found.run_id)
    assert "plots/reference.csv" in _artifacts(client, found.run_id, "plots")
    assert all("per_class.json" in _artifacts(client, run) for run in found.runs.values())


def test_every_epoch_is_kept(workspace: Path, lock: Lock) -> None:
    found = _record(workspace, lock)
    history = open_client(workspace).get_metric_history(found.runs["compressed"], "epoch/valid_loss")
    assert [point.step for point in history] == [1, 2, 3, 4, 5, 6]


def test_data_sets_carry_the_hash_that_dvc_gave_them(workspace: Path, lock: Lock) -> None:
    found = _record(workspace, lock)
    used = open_client(workspace).get_run(found.runs["compressed"]).inputs.dataset_inputs
    digests = {entry.dataset.name: entry.dataset.digest for entry in used}
    assert digests == {"mnist-train": "1" * 32, "mnist-test": "2" * 32}
    assert {json.loads(entry.dataset.profile)["num_rows"] for entry in used} == {300, 100}


def test_tags_say_where_a_result_comes_from(workspace: Path, lock: Lock) -> None:
    found = _record(workspace, lock, flow="a-flow-run")
    tags = open_client(workspace).get_run(found.run_id).data.tags
    assert tags["espalier.flow_run_id"] == "a-flow-run"
    assert tags["espalier.stages"] == "fetch ran, clean skipped"
    assert tags["dvc.data/raw.parquet"] == "0" * 32
    assert tags["espalier.verdict"] == "not shown"


def test_the_saved_views_belong_to_the_experiment(workspace: Path, lock: Lock) -> None:
    found = _record(workspace, lock)
    tags = open_client(workspace).get_experiment(found.experiment_id).tags
    assert {"mlflow.sharedViewState.espalier-results", "mlflow.sharedViewState.espalier-charts"} <= set(tags)


@pytest.mark.parametrize("tag", ["mlflow.note.content", "mlflow.sharedViewState.espalier-results"])
def test_a_note_or_view_that_the_user_changed_stays(workspace: Path, lock: Lock, tag: str) -> None:
    client, first = open_client(workspace), _record(workspace, lock)
    client.set_experiment_tag(first.experiment_id, tag, "Ours.")
    _record(workspace, lock | {"reports/evaluate.json": "9" * 32})
    assert client.get_experiment(first.experiment_id).tags[tag] == "Ours."


def test_the_note_follows_the_newest_result(make_workspace: Callable[..., Path], lock: Lock) -> None:
    client, first = open_client(make_workspace()), _record(make_workspace(), lock)
    for accuracy in (0.91, 0.92):
        _record(make_workspace(accuracy=accuracy), lock | {"reports/evaluate.json": str(accuracy)})
        note = client.get_experiment(first.experiment_id).tags["mlflow.note.content"]
        assert f"Accuracy {100 * accuracy:.2f} %" in note


def test_a_figure_that_does_not_exist_is_left_out(workspace: Path, lock: Lock) -> None:
    layout = Layout(workspace)
    report = read_json(layout.report("evaluate"))
    for judged in report["models"].values():
        judged["metrics"]["roc_auc"] = None
    write_json(layout.report("evaluate"), report)
    found = _record(workspace, lock)
    assert "test/roc_auc_pct" not in open_client(workspace).get_run(found.runs["compressed"]).data.metrics


def test_the_environment_is_left_as_it_was(
    workspace: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "true")
    _record(workspace, lock)
    import os

    assert os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] == "true"
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_parameters_are_part_of_the_identity_and_the_registered_name_is_not(
    make_workspace: Callable[..., Path], lock: Lock
) -> None:
    plain = load_params(make_workspace())
    other = load_params(make_workspace(extra="train: {epochs: 3}"))
    renamed = plain.model_copy(update={"registry": plain.registry.model_copy(update={"name": "other"})})
    assert identity(plain, lock) != identity(other, lock)
    assert identity(plain, lock) == identity(renamed, lock)


def test_a_file_in_a_tracked_folder_has_the_folder_hash() -> None:
    assert output_hash({"models/export": "a"}, "models/export/compressed/model.onnx") == "a"
    assert output_hash({"models": "a", "models/export": "b"}, "models/export/x") == "b"
    assert output_hash({}, "models") is None


def test_the_outputs_of_measure_are_no_result() -> None:
    assert result_hashes({"b": "1", "a": "2", "reports/measure.json": "3"}) == {"a": "2", "b": "1"}


def test_a_result_whose_models_were_deleted_is_recorded_anew(workspace: Path, lock: Lock) -> None:
    first, client = _record(workspace, lock), open_client(workspace)
    client.delete_run(first.runs["reference"])
    second = _record(workspace, lock)
    assert not second.existing
    assert tuple(second.runs) == tuple(MODELS)
    assert client.get_run(first.run_id).info.lifecycle_stage == "active"


def test_a_result_whose_stored_model_was_deleted_is_recorded_anew(workspace: Path, lock: Lock) -> None:
    first = _record(workspace, lock)
    open_client(workspace).delete_logged_model(first.model_id)
    second = _record(workspace, lock)
    assert (second.existing, second.model_id == first.model_id) == (False, False)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _commit(root: Path) -> str:
    _git(root, "add", "params.yaml", "dvc.lock")
    _git(root, "commit", "-q", "-m", "As it is")
    return _git(root, "rev-parse", "HEAD")


@pytest.fixture
def repository(workspace: Path) -> Path:
    """The workspace in a Git repository without a commit."""
    _git(workspace, "init", "-q")
    (workspace / "dvc.lock").write_text("first")
    return workspace


def _origins(root: Path, found: Recorded) -> set[tuple[str, str]]:
    client = open_client(root)
    tags = [client.get_run(run).data.tags for run in (found.run_id, *found.runs.values())]
    return {(held.get("mlflow.source.git.commit", ""), held["espalier.git_dirty"]) for held in tags}


def test_a_result_recorded_without_a_commit_gets_the_clean_one_that_makes_it_again(
    repository: Path, lock: Lock
) -> None:
    first = _record(repository, lock)
    assert _origins(repository, first) == {("", "false")}
    (repository / "dvc.lock").write_text("second")
    commit = _commit(repository)
    again, client = _record(repository, lock), open_client(repository)
    assert (again.run_id, again.existing, again.amended) == (first.run_id, True, True)
    assert _origins(repository, again) == {(commit, "false")}
    assert f"- git: `{commit}`" in client.get_run(first.run_id).data.tags["mlflow.note.content"]
    kept = client.download_artifacts(first.run_id, "dvc.lock", str(repository))
    assert Path(kept).read_text() == "second"


def test_a_result_recorded_with_local_changes_gets_the_commit_that_has_them(
    repository: Path, lock: Lock
) -> None:
    before = _commit(repository)
    text = (repository / "params.yaml").read_text()
    (repository / "params.yaml").write_text(f"{text}# another recipe\n")
    first = _record(repository, lock)
    assert _origins(repository, first) == {(before, "true")}
    assert not _record(repository, lock).amended
    after = _commit(repository)
    assert _origins(repository, _record(repository, lock)) == {(after, "false")}


def test_a_result_keeps_the_clean_commit_that_it_has(repository: Path, lock: Lock) -> None:
    before = _commit(repository)
    _record(repository, lock)
    (repository / "dvc.lock").write_text("second")
    _commit(repository)
    again = _record(repository, lock)
    assert (again.existing, again.amended) == (True, False)
    assert _origins(repository, again) == {(before, "false")}


def test_a_result_whose_commit_was_rewritten_away_gets_the_one_that_makes_it_again(
    repository: Path, lock: Lock
) -> None:
    _commit(repository)
    first, client = _record(repository, lock), open_client(repository)
    for run in (first.run_id, *first.runs.values()):
        client.set_tag(run, "mlflow.source.git.commit", "f" * 40)
    assert _record(repository, lock).amended
    assert _origins(repository, first) == {(_git(repository, "rev-parse", "HEAD"), "false")}


def test_changed_code_of_the_project_around_a_workspace_is_a_local_change(tmp_path: Path) -> None:
    root, code = tmp_path / "work" / "churn", tmp_path / "tasks" / "own.py"
    for path in (root / "params.yaml", code, tmp_path / "README.md"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "As it is"]):
        _git(tmp_path, *words)
    (tmp_path / "README.md").write_text("x = 2\n")
    assert not code_version(root).dirty
    code.write_text("x = 2\n")
    assert code_version(root).dirty


def test_the_registered_version_names_the_commit_that_was_found_later(repository: Path, lock: Lock) -> None:
    params, client = load_params(repository), open_client(repository)
    number = register(repository, params, _record(repository, lock)).version
    assert "git:" not in client.get_model_version("testbed", number).description
    commit = _commit(repository)
    assert register(repository, params, _record(repository, lock)).version == number
    assert f"- git: `{commit}`" in client.get_model_version("testbed", number).description


def _changed(root: Path, name: str, **values: Any) -> None:
    path = Layout(root).report(name)
    write_json(path, read_json(path) | values)


def _regression(root: Path) -> None:
    """Rewrite a result as the stages report a regression."""
    evaluate = read_json(Layout(root).report("evaluate"))
    fifth = {"label": "up to 1", "rmse": 0.5, "mae": None, "support": 20}
    figures = {"r2": 0.5, "rmse": 51.0, "mae": 40.0}
    for judged in evaluate["models"].values():
        judged |= {"metrics": figures, "valid": figures, "train": figures, "interval": [0.4, 0.6]}
        judged |= {"per_class": [fifth]}
    about: dict[str, Any] = {"task": "regression", "metric": "r2", "labels": None, "threshold": None}
    _changed(root, "evaluate", **evaluate | about)
    plan = read_json(Layout(root).serving("compressed"))
    unlabelled: dict[str, Any] = {"labels": None, "label_dtype": None, "threshold": None}
    write_json(Layout(root).serving("compressed"), plan | unlabelled | {"task": "regression"})


def test_a_regression_is_recorded_and_registered_in_its_own_metrics(workspace: Path, lock: Lock) -> None:
    _regression(workspace)
    found, client = _record(workspace, lock), open_client(workspace)
    for run in (found.run_id, *found.runs.values()):
        figures = client.get_run(run).data.metrics
        assert (figures["test/r2_pct"], figures["test/rmse"]) == (50.0, 51.0)
        assert {"test/r2_pct_low", "difference/r2_pct", "epoch/valid_r2_pct"} <= set(figures)
        assert not [name for name in figures if "accuracy" in name]
    version = register(workspace, load_params(workspace), found)
    assert client.get_model_version("testbed", version.version).tags["r2"] == "50.00 %"
    assert client.get_run(found.run_id).data.tags["mlflow.note.content"].startswith("R² 50.00 %")


def test_a_result_without_reduction_and_pruning_is_recorded_whole(
    make_workspace: Callable[..., Path], lock: Lock
) -> None:
    root = make_workspace(extra="reduce: {columns: {method: none}, rows: {method: none}}")
    columns = {"method": "none", "components": 4, "before": 4, "after": 4, "kept": None, "trials": []}
    _changed(root, "reduce", columns=columns)
    _changed(root, "prune", method="none", importance=None, amount=0.0, requested=None, history=[])
    text = Layout(root).params.read_text().replace("method: structured, amount: auto", "method: none")
    Layout(root).params.write_text(text)
    found, client = _record(root, lock), open_client(root)
    compressed = client.get_run(found.runs["compressed"])
    assert compressed.info.run_name == "compressed 4"
    assert compressed.data.params["prune.method"] == "none"
    assert client.get_run(found.run_id).info.run_name == "4 col, unpruned, mlp"
    shared = [set(client.get_run(run).data.params) for run in found.runs.values()]
    assert shared[0] == shared[1] == shared[2]
    assert register(root, load_params(root), found).version == "1"


def test_a_headline_that_is_undefined_is_recorded_as_that(workspace: Path, lock: Lock) -> None:
    evaluate = read_json(Layout(workspace).report("evaluate"))
    for judged in evaluate["models"].values():
        judged["metrics"]["accuracy"], judged["interval"], judged["gap"] = None, [None, None], None
    for found in evaluate["comparisons"].values():
        found |= {"difference": None, "low": None, "high": None, "rows_needed": None}
    _changed(workspace, "evaluate", **evaluate)
    recorded, client = _record(workspace, lock), open_client(workspace)
    assert "test/accuracy_pct" not in client.get_run(recorded.run_id).data.metrics
    version = register(workspace, load_params(workspace), recorded)
    assert client.get_model_version("testbed", version.version).tags["accuracy"] == "undefined"
