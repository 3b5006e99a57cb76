import pytest
import torch
import torch_pruning as tp
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tasks.errors import EspalierError
from tasks.pruning.importance import CRITERIA, Calibration, check_answers, criterion, layer_adaptive
from tasks.pruning.masks import prunable_weights
from tasks.pruning.structure import survey

WEIGHTS = [name for name in CRITERIA if name != "batch_norm"]
LOOK_AT_ROWS = ("taylor", "hessian", "activation")


@pytest.fixture
def calibration(rows):
    labels = torch.arange(len(rows)) % 3
    return Calibration(rows, labels, "classification", seed=0)


@pytest.mark.parametrize("name", CRITERIA)
def test_saliency_has_the_shape_of_every_weight_and_is_not_negative(name, network, calibration):
    _, saliency = criterion(name, network, calibration)
    assert all(value.shape == network.get_parameter(key).shape for key, value in saliency.items())
    assert all((value >= 0).all() for value in saliency.values())


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_criterion_of_weights_scores_every_weight_that_can_be_pruned(name, network, calibration):
    chosen, saliency = criterion(name, network, calibration)
    for key, weight in prunable_weights(network).items():
        assert chosen.single(saliency[key]).shape == weight.shape


@pytest.mark.parametrize("name", CRITERIA)
def test_scores_have_one_value_per_unit(name, network, calibration):
    chosen, saliency = criterion(name, network, calibration)
    for group in survey(network, calibration.X[:2]).groups:
        scores = chosen.units(saliency, group.slices, group.width)
        if name == "batch_norm":
            assert (scores is None) == (not any(part.parameter in saliency for part in group.slices))
        else:
            assert scores.shape == (group.width,)


@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_is_deterministic_and_leaves_the_network_alone(name, network, calibration):
    before = {k: v.clone() for k, v in network.state_dict().items()}
    _, first = criterion(name, network, calibration)
    _, second = criterion(name, network, calibration)
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize("name", CRITERIA)
def test_weights_that_are_not_numbers_are_refused_by_name(name, calibration, network):
    next(network.parameters()).data.view(-1)[0] = torch.nan
    with pytest.raises(EspalierError, match=r"1 of \d+ values of body.* are NaN"):
        criterion(name, network, calibration)


@pytest.mark.parametrize("name", LOOK_AT_ROWS)
def test_rows_whose_saliency_is_not_finite_are_refused(name, network, calibration):
    broken = Calibration(calibration.X * torch.inf, calibration.y, "classification", 0)
    with pytest.raises(EspalierError, match=f"importance {name}: not finite for body"):
        criterion(name, network, broken)


def test_answers_that_are_not_finite_are_refused(network, calibration):
    with pytest.raises(EspalierError, match="answers on training rows are NaN or infinite"):
        check_answers(network, calibration.X * torch.inf)


def test_taylor_of_a_linear_model_is_weight_times_gradient():
    network = nn.Linear(3, 1, bias=False)
    X, y = torch.randn(20, 3), torch.randn(20)
    residual = network(X).flatten().detach() - y
    gradient = 2 * residual @ X / 20
    _, saliency = criterion("taylor", network, Calibration(X, y, "regression", 0))
    torch.testing.assert_close(saliency["weight"], (network.weight.detach() * gradient).abs())


def test_taylor_is_zero_where_a_weight_is_zero(network, calibration):
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)
    _, saliency = criterion("taylor", network, calibration)
    assert all(not saliency[k].any() for k, v in network.named_parameters() if not v.any())


@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_works_on_frozen_weights_and_keeps_them_frozen(name, network, calibration):
    network.requires_grad_(False)
    criterion(name, network, calibration)
    assert not any(weight.requires_grad for weight in network.parameters())


def test_scores_equal_those_of_torch_pruning(network, calibration):
    chosen, saliency = criterion("magnitude", network, calibration)
    graph = tp.DependencyGraph().build_dependency(network, example_inputs=[calibration.X[:2]], verbose=False)
    theirs = tp.importance.GroupMagnitudeImportance(p=2)
    for group in survey(network, calibration.X[:2]).groups:
        module = network.get_submodule(group.name)
        prune_out = graph.get_pruner_of_module(module).prune_out_channels
        expected = theirs(graph.get_pruning_group(module, prune_out, list(range(group.width))))
        torch.testing.assert_close(chosen.units(saliency, group.slices, group.width), expected)


def test_hessian_of_a_linear_model_is_the_squared_weight_times_the_mean_squared_gradient():
    network = nn.Linear(3, 1, bias=False)
    X, y = torch.randn(20, 3), torch.randn(20)
    gradients = 2 * (network(X).flatten().detach() - y)[:, None] * X
    _, saliency = criterion("hessian", network, Calibration(X, y, "regression", 0))
    torch.testing.assert_close(
        saliency["weight"], network.weight.detach() ** 2 * gradients.square().mean(dim=0)
    )


def test_hessian_of_one_row_gives_the_scores_of_torch_pruning(network, rows):
    one = Calibration(rows[:1], torch.tensor([1]), "classification", 0)
    chosen, saliency = criterion("hessian", network, one)
    graph = tp.DependencyGraph().build_dependency(network, example_inputs=[rows[:2]], verbose=False)
    network.requires_grad_(True)
    theirs = tp.importance.HessianImportance()
    nn.functional.cross_entropy(network(one.X), one.y).backward()
    theirs.accumulate_grad(network)
    for group in survey(network, rows[:2]).groups:
        module = network.get_submodule(group.name)
        prune_out = graph.get_pruner_of_module(module).prune_out_channels
        expected = theirs(graph.get_pruning_group(module, prune_out, list(range(group.width))))
        torch.testing.assert_close(chosen.units(saliency, group.slices, group.width), expected)


def test_lamp_is_the_share_of_what_is_at_least_as_large():
    squares = torch.tensor([[4.0, 1.0], [9.0, 2.0]])
    expected = torch.tensor([[4 / 13, 1 / 16], [1.0, 2 / 15]])
    torch.testing.assert_close(layer_adaptive(squares), expected)


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=20))
def test_lamp_keeps_the_order_and_gives_one_to_the_largest(values):
    scores = layer_adaptive(torch.tensor(values, dtype=torch.float32))
    order = torch.argsort(torch.tensor(values), stable=True)
    assert (scores[order].diff() >= 0).all() or len(set(values)) < len(values)
    assert scores.max() == (1.0 if max(values) > 0 else 0.0)


def test_a_layer_of_zeros_has_no_worth_to_lamp():
    assert not layer_adaptive(torch.zeros(4)).any()


def test_activation_is_the_weight_times_the_norm_of_its_input():
    network = nn.Linear(3, 2)
    X = torch.randn(20, 3)
    _, saliency = criterion("activation", network, Calibration(X, torch.zeros(20), "regression", 0))
    torch.testing.assert_close(saliency["weight"], network.weight.detach().abs() * X.norm(dim=0))


def test_activation_of_a_grouped_convolution_reads_each_groups_own_channels():
    network = nn.Sequential(nn.Conv1d(4, 6, 3, groups=2), nn.Flatten(), nn.Linear(12, 2))
    X = torch.randn(5, 4, 4)
    X[:, 2:] = 0.0
    _, saliency = criterion("activation", network, Calibration(X, torch.zeros(5).long(), "classification", 0))
    expected = network[0].weight.detach()[:3].abs() * X[:, :2].square().sum(dim=(0, 2)).sqrt()[:, None]
    torch.testing.assert_close(saliency["0.weight"][:3], expected)
    assert not saliency["0.weight"][3:].any()


def test_activation_of_a_transposed_convolution_has_its_inputs_in_front():
    network = nn.Sequential(nn.ConvTranspose1d(2, 3, 2), nn.Flatten(), nn.Linear(15, 2))
    X = torch.randn(5, 2, 4)
    _, saliency = criterion("activation", network, Calibration(X, torch.zeros(5).long(), "classification", 0))
    norms = X.square().sum(dim=(0, 2)).sqrt()
    torch.testing.assert_close(saliency["0.weight"], network[0].weight.detach().abs() * norms[:, None, None])


class WithAttention(nn.Module):
    """Attention uses the weights of its last layer without calling that."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(2, 4), nn.Linear(4, 3)
        self.attention = nn.MultiheadAttention(4, 1, batch_first=True)

    def forward(self, x):
        x = self.first(x.view(len(x), 3, 2))
        return self.head(self.attention(x, x, x)[0].mean(dim=1))


def test_activation_ranks_a_layer_that_is_never_called_by_magnitude_beside_the_others():
    torch.manual_seed(0)
    network, rows = WithAttention(), torch.randn(8, 6)
    _, saliency = criterion("activation", network, Calibration(rows, torch.zeros(8), "classification", 0))

    weight, found = network.attention.out_proj.weight.abs(), saliency["attention.out_proj.weight"]
    norm = found / weight
    torch.testing.assert_close(norm, norm[0, 0].expand_as(norm))
    called = [
        saliency[f"{name}.weight"] / network.get_submodule(name).weight.abs() for name in ("first", "head")
    ]
    squares = torch.cat([each[0].square() for each in called])
    torch.testing.assert_close(norm[0, 0], squares.mean().sqrt())


def test_batch_norm_scores_a_channel_by_its_scale():
    network = nn.Sequential(nn.Conv1d(1, 3, 3), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(18, 2))
    network[1].weight.data = torch.tensor([1.0, -4.0, 1.0])
    X = torch.randn(4, 1, 8)
    (group,) = survey(network, X).groups
    chosen, saliency = criterion("batch_norm", network, Calibration(X, torch.zeros(4), "regression", 0))
    assert chosen.units(saliency, group.slices, group.width).tolist() == [0.5, 2.0, 0.5]


def test_the_l1_norm_adds_up_absolute_weights():
    network = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 1, bias=False))
    network[0].weight.data = torch.tensor([[1.0], [-1.0]])
    network[1].weight.data = torch.tensor([[1.0, 5.0]])
    X = torch.randn(4, 1)
    (group,) = survey(network, X).groups
    chosen, saliency = criterion("magnitude_l1", network, Calibration(X, torch.zeros(4), "regression", 0))
    assert chosen.units(saliency, group.slices, group.width).tolist() == [0.5, 1.5]


def test_unit_scores_of_magnitude_have_mean_one(network, calibration):
    chosen, saliency = criterion("magnitude", network, calibration)
    for group in survey(network, calibration.X[:2]).groups:
        assert chosen.units(saliency, group.slices, group.width).mean().item() == pytest.approx(1.0)


def test_random_scores_depend_on_the_seed(network, calibration):
    _, first = criterion("random", network, calibration)
    _, second = criterion("random", network, Calibration(calibration.X, calibration.y, "classification", 1))
    assert not torch.equal(first[next(iter(first))], second[next(iter(first))])
