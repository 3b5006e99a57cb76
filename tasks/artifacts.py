"""File formats of everything a stage reads or writes; no other module knows them.

Every save is atomic: a sibling temporary file replaces the target in one step, so a killed process or a
full disk leaves the previous file whole. Equal values give equal bytes, which DVC's run-cache relies on.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import EspalierError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

    from tasks.data.cleaner import Cleaner
    from tasks.data.meta import RawMeta
    from tasks.data.rows import Rows
    from tasks.models.graph import Graph
    from tasks.reduction.reduction import Reduction

__all__ = [
    "Layout",
    "fingerprint",
    "load_arrays",
    "load_cleaner",
    "load_graph",
    "load_raw_meta",
    "load_reduction",
    "load_rows",
    "load_tensors",
    "map_rows",
    "raw_dtypes",
    "read_csv",
    "read_frame",
    "read_json",
    "save_arrays",
    "save_cleaner",
    "save_graph",
    "save_raw_meta",
    "save_reduction",
    "save_rows",
    "save_tensors",
    "write_bytes",
    "write_csv",
    "write_frame",
    "write_json",
    "write_text",
]


@dataclass(frozen=True)
class Layout:
    """Where each file of a workspace lives, see docs/architecture.md."""

    root: Path

    @property
    def params(self) -> Path:
        """Every tunable of the workspace."""
        return self.root / "params.yaml"

    @property
    def source(self) -> Path:
        """URI and content fingerprint of the source, what stage fetch depends on."""
        return self.root / "data" / "source.json"

    @property
    def raw(self) -> Path:
        """The source's rows as one Parquet table, original column names."""
        return self.root / "data" / "raw.parquet"

    @property
    def raw_meta(self) -> Path:
        """Target, task, grid and column types of the raw table."""
        return self.root / "data" / "raw.json"

    @property
    def cleaner(self) -> Path:
        """The fitted cleaner, plain JSON."""
        return self.root / "data" / "clean" / "cleaner.json"

    def rows(self, split: str) -> Path:
        """Clean rows of `split`: train, valid or test."""
        return self.root / "data" / "clean" / f"{split}.npz"

    @property
    def reduction(self) -> Path:
        """Folder of the fitted reduction."""
        return self.root / "data" / "reduced"

    def model(self, name: str) -> Path:
        """Folder of a trained graph: reference, reduced or compressed."""
        return self.root / "models" / name

    def export(self, name: str) -> Path:
        """Folder of an exported graph: model.onnx and serving.json."""
        return self.root / "models" / "export" / name

    def onnx(self, name: str) -> Path:
        """ONNX file of an exported graph."""
        return self.export(name) / "model.onnx"

    def serving(self, name: str) -> Path:
        """JSON part of an exported graph: what ONNX cannot express."""
        return self.export(name) / "serving.json"

    def report(self, name: str) -> Path:
        """JSON report of a stage."""
        return self.root / "reports" / f"{name}.json"

    def plot(self, name: str) -> Path:
        """Plot data, CSV."""
        return self.root / "reports" / "plots" / f"{name}.csv"

    @property
    def html(self) -> Path:
        """The one self-contained report."""
        return self.root / "reports" / "report.html"

    @property
    def state(self) -> Path:
        """What is neither versioned nor committed: servers, timings, checkpoints."""
        return self.root / ".espalier"

    def checkpoints(self, key: str) -> Path:
        """Folder of a training's checkpoints; `key` is the fingerprint of its inputs."""
        return self.state / "checkpoints" / key

    def timing(self, stage: str) -> Path:
        """Seconds a stage last took."""
        return self.state / "timings" / f"{stage}.json"


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


def _present(path: Path) -> Path:
    if not path.exists():
        raise EspalierError(f"{path}: no such file; `espalier run` makes it, `dvc pull` fetches it")
    return path


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
    loaded: dict[str, Any] = json.loads(_present(path).read_text(encoding="utf-8"))
    return loaded


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object, keys in their order; NaN is refused, callers pass None."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_frame(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table, `columns` only when given."""
    import pandas as pd

    return pd.read_parquet(_present(path), columns=columns)


def raw_dtypes(path: Path) -> dict[str, str]:
    """Return what each column of a Parquet table holds: float, string or other; no cell is read."""
    import pyarrow.parquet as pq
    from pyarrow import types

    def name(kind: Any) -> str:
        text = types.is_string(kind) or types.is_large_string(kind)
        return "float" if types.is_floating(kind) else "string" if text else "other"

    return {field.name: name(field.type) for field in pq.read_schema(_present(path))}


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as Parquet, without its index."""
    with _replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def read_csv(path: Path) -> pd.DataFrame:
    """Read plot data."""
    import pandas as pd

    return pd.read_csv(_present(path))


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write plot data, floats to nine significant digits."""
    write_text(path, frame.to_csv(index=False, float_format="%.9g", lineterminator="\n"))


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file; object arrays are refused."""
    import numpy as np

    with np.load(_present(path), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write named arrays as .npz; object arrays are refused."""
    import numpy as np

    with _replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_rows(path: Path) -> Rows:
    """Read clean rows."""
    from tasks.data.rows import Rows

    stored = load_arrays(path)
    return Rows(X=stored["X"], y=stored["y"], index=stored["index"])


def map_rows(path: Path) -> Rows:
    """Read clean rows with X left in the file, memory-mapped: for what does not fit in memory."""
    import numpy as np

    from tasks.data.rows import Rows

    with np.load(_present(path), allow_pickle=False) as stored:
        y, index = stored["y"], stored["index"]
    return Rows(X=_map_member(path, "X.npy"), y=y, index=index)


def _map_member(path: Path, member: str) -> np.ndarray:
    """Map an uncompressed array of an .npz file; writes to it stay in memory."""
    import numpy as np

    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        np.lib.format.read_magic(file)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        inside, header = file.tell(), archive.getinfo(member).header_offset
    with path.open("rb") as raw:
        raw.seek(header + 26)  # lengths of name and extra field, before the member's bytes
        lengths = struct.unpack("<HH", raw.read(4))
    order = "F" if fortran else "C"
    return np.memmap(path, dtype, "c", header + 30 + sum(lengths) + inside, shape, order)  # type: ignore[call-overload,no-any-return]


def save_rows(path: Path, rows: Rows) -> None:
    """Write clean rows."""
    save_arrays(path, X=rows.X, y=rows.y, index=rows.index)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, on the CPU."""
    from safetensors.torch import load_file

    return load_file(_present(path))


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors, without metadata: two keys make bytes differ from run to run."""
    from safetensors.torch import save_file

    with _replacing(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)


def load_raw_meta(path: Path) -> RawMeta:
    """Read what is known of the raw table."""
    from tasks.data.meta import RawMeta

    return RawMeta.from_dict(read_json(path))


def save_raw_meta(path: Path, meta: RawMeta) -> None:
    """Write what is known of the raw table."""
    write_json(path, meta.to_dict())


def load_cleaner(path: Path) -> Cleaner:
    """Read a fitted cleaner."""
    from tasks.data.cleaner import Cleaner

    return Cleaner.from_dict(read_json(path))


def save_cleaner(path: Path, cleaner: Cleaner) -> None:
    """Write a fitted cleaner."""
    write_json(path, cleaner.to_dict())


def load_reduction(folder: Path) -> Reduction:
    """Read a fitted reduction: reduction.json and arrays.npz."""
    from tasks.reduction.reduction import Reduction

    return Reduction.from_dict(read_json(folder / "reduction.json"), load_arrays(folder / "arrays.npz"))


def save_reduction(folder: Path, reduction: Reduction) -> None:
    """Write a fitted reduction: reduction.json and arrays.npz."""
    write_json(folder / "reduction.json", reduction.to_dict())
    save_arrays(folder / "arrays.npz", **reduction.arrays())


def load_graph(folder: Path, workspace: Path | None = None) -> Graph:
    """Rebuild a graph from spec.json and weights.safetensors; users' networks come from `workspace`/nets."""
    from tasks.models.spec import from_spec

    return from_spec(read_json(folder / "spec.json"), load_tensors(folder / "weights.safetensors"), workspace)


def save_graph(folder: Path, graph: Graph) -> None:
    """Write a graph as spec.json and weights.safetensors."""
    from tasks.models.spec import to_spec

    spec, tensors = to_spec(graph)
    save_tensors(folder / "weights.safetensors", tensors)
    write_json(folder / "spec.json", spec)


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [_present(path)]


def fingerprint(*paths: Path, settings: object = None) -> str:
    """Hex SHA-256 of the files' contents (folders: every file below) and of JSON-able `settings`."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in paths:
        for file in _files(path):
            digest.update(f"\0{file.relative_to(path)}\0".encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
