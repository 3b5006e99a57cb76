"""What two cores give two processes that share nothing; as a script, one of them: it prints seconds.

A study with two workers cannot be more efficient than this: memory, caches and clock are shared.
"""

from __future__ import annotations

import subprocess
import sys
import time

import torch
from torch import nn

__all__ = ["ceiling"]

ROWS, BATCH, WARM, STEPS = 4096, 128, 200, 2000


def _train() -> float:
    """Train a 784-300-100-10 network on one thread; return seconds of `STEPS` steps, after warming up."""
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    X, y = torch.randn(ROWS, 784, generator=draw), torch.randint(0, 10, (ROWS,), generator=draw)
    network = nn.Sequential(
        nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )
    optimiser = torch.optim.AdamW(network.parameters())
    began = 0.0
    for step in range(WARM + STEPS):
        if step == WARM:
            began = time.perf_counter()
        rows = torch.randint(0, ROWS, (BATCH,), generator=draw)
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(X[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return time.perf_counter() - began


def _together(processes: int) -> float:
    command = [sys.executable, "-m", "benchmarks.side_by_side"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return max(float(each.communicate()[0]) for each in started)


def ceiling() -> float:
    """Return the time of one process alone over that of the slower of two side by side."""
    return _together(1) / _together(2)


if __name__ == "__main__":
    sys.stdout.write(f"{_train()}\n")
