from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from tasks.config import Params, overridden, parse_params
from tasks.errors import ConfigError
from tasks.evaluation.config import MetricName
from tasks.study.config import Cases, Listed, Objective, Ranged, StudyConfig

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "params.yaml").read_text()


def study(setting):
    return overridden(TEXT, [f"study.{setting}"])[1].study


def problems(setting):
    with pytest.raises(ConfigError) as caught:
        study(setting)
    return {problem.path: str(problem) for problem in caught.value.problems}


def test_a_workspace_without_the_section_has_the_defaults():
    raw = YAML(typ="safe").load(TEXT)
    del raw["study"]
    assert parse_params(raw).study == StudyConfig() == Params().study


def test_no_stage_depends_on_the_section():
    stages = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text())["stages"]
    assert [name for name, stage in stages.items() if "study" in stage["params"]] == []


def test_every_metric_can_be_an_objective():
    assert set(get_args(MetricName)) - {"auto"} == set(get_args(Objective)) - {
        "metric",
        "bytes",
        "macs",
        "latency_us",
    }


@pytest.mark.parametrize(
    ("entry", "choice"),
    [
        ("[0.5, auto]", Listed(values=(0.5, "auto"))),
        ("[{method: none}]", Listed(values=({"method": "none"},))),
        ("{values: [1], when: {a: 2}}", Listed(values=(1,), when={"a": 2})),
        ("{low: 1, high: 8, log: true, int: true}", Ranged(low=1, high=8, log=True, int=True)),
        (
            "{cases: [{values: [1], when: {a: 2}}, {low: 2, high: 3}]}",
            Cases(cases=(Listed(values=(1,), when={"a": 2}), Ranged(low=2, high=3))),
        ),
    ],
)
def test_the_forms_of_a_choice(entry, choice):
    assert study(f"space={{prune.amount: {entry}}}").space == {"prune.amount": choice}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{low: 0.5, hgh: 3}", "unknown key 'hgh'; did you mean 'high'?"),
        ("{low: 0.5, high: 0.3}", "low must be below high (got 0.5 and 0.3)"),
        ("{low: 0, high: 0.3, log: true}", "a log range needs low above 0 (got 0)"),
        ("{low: 1, high: 2.5, int: true}", "int: true needs whole numbers for low, high and step"),
        ("{low: 1, high: 3, log: true, step: 1}", "a log range has no step; leave out one of them"),
        ("{low: a, high: 3}", 'low must be a number (got "a")'),
        ("[]", "needs at least 1 value (got [])"),
        ("3", "must be a list of values, {values: [...]}, {low: ..., high: ...} or {cases: [...]} (got 3)"),
        ("{when: {a: 1}}", "must be a list of values, {values: [...]}, {low: ..., high: ...} or {cases"),
        ("{cases: []}", "cases must be a list, alone"),
        ("{cases: [3]}", "each case must be {values: [...], when: ...}"),
    ],
)
def test_a_choice_that_cannot_be_is_named_with_its_path_and_its_rule(entry, told):
    found = problems(f"space={{prune.amount: {entry}}}")
    assert found["study.space.prune.amount"].startswith(f"study.space.prune.amount: {told}")


@pytest.mark.parametrize(
    ("setting", "path", "told"),
    [
        ("sampler=gird", "study.sampler", "did you mean 'grid'?"),
        ("objectives=[byte]", "study.objectives.0", "did you mean 'bytes'?"),
        ("objectives=[bytes, bytes]", "study.objectives", "names an objective twice"),
        ("constraints={byts: {max: 3}}", "study.constraints.byts", "did you mean 'bytes'?"),
        ("constraints={bytes: {}}", "study.constraints.bytes", "needs min or max"),
        ("constraints={bytes: {min: 3, max: 2}}", "study.constraints.bytes", "(got 3 and 2)"),
        ("address=tcp://a:1", "study", "address needs runner dask, runner is processes"),
        ("seeds=0", "study.seeds", "must be greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named_with_its_path_and_the_nearest(setting, path, told):
    assert told in problems(setting)[path]
