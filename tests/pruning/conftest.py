"""One small network of every family, with rows it takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tasks.models.cnn import Cnn1d, Cnn2d
from tasks.models.mlp import Mlp
from tasks.models.resmlp import ResMlp
from tasks.models.user import UserNetwork
from tasks.models.zoo import seeded
from tasks.training.batching import Tensors


class Branching(nn.Module):
    """A user's own network: two branches concatenated, then a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(6, 5), nn.Linear(6, 7)
        self.join, self.inner = nn.Linear(12, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.left(x).relu(), self.right(x).relu()], dim=1)
        x = self.join(x)
        out: Tensor = self.head((x + self.inner(x.relu())).relu())
        return out


class WithTransposedConvolution(nn.Module):
    """A group that a transposed convolution reads."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.up = nn.Conv1d(1, 4, 3), nn.ConvTranspose1d(4, 5, 3)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.up(self.first(x[:, None])).mean(dim=2))
        return out


def untrained_statistics(network: nn.Module) -> nn.Module:
    """Give batch norms statistics and weights that differ from channel to channel."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return network.eval()


FAMILIES: dict[str, tuple[tuple[int, ...], Callable[[], nn.Module]]] = {
    "mlp": ((6,), lambda: Mlp((6,), hidden=(12, 8), outputs=3)),
    "resmlp": ((6,), lambda: ResMlp((6,), width=8, inner=(12, 10), outputs=3)),
    "cnn1d": ((2, 16), lambda: Cnn1d((2, 16), channels=(6, 8), outputs=3, hidden=(10,))),
    "cnn2d": ((1, 8, 8), lambda: Cnn2d((1, 8, 8), channels=(6, 8), outputs=3)),
    "user": ((6,), lambda: UserNetwork(Branching(), "nets.mine:build", (6,), 3)),
}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def network(family: str) -> nn.Module:
    with seeded(0):
        return untrained_statistics(FAMILIES[family][1]())


@pytest.fixture
def rows(family: str) -> Tensor:
    return torch.randn(32, *FAMILIES[family][0], generator=torch.Generator().manual_seed(1))


@pytest.fixture
def problem(rows: Tensor) -> tuple[Tensors, Tensors]:
    """Training and validation rows of three classes."""
    labels = rows.flatten(1)[:, :3].argmax(dim=1)
    return Tensors(rows[:24], labels[:24]), Tensors(rows[24:], labels[24:])
