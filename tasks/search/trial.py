"""Which criterion ranks the columns, and the grid of settings that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

from tasks.search.budget import Figures, Setting
from tasks.search.surface import interpolated
from tasks.search.tried import Tried

__all__ = ["COLUMNS", "PLACES", "UNITS", "Ranked", "trial"]

COLUMNS, UNITS = range(7), range(17)
"""Halvings of the columns and of the units that a search looks at, in half steps."""

PLACES = (1, 3)
"""Where the criteria compete: halvings of the columns, in half steps."""

_TRIAL_UNITS = 4
_ELSEWHERE = 0.5  # what a difference at the other place counts beside one's own
_FAR = 2  # half steps up to which the first place is the nearest


@dataclass(frozen=True)
class Ranked:
    """The criterion of every share of the columns: few may be ranked best by another one than many.

    Attributes
    ----------
    criteria : dict
        Of each place.
    """

    criteria: Mapping[int, str]

    def setting(self, columns: int, units: int) -> Setting:
        """Return the setting of so many half steps of halving."""
        place = PLACES[0] if columns <= _FAR else PLACES[-1]
        return _setting(columns, units, self.criteria[place])

    def probe(self, tried: Tried) -> bool:
        """Probe the whole steps of the grid; False when the time ends before."""
        for columns, units in product(COLUMNS[::2], UNITS[::2]):
            if tried.over and tried.probed:
                return False
            tried.probe(self.setting(columns, units))
        return True

    def guessed(self, tried: Tried) -> dict[Setting, Figures]:
        """Return what every setting costs, and its metric before recovery: interpolated where not probed."""
        coarse = [self.setting(columns, units) for columns, units in product(COLUMNS[::2], UNITS[::2])]
        fine = [self.setting(columns, units) for columns, units in product(COLUMNS, UNITS)]

        def over(name: str) -> list[float]:
            values = {each: float(getattr(tried.probed[each].figures, name)) for each in coarse}
            return [float(value) for value in interpolated(values, fine)]

        costs = zip(*map(over, ("bytes", "macs", "latency_us", "metric")), strict=True)
        guessed = {
            each: Figures(round(size), round(macs), wait, metric)
            for each, (size, macs, wait, metric) in zip(fine, costs, strict=True)
        }
        return {each: tried.probed[each].figures if each in tried.probed else guessed[each] for each in fine}


def trial(tried: Tried) -> Ranked:
    """Let the criteria compete after recovery, at each of two places; the first one where there is no time.

    A candidate with all columns recovers too: it says what columns are worth. Where costs are limited, all
    have as many units as the limits allow. Of candidates that are known already no more are made.
    """
    criteria = tried.bench.criteria
    if not _compared(tried):
        places = PLACES[:1] if tried.budget.objective == "best" else PLACES
        units = _units(tried, Ranked(dict.fromkeys(PLACES, criteria[0])))
        wanted = [(0, criteria[0]), *product(places, criteria)]
        for columns, criterion in wanted:
            if not tried.full:
                tried.recover(_setting(columns, units(columns), criterion))
    return Ranked(_winners(criteria, _compared(tried)))


def _setting(columns: int, units: int, criterion: str) -> Setting:
    return Setting(0.5 ** (columns / 2), 0.5 ** (units / 2), criterion)


def _units(tried: Tried, ranked: Ranked) -> Callable[[int], int]:
    """Return halvings of units, in half steps, for each of the columns: the fewest within the limits."""
    if not tried.limited or not ranked.probe(tried):
        return lambda _: _TRIAL_UNITS
    guessed = ranked.guessed(tried)

    def fewest(columns: int) -> int:
        fit = (units for units in UNITS if tried.admits(guessed[ranked.setting(columns, units)]))
        return next(fit, UNITS[-1])

    return fewest


def _compared(tried: Tried) -> dict[int, dict[str, float]]:
    """Return what each criterion reached by place, where all have recovered with equal units."""
    found: dict[int, dict[str, float]] = {}
    criteria = tried.bench.criteria
    for place, units in product(PLACES, UNITS):
        settings = {each: _setting(place, units, each) for each in criteria}
        if all(setting in tried.recovered for setting in settings.values()):
            found[place] = {
                each: tried.recovered[setting].figures.metric for each, setting in settings.items()
            }
    return found


def _winners(criteria: tuple[str, ...], compared: Mapping[int, Mapping[str, float]]) -> dict[int, str]:
    """Return the criterion of each place: the best there, what it reached elsewhere counting by half."""

    def reached(place: int, criterion: str) -> float:
        return sum(
            scores[criterion] * (1.0 if other == place else _ELSEWHERE) for other, scores in compared.items()
        )

    return {place: max(criteria, key=lambda each: reached(place, each)) for place in PLACES}
