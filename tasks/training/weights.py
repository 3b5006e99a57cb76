"""The state of a network somebody trained elsewhere."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tasks.errors import EspalierError

__all__ = ["load_weights", "read_state"]

NESTED = ("state_dict", "model_state_dict", "model")
SETTING = "reference.weights"
SUFFIXES = (".safetensors", ".pth", ".pt")


def read_state(path: Path, setting: str = SETTING) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors or .pth state; nothing in the file is executed.

    `setting` is what errors name.

    Raises
    ------
    EspalierError
        When the file is missing, of another kind, damaged, or holds more than tensors.
    """
    if path.suffix not in SUFFIXES:
        raise EspalierError(f"{setting}: {path} is none of {', '.join(SUFFIXES)}")
    if not path.is_file():
        start = "workspace" if setting == SETTING else "current folder"
        raise EspalierError(f"{setting}: no file {path}; the path is relative to the {start}")
    try:
        return load_file(path) if path.suffix == ".safetensors" else _read_pth(path, setting)
    except (SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise EspalierError(
            f"{setting}: {path} holds more than tensors, or is damaged, and was not loaded; "
            "save it with torch.save(model.state_dict(), path)"
        ) from error


def _read_pth(path: Path, setting: str) -> dict[str, Tensor]:
    state: Any = torch.load(path, map_location="cpu", weights_only=True)
    for name in NESTED:
        if isinstance(state, Mapping) and isinstance(state.get(name), Mapping):
            state = state[name]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise EspalierError(
            f"{setting}: {path} is no state; save it with torch.save(model.state_dict(), path)"
        )
    return {str(name): tensor for name, tensor in state.items()}


def load_weights(network: nn.Module, path: Path, setting: str = SETTING) -> None:
    """Load a trained state into `network`, in place; names may lack the leading 'body.' or carry 'module.'.

    Raises
    ------
    EspalierError
        When the file cannot be read, or its tensors are not this network's.
    """
    wanted = network.state_dict()
    state = {name.removeprefix("module."): tensor for name, tensor in read_state(path, setting).items()}
    if not state.keys() & wanted.keys():
        state = {f"body.{name}": tensor for name, tensor in state.items()}
    wrong = _differences(wanted, state)
    if wrong:
        raise EspalierError(
            f"{setting}: {path} does not fit the network: {'; '.join(wrong[:4])}"
            f"{f'; and {len(wrong) - 4} more' if len(wrong) > 4 else ''}. "
            "Set model to the trained architecture, and clean so that it gives the columns it was trained on"
        )
    network.load_state_dict(state)


def _differences(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    missing = [f"{name} is missing" for name in wanted if name not in state]
    unknown = [f"{name} is unknown" for name in state if name not in wanted]
    shapes = [
        f"{name} is {list(state[name].shape)}, needed {list(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    return [*shapes, *missing, *unknown]
