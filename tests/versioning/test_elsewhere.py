"""Runs shared by clones of one repository, which have nothing else in common."""

import subprocess

import pytest

from tasks import versioning
from tasks.errors import EspalierError, lost_connection
from tasks.versioning.elsewhere import REMOTE
from tasks.versioning.runs import REFS


def git(folder, *words):
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def clones(tmp_path, monkeypatch):
    """Two clones of a bare repository with one commit; runs are shared through it."""
    monkeypatch.setenv(REMOTE, "origin")
    hub, first = tmp_path / "hub.git", tmp_path / "first"
    git(tmp_path, "init", "-q", "--bare", str(hub))
    git(tmp_path, "clone", "-q", str(hub), str(first))
    (first / ".gitignore").write_text(".espalier/\n")
    (first / "dvc.lock").write_text("none yet\n")
    git(first, "add", "-A")
    git(first, "commit", "-q", "-m", "first")
    git(first, "push", "-q", "origin", "HEAD")
    git(tmp_path, "clone", "-q", "--depth", "1", hub.as_uri(), str(tmp_path / "second"))
    return first, tmp_path / "second"


def recorded(root, what, **facts):
    inner = root / ".espalier" / "worktree"
    git(root, "worktree", "add", "-q", "--detach", "--force", str(inner), "HEAD")
    try:
        (inner / "dvc.lock").write_text(f"{what}\n")
        return versioning.record_run(root, inner, f"Run of {what}", facts)
    finally:
        git(root, "worktree", "remove", "--force", str(inner))


def test_a_run_recorded_in_one_clone_is_the_last_one_of_the_other(clones):
    first, second = clones
    run = recorded(first, "one", Version="digits/1")
    assert versioning.latest_run(second) is None
    versioning.fetch_others(second)
    assert versioning.latest_run(second) == run
    assert run.text(second, "dvc.lock") == "one\n"


def test_the_run_that_made_a_version_is_found_wherever_it_was(clones):
    first, second = clones
    run = recorded(first, "one", Version="digits/1")
    assert versioning.run_that_made(second, "digits/1") == run


def test_two_clones_that_have_not_heard_of_each_other_never_share_a_number(clones):
    first, second = clones
    one, other = recorded(first, "one"), recorded(second, "two")
    assert (one.number, other.number) == (1, 2)
    told = {
        line.split("\t")[1]: line.split("\t")[0] for line in git(first, "ls-remote", "origin").splitlines()
    }
    assert (told[f"{REFS}/1"], told[f"{REFS}/2"]) == (one.commit, other.commit)
    versioning.fetch_others(first)
    assert [run.commit for run in versioning.runs(first)] == [one.commit, other.commit]


def test_a_run_is_recorded_once_for_a_flow_run(clones):
    first, _ = clones
    run = recorded(first, "one", **{"Flow-run": "abc"})
    assert recorded(first, "one again", **{"Flow-run": "abc"}) == run
    assert len(versioning.runs(first)) == 1


def test_unless_they_are_shared_runs_stay_where_they_are(clones, monkeypatch):
    first, second = clones
    monkeypatch.delenv(REMOTE)
    recorded(first, "one")
    versioning.fetch_others(second)
    assert REFS not in git(first, "ls-remote", "origin")
    assert versioning.runs(second) == []


def test_a_run_is_not_overwritten_by_another_of_its_name(clones, monkeypatch):
    first, second = clones
    monkeypatch.delenv(REMOTE)
    own = recorded(second, "unshared")
    monkeypatch.setenv(REMOTE, "origin")
    recorded(first, "one")
    with pytest.raises(EspalierError, match=f"{REFS}/1 is one run here and another in Git remote origin"):
        versioning.fetch_others(second)
    assert git(second, "rev-parse", own.ref) == own.commit


def test_a_run_of_the_same_name_elsewhere_is_told_without_the_remotes_password(clones, monkeypatch):
    first, _ = clones
    own = recorded(first, "one")
    monkeypatch.setenv(REMOTE, "https://me:hunter2@host/runs.git")
    monkeypatch.setattr("tasks.versioning.elsewhere._listed", lambda *_: {own.ref: "another"})
    with pytest.raises(EspalierError, match=r"Git remote https://me:\*\*\*@host/runs.git; give"):
        versioning.fetch_others(first)


def test_a_remote_that_is_away_is_one_line_worth_another_try_and_leaves_no_run(clones):
    first, _ = clones
    git(first, "remote", "set-url", "origin", str(first.parent / "gone.git"))
    with pytest.raises(EspalierError, match=f"{REMOTE}: git .*gone.*credentials on this machine") as failed:
        recorded(first, "one")
    assert lost_connection(failed.value)
    assert "\n" not in str(failed.value)
    assert versioning.runs(first) == []
