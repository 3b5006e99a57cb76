import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tasks.pruning.sensitivity import SHARES, allocate, measure, rows_of

metric = st.floats(-5, 1)


def curve(*metrics):
    return tuple(zip((0.0, *SHARES), metrics, strict=True))


LINEAR = {"a": ((0.0, 1.0), (1.0, 0.9)), "b": ((0.0, 1.0), (1.0, 0.6))}


def test_layers_lose_what_costs_the_same():
    shares = allocate(LINEAR, {"a": 100, "b": 100}, 0.4)
    assert 0.1 * shares["a"] == pytest.approx(0.4 * shares["b"], rel=0.01)


@given(
    st.lists(st.lists(metric, min_size=7, max_size=7), min_size=1, max_size=4),
    st.floats(0, 1),
    st.lists(st.integers(1, 500), min_size=4, max_size=4),
)
def test_the_overall_amount_is_met_and_no_share_leaves_zero_to_one(curves, amount, sizes):
    named = {f"layer{i}": curve(*points) for i, points in enumerate(curves)}
    count = {name: sizes[i] for i, name in enumerate(named)}
    shares = allocate(named, count, amount)
    assert all(0 <= share <= 1 for share in shares.values())
    removed = sum(count[name] * share for name, share in shares.items())
    assert removed == pytest.approx(amount * sum(count.values()), abs=1e-3 * sum(count.values()))


def test_layers_that_cost_nothing_lose_alike():
    flat = {name: curve(*[0.9] * 7) for name in "abc"}
    assert allocate(flat, dict.fromkeys("abc", 10), 0.3) == pytest.approx(dict.fromkeys("abc", 0.3), abs=1e-6)


def test_a_removal_that_helps_costs_nothing_and_later_shares_cost_no_less():
    curves = {"a": curve(0.8, 0.9, 0.7, 0.85, 0.85, 0.85, 0.85), "b": curve(*[0.8] * 7)}
    shares = allocate(curves, {"a": 10, "b": 10}, 0.5)
    assert shares["b"] > shares["a"]


def test_a_metric_that_is_not_finite_counts_as_the_dearest():
    curves = {"a": ((0.0, 0.9), (1.0, float("nan"))), "b": ((0.0, 0.9), (1.0, 0.1))}
    shares = allocate(curves, {"a": 10, "b": 10}, 0.5)
    assert shares["b"] == pytest.approx(1.0, abs=1e-6)
    assert rows_of(curves)[1] == {"layer": "a", "share": 1.0, "metric": None}


def test_each_layer_is_measured_alone_and_the_whole_once():
    asked, dense = [], nn.Linear(1, 1)

    def without(layer, share):
        asked.append((layer, share))
        return nn.Linear(1, 1)

    curves = measure(["a", "b"], without, lambda network: 1.0 if network is dense else 0.5, dense)
    assert asked == [(layer, share) for layer in "ab" for share in SHARES]
    assert [points[0] for points in curves.values()] == [(0.0, 1.0)] * 2
    assert len(rows_of(curves)) == 2 * (1 + len(SHARES))
