"""Products that a network's own code computes, beside the layers that it calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["products_outside"]

_PRODUCTS = {
    *("mm", "addmm", "_addmm_activation", "bmm", "baddbmm", "addbmm", "mv", "addmv", "dot", "vdot"),
    *("convolution", "_convolution", "_trilinear", "_cdist_forward", "mkldnn_rnn_layer"),
    *("_native_multi_head_attention", "_transformer_encoder_layer_fwd"),
}
_ATTENTION = "_scaled_dot_product"


def products_outside(
    network: nn.Module, inputs: Tensor, counted: Callable[[nn.Module], bool]
) -> list[nn.Module]:
    """Return the modules whose own code multiplies matrices or convolves, in the order that they do.

    Parameters
    ----------
    network : Module
    inputs : Tensor, (n, *input shape)
    counted : callable
        Whether whatever a module computes is known; of such modules nothing is returned.

    Examples
    --------
    >>> class Tied(nn.Linear):
    ...     def forward(self, x):
    ...         return (x @ self.weight.T) @ self.weight
    >>> products_outside(Tied(2, 3), torch.zeros(1, 2), lambda module: False)
    [Tied(in_features=2, out_features=3, bias=True)]
    >>> products_outside(Tied(2, 3), torch.zeros(1, 2), lambda module: True)
    []
    """
    running: list[nn.Module] = []
    found: dict[nn.Module, None] = {}

    def enter(module: nn.Module, given: Any) -> None:
        running.append(module)

    def leave(module: nn.Module, given: Any, out: Any) -> None:
        running.pop()

    def note() -> None:
        if running and not any(map(counted, running)):
            found[running[-1]] = None

    hooks = [module.register_forward_pre_hook(enter) for module in network.modules()]
    hooks += [
        module.register_forward_hook(leave, prepend=True, always_call=True) for module in network.modules()
    ]
    try:
        with torch.no_grad(), _Products(note):
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return list(found)


class _Products(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """Tells of each product that torch computes."""

    def __init__(self, note: Callable[[], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.note = note

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in _PRODUCTS or name.startswith(_ATTENTION):
            self.note()
        return func(*args, **(kwargs or {}))
