"""Optimisers, fused where the device has the kernel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW

from tasks.errors import EspalierError
from tasks.training.config import TrainConfig

__all__ = ["CpuAdamW", "Optimiser", "build_optimiser"]


class Optimiser(Protocol):
    """What training needs of an optimiser; torch's own have it."""

    param_groups: list[dict[str, Any]]

    def step(self) -> Any:
        """Move the parameters along their gradients."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state by parameter number, as torch does."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state."""


class CpuAdamW:
    """AdamW (Loshchilov and Hutter, 2019) on CPU tensors.

    Computes the bits of ``torch.optim.AdamW(fused=True)`` by the same kernel, without its bookkeeping, which
    takes a third of a step of a small network. One count of steps serves all parameters.
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": parameters, "lr": lr}]
        self.weight_decay = weight_decay
        self.count = torch.zeros(())
        self.mean = [torch.zeros_like(parameter) for parameter in parameters]
        self.square = [torch.zeros_like(parameter) for parameter in parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters that have a gradient."""
        group = self.param_groups[0]
        slots = zip(group["params"], self.mean, self.square, strict=True)
        moving = [(p, p.grad, mean, square) for p, mean, square in slots if p.grad is not None]
        parameters, gradients, means, squares = (list(part) for part in zip(*moving, strict=True))
        self.count += 1
        torch._fused_adamw_(
            parameters,
            gradients,
            means,
            squares,
            [],
            [self.count] * len(moving),
            lr=group["lr"],
            beta1=0.9,
            beta2=0.999,
            weight_decay=self.weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the state by parameter number, in torch's names."""
        slots = enumerate(zip(self.mean, self.square, strict=True))
        state = {i: {"step": self.count.clone(), "exp_avg": m, "exp_avg_sq": v} for i, (m, v) in slots}
        return {"state": state, "param_groups": self.param_groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state."""
        slots: dict[int, dict[str, Tensor]] = state_dict["state"]
        for index, slot in slots.items():
            self.count.copy_(slot["step"])
            self.mean[index].copy_(slot["exp_avg"])
            self.square[index].copy_(slot["exp_avg_sq"])


def build_optimiser(
    parameters: Iterable[nn.Parameter], config: TrainConfig, device: torch.device
) -> Optimiser:
    """Build AdamW, or SGD with Nesterov momentum, over the parameters that are trainable.

    Raises
    ------
    EspalierError
        When nothing is trainable.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if not trainable:
        raise EspalierError("the network has no trainable parameter; check requires_grad in your builder")
    fused = device.type in ("cpu", "cuda")
    if config.optimizer == "adamw":
        if device.type == "cpu":
            return CpuAdamW(trainable, config.lr, config.weight_decay)
        return AdamW(trainable, lr=config.lr, weight_decay=config.weight_decay, fused=fused)
    return SGD(
        trainable,
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
        fused=fused,
    )
