"""A trial of a study and `espalier run` of the same settings: the same numbers and the same models."""

import json
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.server]

OVERRIDES = {
    "reduce.columns.method": "pca",
    "reduce.columns.components": 0.9,
    "prune.amount": 0.5,
    "export.quantise.method": "static",
}
SCRIPT = """
import json, sys
from pathlib import Path
from tasks.config import load_params
from tasks.study.trial import run_trial, trial_settings
overrides = json.loads(sys.argv[1])
print(json.dumps([run_trial(".", overrides, 3), trial_settings(load_params(Path()), overrides, 3)]))
"""


def test_a_trial_agrees_with_a_run_of_its_settings_to_the_last_bit(project):
    said = project.command(sys.executable, "-c", SCRIPT, json.dumps(OVERRIDES)).stdout
    trial, settings = json.loads(said)
    assert trial["status"] == "done"
    clean = project.root / ".espalier" / "study" / "nodes" / trial["nodes"]["clean"] / "data" / "clean"
    assert (clean / "train.npz").samefile(project.root / "data" / "clean" / "train.npz")
    project.run(*settings)
    compared = 0
    for key in trial["nodes"].values():
        node = project.root / ".espalier" / "study" / "nodes" / key
        for file in (path for path in node.rglob("*") if path.is_file() and path.name != "node.json"):
            assert file.read_bytes() == (project.root / file.relative_to(node)).read_bytes(), file
            compared += 1
    assert compared > 25
    report = json.loads((project.root / "reports" / "evaluate.json").read_text())
    assert report["models"]["compressed"]["metrics"] == trial["test"]
