"""The search that meets a budget: cheap probes, coarse to fine, and full recovery for the few worth it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tasks.search.budget import Figures, Setting, cost, excess, frontier, shortfall, smoothed
from tasks.search.candidates import Bench, Made
from tasks.search.config import BudgetConfig
from tasks.search.ladder import most_aggressive

__all__ = ["COLUMNS", "UNITS", "Met", "meet"]

COLUMNS = (1.0, 0.5, 0.25, 0.12)
UNITS = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03, 0.015, 0.008, 0.004)
_STEP = 2**0.5
_LEVELS = 2
_FINALISTS, _NEAR = 3, 2


@dataclass(frozen=True, eq=False)
class Met:
    """What a search settled on.

    Attributes
    ----------
    best : Made
        The candidate chosen; the nearest one where the budget cannot be met.
    reference : Figures
        Of the graph that came in.
    met : bool
    probes : tuple of dict
        Everything tried, in order: setting, figures, whether it had recovered.
    notes : tuple of str
    """

    best: Made
    reference: Figures
    met: bool
    probes: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


@dataclass
class _Search:
    bench: Bench
    budget: BudgetConfig
    clock: Callable[[], float]
    until: float
    probed: dict[Setting, Made] = field(default_factory=dict)
    recovered: dict[Setting, Made] = field(default_factory=dict)
    probes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.clock() >= self.until

    @property
    def floor(self) -> float:
        drop = self.budget.max_metric_drop
        return float("-inf") if drop is None else self.bench.reference.metric - drop

    def probe(self, settings: Iterable[Setting]) -> None:
        for setting in settings:
            if setting not in self.probed and not (self.over and self.probed):
                self.probed[setting] = self._noted(self.bench.probe(setting), recovered=False)

    def recover(self, setting: Setting) -> Made:
        if setting not in self.recovered:
            self.recovered[setting] = self._noted(self.bench.recover(setting), recovered=True)
        return self.recovered[setting]

    def _noted(self, made: Made, *, recovered: bool) -> Made:
        facts = {"columns": made.setting.columns, "units": made.setting.units, **made.figures.to_dict()}
        self.probes.append({**facts, "recovered": recovered})
        return made

    def score(self, setting: Setting) -> float:
        """Return the metric after recovery; without time left nothing more aggressive is good enough."""
        if self.over and self.recovered and setting not in self.recovered:
            return float("-inf")
        return self.recover(setting).figures.metric

    def ladder(self, below: float = float("inf")) -> list[Setting]:
        candidates = [(setting, made.figures) for setting, made in self.probed.items()]
        found = frontier(candidates, self.budget)
        return [setting for setting, figures in found if self.cost(figures) < below]

    def cost(self, figures: Figures) -> float:
        return cost(figures, self.budget)


def meet(bench: Bench, budget: BudgetConfig, *, clock: Callable[[], float] = time.monotonic) -> Met:
    """Find the graph that meets a budget, and is smallest, fastest or best within it.

    Every choice is made on validation rows. A candidate before recovery predicts which combinations of
    columns and units are worth their cost (the frontier); bisection along it finds the most aggressive one
    that still does well enough once it has recovered; around that one the grid is refined.

    Parameters
    ----------
    bench : Bench
        Makes and measures candidates.
    budget : BudgetConfig
    clock : callable
        Seconds, for the time box; a recovery that has begun is finished.

    Returns
    -------
    Met
        With `met` False and the nearest candidate when no candidate tried meets the budget.
    """
    search = _Search(bench, budget, clock, clock() + budget.max_seconds)
    search.probe(Setting(columns, units) for columns, units in product(COLUMNS, UNITS))
    chosen = _best(search) if budget.objective == "best" else _cheapest(search)
    nearest = chosen or _nearest(search)
    return Met(
        nearest, bench.reference, chosen is not None, tuple(search.probes), _notes(search, nearest, chosen)
    )


def _cheapest(search: _Search) -> Made | None:
    """Bisect the frontier, then refine the grid around what was found and bisect what is cheaper still."""
    best: Made | None = None
    for _ in range(_LEVELS + 1):
        below = float("inf") if best is None else search.cost(search.probed[best.setting].figures)
        rungs = search.ladder(below)
        if not rungs:
            break
        found = most_aggressive(rungs, search.score, search.floor)
        if found.met:
            best = search.recovered[found.value]
        elif best is None:
            break
        search.probe(_around(best.setting))
    return _confirmed(search)


def _confirmed(search: _Search) -> Made | None:
    """Recover the neighbours in cost of the one that would be chosen, until it stands among them."""
    chosen = _admitted(search)
    while chosen is not None:
        rungs = search.ladder()
        near = _beside(rungs, chosen.setting) if chosen.setting in rungs else []
        unknown = [setting for setting in near if setting not in search.recovered]
        if not unknown or search.over:
            break
        for setting in unknown:
            search.recover(setting)
        chosen = _admitted(search)
    return chosen


def _beside(rungs: Sequence[Setting], setting: Setting) -> list[Setting]:
    """Return the rungs next to one, two to each side."""
    place = rungs.index(setting)
    return [rung for rung in rungs[max(0, place - _NEAR) : place + _NEAR + 1] if rung != setting]


def _best(search: _Search) -> Made | None:
    """Recover the most promising candidates that meet the costs, and keep the one with the best metric."""
    for setting in search.ladder()[:_FINALISTS]:
        if not search.over or not search.recovered:
            search.recover(setting)
    return _admitted(search)


def _admitted(search: _Search) -> Made | None:
    """Return the best of the recovered candidates that meet the whole budget, by the objective.

    Its metric must reach the floor as it is and smoothed: one better than costlier ones was lucky.
    """
    recovered = list(search.recovered.values())
    if not recovered:
        return None
    typical = smoothed([made.figures for made in recovered], search.budget)
    fits = [
        made
        for made, expected in zip(recovered, typical, strict=True)
        if excess(made.figures, search.budget) <= 1 and min(made.figures.metric, expected) >= search.floor
    ]
    if search.budget.objective == "best":
        return max(fits, key=lambda made: made.figures.metric, default=None)
    return min(fits, key=lambda made: search.cost(made.figures), default=None)


def _nearest(search: _Search) -> Made:
    """Return the recovered candidate that misses by least; one is made where there is none."""
    if not search.recovered:
        tried = list(search.probed.values())
        closest = min(tried, key=lambda made: (excess(made.figures, search.budget), -made.figures.metric))
        search.recover(closest.setting)

    def miss(made: Made) -> float:
        short = shortfall(made.figures, search.budget, search.bench.reference.metric)
        return max(excess(made.figures, search.budget) - 1, 0.0) + max(short, 0.0)

    return min(search.recovered.values(), key=miss)


def _around(setting: Setting) -> list[Setting]:
    shares = [(min(a * setting.columns, 1.0), min(b * setting.units, 1.0)) for a, b in _NEIGHBOURS]
    return [Setting(round(columns, 4), round(units, 4)) for columns, units in shares]


_NEIGHBOURS = [
    (a, b) for a in (1 / _STEP, 1.0, _STEP) for b in (1 / _STEP, 1.0, _STEP) if (a, b) != (1.0, 1.0)
]


def _notes(search: _Search, nearest: Made, chosen: Made | None) -> tuple[str, ...]:
    notes = list(nearest.notes)
    if chosen is None:
        notes.append(f"the budget cannot be met; nearest is {_told(search, nearest)}")
    if search.over:
        notes.append(f"the time box of {search.budget.max_seconds:g} s ended the search")
    return tuple(notes)


def _told(search: _Search, made: Made) -> str:
    figures, budget = made.figures, search.budget
    told = [
        (f"{figures.bytes:,} bytes", budget.max_bytes),
        (f"{figures.latency_us:.1f} us", budget.max_latency_p50_us),
        (f"{figures.macs:,} multiply-adds", budget.max_macs),
    ]
    costs = [f"{text} (allowed {limit:,})" for text, limit in told if limit is not None]
    lost = search.bench.reference.metric - figures.metric
    allowed = "" if budget.max_metric_drop is None else f" (allowed {budget.max_metric_drop:g})"
    return ", ".join([*costs, f"validation metric {lost:.4f} below the reference{allowed}"])
