"""The default study: each half alone, both, all; then a grid of columns kept, share pruned and int8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tasks.config import Params
from tasks.models.config import Cnn1dConfig, Cnn2dConfig, LinearConfig, UserConfig
from tasks.reduction.column_config import PcaColumns, size_field
from tasks.study.config import Choice, Listed, Ranged
from tasks.study.facts import Facts
from tasks.study.overrides import Overrides, validated
from tasks.study.ranges import amount_path, amounts, sizes

__all__ = ["ARMS", "MANY_ROWS", "Halves", "default_space"]

ARMS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "columns": ("columns",),
    "rows": ("rows",),
    "pruning": ("pruning",),
    "columns+pruning": ("columns", "pruning"),
    "all": ("columns", "rows", "pruning"),
}
"""The ablation: what each arm does."""

MANY_ROWS = 10_000
FACTOR = 0.5
AMOUNT = 0.5
OFF: dict[str, dict[str, Any]] = {
    "columns": {"reduce.columns.method": "none", "reduce.unfreeze": False},
    "rows": {"reduce.rows.method": "none", "reduce.rows.factor": 1.0, "reduce.rows.per_round": "fixed"},
    "pruning": {"prune.method": "none"},
}
"""Changes that leave a half undone."""


@dataclass(frozen=True)
class Halves:
    """What columns, rows and pruning each do in a study: as the workspace says, else something usual.

    Parameters
    ----------
    params
        The workspace's own.
    facts
        Of its cleaned data.
    """

    params: Params
    facts: Facts

    @cached_property
    def on(self) -> dict[str, dict[str, Any]]:
        """Changes that do each half; no entry for one that these data have nothing for."""
        done = {"columns": self._columns(), "rows": self._rows(), "pruning": self._pruning()}
        return {half: changes for half, changes in done.items() if changes is not None}

    def arm(self, halves: tuple[str, ...]) -> Overrides | None:
        """Return the changes that do exactly these halves; None when one of them cannot be done."""
        if any(half not in self.on for half in halves):
            return None
        return {
            path: value
            for half, off in OFF.items()
            for path, value in (self.on[half] if half in halves else off).items()
        }

    def arms(self) -> Iterator[tuple[str, Overrides]]:
        """Yield every arm of the ablation that these data allow."""
        for name, halves in ARMS.items():
            if (changes := self.arm(halves)) is not None:
                yield name, changes

    def _columns(self) -> dict[str, Any] | None:
        if self.params.reduce.columns.method != "none":
            return {}
        if self._reads_a_grid:
            shrinks = max(self.facts.grid or (1,)) > 1
            return {"reduce.columns.method": "pool", "reduce.columns.kernel": 2} if shrinks else None
        if self.facts.columns < 2:
            return None
        method = "select_k_best" if isinstance(self.params.model, UserConfig) else "weight_norm"
        return {"reduce.columns.method": method, "reduce.columns.components": 0.5}

    @property
    def _reads_a_grid(self) -> bool:
        model = self.params.model
        own = isinstance(model, UserConfig) and model.input != "flat" and self.facts.grid is not None
        return own or isinstance(model, Cnn1dConfig | Cnn2dConfig)

    def _rows(self) -> dict[str, Any] | None:
        rows = self.params.reduce.rows
        if rows.factor < 1:
            return {}
        if rows.method != "none":
            return {"reduce.rows.factor": FACTOR}
        if self.facts.rows < 2:
            return None
        subset: dict[str, Any] = {"reduce.rows.method": "random", "reduce.rows.factor": FACTOR}
        if self.facts.rows > MANY_ROWS:  # distances between all of them would take longer than training
            return subset
        return subset | {"reduce.rows.method": "k_center", "reduce.rows.compare": False}

    def _pruning(self) -> dict[str, Any] | None:
        """Return what prunes; a budget decides on columns too, so it is no half."""
        if self.params.prune.method not in ("none", "budget"):
            return {}
        # A linear model has no units that could leave.
        linear = isinstance(self.params.model, LinearConfig)
        return {"prune.method": "unstructured" if linear else "structured", "prune.amount": AMOUNT}

    @cached_property
    def both(self) -> Params:
        """Parameters with columns and pruning done, as far as the data allow."""
        halves = tuple(half for half in ("columns", "pruning") if half in self.on)
        return validated(self.params, self.arm(halves) or {})


def default_space(halves: Halves, *, ranges: bool) -> dict[str, Choice]:
    """Return what is varied when `study.space` says nothing: columns, share pruned, int8, or none of them.

    Parameters
    ----------
    halves
        What columns and pruning do here.
    ranges
        From the smallest to the largest of the values, instead of the values: for samplers that can.
    """
    space = {**_columns(halves, ranges), **_pruning(halves, ranges)}
    int8 = halves.params.export.quantise.method
    return space | {"export.quantise.method": Listed(values=("none", "auto" if int8 == "none" else int8))}


def _columns(halves: Halves, ranges: bool) -> dict[str, Choice]:
    if "columns" not in halves.on:
        return {}
    config, path = halves.both.reduce.columns, "reduce.columns.method"
    space: dict[str, Choice] = {path: Listed(values=("none", config.method))}
    if values := sizes(config, halves.facts):
        varied = _choice(values, {path: config.method}, ranges, log=not isinstance(config, PcaColumns))
        space[f"reduce.columns.{size_field(config)}"] = varied
    if halves.params.reduce.unfreeze:
        space["reduce.unfreeze"] = Listed(values=(False,), when={path: "none"})
    return space


def _pruning(halves: Halves, ranges: bool) -> dict[str, Choice]:
    config = halves.both.prune
    space: dict[str, Choice] = {"prune.method": Listed(values=("none", config.method))}
    path = amount_path(config)
    if path and (values := amounts(config)):
        varied = _choice(values, {"prune.method": config.method}, ranges, log=path == "prune.threshold")
        space[path] = varied
    return space


def _choice(values: list[Any], when: dict[str, Any], ranges: bool, *, log: bool) -> Choice:
    numbers = all(isinstance(value, int | float) for value in values)
    if not ranges or not numbers or len(set(values)) < 2:
        return Listed(values=tuple(values), when=when)
    whole = all(isinstance(value, int) for value in values)
    return Ranged(low=min(values), high=max(values), log=log, int=whole, when=when)
