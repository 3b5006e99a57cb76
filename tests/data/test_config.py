from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from tasks.data.config import CleanConfig, IqrOutliers, SourceConfig

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.mark.parametrize(("section", "config"), [("source", SourceConfig), ("clean", CleanConfig)])
def test_params_yaml_states_every_default(section, config) -> None:
    written = YAML(typ="safe").load(PARAMS.read_text())[section]
    assert config.model_validate(written) == config()
    assert written.keys() == config.model_fields.keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"uri": "sqlite:///x.db"},
        {"uri": "x.csv", "query": "select 1"},
        {"target": "a", "group": "a"},
        {"target": "a", "drop": ["a"]},
        {"shape": [3]},
        {"dtypes": {"a": "float"}},
    ],
)
def test_contradictory_sources_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        SourceConfig.model_validate(wrong)


def test_every_contradiction_of_a_source_is_told() -> None:
    with pytest.raises(ValidationError, match=r"query is only used .* cannot have two of the roles"):
        SourceConfig.model_validate({"uri": "x.csv", "query": "select 1", "target": "a", "group": "a"})


@pytest.mark.parametrize("place", ["me:secret@host/db", "me:sec/ret@host/db", "host/db?password=secret"])
def test_a_password_in_the_url_is_refused(place) -> None:
    with pytest.raises(ValidationError, match=r"\$\{NAME\}"):
        SourceConfig(uri=f"postgresql://{place}", query="select 1")
    assert SourceConfig(uri="postgresql://me:${PW}@host/db", query="select 1").query


@pytest.mark.parametrize(
    "wrong",
    [
        {"outliers": {"method": "quantile", "strength": 0.5}},
        {"outliers": {"method": "iqr", "strength": 0.01}},
        {"outliers": {"method": "zscore"}},
        {"near_constant": 0.4},
        {"split": {"test": 1.0}},
        {"sentinels": [float("nan")]},
        {"dates": ["century"]},
        {"dates": ["year", "year"]},
    ],
)
def test_impossible_cleaning_is_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        CleanConfig.model_validate(wrong)


def test_outliers_are_chosen_by_method() -> None:
    assert CleanConfig.model_validate({"outliers": {"method": "iqr"}}).outliers == IqrOutliers(method="iqr")
