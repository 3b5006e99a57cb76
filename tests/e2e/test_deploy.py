"""Beyond one machine: a run on A, a promotion on B, scoring on A; and what is refused without credentials."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace

import pandas as pd
import pytest

from tests.e2e.conftest import SOURCE, Project, committed, copied
from tests.e2e.machines import BOB, KNOWN, SECRETS, Machines, basic, machines, status, until

boto3 = pytest.importorskip("boto3", reason="pip install -c constraints.txt -e '.[deploy-tests]'")
pytest.importorskip("moto", reason="pip install -c constraints.txt -e '.[deploy-tests]'")
pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(900)]

NAME = "espalier-digits"
RUN = "refs/espalier/runs/1"
CHANGED = [
    "prune.method=structured",
    "prune.amount=0.5",
    "promote.margin=0.9",
    "promote.classes.loss=null",
    "promote.max_calibration_error=null",
]
SETTLE = "from pathlib import Path; from tasks.config import apply_overrides; apply_overrides(Path.cwd(), {})"
MLFLOW_NAME = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
DEPLOY = ["prefect", "--no-prompt", "deploy", "--prefect-file", "deploy/prefect.yaml"]
PREFECT = basic(SECRETS["PREFECT_API_AUTH_STRING"])


@pytest.fixture(scope="module")
def shared(finished, tmp_path_factory, prefect_url):
    """The servers; a person's clone of a workspace whose repository and data every machine can reach."""
    with machines(tmp_path_factory.mktemp("machines")) as found:
        desk = copied(finished, found.folder / "desk" / "work", prefect_url)
        desk = replace(desk, environment=found.machine("desk", PYTHONPATH=str(desk.root)))
        (desk.root / "deploy").mkdir()
        for name in ("prefect.yaml", "deploy/prefect.yaml"):
            (desk.root / name).write_text((SOURCE / name).read_text("utf-8"), "utf-8")
        store = f"endpointurl={found.hosts['http://store:8333']}"
        desk.espalier("remote", "s3://espalier-dvc/digits", "--set", store)
        desk.dvc("push", "--run-cache")
        desk.command(sys.executable, "-c", SETTLE.format(CHANGED))
        committed(desk, "Half the units")
        desk.git("init", "-q", "--bare", "-b", "main", str(found.hub))
        desk.git("remote", "add", "origin", found.hub.as_uri())
        desk.git("push", "-q", "origin", "HEAD:refs/heads/main")
        yield found, desk


def clone(found: Machines, machine: str, **more: str) -> Project:
    """A clone on a machine that has nothing else of ours."""
    given = found.machine(machine, **more)
    root = found.folder / machine / "work"
    subprocess.run(["git", "clone", "-q", found.hub.as_uri(), str(root)], check=True, env=given)
    return Project(root, {**given, "PYTHONPATH": str(root)})


def without(project: Project, *names: str) -> Project:
    left = {name: value for name, value in project.environment.items() if name not in names}
    return replace(project, environment=left)


def asked(found: Machines, path: str, body: object | None = None) -> object:
    """What Prefect's API answers."""
    import urllib.request

    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **PREFECT}
    url = f"{found.hosts['http://prefect:4200']}/api/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return json.load(answer)


def ended(found: Machines, name: str) -> dict:
    """Trigger a deployment that prefect.yaml states, and wait for the run to end."""
    deployment = asked(found, f"deployments/name/scheduled%20{name}/{name}")
    run = asked(found, f"deployments/{deployment['id']}/create_flow_run", {})["id"]
    ends = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    return until(lambda: (held := asked(found, f"flow_runs/{run}"))["state_type"] in ends and held, 400)


def promoted(found: Machines) -> dict:
    """Wait for the run of `promote` that an announced challenger sets off."""
    named = {"flow_runs": {"state": {"name": {"any_": ["Promoted"]}}}}
    return until(lambda: asked(found, "flow_runs/filter", named), 400)[0]


@dataclass
class Life:
    """What became of a model on its way over three machines."""

    found: Machines
    desk: Project
    first: dict
    again: dict
    judged: dict
    home: Project
    scored: pd.DataFrame


@pytest.fixture(scope="module")
def life(shared):
    """A worker on A makes a model; one on B, another user, finds and promotes it; a clone on A scores."""
    found, desk = shared
    with found.service("worker", "a"):
        until(lambda: status(f"{found.hosts['http://prefect:4200']}/api/work_pools/espalier", PREFECT) == 200)
        stranger = without(desk, "ESPALIER_REPOSITORY", "ESPALIER_BRANCH")
        stranger.command(*DEPLOY, "--name", "compress")
        first = ended(found, "compress")
    found.user(BOB["MLFLOW_TRACKING_USERNAME"], BOB["MLFLOW_TRACKING_PASSWORD"], NAME)
    with found.service("worker", "b", **BOB):
        stranger.command(*DEPLOY, "--all")
        again, judged = ended(found, "compress"), promoted(found)  # the gate has heard of nothing yet
    home = clone(found, "a")
    raw = pd.read_parquet(desk.root / "data" / "raw.parquet")
    raw.iloc[:100, :-1].to_parquet(home.root / "new.parquet")
    home.espalier("predict", "new.parquet", "--to", "scores.parquet")
    return Life(found, desk, first, again, judged, home, pd.read_parquet(home.root / "scores.parquet"))


def test_a_worker_clones_pulls_and_makes_a_model_that_git_and_the_servers_know(life):
    state = life.first["state"]
    assert state["type"] == "COMPLETED", state
    assert state["message"].startswith(f"{RUN}: {NAME}/1 (new)")
    told = life.desk.git("ls-remote", "origin", "refs/espalier/*").stdout
    assert [line.split("\t")[1] for line in told.splitlines()] == [RUN]
    log = (life.found.folder / "a.log").read_text("utf-8")
    assert "reference" in log
    assert "restored" in log  # what the person's clone had computed came through the store
    steps = asked(life.found, "deployments/name/scheduled%20compress/compress")["pull_steps"]
    assert "{{ $ESPALIER_REPOSITORY }}" in json.dumps(steps)  # what is cloned, each worker's environment said


def test_a_worker_on_another_machine_knows_what_was_made(life):
    assert life.again["state"]["name"] == "Nothing changed", life.again["state"]
    assert RUN in life.again["state"]["message"]


def test_a_worker_on_another_machine_judges_it_as_it_was_made_and_promotes_it(life):
    state = life.judged["state"]
    assert (state["type"], state["name"]) == ("COMPLETED", "Promoted"), state
    assert "version 1, promote: there is no champion yet" in state["message"]
    ledger = json.loads(life.home.espalier("history", "--json").stdout)
    assert [entry["who"] for entry in ledger["entries"]] == ["bob"]
    assert ledger["contradictions"] == []


def test_the_champion_scores_where_neither_database_nor_files_are(life):
    assert len(life.scored) == 100
    assert set(life.scored["model_version"].astype(str)) == {"1"}
    assert not (life.home.root / ".espalier" / "mlflow").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["history"],
        ["promote"],
        ["predict", "new.parquet", "--to", "x.parquet"],
        ["run"],
    ],
    ids=lambda words: words[0],
)
def test_without_a_name_for_mlflow_nothing_is_read_registered_or_promoted(life, words):
    ended = without(life.home, *MLFLOW_NAME).espalier(*words, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "asks who you are: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_words_for_prefect_no_flow_begins(life):
    ended = without(life.home, "PREFECT_API_AUTH_STRING").espalier("promote", check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "asks who you are: set PREFECT_API_AUTH_STRING" in ended.stderr


def test_without_keys_to_the_store_one_line_says_so(life):
    ended = without(life.desk, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY").espalier("remote", check=False)
    assert ended.returncode == 1
    assert "AWS_ACCESS_KEY_ID" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "path",
    [
        f"registered-models/get?name={NAME}",
        f"registered-models/alias?name={NAME}&alias=champion",
        "experiments/search?max_results=5",
    ],
)
def test_mlflow_tells_strangers_nothing(life, path):
    url = f"{life.found.hosts['http://mlflow:5000']}/api/2.0/mlflow/{path}"
    assert status(url) == 401
    assert status(url, basic("ada:guessed")) == 401
    assert status(url, basic(f"ada:{SECRETS['MLFLOW_TRACKING_PASSWORD']}")) == 200


def test_strangers_neither_move_an_alias_nor_see_files_or_runs(life):
    mlflow, prefect = (life.found.hosts[name] for name in ("http://mlflow:5000", "http://prefect:4200"))
    move = json.dumps({"name": NAME, "alias": "champion", "version": "1"}).encode()
    assert status(f"{mlflow}/api/2.0/mlflow/registered-models/alias", data=move) == 401
    assert status(f"{mlflow}/api/2.0/mlflow-artifacts/artifacts?path=1") == 401
    assert status(f"{prefect}/api/flow_runs/filter", data=b"{}") == 401
    assert status(f"{prefect}/api/flow_runs/filter", basic("espalier:guessed"), b"{}") == 401
    assert status(f"{prefect}/api/deployments/name/scheduled%20compress/compress") == 401


def secret_words() -> list[bytes]:
    """The secrets, and the pairs that requests carry."""
    from base64 import b64encode

    pairs = [
        f"{KNOWN['MLFLOW_TRACKING_USERNAME']}:{SECRETS['MLFLOW_TRACKING_PASSWORD']}",
        SECRETS["PREFECT_API_AUTH_STRING"],
    ]
    values = [*SECRETS.values(), BOB["MLFLOW_TRACKING_PASSWORD"]]
    words = [value.rpartition(":")[2].encode() for value in values]
    return words + [b64encode(pair.encode()) for pair in pairs]


def held(text: bytes) -> list[str]:
    return [word.decode() for word in secret_words() if word in text]


def test_no_secret_is_in_a_log_a_workspace_or_the_repository(life):
    files = [path for path in life.found.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {f"{name}.log" for name in ("a", "b", "mlflow", "prefect", "store", "postgres")} <= {
        path.name for path in files
    }
    assert {str(path): found for path in files if (found := held(path.read_bytes()))} == {}
    packed = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch"],
        cwd=life.found.hub,
        capture_output=True,
        check=True,
    )
    assert b"Flow-run: " in packed.stdout
    assert held(packed.stdout) == []


@pytest.mark.parametrize(
    ("database", "known"), [("mlflow", NAME), ("mlflow_auth", "ada"), ("prefect", "scheduled compress")]
)
def test_no_secret_is_in_a_database(life, database, known):
    dumped = life.found.dumped(database)
    assert known.encode() in dumped
    assert held(dumped) == []


@pytest.mark.parametrize("bucket", ["espalier-dvc", "espalier-mlflow"])
def test_no_secret_is_in_the_store(life, bucket):
    keys = {name: KNOWN[f"AWS_{name.upper()}"] for name in ("access_key_id", "secret_access_key")}
    s3 = boto3.client(
        "s3",
        endpoint_url=life.found.hosts["http://store:8333"],
        region_name="us-east-1",
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
    )
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert listed
    bodies = {entry["Key"]: s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in listed}
    assert {key: found for key, body in bodies.items() if (found := held(body))} == {}
