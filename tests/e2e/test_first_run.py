"""The newcomer's run: servers embedded, nothing in the home directory, one page of output."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.server]

SOURCE = Path(__file__).resolve().parents[2]
OWN = (
    "ORT_DISABLE_TELEMETRY",
    "PREFECT_HOME",
    "MPLCONFIGDIR",
    "DVC_SITE_CACHE_DIR",
    "DVC_GLOBAL_CONFIG_DIR",
    "XDG_CACHE_HOME",
)


def espalier(root, home, *words):
    environment = {name: value for name, value in os.environ.items() if name not in (*OWN, "XDG_CONFIG_HOME")}
    return subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", *words],
        cwd=root,
        env={**environment, "PYTHONPATH": str(root), "HOME": str(home), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
    ).stdout


@pytest.fixture(scope="module")
def first(finished, tmp_path_factory):
    import shutil

    place = tmp_path_factory.mktemp("first")
    root, home = place / "project", place / "home"
    home.mkdir()
    shutil.copytree(finished.root, root, ignore=shutil.ignore_patterns(".espalier"))
    return root, home, espalier(root, home, "run")


def test_nothing_is_written_in_the_home_directory(first):
    assert list(first[1].rglob("*")) == []


def test_what_is_shown_is_plain_and_but_for_addresses_fits_eighty_columns(first):
    assert "\x1b" not in first[2]
    assert max(len(line) for line in first[2].splitlines() if "http://" not in line) <= 80


def test_the_last_lines_say_where_everything_is(first):
    report, mlflow, page, compared, opens, model, look, more = first[2].splitlines()[-8:]
    assert report == "Report      reports/report.html"
    assert mlflow.startswith("MLflow      run ")
    run = mlflow.split()[-1]
    assert page.startswith("  page      http://127.0.0.1:5000/#/experiments/")
    assert f"/runs/{run}?" in page
    assert compared.startswith("  compare   http://127.0.0.1:5000/#/compare-runs?")
    assert opens.startswith("(opens while `espalier ui` runs")
    assert model == "Model       espalier-digits version 1"
    assert look == "Next        espalier ui"
    assert more.strip() == "espalier run --set prune.amount=0.9"


def test_prefect_holds_the_finished_run_with_its_table_and_links(first):
    import sqlite3

    with sqlite3.connect(first[0] / ".espalier" / "prefect" / "prefect.db") as database:
        states = dict(database.execute("select state_type, count(*) from flow_run group by 1"))
        keys = {key for (key,) in database.execute("select key from artifact")}
        logged = [text for (text,) in database.execute("select message from log")]
    assert states == {"COMPLETED": 1}
    assert {"result", "clean-report", "mlflow-run", "report", "registered-version"} <= keys
    assert any(text.startswith("reference ") for text in logged)


def test_two_versions_stand_side_by_side(first):
    root, home, _ = first
    said = espalier(root, home, "compare", "espalier-digits/1", "espalier-digits@challenger")
    assert "test/accuracy_pct" in said
    assert "compare-runs" in said


def test_the_doctor_finds_everything_well(first):
    root, home, _ = first
    said = espalier(root, home, "doctor")
    assert "BAD" not in said
    assert "stages     up to date" in said
