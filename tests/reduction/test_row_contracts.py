"""Contracts every row method keeps with its options."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.reduction.config import ReduceConfig
from tasks.reduction.reduction import Reduction
from tasks.reduction.row_config import El2nRows, KCenterRows, RowsConfig, needs_errors
from tasks.reduction.rows import ROW_METHODS, random_rival, reduce_rows, round_sampler, select_rows
from tasks.reduction.sample import Sample

CHOSEN = sorted(set(ROW_METHODS) - {"none", "random"})
N = 100
Y = np.array([0] * 60 + [1] * 30 + [2] * 10)
Z = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
ERRORS = np.random.default_rng(1).exponential(size=N)


def config(method: str, **options: object) -> RowsConfig:
    return TypeAdapter(RowsConfig).validate_python({"method": method, "factor": 0.5, **options})


def choose(method: str, task: str = "classification", **options: object) -> np.ndarray:
    return select_rows(config(method, **options), Z, Y, task=task, seed=0, errors=ERRORS)


@pytest.fixture
def sample(make_plan: Callable[..., NumericPlan]) -> Sample:
    return Sample(Z, Y, make_plan(3), "classification", errors=ERRORS)


@pytest.mark.parametrize("method", [*CHOSEN, "random"])
class TestBalanced:
    def test_every_class_gives_as_many_as_it_can(self, method: str) -> None:
        assert np.bincount(Y[choose(method, balanced=True)]).tolist() == [20, 20, 10]

    def test_the_whole_share_keeps_every_row(self, method: str) -> None:
        assert len(choose(method, balanced=True, factor=1.0)) == N

    def test_a_numeric_target_is_refused(self, method: str) -> None:
        with pytest.raises(EspalierError, match=r"^reduce\.rows\.balanced: a numeric target has no classes"):
            choose(method, task="regression", balanced=True)


@pytest.mark.parametrize("method", CHOSEN)
class TestWhatHasOneAnswer:
    def test_it_refuses_resampling_and_names_random(self, method: str) -> None:
        with pytest.raises(
            ValidationError, match=f"{method} finds the same rows each time: set method random"
        ):
            ReduceConfig.model_validate({"rows": {"method": method, "per_round": "resampled"}})

    def test_it_asks_for_random_beside_it_unless_told_not_to(self, method: str, sample: Sample) -> None:
        reduction = Reduction("none", (3,))
        assert reduce_rows(config(method), reduction, sample).compare
        assert not reduce_rows(config(method, compare=False), reduction, sample).compare
        assert not reduce_rows(config(method, factor=1.0), reduction, sample).compare


@pytest.mark.parametrize("method", ["el2n", "coverage_stratified"])
def test_without_the_references_answers_the_alternative_is_named(method: str) -> None:
    with pytest.raises(EspalierError, match=f"{method} reads the trained reference's answers.*use random"):
        select_rows(config(method), Z, Y, task="classification", seed=0)


def test_only_methods_that_rank_by_errors_ask_for_them() -> None:
    assert needs_errors(El2nRows(factor=0.5))
    assert not needs_errors(El2nRows(factor=1.0))
    assert not needs_errors(KCenterRows(factor=0.5))


def test_balanced_rounds_are_balanced(sample: Sample) -> None:
    reduction = reduce_rows(
        config("random", per_round="resampled", balanced=True), Reduction("none", (3,)), sample
    )
    sampler = round_sampler(reduction, Y, "classification")
    assert sampler is not None
    assert np.bincount(Y[sampler(3)]).tolist() == [20, 20, 10]
    assert not np.array_equal(sampler(0), sampler(1))


def test_what_the_rows_say_survives_json_and_arrays(sample: Sample) -> None:
    reduction = reduce_rows(config("k_center", balanced=True), Reduction("none", (3,)), sample)
    rebuilt = Reduction.from_dict(reduction.to_dict(), reduction.arrays())
    assert rebuilt.to_dict() == reduction.to_dict()
    assert (rebuilt.row_method, rebuilt.balanced, rebuilt.compare) == ("k_center", True, True)


def test_near_duplicates_with_a_quantile_report_what_really_stays(sample: Sample) -> None:
    facts = reduce_rows(config("near_duplicates", factor=0.1, quantile=0.2), Reduction("none", (3,)), sample)
    assert facts.rows is not None
    assert facts.report["rows"]["after"] == len(facts.rows)
    assert N * 0.1 < len(facts.rows) < N


def test_the_random_rival_has_as_many_rows_of_each_class(sample: Sample) -> None:
    chosen = reduce_rows(config("near_duplicates", factor=0.2, quantile=0.3), Reduction("none", (3,)), sample)
    rival = random_rival(chosen, Y, "classification")
    assert rival is not None
    assert rival.rows is not None
    assert chosen.rows is not None
    assert len(rival.rows) == len(chosen.rows)
    assert not np.array_equal(rival.rows, chosen.rows)
    assert rival.row_method == "random"


def test_without_a_comparison_there_is_no_rival(sample: Sample) -> None:
    chosen = reduce_rows(config("k_center", compare=False), Reduction("none", (3,)), sample)
    assert random_rival(chosen, Y, "classification") is None
