import pytest
import torch
from torch import nn

from tasks.errors import EspalierError
from tasks.training.config import TrainConfig
from tasks.training.optimisers import CpuAdamW, build_optimiser

CPU = torch.device("cpu")


def pair():
    torch.manual_seed(0)
    one = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    two = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    two.load_state_dict(one.state_dict())
    return one, two


def steps(network, optimiser, count=5):
    generator = torch.Generator().manual_seed(1)
    for step in range(count):
        optimiser.param_groups[0]["lr"] = 0.01 * (step + 1)
        network.zero_grad()
        network(torch.randn(8, 3, generator=generator)).pow(2).mean().backward()
        optimiser.step()


def equal(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_it_computes_the_bits_of_torchs_fused_adamw():
    one, two = pair()
    steps(one, CpuAdamW(list(one.parameters()), 0.01, 0.1))
    steps(two, torch.optim.AdamW(two.parameters(), lr=0.01, weight_decay=0.1, fused=True))
    assert equal(one, two)


def test_a_state_taken_up_goes_on_with_the_same_bits():
    one, two = pair()
    whole = CpuAdamW(list(one.parameters()), 0.01, 0.1)
    steps(one, whole)
    resumed = CpuAdamW(list(two.parameters()), 0.01, 0.1)
    resumed.load_state_dict(whole.state_dict())
    two.load_state_dict(one.state_dict())
    steps(one, whole)
    steps(two, resumed)
    assert equal(one, two)


def test_a_parameter_without_gradient_stays():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimiser = CpuAdamW([unused, used], 0.1, 0.1)
    used.grad = torch.ones(2)
    optimiser.step()
    assert torch.equal(unused, torch.ones(2))
    assert (used < 1).all()


@pytest.mark.parametrize(("name", "kind"), [("adamw", CpuAdamW), ("sgd", torch.optim.SGD)])
def test_the_configured_optimiser_is_built(name, kind):
    config = TrainConfig(optimizer=name, lr=0.5)
    optimiser = build_optimiser(nn.Linear(2, 2).parameters(), config, CPU)
    assert isinstance(optimiser, kind)
    assert optimiser.param_groups[0]["lr"] == 0.5


def test_nothing_to_train_is_an_error():
    with pytest.raises(EspalierError, match="no trainable parameter"):
        build_optimiser(nn.Linear(2, 2).requires_grad_(False).parameters(), TrainConfig(), CPU)
