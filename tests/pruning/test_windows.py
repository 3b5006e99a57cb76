import copy

import pytest
import torch
from torch import nn

from tasks.models.zoo import seeded
from tasks.pruning.readings import readings
from tasks.pruning.structure import survey
from tasks.pruning.windows import UNKNOWNS, fit_windows, sees_windows, windows

LAYERS = {
    "flattened": (lambda: nn.Linear(12, 3), (4, 12)),
    "sequence": (lambda: nn.Linear(6, 3), (4, 5, 6)),
    "series": (lambda: nn.Conv1d(4, 3, 3), (2, 4, 9)),
    "series with holes": (lambda: nn.Conv1d(4, 3, 3, stride=2, padding=2, dilation=2), (2, 4, 9)),
    "image": (lambda: nn.Conv2d(4, 3, (3, 2), padding=(1, 0)), (2, 4, 6, 7)),
    "image of the same size": (lambda: nn.Conv2d(4, 3, (4, 3), padding="same"), (2, 4, 6, 7)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", LAYERS)
def test_windows_times_weights_are_the_layer(name):
    build, shape = LAYERS[name]
    layer, inputs = build(), torch.randn(shape)
    flat = isinstance(layer, nn.Linear)
    places = torch.arange(layer.weight.shape[1])[:, None]
    seen = windows(layer, inputs, places)
    weight = layer.weight.detach().double()
    outputs = seen @ weight.reshape(len(weight), -1).T + layer.bias.detach().double()
    expected = layer(inputs).detach().movedim(-1 if flat else 1, -1).reshape(-1, 3).double()
    torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=1e-5)


def chain(bias=True):
    with seeded(0):
        return nn.Sequential(
            nn.Conv1d(1, 8, 3),
            nn.ReLU(),
            nn.Conv1d(8, 4, 3, bias=bias),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(24, 2),
        ).eval()


X = torch.randn(300, 1, 10, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bias", [True, False])
def test_what_a_layer_lacks_becomes_less(bias):
    wanted = chain(bias)
    network = copy.deepcopy(wanted)
    (read,) = readings(wanted, survey(wanted, X[:2]).groups[0])
    with torch.no_grad():
        network[2].weight[:, 4:] = 0.0
        before = (network[:3](X) - wanted[:3](X)).norm()
        fit_windows(network, wanted, read, [0, 1, 2, 3], X, ridge=0.01)
        assert (network[:3](X) - wanted[:3](X)).norm() < 0.7 * before
        assert not network[2].weight[:, 4:].any()


def test_what_lacks_nothing_stays():
    wanted = chain()
    network = copy.deepcopy(wanted)
    (read,) = readings(wanted, survey(wanted, X[:2]).groups[1])
    fit_windows(network, wanted, read, [0, 2], X, ridge=0.01)
    torch.testing.assert_close(network[5].weight, wanted[5].weight)


def test_dead_units_change_nothing():
    wanted = chain()
    wanted[0].weight.data.zero_()
    wanted[0].bias.data.fill_(-1.0)
    network = copy.deepcopy(wanted)
    (read,) = readings(wanted, survey(wanted, X[:2]).groups[0])
    network[2].weight.data[:, 4:] = 0.0
    fit_windows(network, wanted, read, [0, 1, 2, 3], X, ridge=0.01)
    assert torch.equal(network[2].weight[:, :4], wanted[2].weight[:, :4])


def test_only_windows_of_several_cells_and_not_too_many_are_fitted():
    network = chain()
    first, second = survey(network, X[:2]).groups
    assert sees_windows(network, *readings(network, first), 4)
    assert sees_windows(network, *readings(network, second), 4)
    assert not sees_windows(network, *readings(network, second), UNKNOWNS)
    plain = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    assert not sees_windows(plain, *readings(plain, survey(plain, torch.randn(2, 3)).groups[0]), 2)
