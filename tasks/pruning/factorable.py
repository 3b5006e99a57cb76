"""Which layers can become a pair of thinner ones, why the others cannot, and what a layer reads at once."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.models.factored import Factorable, is_factorable, is_factored, set_ranks
from tasks.models.zoo import seeded
from tasks.pruning.readings import listening
from tasks.pruning.windows import windows

__all__ = ["Whole", "candidates"]

SAMPLES = 100_000
"""Windows of a convolution to fit on, over all calibration rows."""

_EACH = 20  # windows for each of their cells, where that is more
_NUMBERS = 1 << 22  # numbers of windows at once: 32 MB


@dataclass(frozen=True, eq=False)
class Whole:
    """Everything that each output of a layer sees: the inputs of a Linear, the window of a convolution.

    Attributes
    ----------
    layer : str
    module : Linear, Conv1d or Conv2d
        Of whose shape alone use is made.
    bias : bool
        Whether the layer can take up a constant.
    most : int
        Columns of windows to take at most of each row, drawn without replacement.
    """

    layer: str
    module: Factorable
    bias: bool
    most: int
    asked = "prune.method low_rank"

    @classmethod
    def of(cls, name: str, network: nn.Module, rows: int) -> Whole:
        """Look at a layer of a network on so many calibration rows."""
        module = network.get_submodule(name)
        assert is_factorable(module)
        wanted = max(SAMPLES, _EACH * module.weight[0].numel())
        return cls(name, module, module.bias is not None, -(-wanted // max(1, rows)))

    @property
    def width(self) -> int:
        """Count what one output sees."""
        return self.module.weight[0].numel()

    def rows(self, inputs: Tensor) -> int:
        """Count the rows whose windows fit into little memory."""
        taps = self.module.weight[0, 0].numel()
        return max(1, _NUMBERS // max(1, inputs[:1].numel() * taps))

    def activations(self, inputs: Tensor) -> Tensor:
        """Return some or all windows, float64 (n, width), in the order of the layer's weights."""
        places = torch.arange(self.module.weight.shape[1])[:, None]
        seen = windows(self.module, inputs.cpu(), places)
        most = len(inputs) * self.most
        if len(seen) <= most:
            return seen
        return seen[torch.randperm(len(seen), generator=torch.Generator().manual_seed(0))[:most]]


@torch.no_grad()
def candidates(network: nn.Module, X: Tensor) -> tuple[list[str], dict[str, str]]:
    """Name the layers that can become a pair, and why the other layers with matrices cannot.

    Parameters
    ----------
    X : Tensor, (n, *input shape)
        Two rows are enough.
    """
    able = {name: module for name, module in network.named_modules() if is_factorable(module)}
    with listening(network, set(able)) as heard:
        network(X.to(next(network.parameters()).device))
    shared, left = _shared(network), {}
    for name, module in network.named_modules():
        if not any(weight.ndim >= 2 for weight in module.parameters(recurse=False)):
            continue
        if name in able and is_factored(network.get_submodule(name.rpartition(".")[0])):
            left[name] = "it is half of a pair already"
        elif name in shared:
            left[name] = "its weights are shared with another layer"
        elif name not in able:
            left[name or type(network).__name__] = _unfit(module)
        elif not heard[name]:
            left[name] = "its weights are used without calling it"
        elif any(_unbatched(module, inputs) for inputs in heard[name]):
            left[name] = "what it reads has no batch axis"
    for name in [name for name in able if name not in left]:
        if (why := _misfit(network, name, X)) is not None:
            left[name] = why
    return [name for name in able if name not in left], left


def _misfit(network: nn.Module, name: str, X: Tensor) -> str | None:
    """Try a pair in a copy; the reason when the network does not run with one."""
    tried = copy.deepcopy(network)
    with seeded(0):
        set_ranks(tried, {name: 1})
    try:
        tried.eval()(X.to(next(tried.parameters()).device))
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        return f"its weights are used without calling it ({str(error).splitlines()[0][:120]})"
    return None


def _unbatched(module: nn.Module, inputs: Tensor) -> bool:
    return isinstance(module, nn.Conv1d | nn.Conv2d) and inputs.ndim < module.weight.ndim


def _unfit(module: nn.Module) -> str:
    """Tell what about a layer's kind stands against a pair."""
    kind = type(module).__name__
    if type(module) not in (nn.Conv1d, nn.Conv2d):
        return f"{kind} is no Linear, Conv1d or Conv2d"
    if module.groups != 1:
        return f"its filters see one of {module.groups} groups of channels each"
    return f"its padding is {module.padding_mode}, not zeros"


def _shared(network: nn.Module) -> set[str]:
    """Layers whose module or weights stand in the network under several names."""
    owners: dict[int, set[str]] = {}
    for name, module in network.named_modules(remove_duplicate=False):
        for weight in module.parameters(recurse=False):
            if weight.ndim >= 2:
                owners.setdefault(id(weight), set()).add(name)
    return {name for names in owners.values() if len(names) > 1 for name in names}
