"""Own data in five minutes: a file becomes a workspace, and the workspace a registered model."""

import pandas as pd
import pytest
from ruamel.yaml import YAML

pytestmark = [pytest.mark.slow, pytest.mark.server]


def penguins(path):
    rows = [
        {
            "length": 30 + n % 17,
            "depth": None if n % 10 == 0 else 12 + n % 5,
            "island": "abc"[n % 3],
            "kind": "big" if n % 17 > 8 else "small",
        }
        for n in range(240)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)


def test_a_file_becomes_a_workspace_that_runs_and_agrees_with_dvc(project):
    penguins(project.root / "birds.csv")
    said = project.espalier("init", "birds", "--source", "birds.csv", "--target", "kind").stdout
    assert "classification of kind" in said
    assert said.splitlines()[-1] == "Next        espalier run -C birds"
    workspace = project.root / "birds"
    params = YAML(typ="safe").load((workspace / "params.yaml").read_text())
    assert params["source"]["uri"] == "../birds.csv"

    ran = project.espalier(
        "run", "-C", "birds", "--set", "train.epochs=5", "--set", "prune.finetune.epochs=5"
    )
    assert "Report      birds/reports/report.html" in ran.stdout
    assert "espalier-birds version 1" in ran.stdout
    assert "up to date" in project.command("python", "-m", "dvc", "status", cwd=workspace).stdout
    assert "up to date" in project.dvc("status").stdout
    assert project.command("python", "-m", "tasks.closure").returncode == 0

    with (project.root / "birds.csv").open("a") as file:
        file.write("31,12,a,small\n")
    planned = project.espalier("run", "-C", "birds", "--dry-run").stdout
    assert "fetch      would run: data/source.json is new or changed" in planned
