"""`espalier study --clean`."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.study_command import clean
from tasks.errors import EspalierError
from tasks.files import write_bytes
from tasks.study.store import Store
from tasks.study.trial import current_hashes
from tasks.versioning import workspace_lock

PROJECT = Path(__file__).resolve().parents[2]
BIG = bytes(10_000)


@pytest.fixture
def root(tmp_path):
    """A workspace with a trial of now, one of other code, and a node that a killed study left."""
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    write_bytes(tmp_path / "data" / "raw.parquet", b"rows")
    write_bytes(tmp_path / "data" / "raw.json", b"{}")
    store, now = Store(tmp_path), current_hashes(tmp_path)
    for place, key in enumerate(("now", "then", "left")):
        write_bytes(store.work(key) / "model.onnx", BIG + bytes([place]))
        store.publish(key, ["model.onnx"], {"stage": "evaluate", "seconds": 1.0, "failed": None})
    store.record("a", {"key": "a", "hashes": now, "nodes": {"evaluate": "now"}})
    store.record("b", {"key": "b", "hashes": {**now, "code": "other"}, "nodes": {"evaluate": "then"}})
    return tmp_path


def test_what_no_study_from_here_on_reads_is_removed_and_counted(root):
    store, said = Store(root), []
    before = store.size()
    clean(root, said.append)
    assert [path.name for path in (store.folder / "nodes").iterdir()] == ["now"]
    assert [trial["key"] for trial in store.trials()] == ["a"]
    freed = before - store.size()
    assert freed > 2 * len(BIG)
    assert said == [f"{freed:,} bytes freed; 1 of 2 trials kept: those of this data and this code"]


def test_nothing_is_removed_while_a_study_holds_the_workspace_or_a_trial_is_at_work(root):
    with workspace_lock(root), pytest.raises(EspalierError, match="another run"):
        clean(root, print)
    with Store(root).in_use(), pytest.raises(EspalierError, match="a study is under way"):
        clean(root, print)
    assert len(Store(root).trials()) == 2


@pytest.mark.parametrize("more", [["--apply", "knee"], ["--seeds", "2"], ["--set", "train.epochs=2"]])
def test_it_stands_alone(more):
    ended = CliRunner().invoke(app, ["study", "--clean", *more])
    assert isinstance(ended.exception, EspalierError)
    assert str(ended.exception) == "--clean: stands alone; leave out all options but -C"
