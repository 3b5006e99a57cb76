"""Schedules with a real Prefect server, a real MLflow server and a real worker in the background."""

from __future__ import annotations

import itertools
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

pytestmark = [pytest.mark.slow, pytest.mark.server]

TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
PATIENCE = 150
REFS = "refs/espalier/runs"


def asked(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    for left in range(50, -1, -1):
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return json.load(response)
        except (
            urllib.error.HTTPError
        ) as error:  # 503: its SQLite database was busy, the call is to be made again
            if error.code != 503 or not left:
                raise
            time.sleep(0.2)
    raise AssertionError


def until(true, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
    return found


class Up:
    """A project whose stack is up, and its Prefect server's answers."""

    def __init__(self, project):
        self.project = project
        self.note = json.loads((project.root / ".espalier" / "stack.json").read_text())
        self.api = self.note["prefect"]

    def deployment(self, name="compress"):
        return asked(f"{self.api}/deployments/name/scheduled%20{name}/{name}")

    def trigger(self, **parameters):
        url = f"{self.api}/deployments/{self.deployment()['id']}/create_flow_run"
        return asked(url, {"parameters": parameters, "state": {"type": "SCHEDULED"}})["id"]

    def run(self, run):
        return asked(f"{self.api}/flow_runs/{run}")

    def ended(self, run):
        return until(lambda: (found := self.run(run))["state_type"] in TERMINAL and found)

    def runs(self, **which):
        return asked(f"{self.api}/flow_runs/filter", {"flow_runs": which, "limit": 200})

    def refs(self):
        return self.project.git("for-each-ref", "--format=%(refname)", REFS).stdout.split()

    def standing(self):
        """All that a person could see move."""
        return [
            self.project.git(*words).stdout for words in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        ]


@pytest.fixture(scope="module")
def up(finished, tmp_path_factory):
    """A finished project with its stack in the background, which goes with the module."""
    from shutil import copy, copytree

    root = tmp_path_factory.mktemp("schedules") / "project"
    copytree(finished.root, root, symlinks=True)
    copy(Path(__file__).resolve().parents[2] / "prefect.yaml", root)
    kept = {name: value for name, value in finished.environment.items() if name != "PREFECT_API_URL"}
    project = replace(finished, root=root, environment={**kept, "PYTHONPATH": str(root)})
    for name in ("PREFECT_HOME", "DVC_SITE_CACHE_DIR"):  # the workspace's own, as for a user
        project.environment.pop(name)
    project.git("add", "prefect.yaml")
    project.git("commit", "-q", "-m", "Schedules")
    try:
        project.espalier("up")
        yield Up(project)
    finally:
        project.espalier("down")


def changed(up, key, value):
    path = up.project.root / "params.yaml"
    yaml = YAML()
    held = yaml.load(path.read_text())
    section, name = key.split(".")
    held[section][name] = value
    yaml.dump(held, path.open("w"))


def test_up_again_starts_nothing_anew_and_all_is_well(up):
    up.project.espalier("up")
    assert Up(up.project).note == up.note
    assert all("well" in line for line in up.project.espalier("status").stdout.splitlines())


def test_the_server_has_what_prefect_yaml_states(up):
    (stated,) = [
        told
        for told in YAML(typ="safe").load((up.project.root / "prefect.yaml").read_text())["deployments"]
        if told["name"] == "compress"
    ]
    found = up.deployment()
    (schedule,) = found["schedules"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("0 2 * * *", "Europe/Berlin")
    assert found["parameters"] == stated["parameters"]
    assert found["global_concurrency_limit"]["limit"] == 1
    assert found["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    automations = asked(f"{up.api}/automations/filter", {})
    assert [list(one["trigger"]["expect"]) for one in automations] == [["espalier.drift"]]


def test_the_first_run_is_recorded_apart_and_the_next_finds_nothing_changed(up):
    before = up.standing()
    run = up.ended(up.trigger())
    assert (run["state_type"], run["state"]["message"][: len(REFS)]) == ("COMPLETED", REFS)
    assert up.refs() == [f"{REFS}/1"]
    again = up.ended(up.trigger())
    assert (again["state_name"], up.refs()) == ("Nothing changed", [f"{REFS}/1"])
    assert up.standing() == before


def test_a_change_nobody_committed_is_run_and_registered_and_can_be_rebuilt(up):
    changed(up, "train.epochs", 3)
    before = up.standing()
    lock = (up.project.root / "dvc.lock").read_text()
    run = up.ended(up.trigger())
    assert run["state_type"] == "COMPLETED", run["state"]
    assert "train.epochs changed" in run["state"]["message"] or "train changed" in run["state"]["message"]
    ref = re.match(rf"{REFS}/\d+", run["state"]["message"]).group()
    assert up.standing() == before
    assert (up.project.root / "dvc.lock").read_text() == lock
    told = up.project.git("log", "-1", "--format=%B", ref).stdout
    version = re.search(r"Version: espalier-digits/(\d+)", told).group(1)
    mlflow = f"{up.note['mlflow']}/api/2.0/mlflow"
    alias = asked(f"{mlflow}/registered-models/alias?name=espalier-digits&alias=challenger")
    assert alias["model_version"]["version"] == version
    recorded = asked(f"{mlflow}/runs/get?run_id={re.search(r'MLflow-run: (.+)', told).group(1)}")
    tags = {tag["key"]: tag["value"] for tag in recorded["run"]["data"]["tags"]}
    assert tags["espalier.run_ref"] == ref
    assert tags["espalier.git_dirty"] == "false"
    rebuilt = up.project.root.parent / "rebuilt"
    up.project.git("worktree", "add", "--detach", str(rebuilt), ref)
    there = replace(up.project, root=rebuilt)
    there.dvc("cache", "dir", "--local", str(up.project.root / ".dvc" / "cache"))
    there.dvc("checkout")
    assert "up to date" in there.dvc("status").stdout
    up.project.git("worktree", "remove", "--force", str(rebuilt))


def test_drift_is_a_reason_to_run_though_nothing_changed(up):
    from prefect.events import emit_event
    from prefect.settings import PREFECT_API_URL, temporary_settings

    known = {run["id"] for run in up.runs()}
    with temporary_settings({PREFECT_API_URL: up.api}):
        emit_event("espalier.drift", resource={"prefect.resource.id": "espalier.model.digits"})
    begun = until(lambda: [run for run in up.runs() if run["id"] not in known and run["deployment_id"]])
    run = up.ended(begun[0]["id"])
    assert run["parameters"]["because"] == "drift"
    assert run["state_type"] == "COMPLETED"
    assert run["state"]["message"].endswith("because drift")


def test_runs_fired_at_once_are_one_at_a_time_and_all_accounted_for(up):
    fired = [up.trigger() for _ in range(8)]
    ended = [up.ended(run) for run in fired]
    states = {run["state_name"] for run in ended}
    assert states <= {"Nothing changed", "Cancelled"}
    assert "Nothing changed" in states
    spans = sorted((run["start_time"], run["end_time"]) for run in ended if run["start_time"])
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_a_run_comes_due_by_its_cron(up):
    url = f"{up.api}/deployments/{up.deployment()['id']}/schedules"
    made = asked(url, [{"schedule": {"cron": "* * * * *", "timezone": "Europe/Berlin"}, "active": True}])
    try:
        due = until(lambda: [run for run in up.runs() if run["auto_scheduled"] and run["start_time"]])
        assert up.ended(due[0]["id"])["state_name"] in {"Nothing changed", "Cancelled"}
    finally:
        request = urllib.request.Request(f"{url}/{made[0]['id']}", method="DELETE")
        urllib.request.urlopen(request, timeout=20).close()


@pytest.mark.xfail(run=False, reason="takes six minutes, and the run after the kill has been seen to fail")
@pytest.mark.timeout(600)
def test_a_run_whose_worker_and_process_are_killed_is_taken_up_by_the_next(up):
    changed(up, "train.epochs", 5)
    killed = up.trigger()
    until(lambda: (up.project.root / ".espalier" / "worktree" / "project" / "dvc.lock").exists())
    worker = psutil.Process(up.note["processes"]["worker"]["pid"])
    family = [worker, *worker.children(recursive=True)]
    for process in family:
        process.kill()
    assert psutil.wait_procs(family, timeout=20)[1] == []
    assert up.project.espalier("status", check=False).returncode == 1
    up.project.espalier("up")
    refs = up.refs()

    def finished():
        run = up.ended(up.trigger())
        return (
            run if run["state_name"] != "Cancelled" else None
        )  # the dead run's slot comes back after five minutes

    run = until(finished, 400)
    assert run["state_type"] == "COMPLETED", run["state"]
    assert len(up.refs()) == len(refs) + 1
    assert up.run(killed)["state_type"] == "CRASHED"
    up.project.dvc("status")


def test_a_failed_run_is_told(up):
    changed(up, "source.uri", "absent.csv")
    run = up.ended(up.trigger())
    changed(up, "source.uri", "package:digits")
    assert run["state_type"] == "FAILED"
    log = up.project.root / ".espalier" / "logs" / "alerts.jsonl"
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert "no file absent.csv" in told[-1]["text"]
    assert told[-1]["run"] == run["id"]


def test_a_run_by_hand_uses_the_servers_that_are_up(up):
    ran = up.project.espalier("run")
    run = re.search(r"MLflow +run (\w+)", ran.stdout).group(1)
    assert asked(f"{up.note['mlflow']}/api/2.0/mlflow/runs/get?run_id={run}")
    by_hand = [run for run in up.runs() if run["deployment_id"] is None and not run["parent_task_run_id"]]
    assert by_hand


def test_serve_leaves_the_schedules_to_the_worker_that_is_up(up):
    refused = up.project.espalier("serve", check=False)
    assert refused.returncode == 1
    assert "`espalier down` stops it" in refused.stderr
