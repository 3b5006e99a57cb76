"""The `finetune` block: how long a recovery takes."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tasks.pruning.config import FinetuneConfig, StructuredConfig
from tasks.pruning.recipe import prune
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig


def test_epochs_are_left_open_and_then_sixty():
    assert FinetuneConfig().epochs == "auto"
    assert FinetuneConfig().length() == 60


def test_what_is_left_open_takes_what_the_method_needs():
    assert FinetuneConfig(epochs="auto").length(180) == 180


@pytest.mark.parametrize(("trained", "expected"), [(20, 60), (60, 60), (200, 200)])
def test_what_is_left_open_is_no_shorter_than_the_training(trained, expected):
    assert FinetuneConfig().length(trained=trained) == expected
    assert FinetuneConfig(epochs=7).length(trained=trained) == 7


@pytest.mark.parametrize("epochs", [0, 1, 60, 500])
def test_a_number_is_taken_as_it_is(epochs):
    assert FinetuneConfig(epochs=epochs).length() == FinetuneConfig(epochs=epochs).length(180) == epochs


@pytest.mark.parametrize("epochs", [-1, 1.5, "many", None])
def test_anything_else_is_refused(epochs):
    with pytest.raises(ValidationError):
        FinetuneConfig(epochs=epochs)


def test_every_removal_starts_from_the_same_block():
    assert StructuredConfig().finetune == FinetuneConfig()


def test_a_network_trained_for_long_recovers_as_long():
    torch.manual_seed(0)
    X = torch.randn(40, 3)
    rows = Tensors(X, (X[:, 0] > 0).long())
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    config = StructuredConfig(amount=0.5, finetune=FinetuneConfig(mixup=0, distil=0))
    settings = TrainConfig(epochs=65, batch=64)
    pruned = prune(network, config, rows, rows, settings, task="classification", outputs=2, seed=0)
    assert len(pruned.history) == 65
