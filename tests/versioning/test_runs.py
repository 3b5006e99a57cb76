import subprocess
from importlib import import_module

import pytest
from ruamel.yaml import YAML

from tasks import versioning
from tasks.errors import EspalierError
from tasks.versioning.runs import REFS


def git(folder, *words):
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def root(tmp_path):
    """A repository with one committed file, and a workspace that is its top."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text(".espalier/\nignored.txt\n")
    (folder / "params.yaml").write_text("seed: 1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def standing(root):
    """All that a person could see move: branch, index, working tree."""
    return (
        git(root, "rev-parse", "HEAD"),
        git(root, "symbolic-ref", "HEAD"),
        git(root, "status", "--porcelain"),
    )


def files(root, commit):
    return git(root, "ls-tree", "-r", "--name-only", commit).splitlines()


def test_a_clean_folder_is_its_own_snapshot(root):
    assert versioning.snapshot(root) == git(root, "rev-parse", "HEAD")


def test_a_snapshot_has_what_nobody_committed_and_moves_nothing(root):
    (root / "params.yaml").write_text("seed: 2\n")
    (root / "nets").mkdir()
    (root / "nets" / "own.py").write_text("x = 1\n")
    before = standing(root)
    commit = versioning.snapshot(root)
    assert standing(root) == before
    assert git(root, "show", f"{commit}:params.yaml") == "seed: 2"
    assert "nets/own.py" in files(root, commit)
    assert git(root, "rev-parse", f"{commit}^") == before[0]


def test_a_staged_file_keeps_its_stage_and_is_taken_as_it_stands(root):
    (root / "params.yaml").write_text("seed: 2\n")
    git(root, "add", "params.yaml")
    (root / "params.yaml").write_text("seed: 3\n")
    commit = versioning.snapshot(root)
    assert git(root, "show", f"{commit}:params.yaml") == "seed: 3"
    assert git(root, "show", ":params.yaml") == "seed: 2"


def test_a_snapshot_leaves_out_what_is_ignored_large_or_deleted(root):
    (root / "ignored.txt").write_text("x")
    (root / "data.csv").write_bytes(b"0" * 1_000_001)
    (root / "small.csv").write_bytes(b"0" * 1_000_000)
    (root / "params.yaml").unlink()
    assert files(root, versioning.snapshot(root)) == [".gitignore", "small.csv"]


def test_a_repository_without_a_commit_has_a_snapshot(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    assert files(tmp_path, versioning.snapshot(tmp_path)) == ["params.yaml"]


def test_outside_git_it_is_said_what_to_do(tmp_path):
    with pytest.raises(EspalierError, match="`git init`"):
        versioning.snapshot(tmp_path)


@pytest.fixture
def worktree(root, tmp_path):
    folder = tmp_path / "worktree"
    git(root, "worktree", "add", "-q", "--detach", str(folder))
    (folder / "dvc.lock").write_text("made: by the run\n")
    return folder


def test_a_run_is_a_commit_under_a_ref_of_its_own(root, worktree):
    before = standing(root)
    run = versioning.record_run(root, worktree, "Run because of a test", {"Flow-run": "abc", "Version": ""})
    assert (run.number, run.ref) == (1, f"{REFS}/1")
    assert standing(root) == before
    assert git(root, "branch", "--all", "--contains", run.commit) == ""
    assert git(root, "rev-parse", f"{run.ref}^") == before[0]
    assert run.text(root, "dvc.lock") == "made: by the run\n"
    assert run.text(root, "absent.txt") == ""


def test_what_a_run_tells_is_read_back(root, worktree):
    facts = {"Flow-run": "abc", "Why": "the source has changed; it: is so", "Version": ""}
    run = versioning.record_run(root, worktree, "Run because of a test", facts)
    told = {"Workspace": ".", "Flow-run": "abc", "Why": "the source has changed; it: is so"}
    assert versioning.latest_run(root) == versioning.Run(1, run.commit, told)


def test_runs_are_numbered_on_and_never_overwritten(root, worktree):
    numbers = [versioning.record_run(root, worktree, f"Run {n}", {}).number for n in range(12)]
    assert numbers == list(range(1, 13))
    assert [run.number for run in versioning.runs(root)] == numbers
    assert versioning.latest_run(root).number == 12


def test_workspaces_of_a_repository_have_runs_of_their_own(root, worktree):
    inner = root / "examples" / "adult"
    inner.mkdir(parents=True)
    (worktree / "examples" / "adult").mkdir(parents=True)
    versioning.record_run(root, worktree, "Run of the top", {})
    run = versioning.record_run(inner, worktree / "examples" / "adult", "Run of the example", {})
    assert run.number == 2
    assert [run.number for run in versioning.runs(root)] == [1]
    assert versioning.latest_run(inner).number == 2


def test_a_number_that_somebody_else_takes_meanwhile_is_left_to_him(root, worktree, monkeypatch):
    runs = import_module("tasks.versioning.runs")
    other = versioning.record_run(root, worktree, "Run of another", {})
    whole, blind = runs._all, iter([[]])
    monkeypatch.setattr(runs, "_all", lambda root: next(blind, None) or whole(root))
    run = versioning.record_run(root, worktree, "Run", {})
    assert run.number == 2
    assert git(root, "rev-parse", other.ref) == other.commit


GRAPH = """
stages:
  fetch:
    cmd: python fetch.py
    deps: [data/source.json, code.py]
    params: [source]
    outs: [data/raw.csv]
  count:
    cmd: python count.py
    deps: [data/raw.csv, nets]
    params: [count]
    outs: [count.txt]
"""
CONFIG = "[core]\n    analytics = false\n    remote = storage\n['remote \"storage\"']\n    url = ../remote\n"
SETTINGS = {"source": {"uri": "rows.csv"}, "count": 1, "registry": {"name": "a"}}


class Params:
    """What `changes_since` and `worktree` ask of parameters: the source."""

    def __init__(self, uri="rows.csv"):
        from tasks.data.config import SourceConfig

        self.source = SourceConfig(uri=uri)


def write_params(root, **changed):
    with (root / "params.yaml").open("w") as file:
        YAML(typ="safe").dump(SETTINGS | changed, file)


def run_stages(root):
    versioning.refresh_source(root, Params())
    raw = root / "data" / "raw.csv"
    versioning.run_stage(root, "fetch", lambda: raw.write_text((root / "rows.csv").read_text()))
    return [
        outcome.status
        for outcome in [
            versioning.run_stage(root, "fetch", never),
            versioning.run_stage(root, "count", lambda: (root / "count.txt").write_text(raw.read_text()[:1])),
        ]
    ]


def never():
    raise AssertionError("the stage was executed")


@pytest.fixture
def workspace(root):
    """A workspace with a source that Git does not know, and a network's code."""
    versioning.init_workspace(root, config=CONFIG, ignored=".espalier/\n")
    (root / ".gitignore").write_text(".espalier/\nrows.csv\ncount.txt\n")
    (root / "data").mkdir()
    (root / "data" / ".gitignore").write_text("/raw.csv\n")
    (root / "nets").mkdir()
    (root / "nets" / "own.py").write_text("x = 1\n")
    (root / "dvc.yaml").write_text(GRAPH)
    (root / "code.py").write_text("y = 1\n")
    (root / "rows.csv").write_text("3,4\n")
    write_params(root)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "workspace")
    return root


def scheduled(workspace):
    """What a scheduled run does, without a flow: snapshot, worktree, stages, commit."""
    commit = versioning.snapshot(workspace)
    with versioning.worktree(workspace, commit, Params()) as inner:
        run_stages(inner)
        return versioning.record_run(workspace, inner, "Run because of a test", {})


def test_a_run_in_a_worktree_moves_nothing_and_leaves_nothing(workspace):
    before = standing(workspace)
    scheduled(workspace)
    assert standing(workspace) == before
    assert not (workspace / "dvc.lock").exists()
    assert not (workspace / "count.txt").exists()
    assert len(git(workspace, "worktree", "list").splitlines()) == 1
    assert list((workspace / ".espalier" / "worktree").iterdir()) == []


def test_a_worktree_whose_maker_was_killed_while_git_made_it_is_no_obstacle(workspace):
    folder = workspace / ".espalier" / "worktree" / workspace.name
    git(workspace, "worktree", "add", "-q", "--detach", "--lock", "--reason", "initializing", str(folder))
    (folder / "params.yaml").unlink()
    scheduled(workspace)
    assert len(git(workspace, "worktree", "list").splitlines()) == 1


def test_the_worktree_shares_cache_state_source_and_remote(workspace):
    with versioning.worktree(workspace, versioning.snapshot(workspace), Params()) as inner:
        assert (inner / ".espalier").resolve() == workspace / ".espalier"
        assert (inner / "rows.csv").read_text() == "3,4\n"
        assert versioning.remote(inner) == versioning.remote(workspace)


def test_what_a_worktree_computed_the_workspace_restores(workspace):
    versioning.refresh_source(workspace, Params())
    scheduled(workspace)
    assert versioning.run_stage(workspace, "fetch", never).status == "restored"
    assert versioning.run_stage(workspace, "count", never).status == "restored"
    assert (workspace / "count.txt").read_text() == "3"


def test_a_run_is_rebuilt_from_its_ref(workspace):
    run = scheduled(workspace)
    write_params(workspace, count=2)
    with versioning.worktree(workspace, run.commit, Params()) as inner:
        assert versioning.run_stage(inner, "fetch", never).status == "restored"
        assert versioning.run_stage(inner, "count", never).status == "restored"
        assert versioning.status(inner) == {}


def test_a_worktree_that_a_killed_run_left_is_replaced(workspace):
    top = workspace / ".espalier" / "worktree" / workspace.name
    git(workspace, "worktree", "add", "-q", "--detach", str(top))
    (top / "half.txt").write_text("x")
    with versioning.worktree(workspace, versioning.snapshot(workspace), Params()) as inner:
        assert inner == top
        assert not (inner / "half.txt").exists()


def test_removing_a_worktree_follows_no_link(workspace):
    with versioning.worktree(workspace, versioning.snapshot(workspace), Params()):
        (workspace / ".espalier" / "kept.txt").write_text("x")
    assert (workspace / ".espalier" / "kept.txt").exists()
    assert (workspace / "rows.csv").exists()


def test_after_a_run_there_is_no_reason_for_another(workspace):
    run = scheduled(workspace)
    assert versioning.changes_since(workspace, Params(), run) == ()
    (workspace / "README.md").write_text("words\n")
    assert versioning.changes_since(workspace, Params(), run) == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda root: (root / "rows.csv").write_text("5,6\n"), "the source has changed"),
        (lambda root: (root / "code.py").write_text("y = 2\n"), "code.py is modified"),
        (lambda root: (root / "nets" / "own.py").write_text("x = 2\n"), "nets is modified"),
        (lambda root: write_params(root, count=2), "count changed"),
        (lambda root: write_params(root, registry={"name": "b"}), "section registry changed"),
        (
            lambda root: (root / "dvc.yaml").write_text(GRAPH.replace("count.py", "other.py")),
            "the command of count changed",
        ),
        (
            lambda root: (root / "dvc.yaml").write_text(GRAPH.replace("  count:", "  second:")),
            "stage second is new",
        ),
    ],
)
def test_a_change_is_a_reason_until_it_has_been_run(workspace, change, reason):
    run = scheduled(workspace)
    change(workspace)
    assert versioning.changes_since(workspace, Params(), run) == (reason,)
