from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tasks.errors import EspalierError, lost_connection
from tasks.tracking import links, prepare, tracking_uri
from tasks.tracking.store import open_client, reported


def test_runs_are_kept_in_the_workspace_by_default(tmp_path: Path) -> None:
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/.espalier/mlflow/mlflow.db"


def test_an_address_in_the_environment_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000/")
    assert tracking_uri(tmp_path) == "http://tracking.example:5000/"
    assert links.server(tmp_path) == "http://tracking.example:5000"


def test_two_preparations_at_once_agree_and_leave_one_database(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        ids = list(pool.map(lambda _: prepare(tmp_path, "testbed"), range(2)))
    assert len(set(ids)) == 1
    assert [path.name for path in (tmp_path / ".espalier" / "mlflow").iterdir()] == ["mlflow.db"]


def test_the_experiment_opens_on_the_model_training_side(workspace: Path) -> None:
    experiment = open_client(workspace).get_experiment(prepare(workspace))
    assert experiment.name == "testbed"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_deleted_experiment_is_restored(workspace: Path) -> None:
    held = prepare(workspace)
    open_client(workspace).delete_experiment(held)
    assert prepare(workspace) == held
    assert open_client(workspace).get_experiment(held).lifecycle_stage == "active"


def test_a_server_that_does_not_answer_is_one_line_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(EspalierError, match=r"127.0.0.1:9 does not answer .*Nothing computed is lost"):
        prepare(tmp_path, "testbed")


def test_what_mlflows_client_makes_of_a_lost_connection_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = MlflowClient("http://127.0.0.1:9")
    with pytest.raises(EspalierError, match="failed") as failed, reported(tmp_path):
        client.search_experiments()
    assert lost_connection(failed.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    database = tmp_path / ".espalier" / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    database.write_text("something else entirely, and long enough to be read as a header")
    with pytest.raises(EspalierError, match=r"mlflow.db: not a usable database"):
        prepare(tmp_path, "testbed")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".espalier").write_text("a file where a folder belongs")
    with pytest.raises(EspalierError, match=r"failed: .*Nothing computed is lost"):
        prepare(tmp_path, "testbed")


def test_every_page_opens_on_the_model_training_side() -> None:
    pages = [
        links.run_page("http://h", "1", "r"),
        links.runs_page("http://h", "1", "view"),
        links.compare_page("http://h", ["1"], ["a", "b"]),
        links.version_page("http://h", "name", "3"),
    ]
    assert all(page.split("#")[1].endswith("workflowType=machine_learning") for page in pages)


def test_the_compare_page_names_runs_as_encoded_json() -> None:
    page = links.compare_page("http://h", ["1"], ["a", "b"])
    assert "runs=%5B%22a%22%2C%22b%22%5D&experiments=%5B%221%22%5D" in page
