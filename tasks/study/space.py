"""The search space: values by path, some of them only where others have certain values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tasks.config import Params
from tasks.errors import ConfigError, Problem
from tasks.search.sampling import Draw
from tasks.study.config import Cases, Choice, Listed, Ranged
from tasks.study.overrides import fixed
from tasks.study.paths import path_problem, value_problem

__all__ = ["LARGEST_GRID", "Space"]

LARGEST_GRID = 100_000
LEVELS = 5  # of a range in a grid

Point = dict[str, Any]


@dataclass(frozen=True)
class Space:
    """Choices by path, around the workspace's own parameters.

    Parameters
    ----------
    base
        Parameters that hold where a point says nothing.
    choices
        Section `study.space`.

    Raises
    ------
    ConfigError
        With every path that no parameter has or no candidate may change, every value that it does not take,
        and conditions that go in a circle.
    """

    base: Params
    choices: Mapping[str, Choice]

    def __post_init__(self) -> None:
        problems = list(_problems(self.choices))
        if problems:
            raise ConfigError(problems)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Paths, each after those it depends on and after the section it is part of."""
        placed: list[str] = []
        left = list(self.choices)
        while left:
            free = [path for path in left if not _waits(path, self.choices, set(left))]
            placed.append(free[0])
            left.remove(free[0])
        return tuple(placed)

    @cached_property
    def _written(self) -> dict[str, Any]:
        return self.base.model_dump(mode="json", by_alias=True)

    def active(self, path: str, point: Point) -> Listed | Ranged | None:
        """Return what `path` is chosen from, given the coordinates before it; None where it is not varied."""
        choice = self.choices[path]
        cases = choice.cases if isinstance(choice, Cases) else (choice,)
        return next((case for case in cases if self._holds(case.when, point)), None)

    def _holds(self, when: Mapping[str, Any], point: Point) -> bool:
        return all(
            self._at(path, point) in (wanted if isinstance(wanted, list) else [wanted])
            for path, wanted in when.items()
        )

    def _at(self, path: str, point: Point) -> Any:
        """Return the value of a path at a point: its own, its section's, else the workspace's."""
        keys = path.split(".")
        for depth in range(len(keys), 0, -1):
            start = ".".join(keys[:depth])
            if start in point:
                return _below(point[start], keys[depth:])
        return _below(self._written, keys)

    def suggest(self, draw: Draw) -> Point:
        """Draw one point."""
        point: Point = {}
        for path in self.order:
            choice = self.active(path, point)
            if isinstance(choice, Listed):
                name = path if choice == self.choices[path] else f"{path} {_digest(choice)}"
                point[path] = choice.values[draw.item(name, len(choice.values))]
            elif choice is not None:
                point[path] = _drawn(path, choice, draw)
        return point

    def grid(self) -> Iterator[Point]:
        """Yield every combination; of a range without step five values from end to end."""
        yield from self._cells({}, self.order)

    def _cells(self, point: Point, paths: Sequence[str]) -> Iterator[Point]:
        if not paths:
            yield point
            return
        choice = self.active(paths[0], point)
        if choice is None:
            yield from self._cells(point, paths[1:])
            return
        for value in levels(paths[0], choice):
            yield from self._cells({**point, paths[0]: value}, paths[1:])

    def size(self) -> int:
        """Count the cells of the grid.

        Raises
        ------
        ConfigError
            When there are more than 100,000.
        """
        for count, _ in enumerate(self.grid(), 1):
            if count > LARGEST_GRID:
                rule = f"has more than {LARGEST_GRID:,} combinations"
                hint = "name fewer values, or set study.sampler: random, tpe or nsga2"
                raise ConfigError([Problem("study.space", None, rule, hint)])
        return count


def levels(path: str, choice: Listed | Ranged) -> list[Any]:
    """Return the values that a grid takes: all of a list, all steps of a range, else five from end to end."""
    if isinstance(choice, Listed):
        return list(choice.values)
    low, high, whole = choice.low, choice.high, _is_whole(path, choice)
    if choice.step is not None:
        count = math.floor((high - low) / choice.step + 1e-9) + 1
        found = [low + place * choice.step for place in range(count)]
    elif choice.log:
        found = [float(value) for value in np.geomspace(low, high, LEVELS)]
    elif whole and high - low < LEVELS:
        found = [low + place for place in range(int(high - low) + 1)]
    else:
        found = [float(value) for value in np.linspace(low, high, LEVELS)]
    return list(dict.fromkeys(round(value) if whole else _tidy(value) for value in found))


def _drawn(path: str, choice: Ranged, draw: Draw) -> Any:
    name = f"{path} {_digest(choice)}"
    if not _is_whole(path, choice):
        return _tidy(draw.number(name, choice.low, choice.high, log=choice.log, step=choice.step))
    step = round(choice.step or 1)
    return draw.whole(name, round(choice.low), round(choice.high), log=choice.log, step=step)


def _is_whole(path: str, choice: Ranged) -> bool:
    """Whether a range is of whole numbers: said so, or all that its parameter takes between its ends."""
    if choice.int:
        return True
    ends = [choice.low, choice.high, choice.step or 1.0]
    if any(end != round(end) for end in ends):
        return False
    between = choice.low + 0.5
    return value_problem(path, between) is not None and value_problem(path, round(choice.low)) is None


def _tidy(value: float) -> float:
    """Return a number to six digits: what is read is what is run."""
    return float(f"{value:.6g}")


def _digest(choice: Listed | Ranged) -> str:
    """Tell the cases of one path apart: a sampler takes one coordinate for one distribution."""
    return choice.model_dump_json(exclude={"when"})


def _below(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list | tuple):
            value = value[int(key)] if key.isdigit() and int(key) < len(value) else None
        else:
            return None
    return value


def _cases(choice: Choice) -> tuple[Listed | Ranged, ...]:
    return choice.cases if isinstance(choice, Cases) else (choice,)


def _conditions(choice: Choice) -> set[str]:
    return {path for case in _cases(choice) for path in case.when}


def _waits(path: str, choices: Mapping[str, Choice], left: set[str]) -> bool:
    """Whether a path must stay behind one that is still to be placed."""
    needed = {
        other for condition in _conditions(choices[path]) for other in left if _touches(condition, other)
    }
    return bool((needed | {other for other in left if path.startswith(f"{other}.")}) - {path})


def _touches(condition: str, path: str) -> bool:
    return condition == path or condition.startswith(f"{path}.")


def _problems(choices: Mapping[str, Choice]) -> Iterator[Problem]:
    for path, choice in choices.items():
        where = f"study.space.{path}"
        if wrong := path_problem(path):
            yield Problem(where, None, wrong.rule, wrong.hint)
        elif why := fixed(path):
            yield Problem(where, None, "cannot vary", why)
        else:
            yield from _wrong_values(where, path, choice)
        for case in _cases(choice):
            yield from _wrong_conditions(where, case.when)
    if circle := _circle(choices):
        rule = f"depend on each other in a circle: {', '.join(circle)}"
        yield Problem("study.space", None, rule, "leave out one of their conditions")


def _wrong_values(where: str, path: str, choice: Choice) -> Iterator[Problem]:
    for case in _cases(choice):
        ends = [case.low, case.high] if isinstance(case, Ranged) else case.values
        whole = isinstance(case, Ranged) and _is_whole(path, case)
        for value in ends:
            if wrong := value_problem(path, round(value) if whole else value):
                below = wrong.path.removeprefix(path)
                yield Problem(f"{where}{below}", wrong.value, wrong.rule, wrong.hint)


def _wrong_conditions(where: str, when: Mapping[str, Any]) -> Iterator[Problem]:
    for path, wanted in when.items():
        if wrong := path_problem(path):
            yield Problem(f"{where}.when.{path}", None, wrong.rule, wrong.hint)
            continue
        for value in wanted if isinstance(wanted, list) else [wanted]:
            if wrong := value_problem(path, value):
                yield Problem(f"{where}.when.{path}", wrong.value, wrong.rule, wrong.hint)


def _circle(choices: Mapping[str, Choice]) -> list[str]:
    left = list(choices)
    while free := [path for path in left if not _waits(path, choices, set(left))]:
        left = [path for path in left if path not in free]
    return left
