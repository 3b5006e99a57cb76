"""A recovery inside a time box: as many epochs as fit, and an end at the box."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.training.records import EpochRecord

__all__ = ["Pace"]

GRACE = 0.25  # of the seconds a recovery is given: by so much it may overrun, for it was expected to fit
_FIRST = 3  # epochs that say how long one takes; the very first one is slower


@dataclass
class Pace:
    """Watches the epochs of a recovery, as `on_epoch` of a training; true ends it.

    Attributes
    ----------
    seconds : float
        What is left for it.
    epochs : int
        How many are wanted.
    fit : int, optional
        How many fit, where that is fewer; known after the first epochs, which then end.
    ended : bool
        Whether it ended a training.
    """

    seconds: float
    epochs: int
    clock: Callable[[], float] = time.monotonic
    fit: int | None = field(default=None, init=False)
    ended: bool = field(default=False, init=False)
    _began: float = field(default=0.0, init=False)
    _first: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def left(self) -> float:
        """Seconds."""
        return self._began + self.seconds - self.clock()

    def __call__(self, record: EpochRecord) -> bool:
        """Whether the training is over: the box is, or fewer epochs have to do from the start."""
        if record.epoch == 1:
            self._first = self.clock()
        if record.epoch == _FIRST:
            self._foresee(_FIRST)
        self.ended = self.fit is not None or self.left < -GRACE * self.seconds
        return self.ended

    def _foresee(self, done: int) -> None:
        """Say how many epochs fit, where all would overrun by more than the grace."""
        each = (self.clock() - self._first) / (done - 1)
        if each * (self.epochs - done) > self.left + GRACE * self.seconds:
            self.fit = max(int(self.left / each), 0)
