"""What processes of `test_workers.py` do; they import nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path


def asleep(begun: Path) -> None:
    """Say that it has begun, and sleep for minutes."""
    begun.write_text(str(os.getpid()))
    time.sleep(240)


def worked(name: str, seeds: Sequence[int], begun: Path) -> list[dict[str, int]]:
    """Compute a candidate; the one called "killer" ends its process."""
    with (begun / name).open("a") as file:
        file.write("begun\n")
    if name == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    return [{"seed": seed, "worker": os.getpid()} for seed in seeds]
