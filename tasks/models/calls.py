"""What layers are called on, told while a network runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

__all__ = ["on_call"]


def on_call(layer: nn.Module, note: Callable[[nn.Module, Tensor], None]) -> RemovableHandle:
    """Have `note` told, before each call of a layer, of the layer and of what it reads.

    Parameters
    ----------
    layer
        One that reads a single tensor, which may be given by place or by name.
    note
        Called as ``note(layer, tensor)``.

    Returns
    -------
    Handle whose `remove` ends it.
    """

    def hook(called: nn.Module, by_place: tuple[Any, ...], by_name: dict[str, Any]) -> None:
        note(called, next(iter((*by_place, *by_name.values()))))

    return layer.register_forward_pre_hook(hook, with_kwargs=True)
