"""The workflow for pull requests, as GitHub would read it."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

WORKFLOW = Path(__file__).resolve().parents[2] / "deploy" / "ci" / "pull-request.yml"


@pytest.fixture
def workflow():
    return YAML(typ="safe", pure=True).load(WORKFLOW)


def test_the_workflow_runs_on_pull_requests_and_may_comment_on_them_alone(workflow):
    assert set(workflow["on"]) == {"pull_request"}
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}


def test_every_step_does_one_thing_and_what_others_wrote_never_gets_into_a_script(workflow):
    (job,) = workflow["jobs"].values()
    for step in job["steps"]:
        assert ("uses" in step) != ("run" in step)
        found = step.get("run", "").replace("${{ github.event.number }}", "")  # a number, GitHub's own
        assert "${{" not in found


def test_secrets_reach_the_environment_alone_and_forks_none(workflow):
    (job,) = workflow["jobs"].values()
    assert "fork" in WORKFLOW.read_text()
    assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    named = [name for name, value in job["env"].items() if "secrets." in str(value)]
    assert WORKFLOW.read_text().count("secrets.") == len(named)
