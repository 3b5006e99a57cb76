"""Device, CPU threads and determinism for the duration of a stage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

from tasks.errors import EspalierError
from tasks.training.config import TrainConfig

__all__ = ["choose_device", "cpu_threads", "deterministic", "runtime"]


def choose_device(name: str) -> torch.device:
    """Resolve 'auto' to cuda, mps or cpu, the first that is there.

    Raises
    ------
    EspalierError
        When a named device is absent.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, present in there.items() if present))
    if not there[name]:
        raise EspalierError(f"train.device: {name} is not available on this machine; choose auto or cpu")
    return torch.device(name)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Use `count` CPU threads inside the block, of torch and of NumPy's BLAS; the earlier numbers come back.

    A matrix product is cut up by threads, and its last bits depend on the cut.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic(wanted: bool, device: torch.device) -> Iterator[None]:
    """Allow only deterministic operations inside the block; the earlier switches are restored."""
    before = torch.get_deterministic_debug_mode()  # its other face imports the compiler: a second
    mode = "default" if not wanted else "error" if device.type == "cpu" else "warn"
    benchmark = torch.backends.cudnn.benchmark
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    if wanted and device.type == "cuda" and workspace is None:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS needs a fixed workspace
    torch.set_deterministic_debug_mode(mode)
    torch.backends.cudnn.benchmark = not wanted
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@contextmanager
def runtime(config: TrainConfig) -> Iterator[torch.device]:
    """Set threads and determinism for a block and yield its device; all switches are restored after it."""
    device = choose_device(config.device)
    with cpu_threads(config.threads), deterministic(config.deterministic, device):
        yield device
