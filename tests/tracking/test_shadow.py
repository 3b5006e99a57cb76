from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import read_json, write_json
from tasks.tracking.shadow import EXPERIMENT, record_shadows, shadow_rows
from tasks.tracking.store import open_client


@pytest.fixture
def root(tmp_path: Path, empty_database: Path) -> Path:
    """A workspace without runs."""
    (tmp_path / ".espalier" / "mlflow").mkdir(parents=True)
    shutil.copy(empty_database, tmp_path / ".espalier" / "mlflow" / "mlflow.db")
    return tmp_path


def note(root: Path, batch: str, rows: int, **more: str) -> Path:
    """Write what scoring leaves of a batch with a version in the shadow."""
    facts: dict[str, Any] = {"batch": batch, "model": "people", "answering": "3", "shadow": "4"}
    facts |= {"input": "people.csv", "fingerprint": "sha256:0", "rows": rows, "refused": 1, "agreement": 0.5}
    path = root / ".espalier" / "shadow" / f"{batch}-{more.get('shadow', '4')}.json"
    write_json(path, facts | more)
    return path


def test_a_batch_is_a_run_with_its_figures(root: Path) -> None:
    path = note(root, "b1", 40)
    assert record_shadows(root) == 1
    client = open_client(root)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics == {"rows": 40.0, "refused": 1.0, "agreement": 0.5}
    assert run.data.tags["espalier.batch"] == "b1"
    assert run.info.status == "FINISHED"
    assert read_json(path)["recorded"] is True


def test_a_batch_is_recorded_once_even_where_its_note_was_lost(root: Path) -> None:
    note(root, "b1", 40)
    record_shadows(root)
    assert record_shadows(root) == 0
    note(root, "b1", 40)  # as after a kill between MLflow and the note
    record_shadows(root)
    assert shadow_rows(open_client(root), "people", "4") == 40


def test_rows_of_a_version_are_counted_over_its_batches(root: Path) -> None:
    client = open_client(root)
    assert shadow_rows(client, "people", "4") == 0
    note(root, "b1", 40)
    note(root, "b2", 2, answering="2")
    note(root, "b3", 500, shadow="5")
    assert record_shadows(root) == 3
    assert shadow_rows(client, "people", "4") == 42
    assert shadow_rows(client, "people", "4", answering="3") == 40
    assert shadow_rows(client, "people", "9") == 0


def test_the_run_of_a_batch_that_grows_is_brought_up_to_date(root: Path) -> None:
    client = open_client(root)
    for rows in (40, 90):
        note(root, "requests-1", rows, log="requests-1-4")
        assert record_shadows(root) == 1
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["rows"] == 90.0
    assert run.data.tags["espalier.log"] == "requests-1-4"
    assert shadow_rows(client, "people", "4") == 90
