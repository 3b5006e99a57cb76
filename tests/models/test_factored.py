from collections import OrderedDict

import pytest
import torch
from torch import nn

from tasks.models.factored import (
    conv_shapes,
    factored,
    is_factorable,
    is_factored,
    linear_shapes,
    ranks,
    set_ranks,
)
from tasks.models.network import linear_widths


def test_a_pair_takes_and_gives_what_the_layer_did_through_its_rank():
    pair = factored(nn.Linear(7, 5), 2)
    assert is_factored(pair)
    assert [tuple(weight.shape) for weight in pair.parameters()] == [(2, 7), (5, 2), (5,)]
    assert list(linear_shapes(pair)) == [(7, 5)]


@pytest.mark.parametrize("bias", [True, False])
def test_a_pair_of_convolutions_has_the_first_ones_window(bias):
    layer = nn.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), bias=bias)
    pair = factored(layer, 4)
    assert is_factored(pair)
    assert pair(torch.ones(2, 3, 9, 8)).shape == layer(torch.ones(2, 3, 9, 8)).shape
    shapes = [tuple(weight.shape) for weight in pair.parameters()]
    assert shapes == [(4, 3, 3, 2), (5, 4, 1, 1), *([(5,)] if bias else [])]
    assert (list(conv_shapes(pair)), list(linear_shapes(pair))) == ([(3, 5)], [])
    assert ranks(nn.Sequential(pair)) == {"0": 4}


def test_grouped_and_otherwise_padded_convolutions_cannot_become_a_pair():
    assert is_factorable(nn.Conv1d(4, 4, 3))
    assert not is_factorable(nn.Conv1d(4, 4, 3, groups=2))
    assert not is_factorable(nn.Conv1d(4, 4, 3, padding=1, padding_mode="circular"))
    assert not is_factorable(nn.Conv3d(4, 4, 3))
    assert not is_factorable(nn.ConvTranspose1d(4, 4, 3))


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
    named = nn.Sequential(OrderedDict(down=nn.Conv1d(3, 2, 3), up=nn.Conv1d(2, 3, 3)))
    assert not is_factored(named)
    assert list(conv_shapes(named)) == [(3, 2), (2, 3)]


def test_only_linears_and_plain_convolutions_can_be_factored():
    with pytest.raises(TypeError, match="0 is ReLU, no Linear and no plain Conv1d or Conv2d"):
        set_ranks(nn.Sequential(nn.ReLU()), {"0": 2})


def test_a_pair_has_the_type_and_mode_of_its_layer():
    pair = factored(nn.Linear(4, 4).double().eval(), 2)
    assert not pair.training
    assert pair(torch.ones(1, 4, dtype=torch.float64)).dtype is torch.float64
