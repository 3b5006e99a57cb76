"""The table of network families and the one way to build a network from its configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from tasks.models.cnn import Cnn1d, Cnn2d
from tasks.models.config import ModelConfig, UserConfig
from tasks.models.mlp import Mlp
from tasks.models.network import Network
from tasks.models.resmlp import ResMlp
from tasks.models.user import build_user

__all__ = ["FAMILIES", "MODELS", "build_network", "seeded"]

FAMILIES: dict[str, type[Network]] = {family.kind: family for family in (Mlp, ResMlp, Cnn1d, Cnn2d)}
"""Networks rebuilt from their sizes alone, by the `kind` of a saved spec."""

MODELS: dict[str, Callable[..., Network]] = {
    "linear": partial(Mlp, hidden=()),
    **FAMILIES,
}
"""Every method of section `model` but `user`: (input_shape, outputs=, the section's options) -> network."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's CPU generator as if freshly seeded, and leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def build_network(
    config: ModelConfig, input_shape: Sequence[int], outputs: int, *, seed: int, root: Path | None = None
) -> Network:
    """Build an untrained network; equal arguments give equal weights.

    Parameters
    ----------
    config
        Section `model`.
    input_shape
        Shape of one row, (k,) or a grid (C, L) or (C, H, W).
    outputs
        Classes, or 1 for regression.
    root
        Workspace whose `nets/` holds a user's network; the current folder by default.

    Raises
    ------
    EspalierError
        When the family cannot take this shape, or the user's builder is missing, raises, or returns
        something else than a module giving (rows, outputs).

    Examples
    --------
    >>> from tasks.models.config import MlpConfig
    >>> build_network(MlpConfig(hidden=(8,)), (4,), 3, seed=0).sizes()["hidden"]
    [8]
    """
    shape = tuple(int(size) for size in input_shape)
    with seeded(seed):
        if isinstance(config, UserConfig):
            return build_user(config.builder, shape, outputs, root or Path())
        return MODELS[config.method](shape, outputs=outputs, **config.model_dump(exclude={"method"}))
