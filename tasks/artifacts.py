"""What stages hand to each other, as files: rows, cleaner, reduction, graph; nothing else knows these forms.

`Layout` (where a file lives) and the plain formats of `tasks.files` can be had from here too.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.files import (
    fingerprint,
    load_arrays,
    load_tensors,
    present,
    read_csv,
    read_frame,
    read_json,
    save_arrays,
    save_tensors,
    write_bytes,
    write_csv,
    write_frame,
    write_json,
    write_text,
)
from tasks.layout import Layout

if TYPE_CHECKING:
    import numpy as np

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


def load_rows(path: Path) -> Rows:
    """Read clean rows."""
    from tasks.data.rows import Rows

    stored = load_arrays(path)
    return Rows(X=stored["X"], y=stored["y"], index=stored["index"])


def map_rows(path: Path) -> Rows:
    """Read clean rows with X left in the file, memory-mapped: for what does not fit in memory."""
    import numpy as np

    from tasks.data.rows import Rows

    with np.load(present(path), allow_pickle=False) as stored:
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
