"""Where the gate finds the rows and networks that a challenger was made from, while runs come and go."""

import os
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from tasks import lifecycle, versioning
from tasks.errors import EspalierError

PENDING = SimpleNamespace(version="2")


@pytest.fixture
def desk(tmp_path):
    return SimpleNamespace(root=tmp_path, name="digits", made_from=lambda version, lock: True)


@pytest.fixture
def repository(monkeypatch, tmp_path):
    """A repository whose worktrees are folders that say which commit is in them."""

    @contextmanager
    def worktree(root, commit, *, place):
        yield tmp_path / place / commit

    monkeypatch.setattr(versioning, "worktree", worktree)
    monkeypatch.setattr(versioning, "checkout", lambda root: None)
    monkeypatch.setattr(versioning, "snapshot", lambda root: "as-it-stands")
    monkeypatch.setattr(versioning, "busy", lambda root: "")


@pytest.mark.usefixtures("repository")
def test_where_nothing_is_at_work_the_gate_looks_into_the_workspace(desk):
    with lifecycle.as_it_was(desk, PENDING) as where:
        assert where == desk.root


@pytest.mark.usefixtures("repository")
def test_files_that_a_run_is_writing_are_read_as_dvc_has_them(desk, monkeypatch):
    monkeypatch.setattr(versioning, "busy", lambda root: "process 7: espalier run")
    with lifecycle.as_it_was(desk, PENDING) as where:
        assert where == desk.root / "judged" / "as-it-stands"


def disturbed(monkeypatch, *, fails):
    monkeypatch.setattr(versioning, "busy", lambda root: "process 7: espalier run")
    if fails:
        raise FileNotFoundError("data/clean/test.npz")


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("fails", [False, True])
def test_what_was_read_while_a_run_began_to_write_decides_nothing(desk, monkeypatch, fails):
    with pytest.raises(EspalierError, match="began to write"), lifecycle.as_it_was(desk, PENDING):
        disturbed(monkeypatch, fails=fails)


@pytest.mark.usefixtures("repository")
def test_what_a_run_at_work_has_replaced_already_is_told_by_its_name(desk):
    desk.made_from = lambda version, lock: False
    said = rf"version 2 was made from another state .*: another run \(process {os.getpid()}\) holds .*; wait"
    with (
        versioning.workspace_lock(desk.root),
        pytest.raises(EspalierError, match=said),
        lifecycle.as_it_was(desk, PENDING),
    ):
        pytest.fail("it is not as it was")
    with lifecycle.as_it_was(desk, PENDING) as where:
        assert where == desk.root  # and what differs there is told when it is read


@pytest.mark.usefixtures("repository")
def test_a_result_that_was_replaced_while_the_gate_read_decides_nothing(desk):
    with pytest.raises(EspalierError, match="began to write"), lifecycle.as_it_was(desk, PENDING):
        desk.made_from = lambda version, lock: False
