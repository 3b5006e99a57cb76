import json
import shutil
from pathlib import Path

import pytest

from flows.reproduce_command import _told
from tasks import versioning
from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.lineage.reproduce import reproduce
from tests.lineage.conftest import committed, git
from tests.lineage.test_explain import files_lost, no_commit, other_code, run_deleted, tagged, unknown_commit

pytestmark = pytest.mark.slow


def again(root, **how):
    return reproduce(root, load_params(root), "1", **how)


def standing(root):
    """Everything of a workspace that making a version again could touch."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    own = (".git/", ".dvc/tmp/", ".espalier/dvc/", ".espalier/mlflow/mlflow.db")
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(own)}


def clones(folder):
    return list(folder.glob("espalier-clone-*"))


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where clones are made."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place


def test_a_version_is_made_again_to_the_bit_and_nothing_else_is_touched(finished, temporary):
    before, head = standing(finished), git(finished, "for-each-ref")
    begun = []
    found = again(finished, say=begun.append)
    assert found.same
    assert (found.computed, found.cached, begun) == (("evaluate",), (), ["evaluate"])
    assert [pair.name for pair in found.files] == ["models/export", "reports/evaluate.json"]
    assert {"reference accuracy", "compressed accuracy"} <= {pair.name for pair in found.metrics}
    assert found.model.recorded == found.model.made != ""
    assert standing(finished) == before
    assert (git(finished, "for-each-ref"), clones(temporary)) == (head, [])
    text = "\n".join(_told(found))
    assert "Equal to the bit." in text
    assert max(map(len, text.splitlines())) <= 80


def test_what_comes_out_otherwise_is_named(finished, temporary, monkeypatch):
    monkeypatch.setenv("OTHER", "1")
    found = again(finished, keep=True)
    assert not found.same
    assert [pair.name for pair in found.files if not pair.same] == ["reports/evaluate.json"]
    assert [pair.name for pair in found.metrics if not pair.same] == ["compressed accuracy"]
    assert found.model.same
    assert json.loads(json.dumps(found.to_dict()))["same"] is False
    text = "\n".join(_told(found))
    assert "0.93" in text
    assert "Not equal." in text
    assert Path(found.folder, "reports", "evaluate.json").exists()
    assert len(clones(temporary)) == 1


def test_a_changed_registered_file_is_not_equal(finished, temporary):
    next((finished / ".espalier").rglob("model.onnx")).write_bytes(b"another")
    found = again(finished)
    assert (found.same, found.model.same) == (False, False)
    assert all(pair.same for pair in found.files)


def test_stages_come_from_the_run_cache_where_that_is_asked_for(finished, temporary, monkeypatch):
    monkeypatch.setenv("OTHER", "1")  # computed, it would differ
    found = again(finished, cached=True)
    assert (found.same, found.computed, found.cached) == (True, (), ("evaluate",))
    assert "proves nothing" in "\n".join(_told(found))


def test_rows_come_from_the_remote_where_the_cache_lost_them(finished, temporary):
    shutil.rmtree(finished / ".dvc" / "cache")
    assert again(finished).same


def test_a_run_that_nobody_committed_is_made_again_from_its_ref(finished, temporary):
    tagged(finished, commit="f" * 40)
    commit = git(finished, "rev-parse", "HEAD")
    git(finished, "update-ref", "refs/espalier/runs/3", commit)
    tagged(finished, **{"espalier.run_ref": "refs/espalier/runs/3", "espalier.run_commit": commit})
    (finished / "nets" / "own.py").write_text("width = 9\n")
    committed(finished, "Gone on")
    found = again(finished)
    assert (found.same, found.ref) == (True, "refs/espalier/runs/3")


def test_a_file_that_git_lacks_is_taken_from_the_folder_by_its_hash(finished, temporary):
    (finished / ".gitignore").open("a").write("nets/\n")
    git(finished, "rm", "-r", "-q", "--cached", "nets")
    tagged(finished, commit=committed(finished, "Nets are not for everybody"))
    found = again(finished)
    assert (found.same, found.brought) == (True, ("nets",))


def test_a_stage_that_fails_says_why(finished, temporary, monkeypatch):
    monkeypatch.setenv("FAILS", "1")
    with pytest.raises(EspalierError, match=r"stage evaluate failed when made again: .*no luck"):
        again(finished)
    assert clones(temporary) == []


def test_rows_that_do_not_arrive_are_said(finished, temporary, monkeypatch):
    monkeypatch.setattr(versioning, "bring", lambda *_, **__: None)
    with pytest.raises(EspalierError, match=r"data/raw\.parquet came other than recorded"):
        again(finished)
    assert clones(temporary) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_commit, "no git commit is recorded; commit, then `espalier run`"),
        (unknown_commit, "is not in this repository; `git fetch` it"),
        (other_code, "nets (changed); put them back, commit"),
        (files_lost, "data/raw.parquet is neither in the DVC cache nor in the remote"),
    ],
)
def test_what_cannot_be_made_again_says_why_and_what_to_do(finished, temporary, spoil, said):
    spoil(finished)
    with pytest.raises(EspalierError) as refused:
        again(finished)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert clones(temporary) == []


def test_a_deleted_run_still_has_what_it_takes(finished, temporary, monkeypatch):
    run_deleted(finished)
    seen = []
    monkeypatch.setattr(versioning, "cloned", lambda _, commit, keep: seen.append(commit))
    with pytest.raises(TypeError):
        again(finished)
    assert seen == [git(finished, "rev-parse", "HEAD")]
