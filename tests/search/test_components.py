from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydantic import TypeAdapter

from tasks.data.cleaner import Cleaner
from tasks.data.plan import NumericPlan
from tasks.data.rows import Rows
from tasks.data.target import TargetPlan
from tasks.models.config import MlpConfig
from tasks.reduction.column_config import ColumnsConfig
from tasks.reduction.config import ReduceConfig
from tasks.reduction.reduction import Reduction
from tasks.reduction.row_config import RandomRows
from tasks.reduction.sample import Sample
from tasks.search.components import (
    ProbeTraining,
    between,
    choose_size,
    coarse,
    fit_reduction,
    resolve_columns,
)
from tasks.training.config import TrainConfig


def saturating(enough: int) -> Callable[[int], float]:
    """Full score from `enough` on, less below."""
    return lambda size: min(1.0, size / enough)


def plan_of(columns: int) -> NumericPlan:
    return NumericPlan(
        names=tuple(f"c{i}" for i in range(columns)),
        levels=(0,) * columns,
        fill=np.zeros(columns, np.float32),
        low=np.full(columns, -np.inf, np.float32),
        high=np.full(columns, np.inf, np.float32),
        indicator=(),
        mean=np.zeros(columns, np.float32),
        scale=np.ones(columns, np.float32),
    )


def rows(n: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 16)).astype(np.float32)
    X[:, 2] += 8 * y - 4
    return Rows(X, y, np.arange(n))


def test_coarse_sizes_halve_from_all_to_one() -> None:
    assert coarse("components", 100) == [100, 50, 25, 12, 6, 3, 1]


def test_coarse_kernels_grow_one_by_one() -> None:
    assert coarse("kernel", 12) == [2, 3, 4, 5, 6]


def test_sizes_between_are_strictly_between_and_fall() -> None:
    assert between("components", 100, 50) == [84, 71, 59]
    assert between("components", 3, 2) == []


@pytest.mark.parametrize("enough", [1, 5, 30, 64, 100])
def test_the_fewest_within_tolerance_of_the_best_are_found_to_a_fifth(enough: int) -> None:
    size, _ = choose_size("components", 100, saturating(enough), tolerance=0.0)
    assert enough <= size <= 1.2 * enough + 1


def test_a_score_that_rises_when_columns_go_sets_the_bar() -> None:
    scores = {40: 0.61, 20: 0.67, 10: 0.60, 5: 0.50}
    size, trials = choose_size("components", 40, lambda size: scores.get(size, 0.6), tolerance=0.01)
    assert size == 20
    assert dict(trials)[40] == 0.61


def test_the_largest_kernel_that_costs_nothing_is_found() -> None:
    size, _ = choose_size("kernel", 12, lambda kernel: 1.0 if kernel <= 3 else 0.2, tolerance=0.01)
    assert size == 3


def test_a_hopeless_tail_is_not_tried() -> None:
    _, trials = choose_size("components", 1024, saturating(1024), tolerance=0.01)
    assert min(size for size, _ in trials) == 256


def test_no_size_is_tried_twice() -> None:
    tried: list[int] = []

    def probe(size: int) -> float:
        tried.append(size)
        return saturating(30)(size)

    choose_size("components", 100, probe, tolerance=0.05)
    assert len(set(tried)) == len(tried)


def sample() -> Sample:
    data = rows(60, 0)
    return Sample(data.X, data.y, plan_of(16), "classification", scores=np.ones(16))


AUTO: list[dict[str, object]] = [
    {"method": "weight_norm", "components": "auto"},
    {"method": "select_k_best", "components": "auto"},
    {"method": "pca", "components": "auto"},
    {"method": "truncated_svd", "components": "auto"},
    {"method": "random_projection", "components": "auto"},
    {"method": "lda", "components": "auto"},
]


@pytest.mark.parametrize("options", AUTO, ids=lambda options: str(options["method"]))
def test_auto_is_resolved_and_every_trial_recorded(options: dict[str, object]) -> None:
    config: ColumnsConfig = TypeAdapter(ColumnsConfig).validate_python(options)
    reduction = resolve_columns(config, sample(), lambda tried: float(np.prod(tried.shape) >= 4), 0.0)
    trials = reduction.report["trials"]
    assert trials
    assert reduction.report["components"] in {trial["components"] for trial in trials}


def test_a_given_size_is_not_searched() -> None:
    def never(reduction: Reduction) -> float:
        raise AssertionError

    config: ColumnsConfig = TypeAdapter(ColumnsConfig).validate_python({"method": "pca", "components": 3})
    assert resolve_columns(config, sample(), never, 0.0).report["trials"] == []


def test_rows_are_chosen_after_the_columns_and_both_are_reported() -> None:
    config = ReduceConfig.model_validate(
        {"columns": {"method": "pca", "components": 2}, "rows": {"method": "k_center", "factor": 0.5}}
    )
    reduction = fit_reduction(config, sample(), lambda reduction: 0.0)
    assert reduction.rows is not None
    assert len(reduction.rows) == 30
    assert reduction.report["columns"]["components"] == 2
    assert reduction.report["rows"] == {
        "method": "k_center",
        "factor": 0.5,
        "per_round": "fixed",
        "balanced": False,
        "compare": True,
        "before": 60,
        "after": 30,
    }


def test_resampled_rows_are_left_to_each_round() -> None:
    config = ReduceConfig.model_validate({"columns": {"method": "none"}})
    config = config.model_copy(update={"rows": RandomRows(factor=0.5, per_round="resampled")})
    reduction = fit_reduction(config, sample(), lambda reduction: 0.0)
    assert reduction.rows is None
    assert (reduction.row_factor, reduction.per_round) == (0.5, "resampled")


def test_probe_trainings_find_the_one_column_that_matters() -> None:
    cleaner = Cleaner(
        {"version": 1, "columns": [{"outputs": [f"c{i}" for i in range(16)], "kind": "number"}]},
        plan_of(16),
        TargetPlan("classification", "y", ("0", "1"), "int"),
    )
    training = TrainConfig(epochs=12, batch=16, lr=0.02, threads=1)
    train, valid = rows(80, 0), rows(60, 1)
    probe = ProbeTraining(cleaner, train, valid, MlpConfig(hidden=(8,)), training)
    data = Sample(train.X, train.y, cleaner.plan, "classification")
    config: ColumnsConfig = TypeAdapter(ColumnsConfig).validate_python(
        {"method": "select_k_best", "components": "auto"}
    )
    assert probe.epochs == 3
    assert resolve_columns(config, data, probe, tolerance=0.05).kept == (2,)


def test_trials_train_the_projection_where_the_training_will() -> None:
    tried: list[bool] = []

    def probe(reduction: Reduction) -> float:
        tried.append(reduction.unfreeze)
        return 1.0

    columns = {"method": "auto", "methods": ["pca", "select_k_best"], "components": 2}
    config = ReduceConfig.model_validate({"columns": columns, "unfreeze": True})
    assert fit_reduction(config, sample(), probe).unfreeze
    assert tried == [True, False]
