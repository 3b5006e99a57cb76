import pytest

from tasks.pruning.config import (
    BlocksConfig,
    NoPruneConfig,
    StepsConfig,
    StructuredConfig,
    UnstructuredConfig,
)
from tasks.reduction import column_config as columns
from tasks.study.ranges import amount_path, amounts, sizes
from tests.study.facts_made import facts


@pytest.mark.parametrize(
    ("config", "data", "expected"),
    [
        (columns.WeightNormColumns(components=256), facts(784), [512, 256, 128]),
        (columns.WeightNormColumns(components=16), facts(20), [16, 8, 4]),
        (columns.WeightNormColumns(components=0.5), facts(784), [0.5, 0.25, 0.125]),
        (columns.SelectKBestColumns(components=0.5), facts(2), [0.5]),
        (columns.WeightNormColumns(components="auto"), facts(64), [32, 16, 8]),
        (columns.WeightNormColumns(components="auto"), facts(2), [1]),
        (columns.PcaColumns(components=0.9), facts(), [0.96, 0.9, 0.7]),
        (columns.PcaColumns(components="auto"), facts(), [0.99, 0.95, 0.85]),
        (columns.PcaColumns(components=16), facts(), [32, 16, 8]),
        (columns.LdaColumns(components=9), facts(outputs=10), [9, 4, 2]),
        (columns.LdaColumns(components="auto"), facts(outputs=2), []),
        (columns.PoolColumns(kernel=2), facts(144, shape=(1, 12, 12)), [2, 3, 4]),
        (columns.PoolColumns(kernel="auto"), facts(9, shape=(1, 3, 3)), [2, 3]),
        (columns.DctColumns(keep=6), facts(80, shape=(4, 20)), [12, 6, 3]),
        (columns.NoColumns(), facts(), []),
    ],
)
def test_sizes_lie_around_the_configured_one_and_within_the_data(config, data, expected):
    assert sizes(config, data) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (StructuredConfig(amount=0.8), [0.6, 0.8, 0.9]),
        (StructuredConfig(amount=0.5), [0.25, 0.5, 0.75]),
        (StructuredConfig(amount=0.0), [0.0, 0.5]),
        (StructuredConfig(amount="auto"), [0.5, 0.75, 0.9]),
        (StructuredConfig(scope="per_layer", amount={"a": 0.8}), [{"a": 0.6}, {"a": 0.8}, {"a": 0.9}]),
        (UnstructuredConfig(method="unstructured", threshold=0.02), [0.01, 0.02, 0.04]),
        (BlocksConfig(method="blocks"), [0.25, 0.5, 0.75]),
    ],
)
def test_amounts_lie_around_the_configured_one(config, expected):
    assert amounts(config) == expected


def test_amounts_of_steps_move_together():
    steps = StepsConfig(method="steps", steps=(StructuredConfig(amount=0.8), BlocksConfig(method="blocks")))
    assert amount_path(steps) == "prune.steps"
    assert [[step["amount"] for step in moved] for moved in amounts(steps)] == [
        [0.6, 0.25],
        [0.8, 0.5],
        [0.9, 0.75],
    ]


def test_what_prunes_nothing_has_no_amount():
    assert amount_path(NoPruneConfig(method="none")) is None
