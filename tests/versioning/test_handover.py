import hashlib
import json
import shutil

import pytest

from tasks import versioning
from tasks.errors import EspalierError
from tests.versioning.led import LOCK, back, cache, committed, git, stored, workspace_with_a_commit


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return workspace_with_a_commit(tmp_path_factory.mktemp("template") / "workspace")


@pytest.fixture
def root(template, tmp_path):
    workspace = shutil.copytree(template, tmp_path / "workspace")
    versioning.set_remote(workspace, "../shared", {}, workspace)
    git(workspace, "commit", "-q", "--amend", "--no-edit", "-a")
    return workspace


def sent(root):
    return sorted(
        path.read_text() for path in (root.parent / "shared" / "files").rglob("*") if path.is_file()
    )


def test_what_commits_and_recorded_runs_lead_to_is_copied_and_nothing_else(root):
    for ref in ("espalier/runs/1", "heads/other"):
        git(root, "update-ref", f"refs/{ref}", committed(root, f"of {ref}"))
        back(root)
    stored(cache(root), "of nothing")
    assert versioning.hand_over(root) == versioning.Handover(3, 0, 0)
    assert sent(root) == ["of espalier/runs/1", "of heads/other", "the first"]
    assert versioning.hand_over(root) == versioning.Handover(0, 3, 0)


def test_what_git_leads_to_and_nobody_has_is_passed_over(root):
    committed(root, "second")
    shutil.rmtree(cache(root) / "files")
    stored(cache(root), "the first")
    assert versioning.hand_over(root) == versioning.Handover(1, 0, 0)


def folder_of(root, *texts):
    """Make a folder of files a result; return the hash of its list."""
    entries = [{"md5": stored(cache(root), text), "relpath": f"{text}.txt"} for text in texts]
    name = stored(cache(root), json.dumps(entries), ".dir")
    (root / "dvc.lock").write_text(LOCK.format(name))
    git(root, "commit", "-q", "-am", "a folder")
    return name


def test_a_folder_goes_with_its_files(root):
    name = folder_of(root, "one", "two")
    assert versioning.hand_over(root).copied == 4
    there = {path.parent.name + path.name for path in (root.parent / "shared" / "files").rglob("*.dir")}
    assert there == {name}
    assert {"one", "two"} <= set(sent(root))


def test_a_list_whose_files_are_not_all_here_stays_and_is_counted(root):
    folder_of(root, "one", "two")
    gone = hashlib.md5(b"two", usedforsecurity=False).hexdigest()
    (cache(root) / "files" / "md5" / gone[:2] / gone[2:]).unlink()
    assert versioning.hand_over(root) == versioning.Handover(2, 0, 1)
    assert sent(root) == ["one", "the first"]
    assert not list((root.parent / "shared").rglob("*.dir"))


def torn(root, name):
    (cache(root) / "files" / "md5" / name[:2] / name[2:]).write_text("[{")


def test_a_torn_list_of_a_recorded_run_is_passed_over(root):
    name = folder_of(root, "one")
    git(root, "update-ref", "refs/espalier/runs/1", "HEAD")
    back(root)
    torn(root, name)
    assert versioning.hand_over(root) == versioning.Handover(1, 0, 0)


def test_a_torn_list_of_the_current_result_is_told_with_what_to_do(root):
    torn(root, folder_of(root, "one"))
    with pytest.raises(EspalierError, match=r"is corrupted in the DVC cache.*`dvc pull` brings it"):
        versioning.hand_over(root)


def test_so_it_is_where_the_files_of_the_current_result_are_counted(root):
    torn(root, folder_of(root, "one"))
    with pytest.raises(EspalierError, match=r"is corrupted in the DVC cache.*`dvc pull` brings it"):
        versioning.presence(root)


def test_a_folder_of_a_recorded_run_goes_from_a_cache_outside_of_the_workspace(root, tmp_path):
    folder_of(root, "one", "two")
    git(root, "update-ref", "refs/espalier/runs/1", "HEAD")
    back(root)
    shutil.move(cache(root), tmp_path / "cache")
    (root / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {tmp_path / 'cache'}\n")
    assert versioning.hand_over(root) == versioning.Handover(4, 0, 0)


def test_without_a_remote_it_is_said(template, tmp_path):
    workspace = shutil.copytree(template, tmp_path / "workspace")
    (workspace / ".dvc" / "config").write_text("")
    with pytest.raises(EspalierError, match=r"no DVC remote is set; `espalier remote URL` sets one"):
        versioning.hand_over(workspace)
