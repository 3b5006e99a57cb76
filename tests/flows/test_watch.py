from __future__ import annotations

import urllib.error
from datetime import UTC, datetime, timedelta

import pytest

from flows import watch as module
from flows.watch import Watch

API = "http://nowhere/api"
OLD = "2026-01-02T03:04:05+00:00"


class Prefect:
    """Stands for Prefect's server: its deployments, its runs, and whether it answers."""

    def __init__(self, root):
        self.root, self.runs, self.active, self.up = str(root), {}, False, True
        self.watched = "own"

    def asked(self, url, body=None, seconds=0):
        path = url.removeprefix(API)
        if not self.up:
            raise urllib.error.URLError("refused")
        if path == "/deployments/filter":
            known = {"own": self.root, "strange": "/elsewhere", "fetched": "{{ clone.directory }}"}
            return [self.deployment(name, folder) for name, folder in known.items()]
        if path == "/flow_runs/filter":
            wanted = body["flow_runs"]
            assert wanted["deployment_id"] == {"any_": [self.watched]}
            return [run for run in self.runs.values() if run["state_type"] in wanted["state"]["type"]["any_"]]
        run = self.runs[path.split("/")[2]]
        if path.endswith("/set_state"):
            assert body["force"]
            run["state_type"] = body["state"]["type"]
        return run

    def deployment(self, name, folder):
        steps = [{"prefect.deployments.steps.set_working_directory": {"directory": folder}}]
        schedules = [{"active": self.active}]
        return {"id": name, "name": name, "paused": False, "schedules": schedules, "pull_steps": steps}

    def has(self, id_, state, name="", at=OLD):
        self.runs[id_] = {
            "id": id_,
            "name": f"name-{id_}",
            "state_type": state,
            "state": {"type": state, "name": name, "timestamp": at},
            "deployment_id": self.watched,
            "expected_start_time": OLD,
        }


@pytest.fixture
def prefect(tmp_path):
    return Prefect(tmp_path)


@pytest.fixture
def told():
    return []


@pytest.fixture
def watch(tmp_path, prefect, told, monkeypatch):
    (tmp_path / "params.yaml").touch()
    for place in ("flows.watch", "flows.unfinished"):
        monkeypatch.setattr(f"{place}.asked", prefect.asked)
    return Watch(API, tmp_path, lambda text, **facts: told.append((text, facts)))


def kinds(told):
    return [facts["kind"] for _, facts in told]


def test_a_late_run_is_told_once(watch, prefect, told):
    prefect.has("a", "SCHEDULED", "Late")
    watch.look()
    watch.look()
    prefect.has("b", "SCHEDULED", "Late")
    watch.look()
    assert [facts["run"] for _, facts in told] == ["a", "b"]
    assert "name-a was due at 2026-01-02 03:04 UTC" in told[0][0]


def test_a_run_that_is_late_again_is_told_again(watch, prefect, told):
    for name in ("Late", "Scheduled", "Late"):
        prefect.has("a", "SCHEDULED", name)
        watch.look()
    assert kinds(told) == ["late", "late"]


def test_a_server_that_stays_silent_is_told_once_and_again_after_it_was_back(watch, prefect, told):
    for up, looks, alerts in ((False, 2, 0), (False, 3, 1), (True, 1, 1), (False, 3, 2)):
        prefect.up = up
        for _ in range(looks):
            watch.look()
        assert kinds(told) == ["server"] * alerts


def test_a_run_whose_process_was_killed_is_crashed_and_told(watch, prefect, told, tmp_path):
    prefect.has("a", "RUNNING")
    note = tmp_path / ".espalier" / "flow_runs" / "a"
    note.parent.mkdir(parents=True)
    note.touch()
    watch.look()
    watch.look()
    assert prefect.runs["a"]["state_type"] == "CRASHED"
    assert kinds(told) == ["crashed"]


def test_a_run_that_a_worker_took_and_never_began_is_crashed(watch, prefect):
    now = datetime.now(UTC)
    prefect.has("new", "PENDING", at=now.isoformat())
    prefect.has("old", "PENDING", at=(now - timedelta(minutes=6)).isoformat())
    watch.look()
    assert {id_: run["state_type"] for id_, run in prefect.runs.items()} == {
        "new": "PENDING",
        "old": "CRASHED",
    }


def test_a_schedule_that_is_on_and_has_no_run_to_come_is_told_once(watch, prefect, told):
    prefect.active = True
    for looks, alerts in ((2, 0), (3, 1)):
        for _ in range(looks):
            watch.look()
        assert kinds(told) == ["missing"] * alerts
    prefect.has("a", "SCHEDULED", "Scheduled")
    watch.look()
    prefect.runs.clear()
    for _ in range(module._TOLERATED):
        watch.look()
    assert kinds(told) == ["missing"] * 2


def test_of_espalier_serve_those_are_watched_that_it_has(watch, prefect, told):
    prefect.active, prefect.watched = True, "strange"
    watch.names = ["strange"]
    for _ in range(module._TOLERATED):
        watch.look()
    assert [facts["deployment"] for _, facts in told] == ["strange"]


def test_away_from_a_workspace_those_are_watched_whose_workers_fetch_it_however_long_that_takes(
    watch, prefect, told, tmp_path
):
    (tmp_path / "params.yaml").unlink()
    prefect.watched = "fetched"
    prefect.has("a", "SCHEDULED", "Late")
    prefect.has("b", "PENDING")
    watch.look()
    assert [facts["run"] for _, facts in told] == ["a"]
    assert prefect.runs["b"]["state_type"] == "PENDING"
