"""What a study tries, in rounds: all of a round may run side by side, in any order, with the same result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np

from tasks.config import Params
from tasks.metrics.table import headline
from tasks.search.sampling import Method, Sampler
from tasks.study.ablation import ARMS, Halves, default_space
from tasks.study.candidates import Candidate, candidate
from tasks.study.checks import check_metrics
from tasks.study.facts import Facts
from tasks.study.naming import shown
from tasks.study.objectives import objective
from tasks.study.overrides import Overrides
from tasks.study.rivals import early_rivals, small_dense
from tasks.study.space import Space

__all__ = ["Proposals", "round_size"]

TRIES = 20  # points asked for one that is new, before the space counts as used up
_USED_UP = "study.space holds no more that is new"
TIMED, INSTEAD = "latency_us", "macs"

Result = Mapping[str, Any]


def round_size(candidates: int) -> int:
    """Points that tpe and nsga2 propose before they are told anything: a quarter of all, 4 to 16."""
    return max(1, min(candidates, 16, max(4, candidates // 4)))


class Proposals:
    """The candidates of a study.

    Parameters
    ----------
    params
        The workspace's own; section `study` says what is tried.
    facts
        Of its cleaned data.

    Attributes
    ----------
    notes : list of str
        What was left out, and why.

    Raises
    ------
    ConfigError
        When the space, an objective or a constraint cannot be.

    Notes
    -----
    Points that tpe and nsga2 propose depend on results only through `tell`. Latency, which is measured at the
    end, is stood in for by multiply-adds while they search.
    """

    def __init__(self, params: Params, facts: Facts) -> None:
        self._params, self._facts, self._config = params, facts, params.study
        self._halves = Halves(params, facts)
        self._headline = headline(params.evaluate.metric, facts.task).name
        self._proposed: dict[str, Candidate] = {}
        self._results: dict[str, list[Result]] = {}
        self._waiting: list[tuple[int, str]] = []
        self.notes: list[str] = []
        check_metrics(params, facts.task)
        self._rounds = self._all_rounds()

    @property
    def most(self) -> int:
        """Candidates there will be at most."""
        always = len(ARMS) + 1 if self._config.sampler == "ablation" else 1
        return max(self._config.candidates, always) + 4 * self._config.rivals

    def batch(self) -> list[Candidate]:
        """Return the candidates of the next round; none when the study is complete.

        The results of the last round have to be told first.
        """
        return next(self._rounds, [])

    def tell(self, results: Iterable[Result]) -> None:
        """Say what came of candidates: results of single trials, of all seeds, in any order."""
        for result in results:
            self._results.setdefault(str(result["id"]), []).append(result)

    def _all_rounds(self) -> Iterator[list[Candidate]]:
        first = [*self._ablation(), self._new({}, origin="own"), *self._early_rivals()]
        if self._config.sampler in ("tpe", "nsga2"):
            yield from self._led(_found(first))
        else:
            yield _found([*first, *self._drawn()])
        last = self._small_dense()
        if last is not None:
            yield [last]

    def _new(self, overrides: Overrides, **options: Any) -> Candidate | None:
        """Return a candidate that was not proposed yet, with a name of its own."""
        made = candidate(self._params, overrides, **options)
        if made.id in self._proposed:
            return None
        if any(other.name == made.name for other in self._proposed.values()):
            made = replace(made, name=f"{made.name} {made.id}")
        self._proposed[made.id] = made
        return made

    def _ablation(self) -> Iterator[Candidate | None]:
        if self._config.sampler != "ablation":
            return
        for half in ("columns", "rows"):
            if half not in self._halves.on:
                self.notes.append(f"no arm reduces {half}: these data have nothing to leave out")
        for _, overrides in self._halves.arms():
            yield self._new(overrides, origin="ablation")

    def _early_rivals(self) -> Iterator[Candidate | None]:
        if self._config.rivals:
            for kind, overrides in early_rivals(self._halves):
                yield self._new(overrides, origin="rival", kind=kind, name=kind)

    @property
    def _left(self) -> int:
        """Candidates that there still is room for."""
        counted = sum(one.origin != "rival" for one in self._proposed.values())
        return max(0, self._config.candidates - counted)

    def _space(self, *, ranges: bool) -> Space:
        return Space(self._params, self._config.space or default_space(self._halves, ranges=ranges))

    def _drawn(self) -> list[Candidate]:
        """Return points at random, or the grid."""
        if self._config.sampler == "random":
            return self._asked(self._sampler("random", self._space(ranges=True)), self._left)
        return self._cells(self._space(ranges=False))

    def _cells(self, space: Space) -> list[Candidate]:
        """Return the cells of the grid that are not there yet; as many as there is room for, drawn evenly."""
        room, count = self._left, space.size()
        points = list(space.grid())
        places = range(count)
        if count > room:
            places = np.random.default_rng(self._params.train.seed).permutation(count).tolist()
        chosen: dict[int, Candidate] = {}
        for place in places:
            if len(chosen) == room:
                self.notes.append(
                    f"{room} of the {count:,} combinations of study.space are drawn: study.candidates is "
                    f"{self._config.candidates}"
                )
                break
            if made := self._new(points[place]):
                chosen[place] = made
        return [chosen[place] for place in sorted(chosen)]

    def _sampler(self, method: Method, space: Space) -> Sampler:
        return Sampler(
            method,
            space.suggest,
            objectives=len(self._guides),
            seed=self._params.train.seed,
            round_size=round_size(self._config.candidates),
        )

    def _asked(self, sampler: Sampler, count: int) -> list[Candidate]:
        """Ask for points until `count` of them are new; what is known is told at once."""
        found: list[Candidate] = []
        for _ in range(TRIES * count):
            asked = sampler.ask()
            made = self._new(asked.point)
            key = made.id if made else candidate(self._params, asked.point).id
            if key in self._results:
                sampler.tell(asked.number, *self._told(key))
            else:
                self._waiting.append((asked.number, key))
            found += [made] if made else []
            if len(found) == count:
                return found
        if count and _USED_UP not in self.notes:
            self.notes.append(_USED_UP)
        return found

    def _led(self, first: list[Candidate]) -> Iterator[list[Candidate]]:
        """Yield rounds of a sampler that learns, the first with what else is tried."""
        method: Method = "tpe" if self._config.sampler == "tpe" else "nsga2"
        sampler = self._sampler(method, self._space(ranges=True))
        size = round_size(self._config.candidates)
        while batch := [*first, *self._asked(sampler, min(size, self._left))]:
            yield batch
            first = []
            for number, key in self._waiting:
                sampler.tell(number, *self._told(key))
            self._waiting.clear()

    def _told(self, key: str) -> tuple[Sequence[float] | None, Sequence[float]]:
        """Return a candidate's costs and how far it breaks the constraints, as means over its seeds."""
        trials = self._results.get(key, [])
        costs = [self._mean(trials, name, cost=True) for name in self._guides]
        broken = [
            violation for name in self._config.constraints for violation in self._violations(trials, name)
        ]
        told = [value for value in costs if value is not None]
        if len(told) < len(costs) or any(violation is None for violation in broken):
            return None, []
        return told, [violation for violation in broken if violation is not None]

    @property
    def _guides(self) -> list[str]:
        """Objectives while searching."""
        return list(dict.fromkeys(INSTEAD if name == TIMED else name for name in self._config.objectives))

    def _mean(self, trials: Sequence[Result], name: str, *, cost: bool) -> float | None:
        """Return the mean over seeds; None unless every one has it."""
        judged = objective(name, self._headline)
        values = [judged.value(trial) if trial["status"] == "done" else None for trial in trials]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        return fmean(judged.cost(value) if cost else value for value in known)

    def _violations(self, trials: Sequence[Result], name: str) -> Iterator[float | None]:
        if name == TIMED:
            return
        bound = self._config.constraints[name]  # type: ignore[index]  # a key of it
        value = self._mean(trials, name, cost=False)
        if bound.min is not None:
            yield None if value is None else bound.min - value
        if bound.max is not None:
            yield None if value is None else value - bound.max

    def _small_dense(self) -> Candidate | None:
        """Return the dense network of the size that the workspace's own recipe came to."""
        if not self._config.rivals:
            return None
        target = self._own_recipe()
        wanted = self._weights(target)
        overrides = None if wanted is None else small_dense(self._halves, wanted)
        if overrides is None:
            self.notes.append(f"no small dense network beside {target.name}: none of its size can be made")
            return None
        sizes = shown([value for path, value in overrides.items() if path.startswith("model.")])
        return self._new(overrides, origin="rival", kind="small dense", name=f"small dense {sizes}")

    def _weights(self, target: Candidate) -> float | None:
        """Return how many parameters a dense network may have: at least the target's, or its bytes' worth.

        What a dense network's file holds beside its weights, and the bytes of a weight, are read off the arm
        that does nothing.
        """
        size, weights = self._sizes(target.id)
        dense, many = self._sizes(candidate(self._params, self._halves.arm(()) or {}).id)
        if size is None or weights is None or dense is None or many is None:
            return weights
        each = min(4.0, dense / many)
        return max(weights, (size - max(0.0, dense - each * many)) / each)

    def _sizes(self, key: str) -> tuple[float | None, float | None]:
        """Return bytes and parameters of a candidate."""
        trials = self._results.get(key, [])
        return self._mean(trials, "bytes", cost=False), self._mean(trials, "parameters", cost=False)

    def _own_recipe(self) -> Candidate:
        """Return the arm of columns and pruning, else the workspace's own recipe."""
        arm = self._halves.arm(("columns", "pruning"))
        both = None if arm is None else self._proposed.get(candidate(self._params, arm).id)
        return both or next(iter(self._proposed.values()))


def _found(candidates: Iterable[Candidate | None]) -> list[Candidate]:
    return [one for one in candidates if one is not None]
