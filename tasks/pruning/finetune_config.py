"""How a network recovers: the `finetune` block of every removal."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from tasks.settings import Section

__all__ = ["REMOVAL_EPOCHS", "FinetuneConfig"]

REMOVAL_EPOCHS: Final = 60
"""Epochs of recovery after a removal where `epochs` is auto."""


class FinetuneConfig(Section):
    """How the network recovers after something was removed; the learning rate follows one cycle."""

    epochs: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        "auto",
        description="epochs of recovery per round; with a gradual schedule, of all. auto: 60; 180 for a "
        "candidate of method budget, 30 to 180 from 3,300 rows on; never fewer than train.epochs, which cost "
        "more than the choice of what to remove",
    )
    lr: float = Field(0.003, gt=0.0, description="peak of the one-cycle learning rate")
    distil: float = Field(
        0.7, ge=0.0, le=1.0, description="weight of the reference's soft answers in the loss; 0: labels only"
    )
    temperature: float = Field(2.0, gt=0.0, description="softens the reference's answers before comparing")
    mixup: float = Field(
        1.0,
        ge=0.0,
        description="alpha of Beta(alpha, alpha): recovery learns from mixtures of two rows, and the "
        "reference's answers to them; 1: any share is as likely, 0: the rows as they are",
    )
    keep: Literal["best", "last"] = Field(
        "last",
        description="best: weights of the epoch with the best validation metric | last: of the last epoch, "
        "whose validation metric then flatters nothing",
    )
    patience: int = Field(
        0, ge=0, description="epochs without a better validation metric before recovery stops; 0: never"
    )
    recalibrate: bool = Field(
        False,
        description="statistics of batch norms are estimated anew on training rows after each removal, "
        "before any epoch of recovery",
    )

    @model_validator(mode="after")
    def _last_needs_every_epoch(self) -> FinetuneConfig:
        if self.keep == "last" and self.patience:
            raise ValueError("keep: last goes through every epoch; set keep: best, or patience: 0")
        return self

    def length(self, auto: int = REMOVAL_EPOCHS, *, trained: int = 0) -> int:
        """Return how many epochs a recovery takes.

        Where the configuration leaves it open `auto` of them, but no fewer than `trained`, those of the
        network's own training.
        """
        return max(auto, trained) if self.epochs == "auto" else self.epochs
