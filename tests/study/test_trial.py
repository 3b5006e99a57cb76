from __future__ import annotations

import json
import logging

import pytest

from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.files import read_json
from tasks.layout import Layout
from tasks.stages import prune, reduce
from tasks.study.overrides import identity
from tasks.study.store import Store
from tasks.study.trial import known_trial, run_trial, run_trials, trial_settings

HALF = {"prune.amount": 0.5}


def test_a_trial_has_the_figures_of_the_reports(tried):
    root, result = tried
    nodes = {stage: Layout(Store(root).node(key)) for stage, key in result["nodes"].items()}
    judged = read_json(nodes["evaluate"].report("evaluate"))["models"]["compressed"]
    assert (result["status"], result["reason"], result["headline"]) == ("done", None, "accuracy")
    assert (result["valid"], result["test"]) == (judged["valid"], judged["metrics"])
    assert result["bytes"] == len(nodes["evaluate"].onnx("compressed").read_bytes())
    assert result["macs"] == judged["size"]["multiply_adds"]
    assert len(result["history"]) == 2
    assert result["recipe"]["columns"] == {"method": "weight_norm", "before": 61, "after": 16}
    assert result["recipe"]["amount"] == 0.5
    assert (result["id"], result["arm"], result["name"]) == (
        identity(load_params(root), HALF),
        "pruning",
        "half",
    )
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_finished_trial_is_read_under_any_name(tried, copied, monkeypatch):
    root = copied()
    monkeypatch.setattr("tasks.study.workshop.Workshop.make", None)
    assert run_trial(root, HALF, 0, arm="other") == {**tried[1], "arm": "other", "name": ""}
    assert len(Store(root).trials()) == 1


def test_a_second_candidate_computes_what_differs(copied, caplog):
    root = copied()
    with caplog.at_level(logging.INFO, "espalier.study"):
        result = run_trial(root, {"prune.amount": 0.25}, 0)
    assert [record.args[0] for record in caplog.records if record.name == "espalier.study"] == [
        "prune",
        "evaluate",
    ]
    assert result["parameters"] > run_trial(root, HALF, 0)["parameters"]
    assert len(Store(root).trials()) == 2


def test_parameters_that_cannot_be_are_a_failed_trial(copied):
    root = copied()
    result = run_trial(root, {"prune.amount": 1.5}, 0)
    assert result["status"] == "failed"
    assert result["reason"].startswith("prune.amount: ")
    assert result in Store(root).trials()
    assert run_trial(root, {"prune.amount": 1.5}, 1)["key"] != result["key"]


@pytest.mark.parametrize("path", ["source.uri", "train.seed", "clean.split.test"])
def test_the_rows_and_the_seed_are_the_studys(copied, path):
    result = run_trial(copied(), {path: 1}, 0)
    assert result["status"] == "failed"
    assert path in result["reason"]


def test_training_that_diverges_is_a_failed_trial(fresh):
    result = run_trial(fresh, {"train.lr": 1e30, "train.optimizer": "sgd"}, 0)
    assert result["status"] == "failed"
    assert result["reason"].startswith("training diverged in epoch 1")
    assert list(result["nodes"]) == ["clean", "reference"]
    assert Store(fresh).trials() == [result]


def test_numbers_a_library_cannot_work_with_are_a_failed_trial(copied, monkeypatch):
    def broken(root):
        raise ValueError("Input contains NaN")

    monkeypatch.setattr(reduce, "run", broken)
    result = run_trial(copied(), {"reduce.columns.method": "pca"}, 0)
    assert (result["status"], result["reason"]) == ("failed", "stage reduce: ValueError: Input contains NaN")


def test_memory_that_runs_out_is_a_failed_trial_and_is_tried_again(copied, monkeypatch):
    root, calls = copied(), []

    def starved(root):
        calls.append(root)
        raise MemoryError("9 TiB are too much")

    monkeypatch.setattr(prune, "run", starved)
    for _ in range(2):
        result = run_trial(root, {"prune.amount": 0.9}, 0)
        assert (result["status"], result["reason"]) == (
            "failed",
            "out of memory: 9 TiB are too much",
        )
    assert len(calls) == 2
    assert len(Store(root).trials()) == 1


def test_ctrl_c_passes_and_records_nothing(copied, monkeypatch):
    def stopped(root):
        raise KeyboardInterrupt

    root = copied()
    monkeypatch.setattr(prune, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_trial(root, {"prune.amount": 0.9}, 0)
    assert len(Store(root).trials()) == 1


def test_a_bug_is_no_failed_trial(copied, monkeypatch):
    def bug(root):
        raise KeyError("name")

    monkeypatch.setattr(prune, "run", bug)
    with pytest.raises(KeyError):
        run_trial(copied(), {"prune.amount": 0.9}, 0)


def test_without_raw_rows_nothing_is_recorded(fresh):
    Layout(fresh).raw.unlink()
    with pytest.raises(EspalierError, match="espalier run"):
        run_trial(fresh, {}, 0)
    assert Store(fresh).trials() == []


def test_a_candidate_may_start_from_other_settings_than_the_workspaces_now(copied):
    root = copied()
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(text.replace("  amount: 0.8 ", "  amount: 0.1 "))
    assert run_trial(root, HALF, 0, base=text)["key"] in {trial["key"] for trial in Store(root).trials()}
    assert len(Store(root).trials()) == 1


def test_the_settings_of_a_trial_are_what_run_takes(fresh):
    params = load_params(fresh)
    found = trial_settings(params, {"reduce.columns.components": 0.9, "reduce.columns.method": "pca"}, 3)
    assert found[0] == 'reduce.columns.method="pca"'
    assert found[-1] == "train.seed=3"
    assert load_params(fresh, found).train.seed == 3


def test_pruning_the_store_keeps_what_finished_trials_need(copied, monkeypatch):
    root = copied()
    assert Store(root).prune() == 0
    monkeypatch.setattr("tasks.study.workshop.Workshop.make", None)
    assert run_trial(root, HALF, 0)["status"] == "done"


@pytest.mark.parametrize("change", [HALF, {"prune.amount": 1.5}])
def test_a_trial_is_known_by_its_key_before_and_after_it_is_computed(copied, change):
    root = copied()
    key, found = known_trial(root, change, 1)
    assert found is None
    result = run_trial(root, change, 1, arm="pruning", name="it")
    assert known_trial(root, change, 1, arm="pruning", name="it") == (key, result)
    assert result["key"] == key


def test_of_a_candidates_seeds_that_one_comes_first_which_no_other_is_at(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.study.trial.run_trial", lambda _root, _overrides, seed, **given: (seed, given))
    with Store(tmp_path).first_free(["seed-0"]):
        seeds = [seed for seed, _ in run_trials(tmp_path, {}, [0, 1, 2], bool)]
    assert seeds == [1, 2, 0]
    assert run_trials(tmp_path, {}, [0, 1], bool, arm="a") == [(0, {"arm": "a"}), (1, {"arm": "a"})]


def test_no_trial_begins_once_a_study_is_stopped(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr("tasks.study.trial.run_trial", lambda _root, _overrides, seed: begun.append(seed))
    run_trials(tmp_path, {}, [0, 1, 2], lambda: len(begun) == 2)
    assert begun == [0, 1]
