"""Schedules with the real thing: `espalier up` with both servers, a worker and a watch in the background."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy, copytree

import pandas as pd
import psutil
import pytest
from ruamel.yaml import YAML

from tests.e2e.conftest import copied

pytestmark = [pytest.mark.slow, pytest.mark.server]

SETTINGS = Path(__file__).resolve().parents[2] / "prefect.yaml"
TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
PATIENCE = 150
REFS = "refs/espalier/runs"
SEVERAL = 50
# A first result need not be good: what is promoted here is a model of four epochs.
WIDE = {"margin": 0.9, "classes": {"loss": None}, "max_calibration_error": None}


def asked(url, body=None, method=None):
    """Ask once: a server that is busy makes its clients wait, and refuses nothing."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=90) as response:
        return json.loads(response.read() or b"null")


def until(true, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
    return found


class Prefect:
    """What a Prefect server answers."""

    def __init__(self, api):
        self.api = api

    def deployment(self, name="compress"):
        return asked(f"{self.api}/deployments/name/scheduled%20{name}/{name}")

    def trigger(self, name="compress", **parameters):
        url = f"{self.api}/deployments/{self.deployment(name)['id']}/create_flow_run"
        return asked(url, {"parameters": parameters, "state": {"type": "SCHEDULED"}})["id"]

    def run(self, run):
        return asked(f"{self.api}/flow_runs/{run}")

    def ended(self, run):
        return until(lambda: (found := self.run(run))["state_type"] in TERMINAL and found)

    def runs(self, name=None, **which):
        if name:
            which["deployment_id"] = {"any_": [self.deployment(name)["id"]]}
        return asked(f"{self.api}/flow_runs/filter", {"flow_runs": which, "limit": 200})


class Up(Prefect):
    """A project whose stack is up, what its Prefect server answers, what its webhook was sent."""

    def __init__(self, project, remote, sent):
        self.project, self.remote, self.sent = project, remote, sent
        super().__init__(self.note["prefect"])

    @property
    def note(self):
        return json.loads((self.project.root / ".espalier" / "stack.json").read_text())

    def refs(self):
        return self.project.git("for-each-ref", "--format=%(refname)", REFS).stdout.split()

    def standing(self):
        """All that a person could see move."""
        return [
            self.project.git(*words).stdout for words in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        ]

    def told(self, kind):
        """Alerts of a kind that the webhook was sent."""
        return [alert for alert in self.sent if alert["kind"] == kind]

    def alias(self, name):
        url = (
            f"{self.note['mlflow']}/api/2.0/mlflow/registered-models/alias?name=espalier-digits&alias={name}"
        )
        return asked(url)["model_version"]["version"]


@pytest.fixture(scope="module")
def webhook():
    """A receiver on loopback: its address, and what it was sent."""
    sent = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", sent
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def up(finished, tmp_path_factory, webhook):
    """A finished project with its stack in the background, which goes with the module."""
    place = tmp_path_factory.mktemp("schedules")
    root = place / "project"
    copytree(finished.root, root, symlinks=True)
    copy(SETTINGS, root)
    kept = {name: value for name, value in finished.environment.items() if name != "PREFECT_API_URL"}
    more = {
        "PYTHONPATH": str(root),
        "ESPALIER_WEBHOOK_URL": webhook[0],
        "ESPALIER_RUNS_REMOTE": str(place / "remote.git"),
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "5",
        "PREFECT_SERVER_LOG_RETRYABLE_ERRORS": "true",
    }
    project = replace(finished, root=root, environment={**kept, **more})
    for name in ("PREFECT_HOME", "DVC_SITE_CACHE_DIR"):  # the workspace's own, as for a user
        project.environment.pop(name)
    project.git("init", "-q", "--bare", more["ESPALIER_RUNS_REMOTE"])
    change(root, lambda params: params["promote"].update(WIDE))
    project.git("add", "-A")
    project.git("commit", "-q", "-m", "Schedules")
    try:
        project.espalier("up")
        yield Up(project, more["ESPALIER_RUNS_REMOTE"], webhook[1])
    finally:
        project.espalier("down")


def change(root, how):
    path = root / "params.yaml"
    yaml = YAML()
    held = yaml.load(path.read_text())
    how(held)
    yaml.dump(held, path.open("w"))


def changed(up, key, value):
    section, name = key.split(".")
    change(up.project.root, lambda params: params[section].update({name: value}))


def begun(up, name, known):
    """Wait for a run that an event begins, and for its end."""
    found = until(lambda: [run for run in up.runs(name) if run["id"] not in known])
    return up.ended(found[0]["id"])


def ids(up, name):
    return {run["id"] for run in up.runs(name)}


def test_up_again_starts_nothing_anew_and_all_is_well(up):
    before = up.note
    up.project.espalier("up")
    assert up.note == before
    lines = up.project.espalier("status").stdout.splitlines()
    assert len(lines) == 4
    assert all("well" in line for line in lines)


def test_the_server_has_what_prefect_yaml_states(up):
    stated = YAML(typ="safe").load(SETTINGS.read_text())["deployments"]
    for told in stated:
        found = up.deployment(told["name"])
        assert found["parameters"] == told["parameters"]
        assert found["global_concurrency_limit"]["limit"] == 1
        collision = "CANCEL_NEW" if told["name"] == "compress" else "ENQUEUE"
        assert found["concurrency_options"]["collision_strategy"] == collision
    (schedule,) = up.deployment()["schedules"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("0 2 * * *", "Europe/Berlin")
    automations = asked(f"{up.api}/automations/filter", {})
    events = {name for one in automations for name in one["trigger"]["expect"]}
    assert events == {"espalier.drift", "espalier.challenger", "espalier.data"}


def test_what_is_asked_for_on_demand_has_plain_fields(up):
    kinds = {"string", "integer", "number", "boolean", "array"}
    for name in ("study", "predict", "monitor"):
        schema = up.deployment(name)["parameter_openapi_schema"]
        for field in schema["properties"].values():
            types = {one.get("type") for one in field.get("anyOf", [field])}
            assert types <= {*kinds, "null"}, field


def test_the_first_run_is_recorded_apart_and_its_challenger_is_promoted(up):
    before, known = up.standing(), ids(up, "promote")
    run = up.ended(up.trigger())
    assert (run["state_type"], run["state"]["message"][: len(REFS)]) == ("COMPLETED", REFS)
    assert up.refs() == [f"{REFS}/1"]
    promoted = begun(up, "promote", known)
    assert promoted["state_name"] == "Promoted", promoted["state"]
    assert up.alias("champion") == "1"
    again = up.ended(up.trigger())
    assert (again["state_name"], up.refs()) == ("Nothing changed", [f"{REFS}/1"])
    assert up.standing() == before


def test_what_ran_is_in_the_git_remote_that_is_set(up):
    there = up.project.git("ls-remote", up.remote, f"{REFS}/*").stdout.split()
    assert there == [up.project.git("rev-parse", f"{REFS}/1").stdout.strip(), f"{REFS}/1"]


def write_rows(up, rows):
    """Write the first rows of the project's data as a file that Git does not know."""
    frame = pd.read_parquet(up.project.root / "data" / "raw.parquet")
    frame.head(rows).to_csv(up.project.root / "digits.csv", index=False)


def test_new_data_is_run_registered_and_watched_and_can_be_rebuilt(up):
    write_rows(up, 1700)
    changed(up, "source.uri", "digits.csv")
    changed(up, "source.target", "y")
    changed(up, "train.epochs", 3)
    before, known = up.standing(), ids(up, "monitor")
    lock = (up.project.root / "dvc.lock").read_text()
    run = up.ended(up.trigger())
    assert run["state_type"] == "COMPLETED", run["state"]
    assert "the source has changed" in run["state"]["message"]
    ref = re.match(rf"{REFS}/\d+", run["state"]["message"]).group()
    assert up.standing() == before
    assert (up.project.root / "dvc.lock").read_text() == lock
    told = up.project.git("log", "-1", "--format=%B", ref).stdout
    version = re.search(r"Version: espalier-digits/(\d+)", told).group(1)
    assert version == "2"
    mlflow = f"{up.note['mlflow']}/api/2.0/mlflow"
    recorded = asked(f"{mlflow}/runs/get?run_id={re.search(r'MLflow-run: (.+)', told).group(1)}")
    tags = {tag["key"]: tag["value"] for tag in recorded["run"]["data"]["tags"]}
    assert tags["espalier.run_ref"] == ref
    assert tags["espalier.git_dirty"] == "false"
    assert begun(up, "monitor", known)["state_name"] in {"No drift", "Drift"}
    rebuilt = up.project.root.parent / "rebuilt"
    up.project.git("worktree", "add", "--detach", str(rebuilt), ref)
    there = replace(up.project, root=rebuilt)
    there.dvc("cache", "dir", "--local", str(up.project.root / ".dvc" / "cache"))
    copy(up.project.root / "digits.csv", rebuilt)
    there.dvc("checkout")
    assert "up to date" in there.dvc("status").stdout
    up.project.git("worktree", "remove", "--force", str(rebuilt))


def test_rows_are_scored_on_demand(up):
    run = up.ended(up.trigger("predict", source="digits.csv", to="scores.parquet", keep=["y"]))
    assert run["state_type"] == "COMPLETED", run["state"]
    assert "1,700 rows: 1,700 scored, 0 quarantined, by espalier-digits version" in run["state"]["message"]
    assert (up.project.root / "scores.parquet").exists()
    (up.project.root / "scores.parquet").unlink()


def test_a_study_on_demand_leaves_the_working_tree_alone(up):
    before = up.standing()
    small = ["study.rivals=false", "study.sampler=random"]
    run = up.ended(up.trigger("study", candidates=1, seeds=1, settings=small))
    assert run["state_type"] == "COMPLETED", run["state"]
    ref = re.match(rf"{REFS}/\d+", run["state"]["message"]).group()
    assert "reports/study.dvc" in up.project.git("ls-tree", "-r", "--name-only", ref).stdout
    assert not (up.project.root / "reports" / "study.dvc").exists()
    assert up.standing() == before
    assert up.ended(up.trigger())["state_name"] == "Nothing changed"


def test_drift_is_a_reason_to_run_though_nothing_changed(up):
    from prefect.events import emit_event
    from prefect.settings import PREFECT_API_URL, temporary_settings

    known = ids(up, "compress")
    with temporary_settings({PREFECT_API_URL: up.api}):
        emit_event("espalier.drift", resource={"prefect.resource.id": "espalier.model.digits"})
    run = begun(up, "compress", known | {run["id"] for run in up.runs("compress") if run["auto_scheduled"]})
    assert run["parameters"]["because"] == "drift"
    assert run["state_type"] == "COMPLETED"
    assert run["state"]["message"].endswith("because drift")


def test_runs_fired_at_once_are_one_at_a_time_and_all_accounted_for(up):
    with ThreadPoolExecutor(SEVERAL) as clients:
        fired = list(clients.map(lambda _: up.trigger(), range(SEVERAL)))
    ended = [up.ended(run) for run in fired]
    assert len({run["id"] for run in ended}) == SEVERAL
    states = {run["state_name"] for run in ended}
    assert states <= {"Nothing changed", "Cancelled"}
    assert "Nothing changed" in states
    assert all(run["state"]["message"] for run in ended)
    spans = sorted((run["start_time"], run["end_time"]) for run in ended if run["start_time"])
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    logs = up.project.root / ".espalier" / "logs"
    for name in ("prefect", "worker"):
        assert "database is locked" not in (logs / f"{name}.log").read_text()


def test_a_run_comes_due_by_its_cron(up):
    url = f"{up.api}/deployments/{up.deployment()['id']}/schedules"
    every = {"cron": "* * * * * */5", "timezone": "Europe/Berlin"}  # the last field: seconds
    made = asked(url, [{"schedule": every, "active": True}])
    try:
        due = until(lambda: [run for run in up.runs("compress") if run["auto_scheduled"] and run["end_time"]])
        assert due[0]["state_name"] in {"Nothing changed", "Cancelled"}
    finally:
        asked(f"{url}/{made[0]['id']}", method="DELETE")
    at_work = {"type": {"any_": ["PENDING", "RUNNING"]}}
    until(lambda: not up.runs("compress", state=at_work))


def kill(processes):
    for process in processes:
        process.kill()
    assert psutil.wait_procs(processes, timeout=20)[1] == []


@pytest.mark.timeout(600)
def test_a_run_killed_with_its_worker_is_told_and_the_next_takes_it_up(up):
    changed(up, "train.epochs", 5)
    refs, before = up.refs(), len(up.told("crashed"))
    killed = up.trigger()
    until(lambda: (up.project.root / ".espalier" / "worktree" / "project" / "models" / "reduced").exists())
    worker = psutil.Process(up.note["processes"]["worker"]["pid"])
    kill([worker, *worker.children(recursive=True)])
    assert up.project.espalier("status", check=False).returncode == 1

    until(lambda: up.run(killed)["state_type"] == "CRASHED")
    until(lambda: len(up.told("crashed")) > before)
    waiting = up.trigger()
    until(lambda: [alert for alert in up.told("late") if alert["run"] == waiting])

    up.project.espalier("up")
    run = up.ended(waiting)
    assert run["state_type"] == "COMPLETED", run["state"]
    assert len(up.refs()) == len(refs) + 1
    assert up.runs(state={"type": {"any_": ["RUNNING", "PENDING"]}}, name="compress") == []
    assert len(up.project.git("worktree", "list").stdout.splitlines()) == 1
    assert up.ended(up.trigger())["state_name"] == "Nothing changed"


def test_a_failed_run_is_told_to_the_log_and_to_the_webhook(up):
    changed(up, "source.uri", "absent.csv")
    run = up.ended(up.trigger())
    changed(up, "source.uri", "digits.csv")
    assert run["state_type"] == "FAILED"
    (alert,) = until(lambda: [alert for alert in up.told("failed") if alert["run"] == run["id"]])
    assert "no file absent.csv" in alert["text"]
    assert alert["page"].endswith(f"/runs/flow-run/{run['id']}")
    log = up.project.root / ".espalier" / "logs" / "alerts.jsonl"
    assert alert in [json.loads(line) for line in log.read_text().splitlines()]


def test_a_run_by_hand_uses_the_servers_that_are_up(up):
    ran = up.project.espalier("run")
    run = re.search(r"MLflow +run (\w+)", ran.stdout).group(1)
    assert asked(f"{up.note['mlflow']}/api/2.0/mlflow/runs/get?run_id={run}")
    by_hand = [run for run in up.runs() if run["deployment_id"] is None and not run["parent_task_run_id"]]
    assert by_hand
    assert "up to date" in up.project.dvc("status").stdout


def test_serve_leaves_the_schedules_to_the_worker_that_is_up(up):
    refused = up.project.espalier("serve", check=False)
    assert refused.returncode == 1
    assert "`espalier down` stops it" in refused.stderr


@contextmanager
def _serving(project):
    words = [sys.executable, "-c", "from flows.cli import main; main()", "serve"]
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(words, cwd=project.root, env=project.environment, **out) as serving:
        try:
            yield serving, [serving.stdout.readline() for _ in range(7)]
        finally:
            serving.kill()


def test_serve_runs_every_deployment_and_pauses_the_schedules_at_its_end(finished, tmp_path, prefect_url):
    project = copied(finished, tmp_path / "project", prefect_url)
    copy(SETTINGS, project.root)
    prefect = Prefect(prefect_url)
    with _serving(project) as (serving, lines):
        assert [line.split()[0] for line in lines[1:6]] == [
            "compress",
            "promote",
            "monitor",
            "study",
            "predict",
        ]
        until(lambda: _found(lambda: prefect.deployment("predict")))
        run = prefect.ended(prefect.trigger("monitor"))
        assert (run["state_name"], "no champion yet" in run["state"]["message"]) == ("Nothing to do", True)
        assert [one["active"] for one in prefect.deployment()["schedules"]] == [True]
        serving.send_signal(signal.SIGINT)
        said, _ = serving.communicate(timeout=PATIENCE)
    assert serving.returncode == 0, said
    assert "the schedules are paused" in said.splitlines()[-1]
    assert prefect.deployment()["paused"]
    with _serving(project) as (serving, _):
        until(lambda: not prefect.deployment()["paused"])
        watch = next(one for one in psutil.Process(serving.pid).children() if "flows.watch" in one.cmdline())
        assert not (project.root / ".espalier" / "logs" / "alerts.jsonl").exists()
        serving.kill()
        psutil.wait_procs([watch], PATIENCE)
        assert not watch.is_running()
    told = (project.root / ".espalier" / "logs" / "alerts.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in told] == ["server"]
    with _serving(project) as (serving, _):  # as it was: this server is for other tests too
        serving.send_signal(signal.SIGINT)
        serving.communicate(timeout=PATIENCE)


def _found(ask):
    try:
        return ask()
    except urllib.error.HTTPError:
        return None
