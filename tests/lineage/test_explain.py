import dataclasses
import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flows.explain_command import _told
from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.lineage.explain import explain
from tasks.lineage.subject import find
from tasks.promotion.act import move, moves_to
from tasks.promotion.ledger import EXPERIMENT, Ledger
from tasks.promotion.versions import CHAMPION, aliases
from tasks.tracking.amend import COMMIT, DIRTY
from tasks.tracking.store import open_client
from tests.lineage.conftest import committed, git

NAME = "testbed"


def told(root, asked="1"):
    return explain(root, load_params(root), asked)


def result(root):
    return find(open_client(root), NAME, "1").result.info.run_id


def tagged(root, **tags):
    for name, value in tags.items():
        open_client(root).set_tag(result(root), {"commit": COMMIT, "dirty": DIRTY}.get(name, name), value)


def promoted(root):
    client = open_client(root)
    ledger = Ledger(client, root, NAME)
    entry = ledger.begin("promote", "1", "it is better")
    move(ledger, entry, moves_to(aliases(client, NAME), "1"))


def test_a_version_is_followed_from_its_raw_rows_to_its_files(finished):
    trail = told(finished, "challenger")
    assert (trail.title, trail.aliases, trail.source) == (
        "testbed version 1",
        ("challenger",),
        "package:mnist",
    )
    assert [(out.stage, out.path) for out in trail.outputs] == [
        ("fetch", "data/raw.parquet"),
        ("evaluate", "models/export"),
        ("evaluate", "reports/evaluate.json"),
    ]
    assert trail.code.commit.id == git(finished, "rev-parse", "HEAD")
    assert trail.code.commit.subject == "A result"
    assert trail.settings["prune.amount"] == "auto"
    assert trail.rows == 450
    assert (trail.notes, trail.contradictions, trail.decisions) == ((), (), ())


def test_looking_writes_nothing(finished):
    before = git(finished, "status", "--porcelain")
    told(finished)
    assert git(finished, "status", "--porcelain") == before
    assert open_client(finished).get_experiment_by_name(EXPERIMENT) is None


@pytest.mark.slow
def test_a_run_by_name_or_id_leads_to_its_version(finished):
    client = open_client(finished)
    subject = find(client, NAME, "1")
    for asked in (result(finished), result(finished)[:8], subject.own.info.run_id, "testbed/1"):
        assert told(finished, asked).version == "1"


def test_eight_digits_are_the_beginning_of_a_runs_id(finished):
    with pytest.raises(EspalierError, match="no version and no run"):
        told(finished, "83013138")


@pytest.mark.parametrize("asked", ["nobody", "7", "champion", "testbed@previous"])
def test_what_is_not_there_is_one_line(finished, asked):
    with pytest.raises(EspalierError) as refused:
        told(finished, asked)
    assert "\n" not in str(refused.value)


def test_the_text_is_readable_at_eighty_columns(finished):
    promoted(finished)
    lines = "\n".join(_told(told(finished))).splitlines()
    assert max(len(line) for line in lines if not urlsplit(line).scheme) <= 80
    text = "\n".join(lines)
    for word in ("package:mnist", "models/export", "A result", "promote (done)", "No contradictions."):
        assert word in text


@pytest.mark.slow
def test_json_has_everything_but_the_lock_files(finished):
    found = json.loads(json.dumps(told(finished).to_dict()))
    assert set(found) == {field.name for field in dataclasses.fields(told(finished))}
    assert "lock" not in found["code"]["commit"]


def unknown_commit(root):
    tagged(root, commit="f" * 40)


def no_commit(root):
    open_client(root).delete_tag(result(root), COMMIT)


def other_code(root):
    (root / "nets" / "own.py").write_text("width = 4\n")
    tagged(root, commit=committed(root, "Another net"))


def unrecorded_changes(root):
    other_code(root)
    tagged(root, dirty="true")


def other_outputs(root):
    lock = root / "dvc.lock"
    lock.write_text(lock.read_text().replace(told(root).outputs[1].hash, "0" * 32 + ".dir"))
    tagged(root, commit=committed(root, "A lock by hand"))


def run_deleted(root):
    open_client(root).delete_run(result(root))


def model_deleted(root):
    client = open_client(root)
    client.delete_logged_model(client.get_run(result(root)).data.tags["espalier.model_id"])


def hash_changed(root):
    open_client(root).set_tag(result(root), "dvc.data/raw.parquet", "0" * 32)


def files_lost(root):
    shutil.rmtree(root / ".dvc" / "cache")
    shutil.rmtree(root / "store")


def model_changed(root):
    next((root / ".espalier").rglob("model.onnx")).write_bytes(b"another")


def champion_by_hand(root):
    promoted(root)
    open_client(root).delete_registered_model_alias(NAME, CHAMPION)


def ref_lost(root):
    commit = git(root, "rev-parse", "HEAD")
    tagged(root, **{"espalier.run_ref": "refs/espalier/runs/7", "espalier.run_commit": commit})


def run_elsewhere(root):
    tagged(root, **{"espalier.run_ref": "refs/espalier/runs/7", "espalier.run_commit": "e" * 40})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (unknown_commit, "commit ffffffffff is not in this repository"),
        (no_commit, "no git commit is recorded"),
        (other_code, "made without local changes, but commit"),
        (unrecorded_changes, "made with local changes that nobody recorded, but commit"),
        (other_outputs, "stage evaluate: dvc.lock at commit"),
        (run_deleted, "the MLflow run of the result was deleted"),
        (model_deleted, "was deleted in MLflow"),
        (hash_changed, "data/raw.parquet: the run's tag says 000000000000"),
        (files_lost, "neither in the DVC cache nor in the remote: data/raw.parquet"),
        (model_changed, "model.onnx of the registered version was changed"),
        (champion_by_hand, "the registry's champion is -, the ledger's 1: moved by hand"),
        (ref_lost, "refs/espalier/runs/7 is gone"),
        (run_elsewhere, "refs/espalier/runs/7, commit eeeeeeeeee, is not in this repository; fetch it"),
    ],
)
def test_what_does_not_hold_is_the_one_contradiction(finished, spoil, said):
    spoil(finished)
    found = told(finished).contradictions
    assert [said in text for text in found] == [True], found


@pytest.mark.slow
def test_other_code_is_named(finished):
    other_code(finished)
    assert "nets (changed)" in told(finished).contradictions[0]


@pytest.mark.slow
def test_local_changes_that_no_stage_reads_are_a_note(finished):
    tagged(finished, dirty="true")
    trail = told(finished)
    assert trail.contradictions == ()
    assert "in no code that a stage reads" in trail.notes[0]


@pytest.mark.slow
def test_a_commit_before_its_dvc_lock_is_a_note(finished):
    (finished / "dvc.lock").unlink()
    tagged(finished, commit=committed(finished, "No lock yet"))
    trail = told(finished)
    assert trail.contradictions == ()
    assert "dvc.lock at commit" in trail.notes[0]


@pytest.mark.slow
def test_files_on_this_disk_alone_are_a_note(finished):
    shutil.rmtree(finished / "store")
    trail = told(finished)
    assert trail.contradictions == ()
    assert "not in the DVC remote: data/raw.parquet" in trail.notes[0]


@pytest.mark.slow
def test_a_remote_is_enough(finished):
    shutil.rmtree(finished / ".dvc" / "cache")
    trail = told(finished)
    assert (trail.notes, trail.contradictions) == ((), ())


@pytest.mark.slow
def test_a_folder_without_git_has_a_version_all_the_same(finished):
    shutil.rmtree(finished / ".git")
    shutil.rmtree(finished / ".dvc" / "tmp", ignore_errors=True)
    config = Path(finished / ".dvc" / "config")
    config.write_text(config.read_text().replace("[core]", "[core]\n    no_scm = true"))
    assert "is not in this repository" in told(finished).contradictions[0]
