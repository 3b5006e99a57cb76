"""What has to last: a colleague's clone, a backup, what may be let go."""

import json
import os
import re
import shutil
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from ruamel.yaml import YAML

from tasks import versioning
from tasks.keeping.databases import lead_to
from tasks.promotion.act import settle
from tasks.promotion.ledger import Ledger
from tasks.tracking.store import open_client
from tests.e2e.conftest import SOURCE, Project, copied, environment_of

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]


def own_store(project):
    return f"sqlite:///{project.root / '.espalier' / 'mlflow' / 'mlflow.db'}"


@pytest.fixture(scope="module")
def shared(finished, tmp_path_factory, prefect_url):
    """A project whose data and models are in a remote that others read."""
    place = tmp_path_factory.mktemp("shared")
    project = copied(finished, place / "project", prefect_url)
    told = project.espalier("remote", str(place / "remote"), "--push").stdout
    assert "written, read back and removed" in told
    assert "; 0 were there" in told
    project.git("commit", "-q", "-m", "Shared remote", ".dvc/config")
    return project


def cloned(project, place, **environment):
    project.git("clone", "-q", str(project.root), str(place))
    url = project.environment["PREFECT_API_URL"]
    return Project(place, environment_of(place, PREFECT_API_URL=url, **environment))


def test_a_clone_has_everything_with_the_shared_remote_and_the_tracking_address(shared, tmp_path):
    colleague = cloned(shared, tmp_path / "colleague", MLFLOW_TRACKING_URI=own_store(shared))
    colleague.dvc("pull")
    assert colleague.dvc("status").stdout.strip() == "Data and pipelines are up to date."
    assert "0 of" not in colleague.espalier("remote").stdout
    assert "the ledger is empty" in colleague.espalier("history").stdout
    compared = colleague.espalier("compare", "espalier-digits/1", "espalier-digits@challenger").stdout
    assert "test/accuracy_pct" in compared
    assert scored(colleague, tmp_path, "1") == 9
    assert colleague.git("status", "--porcelain").stdout == ""


def scored(project, folder, model="champion"):
    """Score nine rows with a version; return how many answers there are."""
    pd.read_parquet(project.root / "data" / "raw.parquet").head(9).to_parquet(folder / "new.parquet")
    out = folder / "scores.parquet"
    project.espalier("predict", str(folder / "new.parquet"), "--to", str(out), "--model", model)
    return len(pd.read_parquet(out))


def test_the_steps_of_the_workflow_for_pull_requests_run_and_tell_what_changed(shared, tmp_path):
    base = shared.git("branch", "--show-current").stdout.strip()
    runner = cloned(shared, tmp_path / "runner", BASE=f"origin/{base}")
    params = runner.root / "params.yaml"
    params.write_text(params.read_text().replace("  amount: 0.8", "  amount: 0.6", 1))
    command = tmp_path / "bin" / "espalier"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from flows.cli import main; main()" "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{runner.environment['PATH']}"
    (job,) = YAML(typ="safe", pure=True).load(SOURCE / "deploy" / "ci" / "pull-request.yml")["jobs"].values()
    steps = {step["name"]: step["run"] for step in job["steps"] if "run" in step}
    assert set(steps) == {"Install", "Bring what is computed already", "Run", "Compare", "Comment"}
    for name in ("Bring what is computed already", "Run", "Compare"):
        runner.command("bash", "-euo", "pipefail", "-c", steps[name], PATH=path)
    written = (runner.root / "figures.md").read_text()
    assert "| reports/metrics.json | compressed.size.bytes" in written
    assert re.search(r"\| params\.yaml \| prune\.amount +\| 0\.8 +\| 0\.6 ", written)


@pytest.fixture
def settled(finished, project):
    """A copy of the finished project whose database leads to its own files, not to those of the original."""
    state = project.root / ".espalier"
    assert lead_to(state / "mlflow" / "mlflow.db", finished.root / ".espalier", state)
    return project


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
            run = client.create_run(experiment, tags={"writer": "test"}).info.run_id
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


def make_champion(project, version):
    """Give the alias as somebody does in MLflow's page; it is entered in the ledger."""
    client = open_client(project.root)
    client.set_registered_model_alias("espalier-digits", "champion", version)
    assert settle(Ledger(client, project.root, "espalier-digits"))


def told(project):
    """What a person would look for after a disaster: ledger, aliases, recorded runs."""
    return json.loads(project.espalier("history", "--json").stdout)


def test_a_backup_made_while_runs_are_recorded_brings_everything_elsewhere(settled, tmp_path):
    from mlflow import MlflowClient

    settled.git("update-ref", "refs/espalier/runs/1", "HEAD")
    make_champion(settled, "1")
    before = told(settled)
    with writing(settled) as recorded:
        until = time.monotonic() + 120
        while len(recorded) < 3:
            assert time.monotonic() < until
            time.sleep(0.05)
        settled.espalier("backup", str(tmp_path / "saved.tar"))
    shutil.move(settled.root, tmp_path / "gone")  # nothing of the old place is needed

    place = tmp_path / "again"
    Project(tmp_path, settled.environment).git("clone", "-q", str(tmp_path / "gone"), str(place))
    again = Project(place, environment_of(place, PREFECT_API_URL=settled.environment["PREFECT_API_URL"]))
    again.espalier("restore", str(tmp_path / "saved.tar"))
    assert told(again) == before
    assert again.git("rev-parse", "refs/espalier/runs/1").stdout == again.git("rev-parse", "HEAD").stdout
    again.dvc("pull")
    assert again.dvc("status").stdout.strip() == "Data and pipelines are up to date."

    client = MlflowClient(own_store(again))
    experiment = client.get_experiment_by_name("espalier-digits").experiment_id
    written = {
        run.info.run_id: Path(unquote(run.info.artifact_uri.removeprefix("file://")))
        for run in client.search_runs([experiment], "status = 'FINISHED' and tags.writer = 'test'")
    }
    assert set(recorded[:3]) <= set(written)
    for run, folder in written.items():
        assert (folder / "told.txt").read_text() == run
        assert folder.is_relative_to(place)

    assert scored(again, tmp_path) == 9
    refused = again.espalier("restore", str(tmp_path / "saved.tar"), check=False)
    assert refused.returncode == 1
    assert "records here already" in refused.stderr


def occupied(project):
    """Bytes of everything that MLflow and DVC keep here."""
    places = [project.root / ".espalier" / "mlflow", project.root / ".espalier" / "remote"]
    files = [path for place in (*places, project.root / ".dvc" / "cache") for path in place.rglob("*")]
    return sum(path.stat().st_size for path in files if path.is_file())


def versions(project):
    from mlflow import MlflowClient

    return {int(found.version) for found in MlflowClient(own_store(project)).search_model_versions()}


def test_a_clean_up_frees_what_nothing_needs_and_nothing_else(settled, tmp_path):
    make_champion(settled, "1")
    settled.run("prune.amount=0.6")
    settled.run("prune.amount=0.7")
    before, ledger = occupied(settled), told(settled)

    listed = settled.espalier("gc", "--older-than", "0").stdout
    assert [number for number in range(1, 4) if f"version {number}" in listed] == [2]
    assert "nothing was: `espalier gc --older-than 0 --yes` frees them" in listed
    assert (occupied(settled), versions(settled)) == (before, {1, 2, 3})
    with versioning.workspace_lock(settled.root):
        refused = settled.espalier("gc", "--older-than", "0", "--yes", check=False)
    assert "another run" in refused.stderr
    assert versions(settled) == {1, 2, 3}

    freed = settled.espalier("gc", "--older-than", "0", "--yes").stdout
    promised = int(listed.splitlines()[-1].partition(" bytes")[0].replace(",", ""))
    assert f"{promised:,} bytes freed" in freed
    assert before - occupied(settled) >= promised > 100_000
    assert versions(settled) == {1, 3}
    assert told(settled) == ledger
    assert scored(settled, tmp_path) == 9
    assert settled.dvc("status").stdout.strip() == "Data and pipelines are up to date."

    again = settled.run("prune.amount=0.6")  # what the run-cache said of it is gone too
    assert (again["train"], again["prune"]) == ("skipped", "ran")
    assert versions(settled) == {1, 3, 4}
