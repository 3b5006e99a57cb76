import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tasks.tracking.retention import KEEP, Needs, Store, open_store
from tasks.tracking.store import experiment_id, open_client, own_database

MODEL = "testbed"
NOTHING = Needs(versions=())


@pytest.fixture
def root(make_workspace):
    return make_workspace()


@pytest.fixture
def client(root):
    return open_client(root)


@pytest.fixture
def experiment(client, root):
    return experiment_id(client, root, MODEL)


@pytest.fixture
def record(client, experiment):
    """Record a result: a run with a file, one nested in it, and perhaps a version made from that."""

    def made(*, version=False, nested=True, **tags):
        own = {"espalier.identity": "a", **{f"espalier.{name}": value for name, value in tags.items()}}
        outer = client.create_run(experiment, tags=own).info.run_id
        client.log_text(outer, "a page", "report.html")
        if nested:
            inner = client.create_run(experiment, tags={"mlflow.parentRunId": outer, "espalier.model": "x"})
            client.log_text(inner.info.run_id, "weights", "model.onnx")
        if version:
            number = _registered(client, experiment, inner.info.run_id)
            return outer, number
        return outer

    return made


def _registered(client, experiment, run):
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):
        client.create_registered_model(MODEL)
    model = client.create_logged_model(experiment, name="m", source_run_id=run)
    place = Path(urlsplit(model.artifact_location).path)
    place.mkdir(parents=True)
    (place / "MLmodel").write_text("a model")
    client.finalize_logged_model(model.model_id, "READY")
    made = client.create_model_version(MODEL, str(place), run_id=run)
    return str(made.version)


def surplus(root, needs=NOTHING, before=None):
    """Ids of the outer runs that nothing needs."""
    found = open_store(root).surplus(needs, time.time() + 60 if before is None else before)
    return {family.head.info.run_id for family in found}


def files(root):
    artifacts = root / ".espalier" / "mlflow" / "artifacts"
    return sorted(path.name for path in artifacts.rglob("*") if path.is_file())


def test_old_runs_are_of_no_use_unless_something_needs_them(root, record):
    first, second = record(), record(KEPT="x")
    assert surplus(root) == {first, second}
    assert surplus(root, before=time.time() - 3600) == set()
    assert surplus(root, Needs(versions=(), runs=[first])) == {second}
    assert surplus(root, Needs(versions=(), identity="a")) == set()


def test_a_nested_run_that_is_needed_keeps_the_whole_result(root, client, experiment, record):
    outer = record()
    inner = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{outer}'")[0].info.run_id
    assert surplus(root, Needs(versions=(), runs=[inner])) == set()


def test_runs_that_espalier_did_not_record_and_runs_of_the_ledger_stay(root, client, experiment):
    client.create_run(experiment, tags={"mine": "yes"})
    ledger = client.create_experiment("promotions")
    client.create_run(ledger, tags={"espalier.ledger.model": MODEL})
    assert surplus(root, Needs(versions=(), experiments=[ledger])) == set()
    assert len(surplus(root)) == 1


def test_a_run_with_the_tag_that_keeps_it_stays(root, client, record):
    run = record()
    client.set_tag(run, KEEP, "true")
    assert surplus(root) == set()
    client.set_tag(run, KEEP, "false")
    assert surplus(root) == {run}


def test_a_version_that_is_needed_keeps_its_run_and_what_is_told_of_it(root, client, record):
    outer, number = record(version=True)
    watched = record(nested=False, model_version=f"{MODEL}/{number}")
    shadow = record(nested=False, model=MODEL, shadow=number, answering="9")
    other = record(nested=False, model_version=f"{MODEL}/7")
    assert surplus(root) == {outer, watched, shadow, other}
    assert surplus(root, Needs(versions=[f"{MODEL}/{number}"])) == {other}
    client.set_registered_model_alias(MODEL, "mine", number)
    assert open_store(root).aliased == {f"{MODEL}/{number}"}


def test_what_is_removed_is_gone_with_version_model_and_files_and_the_rest_is_whole(root, client, record):
    from mlflow.entities import ViewType
    from mlflow.exceptions import MlflowException

    kept, first = record(version=True)
    _, second = record(version=True)
    store = open_store(root)
    (family,) = store.surplus(Needs(versions=[f"{MODEL}/{first}"]), time.time() + 60)
    assert store.size(family) == len("a page") + len("weights") + len("a model")
    store.remove(family)
    everything = client.search_runs(
        [run.info.experiment_id for run in family.runs], run_view_type=ViewType.ALL
    )
    assert {run.info.run_id for run in everything if "espalier.identity" in run.data.tags} == {kept}
    assert len(everything) == 2
    assert files(root) == ["MLmodel", "model.onnx", "report.html"]
    assert len(client.search_logged_models([family.runs[0].info.experiment_id])) == 1
    with pytest.raises(MlflowException, match=f"version={second}"):
        client.get_model_version(MODEL, second)
    assert client.get_model_version(MODEL, first).status == "READY"
    assert list((root / ".espalier" / "mlflow" / "artifacts").glob(f"{family.head.info.run_id}*")) == []


def test_runs_that_were_deleted_in_mlflow_are_removed_for_good_when_old(root, client, experiment, record):
    from mlflow.entities import ViewType

    outer, _ = record(version=True)
    for model in client.search_logged_models([experiment]):
        client.delete_logged_model(model.model_id)
    for run in client.search_runs([experiment]):
        client.delete_run(run.info.run_id)
    store = open_store(root)
    (family,) = store.surplus(NOTHING, time.time() + 60)
    assert family.head.info.run_id == outer
    store.remove(family)
    assert client.search_runs([experiment], run_view_type=ViewType.ALL) == []
    assert files(root) == []


def test_a_removal_that_was_killed_is_finished_by_the_next(root, record, monkeypatch):
    record(version=True)
    store = open_store(root)
    (family,) = store.surplus(NOTHING, time.time() + 60)

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store._own, "_hard_delete_run", killed)
    with pytest.raises(KeyboardInterrupt):
        store.remove(family)
    monkeypatch.undo()
    again = open_store(root)
    for left in again.surplus(NOTHING, time.time() + 60):
        again.remove(left)
    assert surplus(root) == set()
    assert open_store(root).families == []


def test_what_a_result_was_made_of_is_told_by_its_tags(root, client, record):
    outer = record()
    client.set_tag(outer, "dvc.data/raw.parquet", "0" * 32)
    (family,) = open_store(root).families
    assert family.hashes == {"0" * 32}


def test_a_workspace_without_a_database_has_no_store(tmp_path):
    assert open_store(tmp_path) is None


def test_files_in_another_folder_are_not_this_workspaces_to_remove(root, record, tmp_path_factory):
    """As in a copy of a workspace, whose database leads to the files of the original."""
    from mlflow import MlflowClient

    record()
    store = Store(MlflowClient(own_database(root)), tmp_path_factory.mktemp("copy"))
    (family,) = store.surplus(NOTHING, time.time() + 60)
    assert store.size(family) == 0
    store.remove(family)
    assert files(root) == ["model.onnx", "report.html"]
