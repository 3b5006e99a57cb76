import pytest
import torch
from torch import nn

from tasks.models.factored import factored, is_factored, linear_shapes, ranks, set_ranks
from tasks.models.network import linear_widths


def test_a_pair_takes_and_gives_what_the_layer_did_through_its_rank():
    pair = factored(nn.Linear(7, 5), 2)
    assert is_factored(pair)
    assert [tuple(weight.shape) for weight in pair.parameters()] == [(2, 7), (5, 2), (5,)]
    assert list(linear_shapes(pair)) == [(7, 5)]


def test_a_layer_without_bias_becomes_a_pair_without_bias():
    assert len(list(factored(nn.Linear(7, 5, bias=False), 2).parameters())) == 2


def test_widths_of_a_chain_do_not_show_that_a_layer_is_factored():
    chain = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    set_ranks(chain, {"2": 2})
    assert linear_widths(chain) == [4, 6, 5, 3]
    assert ranks(chain) == {"2": 2}


def test_other_chains_are_no_pairs():
    assert not is_factored(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 3)))
    assert not is_factored(nn.Linear(3, 3))


def test_only_linears_can_be_factored():
    with pytest.raises(TypeError, match="0 is ReLU, no Linear"):
        set_ranks(nn.Sequential(nn.ReLU()), {"0": 2})


def test_a_pair_has_the_type_and_mode_of_its_layer():
    pair = factored(nn.Linear(4, 4).double().eval(), 2)
    assert not pair.training
    assert pair(torch.ones(1, 4, dtype=torch.float64)).dtype is torch.float64
