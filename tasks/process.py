"""How a process that imports much keeps house, and how it ends."""

from __future__ import annotations

import gc
import logging
import os
import sys

__all__ = ["collect_seldom", "leave"]


def collect_seldom() -> None:
    """Look for garbage less often.

    Importing Prefect, MLflow and PyTorch makes a million objects that stay: looking through them again and
    again costs a tenth of a run.
    """
    gc.set_threshold(100_000, 50, 100)


def leave(code: int) -> None:
    """End the process without taking apart what it imported, which costs part of a second.

    No exit handler that is still to come is called. Of those registered by an import, before anything else,
    logging's is needed: log handlers write out what they hold back.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
