"""What the doctor says of a workspace, and that it changes nothing there."""

from pathlib import Path

import pytest

from flows.doctor import examine


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return tmp_path


def found(root: Path, name: str):
    return next(check for check in examine(root) if check.name == name)


def test_wrong_settings_are_the_fault_of_the_settings_alone(root):
    (root / "params.yaml").write_text("train: {epochs: -3}\n")
    assert not found(root, "params").ok
    assert "train.epochs" in found(root, "params").found
    assert found(root, "mlflow at").ok


def test_a_server_that_does_not_answer_is_to_be_started_or_unset(root, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    check = found(root, "mlflow at")
    assert not check.ok
    assert "start that server" in str(check)


def test_a_broken_database_is_to_be_moved_away(root):
    database = root / ".espalier" / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    database.write_text("no database, some text that is long enough to be read as a header")
    check = found(root, "mlflow at")
    assert not check.ok
    assert "move that file away" in str(check)


def test_looking_at_mlflow_makes_no_database(root):
    assert found(root, "mlflow at").ok
    assert not (root / ".espalier" / "mlflow").exists()
