import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.search.budget import Figures, Setting, excess, frontier, shortfall
from tasks.search.config import BudgetConfig

figures = st.builds(
    Figures,
    st.integers(1, 50),
    st.integers(1, 50),
    st.floats(1, 50),
    st.integers(0, 20).map(lambda n: n / 20),
)
candidates = st.lists(
    st.tuples(st.builds(Setting, st.floats(0.1, 1), st.floats(0.1, 1)), figures), max_size=12
)


@given(candidates)
def test_nothing_on_the_frontier_is_beaten_and_everything_else_is(found):
    kept = frontier(found, BudgetConfig())

    def beaten(one, other):
        better = other.bytes <= one.bytes and other.metric >= one.metric
        return better and (other.bytes, other.metric) != (one.bytes, one.metric)

    assert not any(beaten(one, other) for _, one in kept for _, other in found)
    on = {(each.bytes, each.metric) for _, each in kept}
    assert all(
        (one.bytes, one.metric) in on or any(beaten(one, other) for _, other in found) for _, one in found
    )


@given(candidates)
def test_a_frontier_runs_from_costly_and_good_to_cheap_and_bad(found):
    kept = [each for _, each in frontier(found, BudgetConfig(objective="fastest"))]
    assert [each.latency_us for each in kept] == sorted((each.latency_us for each in kept), reverse=True)
    assert [each.metric for each in kept] == sorted((each.metric for each in kept), reverse=True)


def test_candidates_beyond_a_limit_are_left_out():
    cheap, dear = (Setting(0.5, 0.5), Figures(10, 5, 1.0, 0.5)), (Setting(1, 1), Figures(100, 5, 1.0, 0.9))
    assert frontier([cheap, dear], BudgetConfig(max_bytes=50)) == [cheap]
    assert frontier([dear], BudgetConfig(max_bytes=50)) == []


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
