import copy

import numpy as np
import pytest
import torch
from torch import nn

from tasks.models.factored import ranks as ranks_of
from tasks.models.mlp import Mlp
from tasks.models.spec import network_from_spec, network_spec
from tasks.models.zoo import seeded
from tasks.pruning.lowrank import Spectrum, choose_ranks, factorise, spectra
from tasks.pruning.structure import remove, survey


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def answers(network, rows):
    with torch.no_grad():
        return network.eval()(rows)


def spread(*left, inputs=8, outputs=8):
    return Spectrum(inputs, outputs, np.array([1.0, *left]))


def test_shares_fall_from_one_to_zero(network, rows):
    found, _ = spectra(network, rows)
    for layer in found.values():
        assert layer.left[0] == 1.0
        assert layer.left[-1] == 0.0
        assert (np.diff(layer.left) <= 1e-12).all()


def test_the_lost_share_is_that_of_the_best_fit_on_the_calibration_rows():
    network, X = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)), normal(200, 6)
    found, _ = spectra(network, X)
    Y = answers(network[:1], X).double().numpy()
    values = np.linalg.svd(Y - Y.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(found["0"].left[1:], 1 - np.cumsum(values) / values.sum(), atol=1e-8)


def test_the_fit_beats_the_svd_of_the_weights_where_inputs_are_uneven():
    with seeded(0):
        layer = nn.Linear(8, 6)
    network, X = nn.Sequential(layer), normal(300, 8) * torch.logspace(1, -2, 8)
    factors = factorise(network, {"0": 2}, X)
    U, S, V = torch.linalg.svd(layer.weight.detach())
    plain = nn.Linear(8, 6)
    plain.weight.data, plain.bias.data = (U[:, :2] * S[:2]) @ V[:2], layer.bias.data
    expected = answers(network, X)
    assert (answers(factors, X) - expected).norm() < 0.5 * (answers(plain, X) - expected).norm()


def test_the_error_is_the_share_that_was_promised():
    network, X = nn.Sequential(nn.Linear(8, 6)), normal(300, 8)
    found, _ = spectra(network, X)
    expected = answers(network, X).double()
    lost = (answers(factorise(network, {"0": 3}, X), X).double() - expected).square().sum()
    total = (expected - expected.mean(dim=0)).square().sum()
    assert float(lost / total) == pytest.approx(found["0"].left[3], rel=1e-4)


def test_full_rank_changes_no_answer(network, rows):
    found, _ = spectra(network, rows)
    full = {name: min(layer.inputs, layer.outputs) for name, layer in found.items()}
    torch.testing.assert_close(
        answers(factorise(network, full, rows), rows), answers(network, rows), atol=1e-4, rtol=1e-4
    )


def test_halves_of_a_pair_are_balanced():
    pair = factorise(nn.Sequential(nn.Linear(8, 6)), {"0": 3}, normal(100, 8))[0]
    torch.testing.assert_close(pair.down.weight.norm(dim=1), pair.up.weight.norm(dim=0))


def test_later_layers_make_up_for_earlier_ones():
    with seeded(0):
        network = Mlp((8,), hidden=(16, 16), outputs=3)
    X = normal(300, 8)
    both = factorise(network, {"body.0": 2, "body.2": 4}, X)
    apart = copy.deepcopy(both)
    apart.body[2] = factorise(network, {"body.2": 4}, X).body[2]
    first, second = (
        (answers(found.body[:3], X) - answers(network.body[:3], X)).norm() for found in (both, apart)
    )
    assert first < second


def test_the_network_passed_in_and_the_state_of_the_generator_stay(network, rows):
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    name = next(iter(spectra(network, rows)[0]))
    factorise(network, {name: 2}, rows)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_zoo_network_is_rebuilt_from_its_spec(network, rows, family):
    if family == "user":
        pytest.skip("replayed by its builder")
    found, _ = spectra(network, rows)
    smaller = factorise(network, dict.fromkeys(found, 2), rows)
    rebuilt = network_from_spec(network_spec(smaller))
    rebuilt.load_state_dict(smaller.state_dict())
    assert ranks_of(rebuilt) == dict.fromkeys(found, 2)
    assert torch.equal(answers(rebuilt, rows), answers(smaller, rows))


def test_units_and_ranks_of_a_factored_network_can_be_removed(network, rows, family):
    found, _ = spectra(network, rows)
    smaller = factorise(network, {name: 3 for name, layer in found.items()}, rows)
    groups = survey(smaller, rows[:2]).groups
    assert any(group.name.endswith(".down") for group in groups)
    cut = remove(smaller, rows[:2], {group.name: [0, 1] for group in groups})
    assert set(ranks_of(cut).values()) == {2}
    if family != "user":
        rebuilt = network_from_spec(network_spec(cut))
        rebuilt.load_state_dict(cut.state_dict())
        assert torch.equal(answers(rebuilt, rows), answers(cut, rows))


def test_every_layer_loses_the_same_share():
    found = {"a": spread(0.5, 0.2, 0.1, 0.0), "b": spread(0.3, 0.05, 0.01, 0.0)}
    assert choose_ranks(found, 0.5) == {"a": 2, "b": 2}
    assert choose_ranks(found, 0.6) == {"a": 2, "b": 1}
    assert choose_ranks(found, 1.0) == {"a": 1, "b": 1}


def test_a_layer_that_would_not_shrink_stays_whole():
    found = {"a": spread(0.5, 0.4, 0.3, 0.2, 0.1, 0.0), "b": spread(0.01, 0.0)}
    assert choose_ranks(found, 0.2) == {"b": 2}


def test_amount_zero_factors_what_loses_nothing():
    assert choose_ranks({"a": spread(0.5, 0.0), "b": spread(0.5, 0.4, 0.3, 0.2, 0.0)}, 0.0) == {"a": 2}


class WithTrickyLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.used = nn.Linear(4, 4), nn.Linear(4, 4)
        self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        self.other.weight = self.one.weight
        self.norm = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x):
        x = nn.functional.linear(self.first(x), self.used.weight)
        return self.other(self.one(self.norm(x[:, None])[:, 0]))


def test_layers_that_cannot_be_factored_are_named_with_the_reason():
    found, left = spectra(WithTrickyLayers(), normal(10, 4))
    assert list(found) == ["first"]
    assert left == {
        "used": "its weights are used without calling it",
        "one": "its weights are shared with another layer",
        "other": "its weights are shared with another layer",
        "norm": "Conv1d is no Linear",
    }


def test_a_pair_is_not_factored_again():
    network, X = nn.Sequential(nn.Linear(8, 6)), normal(50, 8)
    found, left = spectra(factorise(network, {"0": 3}, X), X)
    assert not found
    assert set(left) == {"0.down", "0.up"}


def test_inputs_without_rank_give_finite_factors():
    network, X = nn.Sequential(nn.Linear(8, 6)), torch.zeros(20, 8)
    smaller = factorise(network, {"0": 2}, X)
    torch.testing.assert_close(answers(smaller, X), answers(network, X))
    assert all(torch.isfinite(weight).all() for weight in smaller.parameters())
