import json
import os
import shutil
import subprocess
import time

import pytest

from tasks import versioning
from tasks.errors import EspalierError
from tasks.versioning.retention import Store
from tests.versioning.led import (
    CONFIG,
    GRAPH,
    LONG_AGO,
    back,
    cache,
    committed,
    git,
    made,
    stored,
    workspace_with_a_commit,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return workspace_with_a_commit(tmp_path_factory.mktemp("template") / "workspace")


@pytest.fixture
def root(template, tmp_path):
    return shutil.copytree(template, tmp_path / "workspace")


def freed(root, without=()):
    """Say what is in the objects that nothing needs."""
    keep = versioning.needed(root, (), without)
    found, _ = versioning.stores(root)
    paths = [path for store in found for path in versioning.surplus(store, keep, time.time() - 86_400)]
    return [path.read_text() for path in paths]


def test_what_nothing_names_is_freed_and_what_the_folder_names_is_not(root):
    made(root, "forgotten")
    made(root, "as it stands")
    assert freed(root) == ["forgotten"]


def test_what_any_ref_leads_to_stays(root):
    refs = ["heads/other", "tags/v1", "remotes/origin/x", "espalier/runs/1", "stash"]
    for ref in refs:
        git(root, "update-ref", f"refs/{ref}", committed(root, f"of {ref}"))
        back(root)
    committed(root, "of none")
    back(root)
    assert freed(root) == ["of none"]
    for ref in refs:
        git(root, "update-ref", "-d", f"refs/{ref}")
    assert sorted(freed(root)) == sorted([*(f"of {ref}" for ref in refs), "of none"])


def test_what_an_earlier_commit_of_a_branch_names_stays(root):
    committed(root, "second")
    committed(root, "third")
    assert freed(root) == []


def test_what_a_linked_worktree_has_checked_out_stays(root, tmp_path):
    commit = committed(root, "looked at elsewhere")
    back(root)
    git(root, "worktree", "add", "-q", "--detach", str(tmp_path / "elsewhere"), commit)
    assert freed(root) == []


def test_what_is_staged_stays(root):
    made(root, "staged")
    git(root, "add", "dvc.lock")
    made(root, "the first")
    assert freed(root) == []


def test_what_a_merge_brought_together_stays(root):
    git(root, "branch", "other")
    committed(root, "here")
    git(root, "checkout", "-q", "other")
    committed(root, "there")
    git(root, "merge", "-q", "-s", "ours", "--no-commit", "main")
    made(root, "both")
    git(root, "commit", "-q", "-am", "merged")
    committed(root, "later")
    git(root, "branch", "-q", "-D", "main")
    assert freed(root) == []


def test_a_commit_whose_graph_cannot_be_read_keeps_what_its_lock_names(root):
    (root / "dvc.yaml").write_text("stages: [broken")
    committed(root, "of a broken commit")
    (root / "dvc.yaml").write_text(GRAPH)
    committed(root, "mended")
    assert freed(root) == []


def test_the_files_of_a_folder_stay_with_it_even_if_its_list_is_in_the_remote_alone(root):
    part = stored(cache(root), "a file of a folder")
    listed = json.dumps([{"md5": part, "relpath": "a"}])
    folder = stored(root / ".espalier" / "remote", listed, ".dir")
    assert sorted(freed(root)) == sorted([listed, "a file of a folder"])
    (root / "data.dvc").write_text(f"outs:\n- md5: {folder}\n  hash: md5\n  path: data\n")
    git(root, "add", "data.dvc")
    git(root, "commit", "-q", "-m", "a folder")
    git(root, "rm", "-q", "data.dvc")
    assert freed(root) == []


def test_lists_of_folders_are_freed_before_their_files(root):
    stored(cache(root), "a file")
    stored(cache(root), "[]", ".dir")
    assert freed(root) == ["[]", "a file"]


def test_what_records_in_mlflow_name_stays(root):
    name = stored(cache(root), "of a run by hand")
    assert "of a run by hand" in freed(root)
    assert name in versioning.needed(root, [name])


def test_what_was_written_lately_stays(root):
    name = stored(cache(root), "a moment ago")
    os.utime(cache(root) / "files" / "md5" / name[:2] / name[2:])
    assert freed(root) == []


def test_the_run_cache_forgets_the_results_that_go_and_no_others(root):
    store = Store("DVC cache", cache(root))
    gone, kept = stored(cache(root), "gone"), stored(cache(root), "the first")
    for name in (gone, kept):
        entry = cache(root) / "runs" / "ab" / f"ab{name}" / name
        entry.parent.mkdir(parents=True)
        entry.write_text(
            f"cmd: make\ndeps:\n- path: in\n  md5: {gone}\nouts:\n- path: out.txt\n  md5: {name}\n"
        )
    keep = versioning.needed(root)
    found = [path.name for path in versioning.surplus(store, keep, time.time() - 86_400)]
    assert found == [gone[2:], gone]


def test_the_run_cache_keeps_no_empty_folder_which_dvc_stumbles_over(root):
    gone = stored(cache(root), "gone")
    folder = cache(root) / "runs" / "ab" / f"ab{gone}"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / name).write_text(f"cmd: make\nouts:\n- path: out.txt\n  md5: {gone}\n")
    keep = versioning.needed(root)
    found, _ = versioning.stores(root)
    versioning.free_objects(root, versioning.surplus(found[0], keep, time.time() - 86_400))
    assert not folder.exists()
    assert versioning.surplus(found[0], keep, time.time()) == []


def test_what_a_killed_removal_left_goes_with_the_next(root):
    rest = cache(root) / "runs" / "ab" / "abc.gone" / "one"
    rest.parent.mkdir(parents=True)
    rest.write_text("cmd: make\n")
    store = versioning.stores(root)[0][0]
    versioning.free_objects(root, versioning.surplus(store, versioning.needed(root), time.time() - 86_400))
    assert not rest.parent.exists()


def test_a_cache_and_a_remote_that_others_share_are_left_alone(root, tmp_path):
    versioning.set_remote(root, str(tmp_path / "shared"), {}, tmp_path)
    stored(tmp_path / "shared", "of others")
    stored(tmp_path / "cache", "of others too")
    (root / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {tmp_path / 'cache'}\n")
    found, left = versioning.stores(root)
    assert found == []
    assert [str(tmp_path / "cache") in left[0], str(tmp_path / "shared") in left[1]] == [True, True]


def test_objects_are_removed_and_dvc_looks_anew_what_its_remote_holds(root):
    (root / "out.txt").write_text("the first")
    versioning.push(root)
    assert versioning.presence(root) == (1, 0)
    found = [path for store in versioning.stores(root)[0] for path in store.objects().values()]
    assert len(found) == 2
    versioning.free_objects(root, found)
    assert not any(path.exists() for path in found)
    assert versioning.presence(root) == (1, 1)


def test_while_dvc_is_at_work_nothing_is_freed(root):
    lock = root / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(json.dumps({"write": {"out.txt": {"pid": os.getpid(), "cmd": "dvc repro"}}}))
    path = next(iter(Store("", cache(root)).objects().values()))
    with pytest.raises(EspalierError, match="DVC is at work here"):
        versioning.free_objects(root, [path])
    assert path.exists()


def recorded(root, number, text):
    """Record a run as a schedule does, long ago."""
    made(root, text)
    git(root, "add", "dvc.lock")
    tree = git(root, "write-tree")
    day = {"GIT_COMMITTER_DATE": f"{LONG_AGO:.0f} +0000", "GIT_AUTHOR_DATE": f"{LONG_AGO:.0f} +0000"}
    message = f"A run\n\nWorkspace: .\nVersion: testbed/{number}\n"
    done = subprocess.run(
        ["git", "commit-tree", tree, "-p", "HEAD", "-m", message],
        cwd=root,
        env={**os.environ, **day},
        check=True,
        capture_output=True,
        text=True,
    )
    git(root, "update-ref", f"refs/espalier/runs/{number}", done.stdout.strip())
    git(root, "checkout", "-q", "HEAD", "--", ".")


def test_of_old_recorded_runs_all_but_the_last_can_be_forgotten_with_what_they_alone_need(root):
    recorded(root, 1, "run one")
    recorded(root, 2, "run two")
    assert freed(root) == []
    old = versioning.old_runs(root, time.time() - 86_400)
    assert [run.number for run in old] == [1]
    assert freed(root, old) == ["run one"]
    versioning.forget(root, old[0])
    assert [run.number for run in versioning.runs(root)] == [2]
    assert freed(root) == ["run one"]
    assert versioning.old_runs(root, LONG_AGO - 1) == []


def test_a_worktree_that_a_killed_run_left_is_found_after_a_day_and_removed(root):
    folder = root / ".espalier" / "worktree" / "workspace"
    git(root, "worktree", "add", "-q", "--detach", str(folder), "HEAD")
    assert versioning.left_worktrees(root) == []
    os.utime(folder / ".git", (LONG_AGO, LONG_AGO))
    assert versioning.left_worktrees(root) == [folder]
    versioning.abandon(root, folder)
    assert not folder.exists()
    assert len(git(root, "worktree", "list").splitlines()) == 1


def test_a_workspace_in_a_subfolder_keeps_what_its_own_history_names(root):
    inner = root / "examples" / "inner"
    (inner / ".dvc").mkdir(parents=True)
    (inner / ".dvc" / "config").write_text(CONFIG)
    (inner / ".dvc" / ".gitignore").write_text("/tmp\n/cache\n")
    (inner / "dvc.yaml").write_text(GRAPH)
    made(inner, "inner one")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "inner")
    made(inner, "inner two")
    made(inner, "inner three")
    assert freed(inner) == ["inner two"]


def test_outside_of_git_the_folder_itself_says_what_stays(root):
    shutil.rmtree(root / ".git")
    (root / ".dvc" / "config").write_text(CONFIG.replace("[core]\n", "[core]\n    no_scm = True\n"))
    made(root, "forgotten")
    made(root, "as it stands")
    assert sorted(freed(root)) == ["forgotten", "the first"]


def test_the_last_compression_is_never_old_though_studies_came_after_it(root):
    for number, kind in enumerate(["", "", "study", "study"], start=1):
        message = "A run\n\nWorkspace: ." + (f"\nKind: {kind}" if kind else "")
        commit = git(root, "commit-tree", "HEAD^{tree}", "-m", message)
        git(root, "update-ref", f"refs/espalier/runs/{number}", commit)
    assert [run.number for run in versioning.old_runs(root, time.time() + 60)] == [1, 3]
    assert versioning.latest_run(root).number == 2
