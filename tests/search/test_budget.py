import pytest
from pydantic import ValidationError

from tasks.search.budget import Figures, excess, shortfall
from tasks.search.config import BudgetConfig


def test_the_largest_excess_counts():
    budget = BudgetConfig(max_bytes=100, max_macs=10, max_latency_p50_us=4)
    assert excess(Figures(50, 30, 4.0, 1.0), budget) == 3.0
    assert excess(Figures(50, 5, 4.0, 1.0), budget) == 1.0


def test_a_metric_within_the_drop_falls_short_of_nothing():
    budget = BudgetConfig(max_metric_drop=0.25)
    assert shortfall(Figures(1, 1, 1.0, 0.75), budget, reference=1.0) == 0.0
    assert shortfall(Figures(1, 1, 1.0, 0.5), budget, reference=1.0) == 0.25
    free = BudgetConfig(max_metric_drop=None, objective="best", max_bytes=5)
    assert shortfall(Figures(1, 1, 1.0, 0.0), free, reference=1.0) == 0.0


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"max_metric_drop": None}, "needs max_metric_drop"),
        ({"objective": "best"}, "needs max_bytes, max_latency_p50_us or max_macs"),
        ({"max_bytes": 0}, "max_bytes"),
    ],
)
def test_a_budget_that_bounds_nothing_is_refused(settings, rule):
    with pytest.raises(ValidationError, match=rule):
        BudgetConfig(**settings)
