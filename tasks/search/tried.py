"""Everything a budget search has tried, and how its limits judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.search.budget import Figures, Setting, cost, excess
from tasks.search.candidates import Bench, Made
from tasks.search.config import BudgetConfig

__all__ = ["Tried"]


@dataclass
class Tried:
    """Candidates probed and recovered, each once, within a time box.

    Attributes
    ----------
    until : float
        Moment of `clock` at which the box ends.
    probes : list of dict
        What was done, in order.
    longest : float
        Seconds of the longest recovery.
    """

    bench: Bench
    budget: BudgetConfig
    clock: Callable[[], float]
    until: float
    probed: dict[Setting, Made] = field(default_factory=dict)
    recovered: dict[Setting, Made] = field(default_factory=dict)
    probes: list[dict[str, Any]] = field(default_factory=list)
    longest: float = 0.0

    @property
    def over(self) -> bool:
        """Whether the time is."""
        return self.clock() >= self.until

    @property
    def full(self) -> bool:
        """Whether one more recovery, as long as the longest so far, would end after the time."""
        return self.over or self.clock() + self.longest > self.until

    @property
    def floor(self) -> float:
        """The metric that is asked for."""
        drop = self.budget.max_metric_drop
        return float("-inf") if drop is None else self.bench.reference.metric - drop

    @property
    def recoveries(self) -> int:
        """How many candidates have been trained."""
        return sum(probe["recovered"] for probe in self.probes)

    def probe(self, setting: Setting) -> Made:
        """Make a candidate without recovery."""
        if setting not in self.probed:
            self.probed[setting] = self.bench.probe(setting)
            self._note(self.probed[setting], recovered=False)
        return self.probed[setting]

    def recover(self, setting: Setting) -> Made:
        """Make a candidate and let it recover; the same network as another one's is not trained again."""
        if setting not in self.recovered:
            twin = self._twin(self.probe(setting))
            made = self._recovered(setting) if twin is None else twin
            self.recovered[setting] = replace(made, setting=setting)
        return self.recovered[setting]

    def _recovered(self, setting: Setting) -> Made:
        began = self.clock()
        made = self.bench.recover(setting, max(self.until - began, 0.0))
        form = self._form(made)
        self._note(form, recovered=True, epochs=made.epochs, shortened=made.shortened)
        self.longest = max(self.longest, self.clock() - began)
        return form

    def _form(self, made: Made) -> Made:
        """Return the form that the budget asks for, where a candidate has two.

        Bytes speak for int8; where time counts the limits and the objective choose, and a network of which
        nothing was removed is as it came where only that keeps the metric.
        """
        if made.float32 is None or (not self.budget.counts_time and self._meets(made)):
            return made

        def rank(form: Made) -> tuple[bool, float, float]:
            figures = form.figures
            best = self.budget.objective == "best"
            cost = -figures.metric if best else self.cost(figures)
            return not self._meets(form), max(excess(figures, self.budget), 1.0), cost

        return min((made, made.float32), key=rank)

    def _meets(self, made: Made) -> bool:
        return self.admits(made.figures) and made.figures.metric >= self.floor

    def _twin(self, probed: Made) -> Made | None:
        """Return what a recovered candidate of the same columns and as many multiply-adds became."""
        for setting, made in self.recovered.items():
            other = self.probed.get(setting, made)
            if (other.keep, other.figures.macs) == (probed.keep, probed.figures.macs):
                return made
        return None

    def _note(self, made: Made, **how: Any) -> None:
        setting = made.setting
        shares = {"columns": setting.columns, "units": setting.units, "criterion": setting.criterion}
        self.probes.append({**shares, **made.figures.to_dict(), **how})

    def cost(self, figures: Figures) -> float:
        """Return what the objective counts."""
        return cost(figures, self.budget)

    @property
    def limited(self) -> bool:
        """Whether a cost has a limit."""
        budget = self.budget
        return any((budget.max_bytes, budget.max_latency_p50_us, budget.max_macs))

    def admits(self, figures: Figures) -> bool:
        """Whether the limits on costs are met."""
        return excess(figures, self.budget) <= 1
