"""Section `study` of params.yaml: what `espalier study` varies, how it searches and where it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tasks.errors import Problem
from tasks.metrics.names import MetricName
from tasks.schema import nearest, parse_section
from tasks.settings import Section

__all__ = ["Bound", "Cases", "Choice", "Listed", "Objective", "Ranged", "StudyConfig"]

Objective = Literal["metric", "bytes", "macs", "latency_us", MetricName]
"""What candidates are compared by; `metric` is the headline of section evaluate, on validation rows."""

Conditions: TypeAlias = dict[str, Any]


class Listed(Section):
    """Values in turn, whole sections too."""

    values: tuple[Any, ...] = Field(min_length=1, description="the values")
    when: Conditions = Field({}, description="varied only where these paths have these values")


class Ranged(Section):
    """Numbers between two ends, both included."""

    low: float = Field(allow_inf_nan=False, description="smallest value")
    high: float = Field(allow_inf_nan=False, description="largest value")
    log: bool = Field(False, description="true: every ratio is as likely as any other")
    step: float | None = Field(None, gt=0, allow_inf_nan=False, description="between values, from low")
    int: bool = Field(False, description="true: whole numbers")
    when: Conditions = Field({}, description="varied only where these paths have these values")

    @model_validator(mode="after")
    def _is_a_range(self) -> Ranged:
        whole = all(end == round(end) for end in (self.low, self.high, self.step or 1))
        broken = [message for wrong, message in self._rules(whole) if wrong]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    def _rules(self, whole: bool) -> tuple[tuple[bool, str], ...]:
        return (
            (self.low >= self.high, f"low must be below high (got {self.low:g} and {self.high:g})"),
            (self.log and self.low <= 0, f"a log range needs low above 0 (got {self.low:g})"),
            (self.log and self.step is not None, "a log range has no step; leave out one of them"),
            (self.int and not whole, "int: true needs whole numbers for low, high and step"),
        )


class Cases(Section):
    """Another list or range in each case; the first whose conditions hold counts."""

    cases: tuple[Listed | Ranged, ...] = Field(min_length=1, description="lists and ranges, each with when")


Choice: TypeAlias = Listed | Ranged | Cases


class _Forms(Section):
    """The three forms of a choice, for `parse_section`."""

    listed: Listed
    ranged: Ranged


_FORM = "must be a list of values, {values: [...]}, {low: ..., high: ...} or {cases: [...]}"
_KEYS = ("values", "low", "high", "log", "step", "int", "when", "cases")


def _choice(raw: object) -> Choice:
    """Read one entry of the space."""
    if isinstance(raw, Listed | Ranged | Cases):
        return raw
    if isinstance(raw, list | tuple):
        if not raw:
            raise ValueError("needs at least 1 value")
        return Listed(values=tuple(raw))
    if isinstance(raw, Mapping) and "cases" in raw:
        return _cases(raw)
    if not isinstance(raw, Mapping):
        raise ValueError(_FORM)
    return _one(raw)


def _cases(raw: Mapping[str, Any]) -> Cases:
    cases = raw["cases"]
    if set(raw) != {"cases"} or not isinstance(cases, list | tuple) or not cases:
        raise ValueError("cases must be a list, alone: each case has its own values or range, and its when")
    if any(not isinstance(case, Mapping) for case in cases):
        raise ValueError("each case must be {values: [...], when: ...} or {low: ..., high: ..., when: ...}")
    return Cases(cases=tuple(_one(case) for case in cases))


def _one(raw: Mapping[str, Any]) -> Listed | Ranged:
    strangers = [key for key in raw if key not in _KEYS]
    if strangers:
        raise ValueError(f"unknown key {strangers[0]!r}; {nearest(strangers[0], _KEYS)}")
    form = "listed" if "values" in raw else "ranged"
    if form == "ranged" and not {"low", "high"} & set(raw):
        raise ValueError(_FORM)
    found, problems = parse_section(_Forms, form, raw)
    if problems:
        raise ValueError("; ".join(_told(problem) for problem in problems))
    choice: Listed | Ranged = found
    return choice


def _told(problem: Problem) -> str:
    inside = problem.path.partition(".")[2]
    shown = "" if problem.value is None else f" (got {json.dumps(problem.value)})"
    hint = f"; {problem.hint}" if problem.hint else ""
    return f"{inside} {problem.rule}{shown}{hint}".strip()


class Bound(Section):
    """What a candidate must keep to count."""

    min: float | None = Field(None, allow_inf_nan=False, description="at least")
    max: float | None = Field(None, allow_inf_nan=False, description="at most")

    @model_validator(mode="after")
    def _bounds_something(self) -> Bound:
        if self.min is None and self.max is None:
            raise ValueError("needs min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not be above max (got {self.min:g} and {self.max:g})")
        return self


class StudyConfig(Section):
    """`espalier study`: many variants of this file, compared. No stage reads this section."""

    name: str = Field("study", min_length=1, description="what the study is called")
    sampler: Literal["ablation", "grid", "random", "tpe", "nsga2"] = Field(
        "ablation",
        description="ablation: nothing, columns, rows, pruning, both and all, then a grid | grid: every "
        "combination | random | tpe, nsga2: led by what earlier candidates reached",
    )
    space: dict[str, Annotated[Choice, BeforeValidator(_choice)]] = Field(
        {},
        description="path: [values] or {low, high, log, step, int}, either with when: {path: value}; {}: "
        "columns kept, share pruned and int8, around what this file says",
    )
    candidates: int = Field(40, ge=1, description="most candidates; rivals come on top")
    seeds: int = Field(3, ge=1, description="trainings of each candidate, with train.seed and those after it")
    objectives: tuple[Objective, ...] = Field(
        ("metric", "bytes", "latency_us"),
        min_length=1,
        description="what the front is made of: metric (the headline), bytes, macs, latency_us, or any "
        "metric by its name; metrics on validation rows",
    )
    constraints: dict[Objective, Bound] = Field(
        {}, description="what a candidate must keep, as in {bytes: {max: 50000}, metric: {min: 0.9}}"
    )
    seconds: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="no trial starts after so many seconds; null: all do"
    )
    rivals: bool = Field(
        True,
        description="also random units, random rows, a small dense network of the same size, a linear model",
    )
    runner: Literal["processes", "threads", "dask"] = Field(
        "processes", description="processes | threads, on this machine | dask, on a cluster"
    )
    workers: int | None = Field(None, ge=1, description="candidates at once; null: one a core")
    address: str | None = Field(
        None, description="dask: scheduler, as in tcp://host:8786; null: a cluster of this machine"
    )

    @field_validator("objectives")
    @classmethod
    def _once_each(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        if len(set(objectives)) < len(objectives):
            raise ValueError("names an objective twice")
        return objectives

    @model_validator(mode="after")
    def _address_is_looked_at(self) -> StudyConfig:
        if self.address is not None and self.runner != "dask":
            raise ValueError(f"address needs runner dask, runner is {self.runner}")
        return self
