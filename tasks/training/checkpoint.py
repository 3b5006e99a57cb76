"""Atomic checkpoints of a training: one safetensors file, replaced after each epoch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tasks.errors import EspalierError

__all__ = ["Checkpoint", "Saved"]


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: tensors by name and JSON-able state."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """Where a training saves its last finished epoch.

    Attributes
    ----------
    folder
        Created when needed; holds one file.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """The one file."""
        return self.folder / "last.safetensors"

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint in one step; killed or out of space midway, the earlier one stays whole.

        Raises
        ------
        EspalierError
            When the file cannot be written.
        """
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # One metadata key only: safetensors writes several in an order of its own.
            save_file(dict(tensors), temporary, metadata={"state": json.dumps(state)})
            temporary.replace(self.path)
        except (OSError, SafetensorError) as error:
            raise EspalierError(
                f"{self.path}: the checkpoint could not be written ({error}); the one of the epoch before is "
                "kept. Free space or fix permissions, then run again: training goes on from there"
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink()

    def load(self, key: str) -> Saved | None:
        """Read the checkpoint of the training `key`; None when there is none, or it is another training's."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                state = json.loads((file.metadata() or {}).get("state", "{}"))
                names = file.keys() if state.get("key") == key else ()
                tensors = {name: file.get_tensor(name) for name in names}
        except SafetensorError:
            return None
        return Saved(tensors, state) if tensors else None

    def clear(self) -> None:
        """Remove the checkpoint once its training's result is saved."""
        self.path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()
