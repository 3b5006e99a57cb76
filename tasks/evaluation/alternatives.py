"""Forms of the compressed model that were not kept, timed beside the one that was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.evaluation.config import MeasureConfig
from tasks.evaluation.latency import ratio
from tasks.evaluation.speed import race
from tasks.export.config import ExportConfig
from tasks.export.fold import fold, near_break_even, pays, projection
from tasks.export.onnx import serialised, to_model
from tasks.models.graph import Graph

__all__ = ["Alternative", "alternatives", "beside"]


@dataclass(frozen=True)
class Alternative:
    """Another form of the same model: what it is, its bytes, and the setting that gives it."""

    what: str
    model: bytes
    setting: str


def alternatives(
    graph: Graph, config: ExportConfig, quantisation: Mapping[str, Any] | None
) -> list[Alternative]:
    """List what is worth timing: float32 where int8 was kept, else the other folding near break-even.

    Parameters
    ----------
    graph
        The compressed graph, unfolded.
    config
        Section `export`.
    quantisation
        What stage evaluate reports of its choice; None without one.
    """
    if quantisation is not None and quantisation["chosen"] != "none":
        return [
            Alternative(
                "float32", serialised(to_model(fold(graph, config.fold))), "export.quantise.method: none"
            )
        ]
    sizes = projection(graph)
    if config.fold != "auto" or sizes is None or not near_break_even(*sizes):
        return []
    merged = pays(*sizes)
    what, mode = ("the projection apart", "never") if merged else ("the projection merged", "always")
    return [
        Alternative(
            what, serialised(to_model(fold(graph, "never" if merged else "always"))), f"export.fold: {mode}"
        )
    ]


def beside(
    kept: Path, other: Alternative, rows: npt.NDArray[np.float32], config: MeasureConfig
) -> dict[str, Any]:
    """Time a form in turn with the kept file on rows (n, p), at batch 1 and at the large batch.

    Returns
    -------
    dict
        ``what``, ``setting``, and ``batch1`` and ``batch``: how many times faster the kept one is (``ratio``,
        ``low``, ``high``).
    """
    found: dict[str, Any] = {"what": other.what, "setting": other.setting}
    for key, size in (("batch1", 1), ("batch", config.batch)):
        times = race({"kept": kept, "other": other.model}, rows, size, config)
        found[key] = {name: round(v, 4) for name, v in asdict(ratio(times["other"], times["kept"])).items()}
    return found
