"""A training under way: what changes from epoch to epoch, and how it is saved and taken up again."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tasks.training.batching import Tensors
from tasks.training.checkpoint import Checkpoint
from tasks.training.config import TrainConfig
from tasks.training.losses import Distil, Loss
from tasks.training.mixing import Mixing
from tasks.training.optimisers import Optimiser
from tasks.training.records import EpochRecord, Hooks, Rounds

__all__ = [
    "Run",
    "better",
    "isolated",
    "mixed_dtype",
    "resume",
    "save",
    "seed_noise",
    "snapshot",
    "training_key",
]


@dataclass
class Run:
    """The moving parts of one call of `fit`; `history` and `best` grow with each epoch."""

    network: nn.Module
    optimiser: Optimiser
    loss: Loss
    config: TrainConfig
    task: str
    epochs: int
    lr: float
    seed: int
    device: torch.device
    hooks: Hooks
    until: int | None = None
    amp: torch.dtype | None = None
    scaler: torch.amp.GradScaler | None = None
    history: list[EpochRecord] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    started: float = field(default_factory=time.perf_counter)
    earlier: float = 0.0
    stopped: bool = False

    @property
    def seconds(self) -> float:
        """Wall-clock time since this call began."""
        return time.perf_counter() - self.started

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or patience has run out."""
        done = len(self.history)
        waited = done - max(self.best_epoch, self.hooks.settled)
        return self.stopped or done >= (self.until or self.epochs) or 0 < self.config.patience <= waited

    def remember(self, record: EpochRecord) -> None:
        """Add a finished epoch, and keep its weights when they are the best so far."""
        self.history.append(record)
        if len(self.history) <= min(self.hooks.settled, self.epochs - 1):
            return
        if not self.best_epoch or better(record, self.history[self.best_epoch - 1]):
            self.best, self.best_epoch = snapshot(self.network), record.epoch

    def stop(self) -> None:
        """Let this epoch be the last; its weights count where those of the last one were asked for."""
        self.stopped = True
        if self.until is not None or not self.best_epoch:
            self.best, self.best_epoch = snapshot(self.network), len(self.history)


def better(record: EpochRecord, rival: EpochRecord) -> bool:
    """Whether a later epoch beats a rival: by metric, then by loss; without validation rows, always."""
    if math.isnan(record.valid_metric):
        return True
    return (record.valid_metric, -record.valid_loss) > (rival.valid_metric, -rival.valid_loss)


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """Copy of the network's state."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def mixed_dtype(config: TrainConfig, device: torch.device) -> torch.dtype | None:
    """16-bit type of mixed precision on a CUDA device; None for float32."""
    if config.precision == "float32" or device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def seed_noise(seed: int, device: torch.device) -> None:
    """Seed what dropout draws from; `torch.manual_seed` would seed absent devices too, slowly."""
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        getattr(torch, device.type).manual_seed(seed)


@contextmanager
def isolated(device: torch.device) -> Iterator[None]:
    """Keep the process's generators as they are outside the block."""
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.type == "cuda" else []):
        yield


def training_key(
    run: Run,
    train: Tensors,
    valid: Tensors | None,
    teacher: Tensor | None,
    distil: Distil | None,
    mixing: Mixing | None,
    rounds: Rounds | None,
) -> str:
    """Name a training by its settings, initial weights, a thousand rows of each part and two rounds.

    Hooks are told apart by their functions' names: what they close over is for the caller's folder to tell.
    """
    calls = [getattr(call, "__qualname__", None) for call in (run.hooks.before_epoch, run.hooks.after_step)]
    settings = (run.config.model_dump(), run.task, run.epochs, run.lr, run.seed, tuple(train.X.shape))
    digest = hashlib.sha256(repr((*settings, distil, run.hooks.settled, calls)).encode())
    tensors = {**snapshot(run.network), "X": _some(train.X), "y": _some(train.y)}
    tensors |= {} if valid is None else {"valid X": _some(valid.X), "valid y": _some(valid.y)}
    tensors |= {} if teacher is None else {"teacher": _some(teacher)}
    if mixing is not None:
        parts = {"partners": mixing.partners, "shares": mixing.shares, "answers": mixing.answers}
        tensors |= {name: _some(part.flatten(0, 1)) for name, part in parts.items() if part is not None}
    tensors |= {} if rounds is None else {f"round {i}": torch.as_tensor(rounds(i)) for i in (0, 1)}
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _some(rows: Tensor) -> Tensor:
    """At most a thousand rows, evenly spread."""
    return rows[torch.linspace(0, max(len(rows) - 1, 0), min(len(rows), 1000)).long()]


def save(run: Run, checkpoint: Checkpoint, key: str) -> None:
    """Write all that the next epoch depends on."""
    tensors = {f"network.{name}": tensor for name, tensor in snapshot(run.network).items()}
    tensors |= {f"best.{name}": tensor.clone() for name, tensor in run.best.items()}
    for index, slots in run.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{slot}": value for slot, value in slots.items() if value is not None}
    state: dict[str, Any] = {"key": key, "best_epoch": run.best_epoch}
    state["history"] = [asdict(record) for record in run.history]
    state["scaler"] = run.scaler.state_dict() if run.scaler else None
    state["seconds"] = run.earlier + run.seconds
    checkpoint.save(tensors, state)


def resume(run: Run, checkpoint: Checkpoint, key: str) -> None:
    """Take up the training where its checkpoint left it; a fresh start when there is none."""
    saved = checkpoint.load(key)
    if saved is None:
        return
    run.history = [EpochRecord(**record) for record in saved.state["history"]]
    run.best_epoch = saved.state["best_epoch"]
    run.earlier = saved.state.get("seconds", 0.0)
    groups: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}, "optimiser": {}}
    for name, tensor in saved.tensors.items():
        group, _, rest = name.partition(".")
        groups[group][rest] = tensor.to(run.device)
    run.network.load_state_dict(groups["network"])
    run.best = groups["best"]
    _load_optimiser(run.optimiser, groups["optimiser"])
    if run.scaler and saved.state["scaler"]:
        run.scaler.load_state_dict(saved.state["scaler"])


def _load_optimiser(optimiser: Optimiser, tensors: dict[str, Tensor]) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, slot = name.partition(".")
        slots.setdefault(int(index), {})[slot] = tensor
    optimiser.load_state_dict({"state": slots, "param_groups": optimiser.state_dict()["param_groups"]})
