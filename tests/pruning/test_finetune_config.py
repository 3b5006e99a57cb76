"""The `finetune` block: how long a recovery takes."""

import pytest
from pydantic import ValidationError

from tasks.pruning.config import FinetuneConfig, StructuredConfig


def test_epochs_are_left_open_and_then_sixty():
    assert FinetuneConfig().epochs == "auto"
    assert FinetuneConfig().length() == 60


def test_what_is_left_open_takes_what_the_method_needs():
    assert FinetuneConfig(epochs="auto").length(180) == 180


@pytest.mark.parametrize("epochs", [0, 1, 60, 500])
def test_a_number_is_taken_as_it_is(epochs):
    assert FinetuneConfig(epochs=epochs).length() == FinetuneConfig(epochs=epochs).length(180) == epochs


@pytest.mark.parametrize("epochs", [-1, 1.5, "many", None])
def test_anything_else_is_refused(epochs):
    with pytest.raises(ValidationError):
        FinetuneConfig(epochs=epochs)


def test_every_removal_starts_from_the_same_block():
    assert StructuredConfig().finetune == FinetuneConfig()
