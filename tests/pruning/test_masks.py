from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tasks.pruning.masks import (
    attach,
    detach,
    hold,
    keep_above,
    keep_largest,
    masks_of,
    prunable_weights,
    unprunable_weights,
    zeros,
)


@pytest.fixture
def scores():
    generator = torch.Generator().manual_seed(0)
    return {"a": torch.rand(4, 5, generator=generator), "b": torch.rand(3, 10, generator=generator)}


@given(count=st.integers(0, 48))
def test_a_global_choice_removes_exactly_the_count(count):
    generator = torch.Generator().manual_seed(0)
    scores = {"a": torch.rand(4, 5, generator=generator), "b": torch.rand(3, 10, generator=generator)}
    assert keep_largest(scores, count).removed == count


def test_a_local_choice_removes_each_layers_own_count(scores):
    keep = keep_largest(scores, {"a": 7, "b": 29}).keep
    assert {name: int((~mask).sum()) for name, mask in keep.items()} == {"a": 7, "b": 29}


def test_a_global_choice_is_one_threshold_over_all_layers(scores):
    keep = keep_largest(scores, 25).keep
    kept = torch.cat([scores[name][mask] for name, mask in keep.items()])
    gone = torch.cat([scores[name][~mask] for name, mask in keep.items()])
    assert kept.min() >= gone.max()


def test_equal_scores_still_remove_exactly_the_count():
    assert keep_largest({"a": torch.ones(10)}, 4).removed == 4


def test_a_layer_is_never_emptied_and_is_named_when_that_binds():
    choice = keep_largest({"weak": torch.tensor([0.1, 0.2]), "strong": torch.tensor([1.0, 2.0, 3.0])}, 3)
    assert choice.keep["weak"].tolist() == [False, True]
    assert choice.bound == ("weak",)


def test_the_count_is_met_elsewhere_when_a_layer_keeps_its_last_element():
    choice = keep_largest({"weak": torch.tensor([0.1, 0.2]), "strong": torch.tensor([1.0, 2.0, 3.0])}, 3)
    assert choice.removed == 3


def test_removing_everything_leaves_one_element_per_layer(scores):
    choice = keep_largest(scores, 50)
    assert [int(mask.sum()) for mask in choice.keep.values()] == [1, 1]
    assert choice.bound == ("a", "b")


def test_a_choice_that_empties_nothing_names_nothing(scores):
    assert keep_largest(scores, 10).bound == ()


def test_a_global_threshold_keeps_weights_at_or_above_it():
    weights = {"a": torch.tensor([-0.5, 0.1, 0.3]), "b": torch.tensor([0.2, -0.29])}
    keep = keep_above(weights, 0.3, scope="global").keep
    assert keep["a"].tolist() == [True, False, True]
    assert keep["b"].tolist() == [False, True]  # its largest stays


def test_a_local_threshold_is_in_standard_deviations_of_the_layer():
    narrow = torch.tensor([-0.1, 0.1, 0.05, -0.05])
    keep = keep_above({"narrow": narrow, "wide": 100 * narrow}, 1.0, scope="local").keep
    assert torch.equal(keep["narrow"], keep["wide"])


def test_prunable_weights_are_matrices_of_linear_and_convolution_layers():
    network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(4, 3))
    assert list(prunable_weights(network)) == ["0.weight", "3.weight"]


def test_a_shared_weight_counts_once():
    shared = nn.Linear(3, 3)
    assert list(prunable_weights(nn.Sequential(shared, nn.ReLU(), shared))) == ["0.weight"]


def test_matrices_of_other_layers_are_named_and_counted():
    network = nn.ModuleDict({"memory": nn.LSTM(2, 3), "head": nn.Linear(3, 2)})
    assert unprunable_weights(network) == {"memory.weight_ih_l0": 24, "memory.weight_hh_l0": 36}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


@pytest.fixture
def masks(network):
    weights = {name: weight.detach().abs() for name, weight in prunable_weights(network).items()}
    return keep_largest(weights, 30).keep


def test_attached_masks_zero_their_weights(network, masks):
    attach(network, masks)
    assert zeros(network) == 30


@pytest.mark.parametrize("optimizer", [partial(torch.optim.SGD, momentum=0.9), torch.optim.AdamW])
def test_held_weights_stay_zero_under_momentum_and_weight_decay(network, masks, optimizer):
    chosen = optimizer(network.parameters(), lr=0.1, weight_decay=0.1)
    network(torch.randn(8, 4)).square().mean().backward()
    chosen.step()  # momentum is built up before anything is masked
    attach(network, masks)
    for _ in range(3):
        chosen.zero_grad()
        network(torch.randn(8, 4)).square().mean().backward()
        chosen.step()
        hold(network)
        for name, mask in masks.items():
            assert (network.get_parameter(name)[~mask] == 0).all()


def test_masks_travel_with_the_state(network, masks):
    attach(network, masks)
    assert {"0.weight_mask", "2.weight_mask"} <= set(network.state_dict())


def test_attached_masks_are_read_back_by_parameter_name(network, masks):
    attach(network, masks)
    assert all(torch.equal(mask, masks[name]) for name, mask in masks_of(network).items())


def test_detaching_leaves_the_zeros_and_the_original_state_names(network, masks):
    names = set(network.state_dict())
    attach(network, masks)
    detach(network)
    assert set(network.state_dict()) == names
    assert zeros(network) == 30
