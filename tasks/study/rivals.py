"""Honest rivals: what a recipe has to beat to be worth its trouble."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.models.config import LinearConfig, ModelConfig, UserConfig
from tasks.models.graph import input_shape
from tasks.models.zoo import build_network
from tasks.pruning.config import NoPruneConfig, PruneConfig, StepsConfig, UnstructuredConfig, steps_of
from tasks.search.config import BudgetedConfig
from tasks.study.ablation import OFF, Halves
from tasks.study.facts import Facts
from tasks.study.overrides import Overrides, validated

__all__ = ["early_rivals", "parameters", "small_dense"]

SIZES = ("hidden", "width", "inner", "channels")
"""Options of section model that count units."""

UNDONE = {path: value for half in OFF.values() for path, value in half.items()}


def early_rivals(halves: Halves) -> Iterator[tuple[str, Overrides]]:
    """Yield the rivals that need no result first, by kind: random units, random rows, a linear model."""
    if (changes := _random_units(halves)) is not None:
        yield "random units", changes
    if (changes := _random_rows(halves)) is not None:
        yield "random rows", changes
    if not isinstance(halves.params.model, LinearConfig):
        yield "linear", {**UNDONE, **_fresh(halves), "model.method": "linear"}


def _random_units(halves: Halves) -> Overrides | None:
    """Return columns + pruning with what leaves drawn at random; None where nothing ranks."""
    changes = halves.arm(tuple(half for half in ("columns", "pruning") if half in halves.on)) or {}
    config = halves.both.prune
    if isinstance(config, StepsConfig):
        steps = [step.model_dump(mode="json", exclude_unset=True) for step in config.steps]
        drawn = [_drawn(step) for step in config.steps]
        if not any(drawn):
            return None
        told = [
            {**raw, "method": step.method, **random}
            for raw, step, random in zip(steps, config.steps, drawn, strict=True)
        ]
        return {**changes, "prune.steps": told}
    if isinstance(config, NoPruneConfig | BudgetedConfig) or not (random := _drawn(config)):
        return None
    return {**changes, **{f"prune.{key}": value for key, value in random.items()}}


def _drawn(step: PruneConfig) -> dict[str, Any]:
    """Return the options that make a removal random, {} where it ranks nothing that could be drawn."""
    by_value = isinstance(step, UnstructuredConfig) and step.threshold is not None
    if by_value or step.method in ("low_rank", "inputs", "none", "steps"):
        return {}
    return {"importance": "random"} | ({"norm": "l2"} if hasattr(step, "norm") else {})


def _random_rows(halves: Halves) -> Overrides | None:
    """Return the arm of rows with a random share of the same size; None where there is none to choose."""
    arm = halves.arm(("rows",))
    if arm is None:
        return None
    rows = validated(halves.params, arm).reduce.rows
    drawn = {"method": "random", "factor": rows.factor, "balanced": getattr(rows, "balanced", False)}
    others = {path: value for path, value in arm.items() if not path.startswith("reduce.rows")}
    return {**others, "reduce.rows": drawn}


def _fresh(halves: Halves) -> dict[str, Any]:
    """Return what makes another network from scratch, trained as long as a pruned one in all."""
    prune = halves.both.prune
    removals = () if isinstance(prune, BudgetedConfig) else steps_of(prune)
    epochs = halves.params.train.epochs
    recovery = sum(step.finetune.length(trained=epochs) * getattr(step, "rounds", 1) for step in removals)
    return {"reference.weights": None, "train.epochs": epochs + recovery}


def small_dense(halves: Halves, wanted: float) -> Overrides | None:
    """Return a dense network of the configured family with about as many parameters, on all columns and rows.

    Parameters
    ----------
    halves
        The workspace's parameters, and its data.
    wanted
        Parameters it may have.

    Returns
    -------
    Its layers scaled alike by the largest share that keeps within `wanted`, one unit at least; None for a
    family without a size, and where not even one unit a layer is small enough.
    """
    params = halves.params
    if isinstance(params.model, LinearConfig | UserConfig):
        return None

    def build(model: Any, share: float) -> ModelConfig:
        sizes = {name: _scale(getattr(model, name), share) for name in SIZES if hasattr(model, name)}
        scaled: ModelConfig = model.model_copy(update=sizes)
        return scaled

    def count(share: float) -> int:
        return parameters(build(params.model, share), halves.facts)

    if count(0.0) > wanted:
        return None
    low, high = 0.0, 1.0
    while count(high) < wanted and high < 4:
        high *= 2
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if count(middle) <= wanted else (low, middle)
    small = build(params.model, low).model_dump(mode="json")
    sizes = {f"model.{name}": units for name, units in small.items() if name in SIZES and units}
    return {**UNDONE, **_fresh(halves), **sizes}


def parameters(model: ModelConfig, facts: Facts) -> int:
    """Count the weights and biases of a network on all features.

    Raises
    ------
    EspalierError
        When the family does not take these rows.
    """
    network = build_network(model, input_shape(model, facts.plan, None), facts.outputs, seed=0)
    return sum(weights.numel() for weights in network.parameters())


def _scale(units: Any, share: float) -> Any:
    if isinstance(units, tuple):
        return tuple(_scale(each, share) for each in units)
    return max(1, round(units * share))
