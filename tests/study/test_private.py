from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tasks.errors import EspalierError
from tasks.study.private import differences, installed, is_here, mark, needed, parcel, private_workspace
from tasks.study.trial import known_trial, run_trial

HALF = {"prune.amount": 0.5}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "espalier" / "workspaces"


def copy(root: Path, paths, target: Path) -> None:
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (root / path).is_dir() else shutil.copy)(root / path, target / path)


def test_a_copy_of_the_workspace_is_not_its_disk(fresh, tmp_path):
    token = mark(fresh)
    assert is_here(fresh, token)
    shutil.copytree(fresh, tmp_path / "copy")
    later = mark(fresh)
    assert is_here(fresh, later)
    assert not is_here(tmp_path / "copy", later)
    assert not is_here(fresh, token)
    assert not is_here(tmp_path / "nowhere", later)


def test_a_private_workspace_gives_the_trial_of_the_original_under_the_same_key(copied, cache):
    root = copied()
    sent = parcel(root, "")
    private = private_workspace(sent, partial(copy, root, needed(root)))
    assert private.parent == cache
    assert not (private / ".espalier" / "study" / "trials").exists()
    key, found = known_trial(root, HALF, 0)
    assert found is not None
    shutil.rmtree(root)
    here = run_trial(private, HALF, 0, base=sent.params)
    assert here["key"] == key
    assert {**here, "arm": "", "train_seconds": 0} == {**found, "arm": "", "train_seconds": 0}


def test_it_is_fetched_once_for_all_workers_of_a_machine(fresh, cache):
    sent, fetched = parcel(fresh, "a"), []

    def fetch(target):
        fetched.append(target)
        copy(fresh, needed(fresh), target)

    first = private_workspace(sent, fetch)
    assert private_workspace(replace(sent, token="b", params="seed: 2"), fetch) == first
    assert len(fetched) == 1
    other = private_workspace(replace(sent, texts={**sent.texts, "dvc.lock": ""}), fetch)
    assert other != first


def test_what_is_fetched_and_is_not_what_was_meant_makes_no_workspace(fresh, cache):
    sent = parcel(fresh, "")

    def fetch(target):
        copy(fresh, needed(fresh), target)
        (target / "data" / "raw.json").write_text("{}")

    with pytest.raises(EspalierError, match=r"data/raw\.json: what the DVC remote gives is not"):
        private_workspace(sent, fetch)
    assert [path for path in cache.iterdir() if not path.name.startswith(".") and path.is_dir()] == []


def test_a_fetch_that_was_killed_is_begun_again(fresh, cache):
    sent = parcel(fresh, "")

    def killed(target):
        (target / "data").mkdir()
        (target / "data" / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        private_workspace(sent, killed)
    whole = private_workspace(sent, partial(copy, fresh, needed(fresh)))
    assert not (whole / "data" / "half").exists()


def test_what_no_study_asked_for_in_a_month_is_removed(fresh, cache):
    fetch = partial(copy, fresh, needed(fresh))
    sent = parcel(fresh, "")
    old = private_workspace(sent, fetch)
    os.utime(old, (0, 0))
    new = private_workspace(replace(sent, texts={**sent.texts, "dvc.lock": ""}), fetch)
    assert new.exists()
    assert not old.exists()


def test_a_cache_that_cannot_be_written_is_told_with_what_to_do(fresh, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EspalierError, match="below XDG_CACHE_HOME"):
        private_workspace(parcel(fresh, ""), partial(copy, fresh, needed(fresh)))


def test_differences_name_what_is_here_and_what_the_study_has():
    here = installed()
    assert differences(here, dict(here)) == ""
    assert differences({**here, "torch": "1.0"}, here) == f"torch {here['torch']} (the study has 1.0)"
