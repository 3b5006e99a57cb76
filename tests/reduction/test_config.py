from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from tasks.reduction.column_config import (
    COLUMN_CONFIGS,
    AutoColumns,
    ColumnsConfig,
    DctColumns,
    NoColumns,
    PcaColumns,
    PoolColumns,
    WeightNormColumns,
    needs_reference,
    size_field,
)
from tasks.reduction.columns import COLUMN_METHODS
from tasks.reduction.config import PROJECTING, ReduceConfig
from tasks.reduction.rows import ROW_METHODS

ROOT = Path(__file__).resolve().parents[2]


def columns(**options: object) -> object:
    return ReduceConfig.model_validate({"columns": options}).columns


def rows(**options: object) -> object:
    return ReduceConfig.model_validate({"rows": options}).rows


def test_the_defaults_are_those_of_params_yaml() -> None:
    written = YAML(typ="safe").load((ROOT / "params.yaml").read_text("utf-8"))["reduce"]
    assert ReduceConfig.model_validate(written).model_dump() == ReduceConfig().model_dump()


@pytest.mark.parametrize("method", sorted(COLUMN_METHODS))
def test_every_column_method_of_the_table_can_be_configured(method: str) -> None:
    assert columns(method=method).method == method  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", sorted(ROW_METHODS))
def test_every_row_method_of_the_table_can_be_configured(method: str) -> None:
    assert rows(method=method).method == method  # type: ignore[attr-defined]


@pytest.mark.parametrize("components", [1, 40, 0.95, "auto"])
def test_pca_takes_a_count_a_share_or_auto(components: object) -> None:
    assert columns(method="pca", components=components) == PcaColumns(components=components)


@pytest.mark.parametrize("components", [0, -3, 1.0, 1.5, 0.0, True, "many", None])
def test_pca_refuses_other_sizes_and_says_the_rule_once(components: object) -> None:
    with pytest.raises(ValidationError) as caught:
        columns(method="pca", components=components)
    assert caught.value.error_count() == 1
    assert "a share of variance in (0, 1), or auto" in str(caught.value)


@pytest.mark.parametrize("method", ["weight_norm", "select_k_best", "interpolative"])
def test_a_selection_takes_a_share_of_the_columns(method: str) -> None:
    assert columns(method=method, components=0.5).components == 0.5  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match=r"a share of the columns in \(0, 1\), or auto"):
        columns(method=method, components=1.0)


@pytest.mark.parametrize("method", ["truncated_svd", "random_projection", "lda", "pls", "autoencoder"])
def test_a_share_is_for_pca_and_selections_only(method: str) -> None:
    with pytest.raises(ValidationError, match="whole number of at least 1, or auto"):
        columns(method=method, components=0.5)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValidationError, match="kernl"):
        columns(method="pool", kernl=2)


def test_a_pool_of_one_cell_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 2"):
        columns(method="pool", kernel=1)


def test_a_factor_without_a_row_method_is_a_contradiction() -> None:
    with pytest.raises(ValidationError, match="set method random or k_center"):
        rows(method="none", factor=0.5)


@pytest.mark.parametrize("factor", [0, -0.1, 1.5])
def test_a_factor_outside_its_range_is_refused(factor: float) -> None:
    with pytest.raises(ValidationError):
        rows(method="random", factor=factor)


def test_k_center_is_chosen_once() -> None:
    with pytest.raises(ValidationError, match="set method random"):
        rows(method="k_center", factor=0.5, per_round="resampled")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (NoColumns(), None),
        (WeightNormColumns(), "components"),
        (PoolColumns(), "kernel"),
        (DctColumns(), "keep"),
    ],
)
def test_size_field_names_the_option_that_sets_the_size(config: object, name: str | None) -> None:
    assert size_field(config) == name  # type: ignore[arg-type]


@pytest.mark.parametrize("method", sorted(COLUMN_METHODS))
def test_settings_are_found_by_the_methods_name(method: str) -> None:
    assert COLUMN_CONFIGS[method]().method == method


def test_auto_gives_every_method_the_same_size() -> None:
    members = AutoColumns(methods=("pca", "autoencoder", "weight_norm"), components=7).members()
    assert [(member.method, member.components) for member in members] == [  # type: ignore[union-attr]
        ("pca", 7),
        ("autoencoder", 7),
        ("weight_norm", 7),
    ]


@pytest.mark.parametrize("methods", [[], ["pca", "pca"], ["pool"], ["auto"]])
def test_auto_compares_different_methods_that_have_components(methods: list[str]) -> None:
    with pytest.raises(ValidationError):
        columns(method="auto", methods=methods)


def test_auto_takes_a_count_only() -> None:
    with pytest.raises(ValidationError):
        columns(method="auto", components="auto")


@pytest.mark.parametrize(
    ("config", "answer"),
    [(WeightNormColumns(), True), (AutoColumns(), True), (PcaColumns(), False), (NoColumns(), False)],
)
def test_the_reference_is_read_only_where_it_is_needed(config: ColumnsConfig, answer: bool) -> None:
    assert needs_reference(config) is answer


@pytest.mark.parametrize("method", PROJECTING)
def test_what_projects_can_train_its_projection(method: str) -> None:
    assert ReduceConfig.model_validate({"columns": {"method": method}, "unfreeze": True}).unfreeze


@pytest.mark.parametrize("method", sorted(set(COLUMN_METHODS) - set(PROJECTING)))
def test_what_has_no_projection_has_none_to_train(method: str) -> None:
    with pytest.raises(ValidationError, match=rf"columns\.method: {method} has none: set it to pca"):
        ReduceConfig.model_validate({"columns": {"method": method}, "unfreeze": True})
