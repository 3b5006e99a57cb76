"""Plain file formats, read and written safely: text, JSON, tables, arrays, tensors.

Every save is atomic: a sibling temporary file replaces the target in one step, so a killed process or a
full disk leaves the previous file whole. Equal values give equal bytes, which DVC's run-cache relies on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import EspalierError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

__all__ = [
    "fingerprint",
    "load_arrays",
    "load_tensors",
    "present",
    "read_csv",
    "read_frame",
    "read_json",
    "remove",
    "save_arrays",
    "save_tensors",
    "write_bytes",
    "write_csv",
    "write_frame",
    "write_json",
    "write_text",
]


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling that replaces `path` when the block ends well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise EspalierError(
            f"{path}: could not be written ({error.strerror or error}); the previous file is untouched. "
            "Free space or fix permissions, then run again"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def present(path: Path) -> Path:
    """Return `path`, or say how the file comes about when it is not there."""
    if not path.exists():
        raise EspalierError(f"{path}: no such file; `espalier run` makes it, `dvc pull` fetches it")
    return path


def remove(path: Path) -> None:
    """Take a file away, where there is one."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise EspalierError(
            f"{path}: could not be replaced ({error.strerror or error}). Fix permissions, then run again"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with _replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data`, atomically."""
    with _replacing(path) as temporary:
        temporary.write_bytes(data)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    loaded: dict[str, Any] = json.loads(present(path).read_text(encoding="utf-8"))
    return loaded


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object, keys in their order; NaN is refused, callers pass None."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_frame(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table, `columns` only when given."""
    import pandas as pd

    return pd.read_parquet(present(path), columns=columns)


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as Parquet, without its index."""
    with _replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def read_csv(path: Path) -> pd.DataFrame:
    """Read plot data."""
    import pandas as pd

    return pd.read_csv(present(path))


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write plot data, floats to nine significant digits."""
    write_text(path, frame.to_csv(index=False, float_format="%.9g", lineterminator="\n"))


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file; object arrays are refused."""
    import numpy as np

    with np.load(present(path), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write named arrays as .npz; object arrays are refused."""
    import numpy as np

    with _replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, on the CPU."""
    from safetensors.torch import load_file

    return load_file(present(path))


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors, without metadata: two keys make bytes differ from run to run."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with _replacing(path) as temporary:
        try:
            save_file(plain, temporary)
        except SafetensorError as error:  # how it reports a full disk
            raise OSError(str(error)) from error


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [present(path)]


def fingerprint(*paths: Path, settings: object = None) -> str:
    """Hex SHA-256 of the files' contents (folders: every file below) and of JSON-able `settings`."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in paths:
        for file in _files(path):
            digest.update(f"\0{file.relative_to(path)}\0".encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
