from collections.abc import Callable

import pytest
import torch
from torch import nn

from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig


def blobs(n: int = 60, seed: int = 0, classes: int = 3) -> Tensors:
    """Rows around one centre a class, easy to tell apart."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    centres = 3 * torch.eye(classes, 4)
    return Tensors(centres[y] + torch.randn(n, 4, generator=generator), y)


def line(n: int = 60, seed: int = 0) -> Tensors:
    """A linear target with a little noise, standardised."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, 4, generator=generator)
    y = X @ torch.tensor([1.0, -1.0, 0.5, 0.0]) + 0.01 * torch.randn(n, generator=generator)
    return Tensors(X, (y - y.mean()) / y.std())


def small(outputs: int = 3, dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, outputs))


@pytest.fixture
def rows() -> Tensors:
    return blobs()


@pytest.fixture
def valid_rows() -> Tensors:
    return blobs(30, seed=1)


@pytest.fixture
def make_rows() -> Callable[..., Tensors]:
    return blobs


@pytest.fixture
def make_line() -> Callable[..., Tensors]:
    return line


@pytest.fixture
def make_net() -> Callable[..., nn.Module]:
    return small


@pytest.fixture
def settings() -> Callable[..., TrainConfig]:
    """Build a short training: five epochs of batches of sixteen, one thread."""

    def build(**options: object) -> TrainConfig:
        return TrainConfig.model_validate({"epochs": 5, "batch": 16, "lr": 0.02, "threads": 1, **options})

    return build
