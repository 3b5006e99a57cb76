from __future__ import annotations

import hashlib

import pytest
from ruamel.yaml import YAML

from tasks.config import load_params, resolve
from tasks.errors import EspalierError
from tasks.stages import clean, train
from tasks.study import workshop as subject
from tasks.study.nodes import graph_file
from tasks.study.workshop import FailedNodeError, Workshop, out_of_memory


def workshop(root, *overrides):
    return Workshop(root, *resolve(root, overrides))


def counted(monkeypatch, module, failure=None):
    calls = []

    def run(root, *arguments):
        calls.append(arguments)
        if failure is not None:
            raise failure
        original(root, *arguments)

    original = module.run
    monkeypatch.setattr(module, "run", run)
    return calls


def test_a_node_is_made_once(fresh, monkeypatch):
    calls = counted(monkeypatch, clean)
    shop = workshop(fresh)
    made = shop.make("clean")
    assert (made / "data" / "clean" / "train.npz").exists()
    assert (made / "reports" / "clean.json").exists()
    assert workshop(fresh, "prune.amount=0.1").make("clean") == made
    assert len(calls) == 1
    assert shop.ended == {"clean": shop.keys["clean"]}


def test_a_failure_is_noted_and_not_tried_again(fresh, monkeypatch):
    calls = counted(monkeypatch, train, EspalierError("training diverged in epoch 1"))
    for _ in range(2):
        with pytest.raises(FailedNodeError, match="training diverged"):
            workshop(fresh).make("reduce")
    assert len(calls) == 1
    assert list(workshop(fresh).ended) == ["clean", "reference"]


def test_what_the_machine_is_to_blame_for_is_not_noted(fresh, monkeypatch):
    full = EspalierError("could not be written")
    full.__cause__ = OSError(28, "No space left on device")
    calls = counted(monkeypatch, clean, full)
    for _ in range(2):
        with pytest.raises(EspalierError, match="could not be written"):
            workshop(fresh).make("clean")
    assert len(calls) == 2
    assert workshop(fresh).ended == {}


def test_memory_that_ran_out_is_told_from_other_failures():
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"))
    wrapped = EspalierError("the network raised")
    wrapped.__cause__ = MemoryError()
    assert out_of_memory(wrapped)
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def _lock(root, **changed):
    """A dvc.lock that says stage clean is up to date, as DVC writes it."""
    stage = YAML(typ="safe").load(graph_file(root).read_text())["stages"]["clean"]
    data = [dep for dep in stage["deps"] if not dep.startswith("tasks/")]
    entries = {
        kind: [{"path": path, "md5": hashlib.md5((root / path).read_bytes()).hexdigest()} for path in paths]
        for kind, paths in (("deps", data), ("outs", stage["outs"]))
    }
    section = YAML(typ="safe").load((root / "params.yaml").read_text())["clean"]
    entry = {"cmd": stage["cmd"], **entries, "params": {"params.yaml": {"clean": {**section, **changed}}}}
    with (root / "dvc.lock").open("w") as file:
        YAML(typ="safe").dump({"schema": "2.0", "stages": {"clean": entry}}, file)


def test_the_workspaces_own_clean_rows_are_linked_where_dvc_has_them_up_to_date(fresh, monkeypatch):
    clean.run(fresh)
    _lock(fresh)
    calls = counted(monkeypatch, clean)
    node = workshop(fresh).make("clean")
    assert calls == []
    assert (node / "data" / "clean" / "train.npz").samefile(fresh / "data" / "clean" / "train.npz")


@pytest.mark.parametrize("stale", ["rows", "params"])
def test_clean_rows_that_are_out_of_date_are_made_anew(fresh, monkeypatch, stale):
    clean.run(fresh)
    _lock(fresh, **({"scale": "minmax"} if stale == "params" else {}))
    if stale == "rows":
        (fresh / "data" / "clean" / "train.npz").write_bytes(b"")
    calls = counted(monkeypatch, clean)
    workshop(fresh).make("clean")
    assert len(calls) == 1


def test_the_network_code_and_the_graph_are_seen_from_the_sandbox(fresh, monkeypatch):
    (fresh / "nets").mkdir()
    (fresh / "nets" / "mine.py").write_text("")
    (fresh / "dvc.yaml").write_text(graph_file(fresh).read_text())
    seen = []

    def execute(step, work):
        seen.append(sorted(path.relative_to(work).as_posix() for path in work.glob("[!.]*/*")))
        seen.append((work / "dvc.yaml").exists())
        raise EspalierError(f"{work}/nets is enough")

    workshop(fresh).make("clean")
    monkeypatch.setattr(subject.sandbox, "execute", execute)
    with pytest.raises(FailedNodeError, match=r"^nets is enough$"):
        workshop(fresh).make("reference")
    assert seen == [["data/clean", "nets/mine.py"], True]
    assert load_params(fresh) == workshop(fresh).params
