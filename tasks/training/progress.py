"""Progress of a training: a live bar on a terminal, a plain log line every few epochs elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tasks.training.records import EpochRecord
from tasks.training.scoring import METRIC

__all__ = ["describe", "progress"]

LINES = 5
"""Log lines of a whole training without a terminal."""

SECONDS = 20.0
"""A slow training logs at least this often."""


def describe(record: EpochRecord, task: str) -> str:
    """Facts of an epoch in at most 50 characters.

    Examples
    --------
    >>> describe(EpochRecord(3, 0.21, 0.25, 0.93, 0.003), "classification")
    'loss 0.2100  valid 0.2500  accuracy 0.9300'
    """
    losses = f"loss {record.train_loss:.4f}  valid {record.valid_loss:.4f}"
    return f"{losses}  {METRIC[task]} {record.valid_metric:.4f}"


@contextmanager
def progress(
    stage: str, epochs: int, task: str, console: Console | None = None
) -> Iterator[Callable[[EpochRecord], None]]:
    """Yield what `fit` calls after each epoch.

    Parameters
    ----------
    stage
        Shown in front, and the logger's name below 'espalier'.
    console
        Where a bar would go; standard error by default.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _lines(stage, epochs, task)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(12),
        MofNCompleteColumn(),
        TimeRemainingColumn(True),
    )
    with Progress(*columns, TextColumn("{task.fields[facts]}"), console=console, transient=True) as bar:
        row = bar.add_task(stage, total=epochs, facts="")
        yield lambda record: bar.update(row, completed=record.epoch, facts=_brief(record, task))


def _brief(record: EpochRecord, task: str) -> str:
    return f"loss {record.train_loss:.3f} {METRIC[task]} {record.valid_metric:.3f}"


def _lines(stage: str, epochs: int, task: str) -> Callable[[EpochRecord], None]:
    log = logging.getLogger(f"espalier.{stage}")
    every = max(1, epochs // LINES)
    started = shown = time.monotonic()
    first: int | None = None

    def line(record: EpochRecord) -> None:
        nonlocal shown, first
        now = time.monotonic()
        first = record.epoch - 1 if first is None else first
        if record.epoch % every and record.epoch != epochs and now - shown < SECONDS:
            return
        shown = now
        left = (now - started) / (record.epoch - first) * (epochs - record.epoch)
        log.info("epoch %d/%d  %s  %.0f s left", record.epoch, epochs, describe(record, task), left)

    return line
