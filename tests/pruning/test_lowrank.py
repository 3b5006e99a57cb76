import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from tasks.errors import EspalierError
from tasks.models.factored import ranks as ranks_of
from tasks.models.mlp import Mlp
from tasks.models.spec import network_from_spec, network_spec
from tasks.models.zoo import seeded
from tasks.pruning import factorable
from tasks.pruning.config import LowRankConfig
from tasks.pruning.factorable import Whole
from tasks.pruning.lowrank import Spectrum, choose_ranks, factorise, spectra
from tasks.pruning.recipe import prune
from tasks.pruning.structure import remove, survey
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig


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


def falling(outputs, seed):
    """A spectrum of random values in their order."""
    values = np.sort(np.random.default_rng(seed).exponential(size=outputs) ** 2)[::-1]
    return Spectrum(12, outputs, np.append(1.0, (1 - np.cumsum(values) / values.sum()).clip(min=0)))


@pytest.mark.parametrize("amount", [0.2, 0.4, 0.6, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_no_ranks_of_as_few_weights_keep_a_larger_product_of_shares(amount, seed):
    found = {"a": falling(4, seed), "b": falling(6, seed + 10), "c": falling(9, seed + 20)}

    def weights(ranks):
        pairs = zip(found.values(), ranks, strict=True)
        return sum(layer.dense if rank is None else layer.weights(rank) for layer, rank in pairs)

    def kept(ranks):
        pairs = zip(found.values(), ranks, strict=True)
        return np.prod([1 - layer.left[rank] for layer, rank in pairs if rank is not None])

    ranks = choose_ranks(found, amount)
    chosen = [ranks.get(name) for name in found]
    options = [(None, *range(1, len(layer.left))) for layer in found.values()]
    others = [each for each in itertools.product(*options) if weights(each) <= weights(chosen)]
    assert weights(chosen) <= (1 - amount) * sum(layer.dense for layer in found.values())
    assert kept(chosen) >= max(map(kept, others)) - 1e-12


def test_the_last_amount_leaves_rank_one():
    found = {"a": spread(0.5, 0.2, 0.1, 0.0), "b": spread(0.3, 0.05, 0.01, 0.0)}
    assert choose_ranks(found, 1.0) == {"a": 1, "b": 1}


def test_weights_go_where_each_of_them_costs_least():
    wide, narrow = Spectrum(100, 100, np.linspace(1, 0, 101)), Spectrum(10, 10, np.linspace(1, 0, 11))
    assert choose_ranks({"wide": wide, "narrow": narrow}, 0.6).keys() == {"wide"}


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
        self.plain, self.grouped = nn.Conv1d(1, 4, 3, padding=1), nn.Conv1d(4, 4, 3, padding=1, groups=2)
        self.mirrored = nn.Conv1d(4, 4, 3, padding=1, padding_mode="reflect")
        self.back, self.alone = nn.ConvTranspose1d(4, 1, 1), nn.Conv1d(4, 4, 1)
        self.names = nn.Embedding(4, 4)

    def forward(self, x):
        x = nn.functional.linear(self.first(x), self.used.weight) + self.names(torch.zeros(1).long())
        x = self.back(self.mirrored(self.grouped(self.plain(x[:, None]))))[:, 0]
        return self.other(self.one(x)) + self.alone(x.T[:4])[:1, :1].mean()


def test_layers_that_cannot_be_factored_are_named_with_the_reason():
    found, left = spectra(WithTrickyLayers(), normal(10, 4))
    assert list(found) == ["first", "plain"]
    assert left == {
        "used": "its weights are used without calling it",
        "one": "its weights are shared with another layer",
        "other": "its weights are shared with another layer",
        "grouped": "its filters see one of 2 groups of channels each",
        "mirrored": "its padding is reflect, not zeros",
        "back": "ConvTranspose1d is no Linear, Conv1d or Conv2d",
        "alone": "what it reads has no batch axis",
        "names": "Embedding is no Linear, Conv1d or Conv2d",
    }


class Mirrored(nn.Module):
    """Calls a layer, and reads its weight besides."""

    def __init__(self) -> None:
        super().__init__()
        self.there, self.last = nn.Linear(8, 6), nn.Linear(8, 6)

    def forward(self, x):
        return self.last(nn.functional.linear(self.there(x).relu(), self.there.weight.T))


def test_a_layer_whose_weight_is_read_besides_is_left_alone():
    found, left = spectra(Mirrored(), normal(10, 8))
    assert list(found) == ["last"]
    assert left["there"].startswith("its weights are used without calling it")


def test_a_convolution_under_two_names_is_left_alone():
    shared = nn.Conv1d(3, 3, 3, padding=1)
    network = nn.Sequential(nn.Sequential(shared), nn.ReLU(), nn.Sequential(shared))
    found, left = spectra(network, normal(10, 3, 8))
    assert not found
    assert left == {"0.0": "its weights are shared with another layer"}


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


CONVOLUTIONS = {
    "series": (lambda: nn.Conv1d(4, 6, 3), (4, 9)),
    "series without a bias": (lambda: nn.Conv1d(4, 6, 3, padding="same", bias=False), (4, 9)),
    "series with holes": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2), (4, 12)),
    "image": (lambda: nn.Conv2d(3, 8, (3, 2), padding=(1, 0)), (3, 6, 7)),
    "image of one cell windows": (lambda: nn.Conv2d(6, 5, 1, bias=False), (6, 3, 4)),
    "image of few cells and many filters": (lambda: nn.Conv2d(1, 16, 3, stride=(2, 1)), (1, 6, 7)),
}


@pytest.fixture(params=CONVOLUTIONS)
def convolution(request):
    """A convolution alone, in float64, with rows of uneven channels."""
    build, shape = CONVOLUTIONS[request.param]
    with seeded(0):
        layer = build().double()
    uneven = torch.logspace(0, -2, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return nn.Sequential(layer), (normal(40, *shape) * uneven).double()


def in_matrices(layer):
    return layer.weight.detach().flatten(1)


def with_weights(layer, matrix):
    changed = copy.deepcopy(layer)
    changed.weight.data = matrix.reshape(layer.weight.shape)
    return changed


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_full_rank_gives_a_convolution_back_in_float64(convolution):
    network, X = convolution
    pair = factorise(network, {"0": min(in_matrices(network[0]).shape)}, X)
    torch.testing.assert_close(answers(pair, X), answers(network, X), rtol=0, atol=1e-9)
    assert pair[0].down.bias is None
    assert (pair[0].up.bias is None) == (network[0].bias is None)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_no_rank_of_a_convolution_errs_more_than_the_svd_of_its_weights(convolution):
    network, X = convolution
    U, S, V = torch.linalg.svd(in_matrices(network[0]), full_matrices=False)
    expected, lost = answers(network, X), []
    for rank in range(1, len(S) + 1):
        plain = with_weights(network[0], (U[:, :rank] * S[:rank]) @ V[:rank])
        fitted, svd = (
            (answers(each, X) - expected).norm() for each in (factorise(network, {"0": rank}, X), plain)
        )
        assert fitted <= svd + 1e-9
        lost.append(float(fitted / svd.clamp(min=1e-9)))
    assert min(lost[:-1]) < 0.99


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_a_convolution_errs_by_the_share_that_was_promised(convolution):
    network, X = convolution
    found, _ = spectra(network, X)
    expected = answers(network, X).movedim(1, -1).flatten(0, -2)
    mean = expected.mean(dim=0) if network[0].bias is not None else 0.0
    lost = answers(factorise(network, {"0": 2}, X), X).movedim(1, -1).flatten(0, -2) - expected
    share = float(lost.square().sum() / (expected - mean).square().sum())
    assert share == pytest.approx(found["0"].left[2], rel=1e-4)
    assert found["0"].dense == network[0].weight.numel()


def test_a_pair_of_convolutions_has_the_weights_that_were_counted(network, rows, family):
    if not family.startswith("cnn"):
        pytest.skip("has no convolution")
    found, _ = spectra(network, rows)
    smaller = factorise(network, dict.fromkeys(found, 2), rows)
    for name, spectrum in found.items():
        down, up = smaller.get_submodule(name)
        assert down.weight.numel() + up.weight.numel() == spectrum.weights(2) < spectrum.dense


def test_spectra_do_not_depend_on_how_many_windows_are_looked_at_at_once(monkeypatch):
    network, X = (
        nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3)),
        normal(30, 2, 7, 7),
    )
    whole, _ = spectra(network, X)
    monkeypatch.setattr(factorable, "_NUMBERS", 5000)
    read = Whole.of("2", network, len(X))
    assert read.rows(normal(30, 6, 7, 7)) == 5000 // (6 * 49 * 9)
    parts, _ = spectra(network, X)
    for name, spectrum in whole.items():
        np.testing.assert_allclose(parts[name].left, spectrum.left, atol=1e-12)


def test_as_many_windows_are_fitted_on_as_are_wanted_and_the_same_each_time(monkeypatch):
    network, X = nn.Sequential(nn.Conv1d(2, 3, 3)), normal(50, 2, 22)
    assert len(Whole.of("0", network, len(X)).activations(X)) == 50 * 20
    monkeypatch.setattr(factorable, "SAMPLES", 150)
    read = Whole.of("0", network, len(X))
    assert read.activations(X).shape == (150, 6)
    assert torch.equal(read.activations(X), read.activations(X))


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_convolution_of_constant_channels_falls_back_to_the_svd_of_its_weights(value):
    with seeded(0):
        network = nn.Sequential(nn.Conv1d(3, 8, 3), nn.ReLU(), nn.Conv1d(8, 6, 3))
    X = torch.full((20, 3, 9), value)
    smaller = factorise(network, {"0": 3, "2": 4}, X)
    torch.testing.assert_close(answers(smaller, X), answers(network, X), atol=1e-5, rtol=1e-5)
    U, S, V = torch.linalg.svd(in_matrices(network[0]))
    expected = (U[:, :3] * S[:3]) @ V[:3]
    product = smaller[0].up.weight.flatten(1) @ smaller[0].down.weight.flatten(1)
    torch.testing.assert_close(product.detach(), expected, atol=1e-4, rtol=1e-4)


def test_infinite_activations_of_a_convolution_are_refused_by_its_name():
    network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Conv1d(2, 2, 3))
    with pytest.raises(EspalierError, match=r"prune\.method low_rank: what 0 reads .* is NaN or infinite"):
        spectra(network, torch.full((5, 1, 9), torch.nan))


def test_layers_left_alone_are_reported_with_what_to_do_instead():
    network = nn.Sequential(
        nn.Conv1d(2, 4, 3, padding=1, groups=2), nn.Flatten(), nn.Linear(32, 12), nn.ReLU(), nn.Linear(12, 3)
    )
    rows = Tensors(normal(24, 2, 8), torch.arange(24) % 3)
    config = LowRankConfig.model_validate({"method": "low_rank", "amount": 0.5, "finetune": {"epochs": 0}})
    settings = TrainConfig(batch=8, threads=1, device="cpu")
    pruned = prune(network, config, rows, rows, settings, task="classification", outputs=3, seed=0)
    assert pruned.report["notes"][0] == (
        "0 left alone: its filters see one of 2 groups of channels each; it stays whole, method structured "
        "may take units of it"
    )
    assert "2" in ranks_of(pruned.network)
    assert not any("out of reach" in note for note in pruned.report["notes"])
    config = config.model_copy(update={"amount": 1.0})
    pruned = prune(network, config, rows, rows, settings, task="classification", outputs=3, seed=0)
    assert pruned.report["notes"][-1] == "amount 1 is out of reach: at rank 1 14.0% of the weights stay"
