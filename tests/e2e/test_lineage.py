"""Where real results come from: one that was committed, and one of a scheduled run that nobody committed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import copied
from tests.e2e.test_promote import HALF, SCHEDULED

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory, prefect_url):
    """A project with version 1, of a commit, and version 2, of a scheduled run; tests only read it."""
    copy = copied(finished, tmp_path_factory.mktemp("lineage") / "project", prefect_url)
    assert set(copy.run().values()) == {"skipped"}
    copy.command(sys.executable, "-c", SCHEDULED.replace("WORDS", repr(HALF)))
    copy.git("checkout", "-q", "params.yaml")
    return copy


def explained(project, asked):
    return json.loads(project.espalier("explain", asked, "--json").stdout)


def test_a_committed_result_is_followed_to_its_commit_and_its_flow_run(project):
    trail = explained(project, "1")
    assert trail["contradictions"] == []
    assert trail["code"]["commit"]["subject"] == "First result"
    assert trail["flow"]["state"] == "Completed"
    assert {output["stage"] for output in trail["outputs"]} >= {"fetch", "reduce", "prune", "evaluate"}


def test_a_scheduled_run_is_followed_to_its_ref(project):
    trail = explained(project, "challenger")
    assert (trail["version"], trail["contradictions"]) == ("2", [])
    assert trail["code"]["run"]["ref"] == "refs/espalier/runs/1"
    text = project.espalier("explain", "challenger").stdout
    assert max(len(line) for line in text.splitlines() if not urlsplit(line).scheme) <= 80


def test_what_nobody_committed_is_computed_again_to_the_bit(project):
    before = project.git("status", "--porcelain").stdout
    found = json.loads(project.espalier("reproduce", "2", "--json").stdout)
    assert found["same"]
    assert found["computed"] == ["clean", "reference", "reduce", "train", "prune", "evaluate"]
    assert project.git("status", "--porcelain").stdout == before


STORED = """
from pathlib import Path
from tasks.tracking.store import open_client
client = open_client(Path.cwd())
source = client.get_model_version("espalier-digits", "2").source
print(client.get_logged_model(source.removeprefix("models:/")).artifact_location.removeprefix("file://"))
"""


def test_what_comes_out_otherwise_is_exit_code_3_and_what_is_not_there_1(project):
    folder = Path(project.command(sys.executable, "-c", STORED).stdout.strip())
    next(folder.rglob("model.onnx")).write_bytes(b"another")
    ended = project.espalier("reproduce", "2", "--cached", check=False)
    assert ended.returncode == 3, ended.stderr
    assert "Not equal." in ended.stdout
    (said,) = explained(project, "2")["contradictions"]
    assert "model.onnx of the registered version was changed" in said
    assert project.espalier("reproduce", "7", check=False).returncode == 1
