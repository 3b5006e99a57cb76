"""A Dask cluster in this process: what is refused, what travels, how it ends; the whole in tests/e2e."""

import shutil
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from flows.crew import Crew, Job
from flows.workers import _rest, crew_of
from tasks import away
from tasks.errors import EspalierError
from tasks.study.config import StudyConfig
from tasks.study.private import mark, parcel
from tasks.study.store import Store
from tasks.study.trial import known_trial
from tasks.study.worker import WorkerLostError
from tests.study.made import scored

distributed = pytest.importorskip("distributed", reason="extra dask is not installed")
from flows.cluster import Cluster, _faults, _result  # noqa: E402

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tcp",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as connected,
    ):
        yield connected


@pytest.fixture
def root(tmp_path):
    workspace = tmp_path / "workspace"
    (workspace / "data").mkdir(parents=True)
    shutil.copy(PROJECT / "params.yaml", workspace)
    (workspace / "data" / "raw.parquet").write_bytes(b"rows")
    (workspace / "data" / "raw.json").write_text("{}")
    return workspace


def cluster_of(root, client):
    crew = Cluster(root, StudyConfig(runner="dask", address=client.scheduler.address))
    crew._client = client
    return crew


def test_an_address_makes_the_crew_a_cluster_and_nothing_else_does(root):
    assert type(crew_of(root, StudyConfig(runner="dask"))) is Crew
    assert type(crew_of(root, StudyConfig())) is Crew
    assert type(crew_of(root, StudyConfig(runner="dask", address="tcp://127.0.0.1:1"))) is Cluster


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "nonsense://127.0.0.1:{port}"])
def test_an_address_where_nobody_answers_is_one_line(root, address, monkeypatch):
    monkeypatch.setattr("flows.cluster._SECONDS", 1)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        there = address.format(port=taken.getsockname()[1])
        crew = Cluster(root, StudyConfig(runner="dask", address=there))
        with pytest.raises(EspalierError, match=r"^study\.address: no Dask scheduler answers at") as caught:
            crew.at_work().__enter__()
    assert "\n" not in str(caught.value)


def test_a_worker_with_another_espalier_is_refused_before_anything_is_sent(root, client, monkeypatch):
    crew = cluster_of(root, client)
    crew.sent = replace(crew.sent, installed={**crew.sent.installed, "espalier": "another"})
    monkeypatch.setattr("tasks.versioning.offer", None)
    with pytest.raises(EspalierError, match=r"^worker .*: espalier .* \(the study has another\); install"):
        crew._ask()


def test_workers_that_see_the_disk_need_no_remote(root, client, monkeypatch):
    monkeypatch.setattr("tasks.versioning.offer", None)
    crew = cluster_of(root, client)
    crew._ask()
    assert crew._offered is None


def test_a_worker_without_the_disk_has_the_inputs_offered(root, client, monkeypatch):
    monkeypatch.setattr("tasks.versioning.offer", lambda where, paths: (where, paths))
    monkeypatch.setattr("tasks.away.is_here", lambda *_: False)
    crew = cluster_of(root, client)
    crew._ask()
    assert crew._offered == (root, ["data/raw.parquet", "data/raw.json"])


def test_a_worker_that_joined_later_without_the_disk_says_so(root):
    sent = replace(parcel(root, mark(root)), root=str(root / "elsewhere"))
    with pytest.raises(EspalierError, match="joined after the start"):
        away._workspace(sent, None, "worker one")


def test_a_halted_study_begins_no_trial_and_takes_back_what_waits(root, client):
    crew = cluster_of(root, client)
    gate = distributed.Event("gate", client=client)
    begun, waits = client.submit(gate.wait, pure=False), client.submit(len, "ab", resources={"none": 1})
    while begun.key not in {key for keys in client.processing().values() for key in keys}:
        pass
    crew._waited = {1: begun, 2: waits}
    crew.halt()
    assert waits.cancelled()
    with pytest.raises(WorkerLostError):
        _result(waits)
    gate.set()
    assert begun.result()
    late = client.submit(away.compute, crew.sent, None, {}, [0, 1], {"arm": "", "name": ""}, pure=False)
    assert late.result().trials == []


def test_leaving_ends_the_wait_for_workers_that_never_come(root):
    with distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as empty:
        crew = Cluster(root, StudyConfig(runner="dask", address=empty.scheduler_address))
        crew._asked = True
        with crew.at_work() as runner:
            waits = crew._client.submit(len, "ab")
            lost = runner._executor.submit(_result, waits)
        with pytest.raises(WorkerLostError):
            lost.result()


def test_a_worker_without_espalier_is_told_apart(root):
    with pytest.raises(EspalierError, match="install this version of Espalier"), _faults():
        raise ModuleNotFoundError("No module named 'tasks'")


HALF = {"prune.amount": 0.5}


def half(root):
    key, _ = known_trial(root, HALF, 0)
    return scored("half", 0, overrides=HALF, key=key, nodes={"evaluate": "n" * 32})


def made_elsewhere(root, client, trial):
    """A trial in the store of another workspace of the one worker."""
    other = root.parent / "other"
    store = Store(other)
    work = store.work("n" * 32)
    work.mkdir(parents=True)
    (work / "model.onnx").write_bytes(bytes(5000))
    store.publish("n" * 32, ["model.onnx"], {"stage": "evaluate", "seconds": 1.0, "failed": None})
    (address,) = client.scheduler_info()["workers"]
    return away.Made([trial], address, str(other), (trial["key"],)), other


def test_a_trial_made_elsewhere_is_brought_here_with_its_nodes(root, client):
    crew = cluster_of(root, client)
    key, _ = known_trial(root, {"prune.amount": 0.5}, 0)
    trial = {
        **scored("half", 0),
        "overrides": {"prune.amount": 0.5},
        "key": key,
        "nodes": {"evaluate": "n" * 32},
    }
    made, _ = made_elsewhere(root, client, trial)
    assert crew.received(made) == [trial]
    assert (Store(root).node("n" * 32) / "model.onnx").read_bytes() == bytes(5000)
    job = Job("half", "", "", HALF, (0, 1))
    (known,) = crew.known(job)
    assert known["key"] == trial["key"]
    assert _rest(job, [known]).seeds == (1,)


def test_a_trial_of_other_code_is_refused(root, client):
    crew = cluster_of(root, client)
    trial = {**half(root), "key": "other"}
    made, _ = made_elsewhere(root, client, trial)
    with pytest.raises(EspalierError, match="from other code or data than is here"):
        crew.received(made)
    assert Store(root).trials() == []


@pytest.mark.parametrize("gone", ["worker", "node"])
def test_a_trial_whose_nodes_are_gone_is_not_counted(root, client, gone):
    crew = cluster_of(root, client)
    key, _ = known_trial(root, {"prune.amount": 0.5}, 0)
    trial = {
        **scored("half", 0),
        "overrides": {"prune.amount": 0.5},
        "key": key,
        "nodes": {"evaluate": "n" * 32},
    }
    made, other = made_elsewhere(root, client, trial)
    if gone == "worker":
        made = replace(made, worker="tcp://127.0.0.1:1")
    else:
        shutil.rmtree(other)
    with pytest.raises(WorkerLostError):
        crew.received(made)
    assert Store(root).trials() == []
