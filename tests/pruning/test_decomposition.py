import copy
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from tasks.errors import EspalierError
from tasks.models.mlp import Mlp
from tasks.models.zoo import seeded
from tasks.pruning.decomposition import (
    absorb,
    cut_and_absorb,
    interpolation,
    pivoted_shares,
    unexplained,
    unit_scores,
)
from tasks.pruning.importance import Calibration
from tasks.pruning.masks import keep_largest
from tasks.pruning.readings import CHUNK, moments, obstacle, readings, thinned
from tasks.pruning.structure import remove, survey
from tests.pruning.conftest import WithTransposedConvolution


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def answers(network, rows):
    with torch.no_grad():
        return network.eval()(rows)


def repeat_units(network, group, source, copies):
    """Let other units of a group do exactly what one of them does."""
    for part in group.slices:
        name = part.parameter.rpartition(".")[0]
        reads = type(network.get_submodule(name)) in (nn.Linear, nn.Conv1d, nn.Conv2d) and part.dim == 1
        if reads:
            continue
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            value = getattr(network.get_submodule(name), leaf, None)
            if value is not None:
                value.data[copies] = value.data[source].clone()


def kept_all_but(groups, gone):
    return {
        group.name: [
            unit for unit in range(group.width) if group.name not in gone or unit not in gone[group.name]
        ]
        for group in groups
    }


@pytest.fixture
def groups(network, rows):
    return survey(network, rows[:2]).groups


def test_nothing_stands_in_the_way_in_any_family(network, groups):
    assert [obstacle(network, group) for group in groups] == [None] * len(groups)


def test_every_layer_that_reads_a_group_is_found(network, groups, family):
    found = {group.name: {read.layer for read in readings(network, group)} for group in groups}
    if family == "resmlp":
        assert found["body.2.back"] == {"body.1.wide", "body.2.wide", "body.5"}
    if family == "user":
        assert found == {
            "body.left": {"body.join"},
            "body.right": {"body.join"},
            "body.join": {"body.inner", "body.head"},
        }


def test_a_flattened_channel_is_read_at_each_of_its_cells(network, groups, family):
    if family != "cnn2d":
        pytest.skip("no flattened channels")
    (read,) = readings(network, groups[1])
    assert read.places.shape == (8, 4)
    assert read.places[1].tolist() == [4, 5, 6, 7]


def test_moments_are_products_of_centred_activations():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    X = normal(600, 3)
    (found,) = moments(readings(network, survey(network, X[:2]).groups[0]), X, network)
    A = answers(network[:2], X).double().numpy()
    centred = A - A.mean(axis=0)
    np.testing.assert_allclose(found.x, A.mean(axis=0))
    np.testing.assert_allclose(found.xx, centred.T @ centred, atol=1e-9)
    np.testing.assert_allclose(found.xy, found.xx)


def test_a_layer_without_bias_keeps_the_mean_in_its_products():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
    X = normal(50, 3)
    (found,) = moments(readings(network, survey(network, X[:2]).groups[0]), X, network)
    A = answers(network[:2], X).double().numpy()
    np.testing.assert_allclose(found.xx, A.T @ A)
    assert not found.x.any()


@pytest.mark.parametrize(
    ("samples", "rows"), [(4000, 500), (1, CHUNK), (10**6, 2000)], ids=["some", "never too few", "all"]
)
def test_a_convolution_needs_fewer_rows_for_as_many_samples(samples, rows):
    network = nn.Sequential(nn.Conv1d(1, 4, 1), nn.ReLU(), nn.Conv1d(4, 2, 3, padding=1), nn.Flatten())
    X = torch.arange(2000.0).reshape(-1, 1, 1).expand(-1, 1, 8)
    some = thinned(readings(network, survey(network, X[:2]).groups[0]), X, network, samples)
    assert len(some) == rows
    apart = some[1:, 0, 0] - some[:-1, 0, 0]
    assert apart.max() - apart.min() <= 1
    assert (some[0, 0, 0], some[-1, 0, 0]) == (0, 1999)


def test_a_flattened_channel_takes_one_sample_from_a_row():
    network = nn.Sequential(nn.Conv1d(1, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    X = normal(2000, 1, 8)
    found = readings(network, survey(network, X[:2]).groups[0])
    assert len(thinned(found, X, network, 1000)) == 1000


def test_listening_leaves_no_hook_and_no_mode_behind(network, groups, rows):
    network.train()
    moments(readings(network, groups[0]), rows, network)
    assert network.training
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_infinite_activations_are_refused_by_the_name_of_the_layer():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(EspalierError, match="what 2 reads on training rows is NaN or infinite"):
        moments(readings(network, survey(network, normal(2, 3)).groups[0]), normal(5, 3) * torch.inf, network)


def test_shares_fall_from_one_to_zero_and_reach_it_with_the_rank():
    A = np.random.default_rng(0).normal(size=(50, 3)) @ np.random.default_rng(1).normal(size=(3, 6))
    shares = np.sort(pivoted_shares([(A.T @ A, np.eye(6))]))[::-1]
    assert shares[0] == 1.0
    assert (shares > 0).sum() == 3


def test_each_share_is_the_residual_of_a_least_squares_fit():
    rng = np.random.default_rng(0)
    A, W = rng.normal(size=(40, 6)), rng.normal(size=(6, 2))
    shares = pivoted_shares([(A.T @ A, W)])
    order = np.argsort(-shares)
    for k in range(1, 6):
        S = A[:, order[:k]]
        rest = A @ W - S @ np.linalg.lstsq(S, A @ W)[0]
        assert shares[order[k]] == pytest.approx(np.square(rest).sum() / np.square(A @ W).sum())


def test_the_first_pick_is_the_best_single_column():
    rng = np.random.default_rng(2)
    A, W = rng.normal(size=(40, 5)), rng.normal(size=(5, 3))
    fits = [A[:, [j]] @ np.linalg.lstsq(A[:, [j]], A @ W)[0] for j in range(5)]
    best = int(np.argmin([np.square(A @ W - fit).sum() for fit in fits]))
    assert int(pivoted_shares([(A.T @ A, W)]).argmax()) == best


def test_columns_that_nothing_reads_or_that_do_not_vary_come_last():
    A = np.random.default_rng(0).normal(size=(30, 4))
    A[:, 1] = 0.0
    W = np.ones((4, 2))
    W[2] = 0.0
    A[:, 2] = 7 * np.sin(np.arange(30))
    A -= A[:, [0]] * (A.T @ A[:, 0] / (A[:, 0] @ A[:, 0])) * np.array([0, 1, 1, 1])
    shares = pivoted_shares([(A.T @ A, W)])
    assert shares[1] == 0.0
    assert shares[2] < min(shares[0], shares[3])


def test_a_network_that_reads_nothing_scores_nothing():
    assert not pivoted_shares([(np.zeros((3, 3)), np.ones((3, 2)))]).any()


def test_every_reading_layer_counts_the_same():
    G = np.eye(3)
    small, large = np.diag([1.0, 0.0, 0.1]), 1e6 * np.diag([0.0, 1.0, 0.1])
    shares = pivoted_shares([(G, small), (G, large)])
    assert sorted(np.argsort(-shares)[:2].tolist()) == [0, 1]


def test_without_ridge_interpolation_is_least_squares_with_an_intercept():
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    X = normal(40, 3)
    (found,) = moments(readings(network, survey(network, X[:2]).groups[0]), X, network)
    T, t = interpolation(found, [0, 3], ridge=1e-12)
    A = answers(network[:2], X).double().numpy()
    fit = np.linalg.lstsq(np.c_[A[:, [0, 3]], np.ones(40)], A)[0]
    np.testing.assert_allclose(T, fit[:2], atol=1e-6)
    np.testing.assert_allclose(t, fit[2], atol=1e-6)


def test_kept_units_stand_for_themselves_however_strong_the_ridge():
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    X = normal(40, 3)
    (found,) = moments(readings(network, survey(network, X[:2]).groups[0]), X, network)
    for ridge in (1e-12, 0.01, 1e6):
        T, t = interpolation(found, [0, 3], ridge)
        np.testing.assert_allclose(T[:, [0, 3]], np.eye(2), atol=1e-6)
        np.testing.assert_allclose(t[[0, 3]], 0, atol=1e-6)


def test_repeated_units_leave_without_a_trace(network, groups, rows):
    for group in groups:
        repeat_units(network, group, 0, [1, 2])
    kept = kept_all_but(groups, {group.name: [1, 2] for group in groups})
    smaller = remove(absorb(network, groups, kept, rows, ridge=1e-9), rows[:2], kept)
    torch.testing.assert_close(answers(smaller, rows), answers(network, rows), atol=2e-4, rtol=1e-3)


def test_repeated_units_are_the_first_to_go(network, groups, rows):
    for group in groups:
        repeat_units(network, group, 0, [1, 2])
    for score in unexplained(network, groups, rows).values():
        assert int((score[:3] > 1e-9).sum()) == 1


def test_a_constant_unit_goes_first_and_its_constant_stays():
    network = Mlp((6,), hidden=(12,), outputs=3)
    network.body[0].weight.data[4] = 0.0
    network.body[0].bias.data[4] = 5.0
    X = normal(64, 6)
    (group,) = survey(network, X[:2]).groups
    assert unexplained(network, [group], X)[group.name][4] == 0.0
    kept = kept_all_but([group], {group.name: [4]})
    smaller = remove(absorb(network, [group], kept, X), X[:2], kept)
    torch.testing.assert_close(answers(smaller, X), answers(network, X), atol=1e-5, rtol=1e-4)


def test_the_correction_beats_plain_removal_on_the_rows_it_was_fitted_to(network, groups, rows):
    half = {group.name: group.width // 2 for group in groups}
    scores = unexplained(network, groups, rows)
    kept = {name: keep.nonzero().flatten().tolist() for name, keep in keep_largest(scores, half).keep.items()}
    expected = answers(network, rows)
    plain = answers(remove(network, rows[:2], kept), rows)
    corrected = answers(cut_and_absorb(network, rows[:2], groups, kept, rows)[0], rows)
    assert (corrected - expected).norm() < 0.7 * (plain - expected).norm()


def test_the_choice_is_near_the_best_subset_of_a_small_layer():
    with seeded(3):
        network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    X = normal(200, 4)
    groups = survey(network, X[:2]).groups
    expected = answers(network, X)

    def error(kept):
        return float((answers(absorb(network, groups, {"0": kept}, X), X) - expected).norm())

    chosen = keep_largest(unexplained(network, groups, X), {"0": 5}).keep["0"].nonzero().flatten().tolist()
    errors = sorted(error(list(kept)) for kept in combinations(range(8), 3))
    assert error(chosen) <= errors[len(errors) // 10]


def test_later_layers_make_up_for_earlier_ones():
    with seeded(0):
        network = Mlp((6,), hidden=(16, 16), outputs=3)
    X = normal(300, 6)
    groups = survey(network, X[:2]).groups
    kept = {group.name: [0, 3, 5, 9] for group in groups}
    together = absorb(network, groups, kept, X)
    apart = absorb(absorb(network, groups[:1], kept, X), groups[1:], kept, X)
    expected = answers(network, X)
    assert (answers(together, X) - expected).norm() < (answers(apart, X) - expected).norm()


def test_the_network_passed_in_stays_bit_for_bit(network, groups, rows):
    before = copy.deepcopy(network.state_dict())
    cut_and_absorb(network, rows[:2], groups, {group.name: [0, 1] for group in groups}, rows)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_same_call_gives_the_same_bits(network, groups, rows):
    kept = {group.name: [1, 2] for group in groups}
    first, second = (cut_and_absorb(network, rows[:2], groups, kept, rows)[0] for _ in range(2))
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_keeping_everything_changes_nothing(network, groups, rows):
    kept = kept_all_but(groups, {})
    smaller, notes = cut_and_absorb(network, rows[:2], groups, kept, rows)
    assert notes == ()
    assert all(torch.equal(value, smaller.state_dict()[name]) for name, value in network.state_dict().items())


def test_one_row_and_one_unit_are_enough(network, groups, rows):
    kept = {group.name: [0] for group in groups}
    smaller, _ = cut_and_absorb(network, rows[:2], groups, kept, rows[:1])
    assert torch.isfinite(answers(smaller, rows)).all()


def test_replayed_steps_and_the_state_give_the_same_network(network, groups, rows):
    kept = {group.name: [0, 2] for group in groups}
    smaller, _ = cut_and_absorb(network, rows[:2], groups, kept, rows)
    replayed = network
    for step in smaller.pruned_steps:
        replayed = remove(replayed, rows[:2], {step["module"]: step["kept"]})
    replayed.load_state_dict(smaller.state_dict())
    assert torch.equal(answers(replayed, rows), answers(smaller, rows))


class WithLayerNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(3, 6), nn.LayerNorm(6), nn.Linear(6, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.second(self.norm(self.first(x)).relu()).relu())


def test_units_under_a_layer_norm_are_ranked_by_magnitude_and_named():
    network, X = WithLayerNorm(), normal(64, 3)
    groups = survey(network, X[:2]).groups
    scores = unit_scores(network, groups, Calibration(X, torch.zeros(64).long(), "classification", 0))
    assert list(scores) == ["first", "second"]
    assert float(scores["first"].max()) == 1.0
    smaller, notes = cut_and_absorb(network, X[:2], groups, {"first": [0, 1, 2], "second": [1, 2]}, X)
    assert notes == (
        "first: nothing makes up for the units that left, norm (LayerNorm) mixes its units; "
        "they were ranked by magnitude",
    )
    assert smaller.second.weight.shape == (2, 3)


class WithSum(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(3, 6), nn.Linear(6, 2)

    def forward(self, x):
        x = self.first(x).relu()
        return self.head(x / x.sum(dim=1, keepdim=True).clamp_min(1e-3))


def test_units_that_are_read_beside_the_layers_are_noticed():
    with seeded(1):
        network = WithSum()
    X = normal(64, 3)
    groups = survey(network, X[:2]).groups
    smaller, (note,) = cut_and_absorb(network, X[:2], groups, {"first": [0, 1]}, X)
    assert note.startswith("first: nothing makes up for the units that left, more of the network depends")
    torch.testing.assert_close(smaller.head.weight, network.head.weight[:, :2])


def test_a_transposed_convolution_that_reads_a_group_is_named():
    network = WithTransposedConvolution()
    first, up = survey(network, normal(2, 6)).groups
    assert obstacle(network, first) == "up (ConvTranspose1d) reads its units"
    assert obstacle(network, up) is None


class WithSharedLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.shared, self.head = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.shared(self.shared(self.first(x).relu()).relu()).relu())


def test_a_layer_that_is_used_twice_takes_up_one_correction_for_both():
    network, X = WithSharedLayer(), normal(64, 3)
    groups = survey(network, X[:2]).groups
    smaller, notes = cut_and_absorb(network, X[:2], groups, {groups[0].name: [0, 2, 3]}, X)
    assert notes == ()
    assert smaller.shared.weight.shape == (3, 3)
