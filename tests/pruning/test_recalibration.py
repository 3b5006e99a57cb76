import torch
from torch import nn

from tasks.models.mlp import Mlp
from tasks.models.resmlp import ResMlp
from tasks.pruning.recalibration import recalibrated
from tasks.training.batching import Tensors


def rows(count=40):
    X = torch.randn(count, 3, generator=torch.Generator().manual_seed(0)) * 2 + 1
    return Tensors(X, torch.zeros(count).long())


def test_the_statistics_of_one_batch_are_its_own_mean_and_variance():
    network, train = nn.Sequential(nn.BatchNorm1d(3)), rows()
    norm = recalibrated(network, train)[0]
    torch.testing.assert_close(norm.running_mean, train.X.mean(dim=0))
    torch.testing.assert_close(norm.running_var, train.X.var(dim=0))


def test_statistics_of_several_batches_are_averaged():
    network, train = nn.Sequential(nn.BatchNorm1d(3)), rows(2048)
    norm = recalibrated(network, train)[0]
    torch.testing.assert_close(norm.running_mean, train.X.mean(dim=0))


def test_what_comes_in_stays_and_what_comes_out_has_the_same_weights_and_modes():
    network, train = ResMlp((3,), width=4, inner=(5,), outputs=2).eval(), rows()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = recalibrated(network, train)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), network.parameters(), strict=True))
    assert not any(module.training for module in found.modules())
    assert {module.momentum for module in found.modules() if isinstance(module, nn.BatchNorm1d)} == {0.1}


def test_a_network_without_batch_norm_comes_back_as_it_is():
    network = Mlp((3,), (4,), 2)
    assert recalibrated(network, rows()) is network


def test_a_single_row_tells_nothing():
    network = nn.Sequential(nn.BatchNorm1d(3))
    assert recalibrated(network, rows(1)) is network


def test_rows_are_prepared_before_they_are_seen():
    network, plain = nn.Sequential(nn.BatchNorm1d(3)), rows()
    norm = recalibrated(network, Tensors(plain.X, plain.y, lambda X: X + 5))[0]
    torch.testing.assert_close(norm.running_mean, plain.X.mean(dim=0) + 5)
