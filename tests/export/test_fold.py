from __future__ import annotations

import pytest
import torch
from torch import nn

from tasks.export.fold import first_linear, fold, near_break_even, pays, projection
from tasks.models.graph import Graph
from tasks.models.layers import Grid, Project, Scale, Softmax, Unscale
from tasks.models.user import UserNetwork


def _predict(graph, X, kind):
    with torch.no_grad():
        return graph.to(kind).predict(torch.from_numpy(X).to(kind))


@pytest.mark.parametrize("mode", ["auto", "always", "apart", "never"])
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


class _Scaled(nn.Module):
    """A Linear on (n, C, L), and a batch norm over C, called by code of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm, self.flat = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Flatten()

    def forward(self, x):
        return self.flat(self.norm(self.linear(x)))


def _over_a_grid(body: nn.Module) -> Graph:
    for layer in body.modules():
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.uniform_(layer.running_mean, -1, 1)
            nn.init.uniform_(layer.weight, 0.5, 2)
    network = UserNetwork(nn.Sequential(body, nn.Linear(16, 2)), "", (4, 4), 2)
    columns = tuple(f"x{i}" for i in range(16))
    grid = nn.Sequential(Grid(torch.arange(16), (4, 4)))
    return Graph(columns, nn.Sequential(), grid, network, Softmax(), "classification", ("a", "b")).eval()


@pytest.mark.parametrize(
    "body", [_Scaled, lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Flatten())]
)
def test_a_batch_norm_over_another_axis_than_the_linear_stays(body):
    torch.manual_seed(0)
    graph, X = _over_a_grid(body()).double(), torch.randn(20, 16).double()
    with torch.no_grad():
        torch.testing.assert_close(fold(graph).predict(X), graph.predict(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_layer_with_a_hook_keeps_its_neighbours(position):
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(5)
    nn.init.uniform_(norm.running_mean, -1, 1)
    body = nn.Sequential(nn.Linear(6, 5), norm, nn.ReLU(), nn.Linear(5, 1))
    body[position].register_forward_hook(lambda _, given, out: 2 * out + 1)
    body[3].register_forward_pre_hook(lambda _, given: (given[0] ** 2,))
    columns, scale = tuple("abcdef"), Scale(torch.full((6,), 0.5), torch.full((6,), 2.0))
    network, head = UserNetwork(body, "", (6,), 1), Unscale(3.0, 2.0)
    graph = Graph(columns, nn.Sequential(scale), nn.Identity(), network, head, "regression").eval().double()
    X = torch.randn(20, 6).double()
    with torch.no_grad():
        torch.testing.assert_close(fold(graph).predict(X), graph.predict(X), rtol=1e-9, atol=1e-9)


def _of_rows(network: nn.Module, head: nn.Module) -> Graph:
    parts = (Scale(torch.full((4,), 0.5), torch.full((4,), 2.0)), nn.Identity(), network, head)
    return Graph("abcd", *parts, "regression").eval()


def _shared(between: bool) -> nn.Module:
    """Four numbers through one layer twice: at both ends, or before two batch norms."""
    once, wide = nn.Linear(4, 4), [nn.Linear(4, 4), nn.Linear(4, 1)]
    norms = [nn.BatchNorm1d(4), nn.BatchNorm1d(4)]
    for norm in norms:
        nn.init.uniform_(norm.running_mean, -1, 1)
    if between:
        return nn.Sequential(wide[0], once, norms[0], nn.ReLU(), once, norms[1], nn.ReLU(), wide[1])
    one = nn.Linear(1, 1)
    return nn.Sequential(wide[1], one, nn.ReLU(), one)


class _Reads(nn.Module):
    """Calls a layer that stands in another place too."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return torch.tanh(self.layer(x))


def _read_elsewhere() -> nn.Module:
    first = nn.Linear(4, 4)
    norm = nn.BatchNorm1d(4)
    nn.init.uniform_(norm.running_mean, -1, 1)
    return nn.Sequential(first, norm, _Reads(first), nn.Linear(4, 1))


@pytest.mark.parametrize(
    "network",
    [lambda: _shared(between=True), lambda: _shared(between=False), _read_elsewhere],
    ids=["two norms", "the last", "the first"],
)
def test_a_layer_in_two_places_takes_nothing_up(network):
    torch.manual_seed(0)
    graph = _of_rows(network(), Unscale(3.0, 2.0, False)).double()
    X = torch.randn(20, 4, dtype=torch.float64)
    with torch.no_grad():
        wanted, got = graph.predict(X), fold(graph).predict(X)
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)
