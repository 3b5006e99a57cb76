from __future__ import annotations

from pathlib import Path

import pytest

from tasks.config import overridden
from tasks.errors import ConfigError
from tasks.study.checks import check_study

TEXT = (Path(__file__).resolve().parents[2] / "params.yaml").read_text()


def params(*settings):
    return overridden(TEXT, settings)[1]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["study.space={prune.amuont: [0.5]}"], "study.space.prune.amuont: unknown key; did you mean"),
        (["study.space={train.seed: [1, 2]}"], "study.space.train.seed: cannot vary"),
        (["study.space={prune.amount: [7]}"], "study.space.prune.amount"),
        (
            ["study.space={train.lr: {low: 0.1, high: 100000, step: 0.1}}"],
            "study.space: has more than 100,000 combinations",
        ),
        (["source.task=classification", "study.objectives=[r2]"], "study.objectives.0"),
        (["evaluate.metric=macro_f1", "study.constraints={mae: {max: 1}}"], "study.constraints.mae"),
    ],
)
def test_what_no_study_could_go_by_is_refused_without_data(settings, told):
    with pytest.raises(ConfigError) as caught:
        check_study(params(*settings))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["study.space={prune.amount: {low: 0.1, high: 0.9}}"],
        ["study.objectives=[r2]"],
        ["study.sampler=tpe", "study.space={train.lr: {low: 0.1, high: 100000, step: 0.1}}"],
    ],
)
def test_what_can_be_passes_and_so_does_what_only_data_can_tell(settings):
    check_study(params(*settings))
