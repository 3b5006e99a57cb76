from __future__ import annotations

import threading

import pytest

from tasks.errors import EspalierError
from tasks.files import write_bytes, write_json
from tasks.study.store import Store

BIG = bytes(range(256)) * 64


def publish(store, key, **files):
    for name, data in files.items():
        write_bytes(store.work(key) / "out" / name, data)
    store.publish(key, ["out"], {"stage": "train", "seconds": 1.0, "failed": None})


def test_a_node_is_there_with_its_facts_and_its_sandbox_is_gone(tmp_path):
    store = Store(tmp_path)
    assert store.facts("a") is None
    publish(store, "a", weights=BIG)
    assert (store.node("a") / "out" / "weights").read_bytes() == BIG
    assert store.facts("a") == {"stage": "train", "seconds": 1.0, "failed": None}
    assert not store.work("a").exists()


def test_equal_files_of_several_nodes_are_on_disk_once(tmp_path):
    store = Store(tmp_path)
    for key in "abc":
        publish(store, key, weights=BIG)
    assert store.size() < 1.2 * len(BIG)
    assert (store.node("a") / "out" / "weights").samefile(store.node("c") / "out" / "weights")


def test_an_output_that_was_not_written_makes_no_node(tmp_path):
    store = Store(tmp_path)
    write_bytes(store.work("a") / "other", b"")
    with pytest.raises(EspalierError, match="stage train: out was not written"):
        store.publish("a", ["out"], {"stage": "train"})
    assert store.facts("a") is None


def test_what_a_kill_left_of_a_node_does_not_hinder_the_next_attempt(tmp_path):
    store = Store(tmp_path)
    write_bytes(store.folder / "nodes" / ".a" / "out" / "half", b"")
    publish(store, "a", weights=BIG)
    assert [path.name for path in (store.node("a") / "out").iterdir()] == ["weights"]


def test_pruning_leaves_the_nodes_of_trials_alone(tmp_path):
    store = Store(tmp_path)
    for place, key in enumerate("abc"):
        publish(store, key, weights=BIG[place:], same=BIG)
    store.record("first", {"nodes": {"train": "a"}})
    store.record("second", {"nodes": {"train": "b"}})
    write_json(store.work("d") / "params.yaml", {})
    freed = store.prune()
    assert [key for key in "abcd" if store.facts(key)] == ["a", "b"]
    assert not store.work("d").exists()
    assert freed > len(BIG) - 3
    store.prune(keep=["second"])
    assert [key for key in "abc" if store.facts(key)] == ["b"]
    assert store.trials() == [{"nodes": {"train": "b"}}]
    assert len(list((store.folder / "files").iterdir())) == 2


def test_nothing_is_pruned_under_a_trial(tmp_path):
    store = Store(tmp_path)
    with store.in_use(), store.in_use(), pytest.raises(EspalierError, match="under way"):
        store.prune()
    assert store.prune() == 0


def test_a_lock_makes_another_thread_wait(tmp_path):
    store, order = Store(tmp_path), []

    def second():
        with store.locked("a"):
            order.append("second")

    thread = threading.Thread(target=second)
    with store.locked("a"), store.locked("b"):
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_whoever_comes_second_holds_another_or_none_where_all_are_held(tmp_path):
    store = Store(tmp_path)
    with store.first_free(["a", "b"]) as first, store.first_free(["a", "b"]) as second:
        assert (first, second) == ("a", "b")
        with store.first_free(["a", "b"]) as third:
            assert third == "a"
    with store.first_free(["a", "b"]) as again, store.first_free(["a", "b"]) as other:
        assert (again, other) == ("a", "b")


def test_a_node_that_is_packed_is_the_same_where_it_is_unpacked(tmp_path):
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    publish(there, "a", weights=BIG, small=b"1")
    write_bytes(here.folder / "nodes" / ".a" / "out" / "half", b"")
    here.unpacked("a", there.packed("a"))
    assert here.packed("a") == there.packed("a")
    assert here.facts("a") == there.facts("a")
    here.unpacked("a", {"node.json": b"{}"})
    assert here.packed("a") == there.packed("a")
