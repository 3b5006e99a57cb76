"""What has to last: a colleague's clone, a backup, what may be let go."""

import json
import shutil
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.e2e.conftest import Project, environment_of

pytestmark = [pytest.mark.server, pytest.mark.slow]


def own_store(project):
    return f"sqlite:///{project.root / '.espalier' / 'mlflow' / 'mlflow.db'}"


def test_a_clone_has_everything_with_the_shared_remote_and_the_tracking_address(project, tmp_path):
    told = project.espalier("remote", str(tmp_path / "shared")).stdout
    assert "written, read back and removed" in told
    project.git("commit", "-q", "-m", "Shared remote", ".dvc/config")
    project.dvc("push", "--all-commits", "--run-cache")

    place = tmp_path / "colleague"
    project.git("clone", "-q", str(project.root), str(place))
    url = project.environment["PREFECT_API_URL"]
    more = {"MLFLOW_TRACKING_URI": own_store(project), "PREFECT_API_URL": url}
    colleague = Project(place, environment_of(place, **more))
    colleague.dvc("pull")
    assert colleague.dvc("status").stdout.strip() == "Data and pipelines are up to date."
    assert "0 of" not in colleague.espalier("remote").stdout
    assert "the ledger is empty" in colleague.espalier("history").stdout
    compared = colleague.espalier("compare", "espalier-digits/1", "espalier-digits@challenger").stdout
    assert "test/accuracy_pct" in compared
    rows = pd.read_parquet(place / "data" / "raw.parquet").head(9)
    rows.to_parquet(tmp_path / "new.parquet")
    colleague.espalier(
        "predict", str(tmp_path / "new.parquet"), "--to", str(tmp_path / "scores.parquet"), "--model", "1"
    )
    assert len(pd.read_parquet(tmp_path / "scores.parquet")) == 9
    assert colleague.git("status", "--porcelain").stdout == ""


@contextmanager
def writing(project):
    """Record runs with a file each, as fast as it goes, for a block."""
    from mlflow import MlflowClient

    stop = threading.Event()
    client = MlflowClient(own_store(project))
    experiment = client.get_experiment_by_name("espalier-digits").experiment_id
    recorded = []

    def write():
        while not stop.is_set():
            run = client.create_run(experiment).info.run_id
            client.log_text(run, run, "told.txt")
            client.set_terminated(run)
            recorded.append(run)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield recorded
    finally:
        stop.set()
        writer.join()


def told(project):
    """What a person would look for after a disaster: ledger, aliases, recorded runs."""
    return json.loads(project.espalier("history", "--json").stdout)


def test_a_backup_made_while_runs_are_recorded_brings_everything_to_another_folder(project, tmp_path):
    from mlflow import MlflowClient

    project.git("update-ref", "refs/espalier/runs/1", "HEAD")
    project.espalier("rollback", "--to", "1", "--why", "the first champion")
    before = told(project)
    with writing(project) as recorded:
        until = time.monotonic() + 120
        while len(recorded) < 3:
            assert time.monotonic() < until
            time.sleep(0.05)
        project.espalier("backup", str(tmp_path / "saved.tar"))
    shutil.move(project.root, tmp_path / "gone")  # nothing of the old place is needed

    place = tmp_path / "again"
    Project(tmp_path, project.environment).git("clone", "-q", str(tmp_path / "gone"), str(place))
    again = Project(place, environment_of(place, PREFECT_API_URL=project.environment["PREFECT_API_URL"]))
    again.espalier("restore", str(tmp_path / "saved.tar"))
    assert told(again) == before
    assert again.git("rev-parse", "refs/espalier/runs/1").stdout == again.git("rev-parse", "HEAD").stdout
    again.dvc("pull")
    assert again.dvc("status").stdout.strip() == "Data and pipelines are up to date."

    client = MlflowClient(own_store(again))
    experiment = client.get_experiment_by_name("espalier-digits").experiment_id
    written = [
        run.info.run_id
        for run in client.search_runs([experiment], "status = 'FINISHED'")
        if "mlflow.parentRunId" not in run.data.tags and "espalier.headline" not in run.data.tags
    ]
    assert set(recorded[:3]) <= set(written)
    for run in written:
        path = client.download_artifacts(run, "told.txt", str(tmp_path))
        assert Path(path).read_text() == run

    rows = pd.read_parquet(place / "data" / "raw.parquet").head(5)
    rows.to_parquet(tmp_path / "new.parquet")
    again.espalier("predict", str(tmp_path / "new.parquet"), "--to", str(tmp_path / "scores.parquet"))
    assert len(pd.read_parquet(tmp_path / "scores.parquet")) == 5
    refused = again.espalier("restore", str(tmp_path / "saved.tar"), check=False)
    assert refused.returncode == 1
    assert "records here already" in refused.stderr
