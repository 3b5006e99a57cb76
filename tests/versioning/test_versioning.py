import hashlib
import itertools
import json
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc_data.index import collect
from ruamel.yaml import YAML

from tasks import versioning
from tasks.errors import EspalierError

GRAPH = """
stages:
  double:
    cmd: cat in.txt in.txt > double.txt
    deps: [in.txt]
    params: [double]
    outs: [double.txt]
  count:
    cmd: wc -c < double.txt > count.txt
    deps: [double.txt]
    params: [count]
    outs: [count.txt]
"""


@pytest.fixture
def root(fresh):
    (fresh / "dvc.yaml").write_text(GRAPH)
    (fresh / "in.txt").write_text("ab")
    set_params(fresh, double=1, count=1)
    return fresh


def set_params(root, **values):
    with (root / "params.yaml").open("w") as file:
        YAML(typ="safe").dump(values, file)


def double(root):
    return lambda: (root / "double.txt").write_text(2 * (root / "in.txt").read_text())


def count(root):
    return lambda: subprocess.run("wc -c < double.txt > count.txt", shell=True, cwd=root, check=True)


def run_all(root):
    return [
        versioning.run_stage(root, "double", double(root)).status,
        versioning.run_stage(root, "count", count(root)).status,
    ]


def reproduce(root, monkeypatch):
    monkeypatch.chdir(root)
    with Repo(str(root)) as repo:
        return [stage.name for stage in repo.reproduce()]


def fails():
    raise EspalierError("broken on purpose")


def never():
    raise AssertionError("the stage was executed")


def test_a_stage_runs_once_and_is_then_skipped(root):
    assert run_all(root) == ["ran", "ran"]
    assert run_all(root) == ["skipped", "skipped"]


def test_status_is_clean_after_the_stages(root):
    run_all(root)
    assert versioning.status(root) == {}


def test_repro_runs_nothing_after_the_stages(root, monkeypatch):
    run_all(root)
    assert reproduce(root, monkeypatch) == []


def test_stages_run_nothing_after_repro(root, monkeypatch):
    assert sorted(reproduce(root, monkeypatch)) == ["count", "double"]
    assert run_all(root) == ["skipped", "skipped"]


def test_the_lock_file_is_the_one_repro_writes(root, monkeypatch):
    run_all(root)
    ours = (root / "dvc.lock").read_bytes()
    (root / "dvc.lock").unlink()
    shutil.rmtree(root / ".dvc" / "cache")
    reproduce(root, monkeypatch)
    assert (root / "dvc.lock").read_bytes() == ours


def runs_cached(root):
    folder = root / ".dvc" / "cache" / "runs"
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_run_cache_is_the_one_repro_fills(root, monkeypatch):
    run_all(root)
    ours = runs_cached(root)
    (root / "dvc.lock").unlink()
    shutil.rmtree(root / ".dvc" / "cache")
    reproduce(root, monkeypatch)
    assert len(ours) == 2
    assert runs_cached(root) == ours


def test_the_read_write_lock_is_free_after_the_stages(root):
    run_all(root)
    assert not any(json.loads((root / ".dvc" / "tmp" / "rwlock").read_text()).values())


def test_stages_share_one_repository_that_is_kept_open(root, monkeypatch):
    made = []
    make = Repo.__init__
    monkeypatch.setattr(Repo, "__init__", lambda self, *given: (made.append(self), make(self, *given))[1])
    with versioning.kept_open(root):
        assert run_all(root) == ["ran", "ran"]
        assert versioning.push(root) == 2
    assert len(made) == 1


def test_a_repository_kept_open_sees_what_changed_since_the_last_stage(root):
    with versioning.kept_open(root):
        run_all(root)
        set_params(root, double=1, count=2)
        assert run_all(root) == ["skipped", "ran"]
        (root / "in.txt").write_text("abc")
        assert run_all(root) == ["ran", "ran"]
        (root / ".dvcignore").write_text("count.txt")
        with pytest.raises(EspalierError, match=r"count\.txt"):
            run_all(root)
    (root / ".dvcignore").unlink()
    assert run_all(root) == ["skipped", "skipped"]
    assert versioning.status(root) == {}


def test_a_repository_kept_open_survives_a_stage_that_failed(root):
    with versioning.kept_open(root):
        with pytest.raises(EspalierError, match="on purpose"):
            versioning.run_stage(root, "double", fails)
        assert run_all(root) == ["ran", "ran"]


def test_a_repository_kept_open_is_free_for_others_between_stages(root, monkeypatch):
    with versioning.kept_open(root):
        versioning.run_stage(root, "double", double(root))
        assert reproduce(root, monkeypatch) == ["count"]
        assert run_all(root) == ["skipped", "skipped"]


def test_a_changed_parameter_reruns_only_its_stage(root):
    run_all(root)
    set_params(root, double=1, count=2)
    assert run_all(root) == ["skipped", "ran"]


def test_going_back_restores_from_the_run_cache(root):
    run_all(root)
    (root / "in.txt").write_text("abc")
    run_all(root)
    (root / "in.txt").write_text("ab")
    assert versioning.run_stage(root, "double", never).status == "restored"
    assert versioning.run_stage(root, "count", never).status == "restored"
    assert (root / "count.txt").read_text().strip() == "4"
    assert versioning.status(root) == {}


def test_a_deleted_output_comes_back_without_running(root):
    run_all(root)
    (root / "double.txt").unlink()
    assert versioning.run_stage(root, "double", never).status == "restored"
    assert (root / "double.txt").read_text() == "abab"


def test_a_stage_that_raises_leaves_the_record_as_it_was_and_runs_the_next_time(root):
    run_all(root)
    before = (root / "dvc.lock").read_bytes()
    set_params(root, double=2, count=1)
    with pytest.raises(EspalierError, match="on purpose"):
        versioning.run_stage(root, "double", fails)
    assert (root / "dvc.lock").read_bytes() == before
    assert run_all(root) == ["ran", "skipped"]


def test_a_stage_that_does_not_write_its_output_is_refused(root):
    with pytest.raises(EspalierError, match=r"double\.txt"):
        versioning.run_stage(root, "double", lambda: None)


def test_a_corrupt_cache_object_is_made_anew(root):
    run_all(root)
    (root / "double.txt").unlink()
    for item in (root / ".dvc" / "cache" / "files").rglob("*"):
        if item.is_file():
            item.chmod(0o644)
            item.write_text("corrupt")
    assert versioning.run_stage(root, "double", double(root)).status == "ran"
    assert (root / "double.txt").read_text() == "abab"
    assert run_all(root)[0] == "skipped"
    assert versioning.status(root).get("double") is None


def test_a_locked_repository_is_said_to_be_locked(root):
    lock = make_lock(str(root / ".dvc" / "tmp" / "lock"))
    with lock, pytest.raises(EspalierError, match="another DVC command is at work"):
        versioning.run_stage(root, "double", never)
    assert run_all(root) == ["ran", "ran"]


def test_the_stage_is_locked_for_others_while_it_runs(root):
    seen = {}

    def watch():
        seen.update(json.loads((root / ".dvc" / "tmp" / "rwlock").read_text()))
        double(root)()

    versioning.run_stage(root, "double", watch)
    assert str(root / "double.txt") in seen["write"]
    assert str(root / "in.txt") in seen["read"]


def test_the_lock_of_a_dead_process_holds_nobody_up(root):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    entry = {"write": {str(root / "double.txt"): {"pid": dead.pid, "cmd": "espalier run"}}, "read": {}}
    (root / ".dvc" / "tmp").mkdir(exist_ok=True)
    (root / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(entry))
    assert run_all(root) == ["ran", "ran"]


@pytest.mark.parametrize("text", ["", '{"write": {"a": {"pid": 1'])
def test_locks_cut_short_by_a_kill_hold_nobody_up(root, text):
    run_all(root)
    (root / ".dvc" / "tmp" / "rwlock").write_text(text)
    assert versioning.busy(root) == ""
    (root / ".dvc" / "tmp" / "rwlock").write_text(text)
    assert run_all(root) == ["skipped", "skipped"]


def test_other_commands_can_use_the_repository_while_a_stage_runs(root):
    def look():
        versioning.stage_graph(root)
        double(root)()

    assert versioning.run_stage(root, "double", look).status == "ran"


def test_pushed_files_are_all_in_the_remote(root):
    run_all(root)
    assert versioning.push(root) == 2
    stored = [path for path in (root / "remote" / "files").rglob("*") if path.is_file()]
    assert {path.parent.name + path.name for path in stored} == set(versioning.lock_hashes(root).values())


class Killed(BaseException):
    """What DVC does not catch."""


@contextmanager
def _killed_in_the_list(monkeypatch, after):
    """Have DVC end in the middle of its list of what there is to push or pull."""
    whole, calls = collect._collect_from_index, itertools.count()

    def part(*words, **more):
        if next(calls) == after:
            raise Killed
        return whole(*words, **more)

    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(collect, "_collect_from_index", part)
        yield


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_push_killed_in_its_list_does_not_spoil_the_next(root, monkeypatch, after):
    run_all(root)
    with _killed_in_the_list(monkeypatch, after):
        versioning.push(root)
    assert versioning.push(root) == 2


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_checkout_killed_in_its_list_does_not_spoil_the_next(root, monkeypatch, after):
    run_all(root)
    versioning.push(root)
    shutil.rmtree(root / ".dvc" / "cache")
    for name in ("double.txt", "count.txt"):
        (root / name).unlink()
    with _killed_in_the_list(monkeypatch, after):
        versioning.checkout(root)
    versioning.checkout(root)
    assert (root / "double.txt").exists()
    assert (root / "count.txt").exists()


def test_a_push_that_left_files_behind_is_an_error(root, monkeypatch):
    run_all(root)
    monkeypatch.setattr(Repo, "push", lambda self, **_: 0)
    with pytest.raises(EspalierError, match="2 of 2 files did not reach the DVC remote"):
        versioning.push(root)


def test_a_push_without_a_remote_says_so(root):
    run_all(root)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    with pytest.raises(EspalierError, match="remote"):
        versioning.push(root)


def test_the_plan_says_why_and_what_follows(root):
    assert versioning.plan(root, {"double": 1, "count": 1}, source_changes=False) == {
        "double": ("never ran",),
        "count": ("never ran", "after double"),
    }
    run_all(root)
    assert versioning.plan(root, {"double": 1, "count": 1}, source_changes=False) == {
        "double": (),
        "count": (),
    }
    assert versioning.plan(root, {"double": 7, "count": 1}, source_changes=False) == {
        "double": ("double changed",),
        "count": ("after double",),
    }


def test_the_plan_names_changed_files(root):
    run_all(root)
    (root / "in.txt").write_text("new")
    assert versioning.plan(root, {"double": 1, "count": 1}, source_changes=False)["double"] == (
        "in.txt is modified",
    )


def test_the_graph_lists_each_stage_after_those_it_waits_for(root):
    assert versioning.stage_graph(root) == {"double": (), "count": ("double",)}


def test_a_folder_without_dvc_is_not_a_workspace(tmp_path):
    with pytest.raises(EspalierError):
        versioning.status(tmp_path)


def test_a_second_run_is_refused_while_one_holds_the_workspace(root):
    with (
        versioning.workspace_lock(root),
        pytest.raises(EspalierError, match="another run"),
        versioning.workspace_lock(root),
    ):
        pass
    with versioning.workspace_lock(root):
        pass


def test_hashes_are_those_of_every_output(root):
    assert versioning.lock_hashes(root) == {}
    run_all(root)
    assert sorted(versioning.lock_hashes(root)) == ["count.txt", "double.txt"]


def test_an_existing_workspace_is_kept(root):
    before = (root / ".dvc" / "config").read_text()
    assert versioning.init_workspace(root, config="", ignored="") == "kept"
    assert (root / ".dvc" / "config").read_text() == before


def test_a_full_disk_while_recording_loses_nothing(root, monkeypatch):
    import errno

    from dvc.stage import PipelineStage

    def full(self, **_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PipelineStage, "commit", full)
        with pytest.raises(EspalierError, match="No space left"):
            versioning.run_stage(root, "double", double(root))
    assert run_all(root) == ["ran", "ran"]
    assert versioning.status(root) == {}


def test_paths_are_relative_to_the_workspace_not_to_the_current_folder(root, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run_all(root) == ["ran", "ran"]
    assert Path(root / "dvc.lock").exists()


def test_a_dependency_that_changes_while_the_stage_runs_is_recorded_as_it_is_then(root, monkeypatch):
    def and_change():
        double(root)()
        (root / "in.txt").write_text("changed")

    versioning.run_stage(root, "double", and_change)
    lock = YAML(typ="safe").load((root / "dvc.lock").read_text())
    recorded = {dep["path"]: dep["md5"] for dep in lock["stages"]["double"]["deps"]}
    assert recorded["in.txt"] == hashlib.md5(b"changed").hexdigest()


def test_a_kill_between_the_folder_of_a_run_and_the_run_in_it_does_no_harm(root):
    run_all(root)
    for path in (root / ".dvc" / "cache" / "runs").rglob("*"):
        if path.is_file():
            path.unlink()
    (root / "dvc.lock").unlink()
    (root / "double.txt").unlink()
    assert versioning.run_stage(root, "double", double(root)).status == "ran"
    assert len(runs_cached(root)) == 1
