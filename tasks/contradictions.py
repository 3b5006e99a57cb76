"""Settings of different sections that are valid alone and impossible together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tasks.errors import Problem
from tasks.pruning.config import StepsConfig

if TYPE_CHECKING:
    from tasks.config import Params

__all__ = ["contradictions"]

SPLIT_COLUMNS = {"grouped": "group", "time": "time", "column": "split"}


def _split_without_column(params: Params) -> Iterator[Problem]:
    method = params.clean.split.method
    column = SPLIT_COLUMNS.get(method)
    if column and getattr(params.source, column) is None:
        rule = f"is needed by clean.split.method: {method}"
        yield Problem(f"source.{column}", None, rule, "name a column")


def _column_without_split(params: Params) -> Iterator[Problem]:
    """A column named to keep the parts apart, and a split that would not look at it."""
    for method, column in SPLIT_COLUMNS.items():
        named = getattr(params.source, column)
        if named is not None and params.clean.split.method != method:
            rule = f"is not looked at by clean.split.method: {params.clean.split.method}"
            hint = f"set clean.split.method: {method}, or leave the column out with source.drop"
            yield Problem(f"source.{column}", named, rule, hint)


def _off_the_grid(params: Params) -> Iterator[Problem]:
    network, method = params.model.method, params.reduce.columns.method
    if network in ("cnn1d", "cnn2d") and method not in ("none", "pool", "dct"):
        rule = f"takes the rows off the grid that model.method: {network} needs"
        yield Problem("reduce.columns.method", method, rule, "valid here: none, pool, dct")
    axes = {"cnn1d": 2, "cnn2d": 3}.get(network)
    shape = params.source.shape
    if axes and shape and len(shape) != axes:
        wanted = "[channels, length]" if axes == 2 else "[channels, height, width]"
        yield Problem("source.shape", list(shape), f"must be {wanted} for model.method: {network}")


def _for_another_task(params: Params) -> Iterator[Problem]:
    """Settings that only one of the tasks has a meaning for; a task of auto is known after the fetch."""
    task = params.source.task
    if task == "classification" and params.clean.target.log:
        yield Problem("clean.target.log", True, "needs a number to predict, source.task is classification")
    if task != "regression":
        return
    needs_classes = [
        ("train.class_weights", params.train.class_weights, "none"),
        ("train.label_smoothing", params.train.label_smoothing, 0.0),
    ]
    for path, value, off in needs_classes:
        if value != off:
            yield Problem(path, value, "needs classes, source.task is regression", f"set {off}")
    if params.reduce.columns.method == "lda":
        hint = "use pca or select_k_best"
        yield Problem("reduce.columns.method", "lda", "needs classes, source.task is regression", hint)


def _another_export(params: Params) -> Iterator[Problem]:
    """Refuse a budget that counts on another export than the one that follows."""
    prune, export = params.prune, params.export
    if prune.method == "budget" and prune.quantise != export.quantise:
        hint = f"set export.quantise.method: {prune.quantise.method}, with the same options"
        rule = f"must equal export.quantise (method {export.quantise.method}): the budget is for that file"
        yield Problem("prune.quantise.method", prune.quantise.method, rule, hint)


def _rewound_too_far(params: Params) -> Iterator[Problem]:
    """Going back to an epoch that the training does not reach."""
    steps = params.prune.steps if isinstance(params.prune, StepsConfig) else (params.prune,)
    for number, step in enumerate(steps):
        back = getattr(step, "rewind", "none")
        if isinstance(back, int) and back > params.train.epochs:
            path = f"prune.steps.{number}.rewind" if isinstance(params.prune, StepsConfig) else "prune.rewind"
            rule = f"is past the training, train.epochs is {params.train.epochs}"
            yield Problem(path, back, rule, "a few epochs are usual, or init")


_CONTRADICTIONS: tuple[tuple[set[str], Callable[[Params], Iterator[Problem]]], ...] = (
    ({"source", "clean"}, _split_without_column),
    ({"source", "clean"}, _column_without_split),
    ({"source", "model", "reduce"}, _off_the_grid),
    ({"source", "clean", "train", "reduce"}, _for_another_task),
    ({"prune", "train"}, _rewound_too_far),
    ({"prune", "export"}, _another_export),
)
"""The rules, with the sections each looks at."""


def contradictions(params: Params, broken: set[str]) -> list[Problem]:
    """Return what the sound sections say against each other."""
    sound = (rule for sections, rule in _CONTRADICTIONS if not sections & broken)
    return [problem for rule in sound for problem in rule(params)]
