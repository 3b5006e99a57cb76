"""The search that meets a budget: cheap probes say what candidates cost, a few recoveries what they reach."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from tasks.search.budget import Figures, Setting, excess, shortfall
from tasks.search.candidates import Bench, Made
from tasks.search.config import BudgetConfig
from tasks.search.notes import MOST_RECOVERIES, End, check_countable, notes
from tasks.search.surface import expected
from tasks.search.trial import Ranked, trial
from tasks.search.tried import Tried

__all__ = ["MOST_RECOVERIES", "Met", "meet"]

_FAIR = 0.1
_LUCK = 0.5


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


def meet(
    bench: Bench,
    budget: BudgetConfig,
    *,
    known: Iterable[Made] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Met:
    """Find the graph that meets a budget, and is smallest, fastest or best within it.

    Every choice is made on validation rows. First the criteria that rank columns compete, with full recovery,
    at two shares of the columns, beside a candidate with all columns. Then a grid of candidates without
    recovery says what each combination of columns and units costs, and what it loses at once. A response
    surface over the candidates that have recovered says what the others would reach: the one that promises
    most recovers next and the surface is drawn anew, until none is expected to improve on the one in hand.

    Parameters
    ----------
    bench : Bench
        Makes and measures candidates.
    budget : BudgetConfig
    known : iterable of Made
        Candidates of this bench that have recovered before: they are not made again.
    clock : callable
        Seconds, for the time box: no recovery begins that is not expected to end within it, and one that
        does not all the same recovers for fewer epochs.

    Returns
    -------
    Met
        With `met` False and the nearest candidate when no candidate tried meets the budget.

    Raises
    ------
    EspalierError
        When multiply-adds are limited and those of some layer cannot be counted.
    """
    check_countable(budget, bench.uncounted)
    tried, reference = Tried(bench, budget, clock, clock() + budget.max_seconds), bench.reference
    for made in known:
        tried.recovered[made.setting] = made
    ranked = trial(tried)
    whole = ranked.setting(0, 0)  # nothing removed, perhaps int8: it takes no training
    if not tried.over:
        tried.recover(whole)
    chosen, end = _chosen(tried, ranked) if ranked.probe(tried) else (_best(tried, _taken(tried)), "time")
    if chosen is None and whole not in tried.recovered:
        tried.recover(whole)
        chosen = _best(tried, {whole: _taken(tried)[whole]})
    nearest = chosen or _nearest(tried)
    return Met(
        nearest, reference, chosen is not None, tuple(tried.probes), notes(tried, nearest, chosen, end)
    )


def _chosen(tried: Tried, ranked: Ranked) -> tuple[Made | None, End]:
    """Recover what the surface proposes, as long as it does.

    Returns
    -------
    The best within the budget, and why no more were recovered.
    """
    guessed = ranked.guessed(tried)
    while True:
        hopes = _hopes(tried, ranked, guessed)
        chosen = _best(tried, hopes)
        wanted = _proposal(tried, _corrected(tried, guessed), hopes, chosen)
        if wanted is None:
            return chosen, "settled"
        if tried.full:
            return chosen, "time"
        if tried.recoveries >= MOST_RECOVERIES:
            return chosen, "recoveries"
        tried.recover(wanted)
        guessed[wanted] = tried.probed[wanted].figures


def _corrected(tried: Tried, guessed: dict[Setting, Figures]) -> dict[Setting, Figures]:
    """Multiply guessed bytes by what files turned out to have: before recovery int8 is an estimate."""
    ratios = [
        made.figures.bytes / tried.probed[each].figures.bytes
        for each, made in tried.recovered.items()
        if each in tried.probed
    ]
    if not ratios:
        return guessed
    ratio = statistics.median(ratios)
    return {
        each: tried.recovered[each].figures
        if each in tried.recovered
        else replace(figures, bytes=round(ratio * figures.bytes))
        for each, figures in guessed.items()
    }


@dataclass(frozen=True)
class _Hope:
    """The metric that a setting should have after recovery, and how sure that is."""

    mean: float
    deviation: float

    def above(self, floor: float) -> float:
        """Probability."""
        return 0.5 * math.erfc((floor - self.mean) / max(self.deviation, 1e-12) / 2**0.5)

    def over(self, level: float) -> float:
        """Expected improvement on a level: E max(metric - level, 0) (Jones et al., 1998)."""
        spread = max(self.deviation, 1e-12)
        z = (self.mean - level) / spread
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return spread * density + (self.mean - level) * self.above(level)


def _hopes(tried: Tried, ranked: Ranked, guessed: dict[Setting, Figures]) -> dict[Setting, _Hope]:
    """Return what each setting should reach; nothing while none has recovered."""
    whole = ranked.setting(0, 0)  # has not been trained: no luck in it, and nothing to learn from
    sound = {each: made for each, made in tried.recovered.items() if made.sound}
    reached = {each: made.figures.metric for each, made in sound.items() if each in guessed}
    sure = {whole: _Hope(reached.pop(whole), 0.0)} if whole in reached else {}
    if not reached:
        return sure
    before = {each: figures.metric for each, figures in guessed.items()}
    found = expected(reached, before, list(guessed), tried.bench.noise)
    return {each: _Hope(*map(float, row)) for each, *row in zip(guessed, *found, strict=True)} | sure


def _taken(tried: Tried) -> dict[Setting, _Hope]:
    """Take every metric as measured, where there was no time for a surface."""
    return {each: _Hope(made.figures.metric, 0.0) for each, made in tried.recovered.items()}


def _best(tried: Tried, hopes: dict[Setting, _Hope]) -> Made | None:
    """Return the best of the recovered candidates that meet the whole budget, by the objective.

    Its metric must reach the floor as measured, and be expected above it by a guard: the cheapest of many
    that did was lucky. Where none is above it by so much, what is expected at the floor counts too.
    """

    def within(guard: float) -> dict[Setting, Made]:
        return {
            each: made
            for each, made in tried.recovered.items()
            if each in hopes
            and made.sound
            and tried.admits(made.figures)
            and made.figures.metric >= tried.floor
            and hopes[each].mean >= tried.floor + (guard if hopes[each].deviation else 0.0)
        }

    fits = within(_guard(tried)) or within(0.0)
    if not fits:
        return None
    if tried.budget.objective == "best":
        return fits[max(fits, key=lambda each: hopes[each].mean)]
    return min(fits.values(), key=lambda made: tried.cost(made.figures))


def _guard(tried: Tried) -> float:
    return _LUCK * tried.bench.noise


def _proposal(
    tried: Tried, guessed: dict[Setting, Figures], hopes: dict[Setting, _Hope], chosen: Made | None
) -> Setting | None:
    """Return what to recover next: the largest saving times the probability that the metric does.

    That is the expected improvement under a constraint (Schonlau et al., 1998), in the logarithm of the cost.
    None when nothing left has a fair chance of being better than `chosen`.
    """
    admitted = [each for each in guessed if tried.admits(guessed[each])]
    if not admitted:  # nothing meets the costs: the one that misses by least
        admitted = [min(guessed, key=lambda each: excess(guessed[each], tried.budget))]
    left = [each for each in admitted if each not in tried.recovered]
    if not left or not all(each in hopes for each in left):
        return left[0] if left else None
    promising = max(left, key=lambda each: hopes[each].mean)
    if tried.budget.objective == "best":
        if chosen is None:
            return promising
        level = hopes[chosen.setting].mean
        hopeful = max(left, key=lambda each: hopes[each].over(level))
        return hopeful if hopes[hopeful].over(level) >= _FAIR * tried.bench.noise else None
    most = max(map(tried.cost, guessed.values())) if chosen is None else tried.cost(chosen.figures)

    def gain(each: Setting) -> float:
        chance = hopes[each].above(tried.floor + _guard(tried))
        return chance * math.log(most / tried.cost(guessed[each])) if chance >= _FAIR else 0.0

    best = max(left, key=gain)
    return best if gain(best) > 0 else promising if chosen is None else None


def _nearest(tried: Tried) -> Made:
    """Return the recovered candidate that misses by least, of those whose answers are finite."""

    def miss(made: Made) -> float:
        short = shortfall(made.figures, tried.budget, tried.bench.reference.metric)
        return max(excess(made.figures, tried.budget) - 1, 0.0) + max(short, 0.0)

    return min((made for made in tried.recovered.values() if made.sound), key=miss)
