from __future__ import annotations

import pytest
import torch
from torch import nn

from tasks.export.fold import first_linear, fold, near_break_even, pays, projection
from tasks.models.layers import Project, Scale, Unscale


def _predict(graph, X, kind):
    with torch.no_grad():
        return graph.to(kind).predict(torch.from_numpy(X).to(kind))


@pytest.mark.parametrize("mode", ["auto", "always", "never"])
def test_folding_changes_nothing_in_float64(graph, make_rows, mode):
    X = make_rows(graph, 40)
    double = graph.double()
    wanted = _predict(double, X, torch.float64)
    torch.testing.assert_close(_predict(fold(double, mode), X, torch.float64), wanted, rtol=1e-9, atol=1e-9)


def test_folding_agrees_in_float32(graph, make_rows):
    X = make_rows(graph, 40)
    wanted = _predict(graph, X, torch.float32)
    torch.testing.assert_close(
        _predict(fold(graph, "always"), X, torch.float32), wanted, rtol=1e-4, atol=1e-5
    )


def test_folding_leaves_its_argument_alone(graph):
    before = {name: tensor.clone() for name, tensor in graph.state_dict().items()}
    fold(graph, "always")
    after = graph.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_folding_pays_at_break_even_and_below():
    assert pays(d=4, k=2, h=4)
    assert not pays(d=5, k=2, h=4)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("mlp projected wide", (12, 2, 64)),
        ("mlp projected narrow", (12, 4, 3)),
        ("mlp", None),
        ("cnn2d", None),
    ],
)
def test_a_projection_is_known_by_its_sizes(make_graph, kind, sizes):
    assert projection(make_graph(kind)) == sizes


def test_break_even_is_near_within_a_quarter_of_the_multiply_adds():
    assert near_break_even(d=4, k=2, h=4)  # 16 against 16
    assert near_break_even(d=20, k=8, h=15)  # 300 against 280
    assert not near_break_even(d=12, k=2, h=64)  # 768 against 152


def _has(graph, kind):
    return any(isinstance(module, kind) for module in graph.modules())


def test_auto_keeps_a_narrow_projection_before_a_wide_layer(make_graph):
    folded = fold(make_graph("mlp projected wide"), "auto")
    assert _has(folded, Project)
    assert not _has(folded, Scale)


def test_auto_merges_a_projection_into_a_narrower_layer(make_graph):
    folded = fold(make_graph("mlp projected narrow"), "auto")
    assert not _has(folded, Project)
    assert first_linear(folded.network).weight.shape == (3, 12)
    assert first_linear(folded.network).in_features == 12


def test_always_merges_every_projection(make_graph):
    assert not _has(fold(make_graph("mlp projected wide"), "always"), Project)


def test_scaling_stays_where_subtraction_must_come_first(make_graph):
    graph = make_graph("mlp")
    graph.preprocess[-1].mean[0] = 1e4
    assert _has(fold(graph), Scale)


@pytest.mark.parametrize("mode", ["auto", "always"])
def test_scaling_can_be_left_apart(graph, make_rows, mode):
    X = make_rows(graph, 40)
    double = graph.double()
    folded = fold(double, mode, scaling=False)
    assert _has(folded, Scale) is _has(double, Scale)
    wanted = _predict(double, X, torch.float64)
    torch.testing.assert_close(_predict(folded, X, torch.float64), wanted, rtol=1e-9, atol=1e-9)


def test_scaling_stays_before_a_convolution(make_graph):
    assert _has(fold(make_graph("cnn2d")), Scale)


def test_batch_norms_go_into_their_neighbours(make_graph):
    assert not _has(fold(make_graph("cnn2d")), nn.BatchNorm2d)
    assert not _has(fold(make_graph("cnn2d factored")), nn.BatchNorm2d)
    assert sum(isinstance(m, nn.BatchNorm1d) for m in fold(make_graph("resmlp")).modules()) == 1


def test_the_last_layer_gives_the_targets_unit(make_graph):
    head = fold(make_graph("mlp regression")).head
    assert isinstance(head, Unscale)
    assert (head.mean, head.std) == (0.0, 1.0)


def test_an_encoder_takes_up_the_scaling_and_gives_its_last_map_to_the_network(make_graph):
    folded = fold(make_graph("mlp encoded narrow"), "auto")
    assert not _has(folded, Scale)
    assert [type(layer) for layer in folded.reducer] == [Project, nn.ReLU]
    assert first_linear(folded.network).in_features == 5
