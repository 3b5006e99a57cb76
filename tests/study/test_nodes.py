from __future__ import annotations

from tasks.config import load_params
from tasks.study.nodes import keys, steps

CHAIN = ["clean", "reference", "reduce", "train", "prune", "evaluate"]


def changed(root, *overrides):
    """Stages whose key differs after overrides."""
    before, after = keys(root, load_params(root)), keys(root, load_params(root, overrides))
    return [stage for stage in before if before[stage] != after[stage]]


def test_a_trial_has_the_stages_of_the_main_job_without_fetch_and_measure(fresh):
    assert list(steps(fresh)) == CHAIN


def test_a_step_is_what_dvc_yaml_says(fresh):
    step = steps(fresh)["prune"]
    assert step.sections == ("prune", "train")
    assert step.before == ("clean", "reduce", "train", "reference")
    assert step.outside == ("nets",)
    assert "models/compressed" in step.outs
    assert "tasks/pruning/units.py" in step.code


def test_a_parameter_changes_the_stages_that_depend_on_it_and_those_after_them(fresh):
    assert changed(fresh, "prune.amount=0.3") == CHAIN[4:]
    assert changed(fresh, "reduce.tolerance=0.1") == CHAIN[2:]
    assert changed(fresh, "train.seed=1") == CHAIN[1:]
    assert changed(fresh, "measure.repeats=9", "study.seeds=9") == []


def test_other_rows_change_every_key(fresh):
    before = keys(fresh, load_params(fresh))
    raw = fresh / "data" / "raw.parquet"
    raw.write_bytes(raw.read_bytes() + b" ")
    after = keys(fresh, load_params(fresh))
    assert all(before[stage] != after[stage] for stage in CHAIN)


def test_a_users_network_changes_the_stages_that_build_it_and_its_caches_do_not(fresh):
    (fresh / "nets" / "__pycache__").mkdir(parents=True)
    (fresh / "nets" / "mine.py").write_text("WIDTH = 8\n")
    first = keys(fresh, load_params(fresh))
    (fresh / "nets" / "__pycache__" / "mine.pyc").write_bytes(b"0")
    assert keys(fresh, load_params(fresh)) == first
    (fresh / "nets" / "mine.py").write_text("WIDTH = 16\n")
    after = keys(fresh, load_params(fresh))
    assert [stage for stage in CHAIN if first[stage] != after[stage]] == CHAIN[1:]


def test_keys_do_not_depend_on_where_the_workspace_is(fresh, fetched):
    assert keys(fresh, load_params(fresh)) == keys(fetched, load_params(fetched))
