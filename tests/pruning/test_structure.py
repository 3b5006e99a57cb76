import copy

import pytest
import torch
from torch import nn

from tasks.models.dependencies import UntraceableError, dependency_graph
from tasks.models.mlp import Mlp
from tasks.pruning.structure import remove, survey, widths
from tests.pruning.conftest import WithTransposedConvolution


@pytest.fixture
def found(network, rows):
    return survey(network, rows[:2])


def kill(network, group, unit):
    """Make a unit dead: nothing comes out of it, nobody listens to it."""
    for part in group.slices:
        places = part.positions[part.units == unit]
        weight = network.get_parameter(part.parameter)
        weight.data.index_fill_(part.dim, places, 0.0)
        bias = dict(network.named_parameters()).get(part.parameter.removesuffix("weight") + "bias")
        if part.dim == 0 and bias is not None:
            bias.data[places] = 0.0


EXPECTED = {
    "mlp": [("body.0", 12), ("body.2", 8)],
    "resmlp": [("body.1.wide", 12), ("body.2.wide", 10), ("body.2.back", 8)],
    "cnn1d": [("body.0", 6), ("body.4", 8), ("body.9", 10)],
    "cnn2d": [("body.0", 6), ("body.4", 8)],
    "user": [("body.left", 5), ("body.right", 7), ("body.join", 8)],
}


def test_every_hidden_layer_is_found_once(found, family):
    assert [(group.name, group.width) for group in found.groups] == EXPECTED[family]
    assert found.left == {}


def test_the_output_layer_is_never_a_member(found, network):
    *_, output = widths(network)
    assert all(output not in group.members for group in found.groups)


def test_coupled_layers_are_members_of_one_group(network, family, found):
    if family == "resmlp":
        assert set(found.groups[2].members) == {"body.0", "body.1.back", "body.2.back"}
    if family == "user":
        assert set(found.groups[2].members) == {"body.join", "body.inner"}


def test_removing_dead_units_changes_no_answer(network, rows, found):
    kept = {}
    for group in found.groups:
        kill(network, group, 1)
        kept[group.name] = [unit for unit in range(group.width) if unit != 1]
    smaller = remove(network, rows[:2], kept).eval()
    torch.testing.assert_close(smaller(rows), network(rows))


def test_removed_units_equal_slices_of_the_weight_matrices():
    network = Mlp((6,), hidden=(12, 8), outputs=3)
    keep, second = [0, 3, 4, 11], [1, 2, 7]
    smaller = remove(network, torch.randn(2, 6), {"body.0": keep, "body.2": second})
    torch.testing.assert_close(smaller.body[0].weight, network.body[0].weight[keep])
    torch.testing.assert_close(smaller.body[0].bias, network.body[0].bias[keep])
    torch.testing.assert_close(smaller.body[2].weight, network.body[2].weight[second][:, keep])
    torch.testing.assert_close(smaller.body[4].weight, network.body[4].weight[:, second])
    torch.testing.assert_close(smaller.body[4].bias, network.body[4].bias)


def test_the_input_width_stays(network, rows, found):
    smaller = remove(network, rows[:2], {group.name: [0] for group in found.groups})
    assert smaller.eval()(rows).shape == (32, 3)


def test_the_network_passed_in_stays_bit_for_bit(network, rows, found):
    before = copy.deepcopy(network.state_dict())
    remove(network, rows[:2], {group.name: [0, 1] for group in found.groups})
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(weight.requires_grad for weight in network.parameters())
    assert not network.training


def test_steps_are_remembered_in_order_and_added_to(network, rows, found):
    group = found.groups[0]
    once = remove(network, rows[:2], {group.name: range(1, group.width)})
    twice = remove(once, rows[:2], {group.name: [0, 2]})
    assert [step["module"] for step in twice.pruned_steps] == [group.name, group.name]
    assert [step["kept"] for step in twice.pruned_steps] == [list(range(1, group.width)), [0, 2]]
    assert len(once.pruned_steps) == 1


def test_replaying_the_steps_on_the_original_gives_the_same_network(network, rows, found):
    once = remove(network, rows[:2], {group.name: range(1, group.width) for group in found.groups})
    twice = remove(once, rows[:2], {group.name: [0, 1] for group in found.groups})
    replayed = network
    for step in twice.pruned_steps:
        replayed = remove(replayed, rows[:2], {step["module"]: step["kept"]})
    assert all(torch.equal(value, replayed.state_dict()[name]) for name, value in twice.state_dict().items())


def test_keeping_everything_is_no_step(network, rows, found):
    same = remove(network, rows[:2], {group.name: range(group.width) for group in found.groups})
    assert same.pruned_steps == []


class WithInputSkip(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.back, self.head = nn.Linear(4, 8), nn.Linear(8, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(x + self.back(self.wide(x).relu()))


def test_a_layer_added_to_the_input_is_left_alone_and_named():
    found = survey(WithInputSkip(), torch.randn(2, 4))
    assert [group.name for group in found.groups] == ["wide"]
    assert "does not fit without one of its units" in found.left["back"]


class WithMemory(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(4, 6, batch_first=True)
        self.hidden, self.head = nn.Linear(6, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.hidden(self.memory(x[:, None])[0][:, -1]).relu())


def test_a_layer_without_removable_units_is_named_with_its_type():
    found = survey(WithMemory(), torch.randn(2, 4))
    assert [group.name for group in found.groups] == ["hidden"]
    assert found.left == {"memory": "LSTM has no units that can be removed"}


def test_grouped_convolutions_are_left_alone():
    network = nn.Sequential(nn.Conv1d(1, 4, 3), nn.Conv1d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, 2))
    found = survey(network, torch.randn(2, 1, 8))
    assert set(found.left) == {"0", "1"}


def test_depthwise_convolutions_shrink_with_their_input():
    depthwise = nn.Conv1d(4, 4, 3, groups=4)
    network = nn.Sequential(nn.Conv1d(1, 4, 3), depthwise, nn.Flatten(), nn.Linear(16, 2))
    rows = torch.randn(3, 1, 8)
    (group,) = survey(network, rows).groups
    kill(network, group, 2)
    smaller = remove(network, rows, {group.name: [0, 1, 3]})
    torch.testing.assert_close(smaller(rows), network(rows))


class WithSharedLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.shared, self.head = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.shared(self.shared(self.first(x).relu()).relu()).relu())


class WithOwnScale(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(3, 5), nn.Linear(5, 2)
        self.scale = nn.Parameter(torch.rand(5))

    def forward(self, x):
        return self.head(self.first(x) * self.scale)


@pytest.mark.parametrize(
    ("build", "names"),
    [(WithSharedLayer, ["shared"]), (WithOwnScale, ["first"]), (WithTransposedConvolution, ["first", "up"])],
)
def test_dead_units_of_unusual_networks_leave_without_a_trace(build, names):
    network, rows = build().eval(), torch.randn(6, 3)
    groups = survey(network, rows).groups
    assert [group.name for group in groups] == names
    for group in groups:
        kill(network, group, 1)
    kept = {group.name: [unit for unit in range(group.width) if unit != 1] for group in groups}
    torch.testing.assert_close(remove(network, rows, kept).eval()(rows), network(rows))


class WithOwnMatrix(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(3, 5), nn.Linear(5, 2)
        self.matrix = nn.Parameter(torch.rand(5, 5))

    def forward(self, x):
        return self.head(self.first(x).relu() @ self.matrix)


def test_what_a_graph_cannot_follow_is_left_alone_and_named():
    found = survey(WithOwnMatrix(), torch.randn(2, 3))
    assert found.groups == ()
    assert set(found.left) == {"first", "WithOwnMatrix"}


def test_frozen_layers_stay_frozen_when_cut():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    network[0].requires_grad_(False)
    smaller = remove(network, torch.randn(2, 3), {"0": [0, 2]})
    assert [weight.requires_grad for weight in smaller.parameters()] == [False, False, True, True]


def test_a_layer_of_one_unit_is_left_alone():
    found = survey(nn.Sequential(nn.Linear(3, 1), nn.ReLU(), nn.Linear(1, 2)), torch.randn(2, 3))
    assert found.groups == ()
    assert found.left == {"0": "it has one unit"}


def test_frozen_layers_are_found_and_stay_frozen():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).requires_grad_(False)
    assert len(survey(network, torch.randn(2, 3)).groups) == 1
    assert not any(weight.requires_grad for weight in network.parameters())


def test_a_softmax_behind_the_output_layer_still_protects_it():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Softmax(dim=1))
    assert [group.name for group in survey(network, torch.randn(2, 3)).groups] == ["0"]


def test_widths_are_those_of_linear_and_convolution_layers():
    network = nn.Sequential(nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(24, 2))
    assert widths(network) == {"0": 4, "3": 2}


class Twins(nn.Module):
    """Two layers of one weight, between two of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 4)
        self.c.weight = self.b.weight
        self.e, self.h = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = self.c(self.b(self.a(x).relu()).relu()).relu()
        return self.h(self.e(self.d(x).relu()).relu())


def test_layers_that_share_a_weight_are_left_alone_and_named():
    torch.manual_seed(0)
    network, rows = Twins().eval(), torch.randn(2, 5)
    found = survey(network, rows)
    assert [group.name for group in found.groups] == ["d", "e"]
    assert found.left["b"] == "it shares a weight with c"
    assert found.left["a"].startswith("b would shrink with it, but it shares") or "c would" in found.left["a"]
    smaller = remove(network, rows, {"d": [0, 2]})
    assert smaller.b.weight is smaller.c.weight


def test_a_layer_whose_weights_are_computed_is_left_alone_and_named():
    first = nn.utils.parametrizations.weight_norm(nn.Linear(5, 6))
    network = nn.Sequential(first, nn.ReLU(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    found = survey(network, torch.randn(2, 5))
    assert [group.name for group in found.groups] == ["2"]
    assert "computed from others" in found.left["0"]


class Recurrent(nn.Module):
    """A layer in front of a recurrent one, whose insides a graph of layers does not show."""

    def __init__(self, kind: type[nn.RNNBase], *, bidirectional: bool) -> None:
        super().__init__()
        self.first = nn.Linear(3, 10)
        self.inner = kind(10, 16, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(32 if bidirectional else 16, 3)

    def forward(self, x):
        return self.head(self.inner(self.first(x.view(-1, 4, 3)).relu())[0][:, -1])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU])
def test_layers_around_a_recurrent_one_are_left_alone_and_named(kind, bidirectional):
    torch.manual_seed(0)
    network = Recurrent(kind, bidirectional=bidirectional)
    found = survey(network, torch.randn(2, 12))
    assert found.groups == ()
    assert set(found.left) >= {"first", "inner"}
    assert all(weight.requires_grad for weight in network.parameters())


class BothWays(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.LSTM(3, 16, batch_first=True, bidirectional=True), nn.Linear(32, 3)

    def forward(self, x):
        return self.head(self.inner(x.view(-1, 4, 3))[0][:, -1])


def test_of_a_network_that_cannot_be_traced_every_layer_is_left_alone_and_named():
    network = BothWays().train()
    network.head.bias.requires_grad_(False)
    found = survey(network, torch.randn(2, 12))
    assert found.groups == ()
    assert set(found.left) == {"inner", "head"}
    assert all(why.startswith("torch-pruning cannot follow this network (") for why in found.left.values())
    with pytest.raises(UntraceableError):
        dependency_graph(network, torch.randn(2, 12))
    assert network.training
    assert [name for name, weight in network.named_parameters() if not weight.requires_grad] == ["head.bias"]


class Halves(nn.Module):
    """A gated linear unit written by hand: a unit of the first half goes with one of the second."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(6, 16), nn.Linear(8, 3)

    def forward(self, x):
        value, gate = self.first(x).chunk(2, 1)
        return self.head(value * gate.sigmoid())


def test_units_that_do_not_leave_one_by_one_are_left_alone_and_named():
    found = survey(Halves(), torch.randn(2, 6))
    assert found.groups == ()
    assert found.left["first"] == "its units leave 2 at a time"
