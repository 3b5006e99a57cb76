import pytest
import torch
import torch_pruning as tp
from torch import nn

from tasks.errors import EspalierError
from tasks.pruning.importance import CRITERIA, Calibration, check_answers, criterion
from tasks.pruning.structure import survey


@pytest.fixture
def calibration(rows):
    labels = torch.arange(len(rows)) % 3
    return Calibration(rows, labels, "classification", seed=0)


@pytest.mark.parametrize("name", CRITERIA)
def test_saliency_has_the_shape_of_every_weight_and_is_not_negative(name, network, calibration):
    _, saliency = criterion(name, network, calibration)
    assert {k: v.shape for k, v in saliency.items()} == {k: v.shape for k, v in network.named_parameters()}
    assert all((value >= 0).all() for value in saliency.values())


@pytest.mark.parametrize("name", CRITERIA)
def test_scores_have_one_value_per_unit(name, network, calibration):
    chosen, saliency = criterion(name, network, calibration)
    for group in survey(network, calibration.X[:2]).groups:
        assert chosen.units(saliency, group.slices, group.width).shape == (group.width,)


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


def test_taylor_refuses_rows_whose_saliency_is_not_finite(network, calibration):
    broken = Calibration(calibration.X * torch.inf, calibration.y, "classification", 0)
    with pytest.raises(EspalierError, match="importance taylor: not finite for body"):
        criterion("taylor", network, broken)


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


def test_taylor_works_on_frozen_weights_and_keeps_them_frozen(network, calibration):
    network.requires_grad_(False)
    criterion("taylor", network, calibration)
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


def test_unit_scores_of_magnitude_have_mean_one(network, calibration):
    chosen, saliency = criterion("magnitude", network, calibration)
    for group in survey(network, calibration.X[:2]).groups:
        assert chosen.units(saliency, group.slices, group.width).mean().item() == pytest.approx(1.0)


def test_random_scores_depend_on_the_seed(network, calibration):
    _, first = criterion("random", network, calibration)
    _, second = criterion("random", network, Calibration(calibration.X, calibration.y, "classification", 1))
    assert not torch.equal(first[next(iter(first))], second[next(iter(first))])
