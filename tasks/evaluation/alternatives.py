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
from tasks.export.config import ExportConfig, FoldMode
from tasks.export.fold import fold, near_break_even, pays, projection
from tasks.export.onnx import serialised, to_model
from tasks.models.graph import Graph

__all__ = ["Alternative", "alternatives", "beside", "settled"]


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
    other = _OTHER[pays(*sizes)]
    return [Alternative(_WHAT[other], serialised(to_model(fold(graph, other))), f"export.fold: {other}")]


_OTHER: dict[bool, FoldMode] = {True: "apart", False: "always"}
_WHAT = {"apart": "the projection apart", "always": "the projection merged"}


def settled(graph: Graph, mode: FoldMode, rows: npt.NDArray[np.float32]) -> FoldMode:
    """Return how a graph is folded: what was asked for, and for ``measured`` what is faster here.

    Away from break-even, and where timing rounds do not agree, multiply-adds decide.

    Parameters
    ----------
    graph
        The unfolded graph.
    mode
        `export.fold`.
    rows
        Numeric rows (n, p) to time it on, repeated up to a batch of 1,024.
    """
    sizes = projection(graph)
    if mode != "measured":
        return mode
    if sizes is None or not near_break_even(*sizes):
        return "auto"
    other, how = _OTHER[pays(*sizes)], MeasureConfig()
    forms: dict[str, Path | bytes] = {
        form: serialised(to_model(fold(graph, form))) for form in ("auto", other)
    }
    times = race(forms, rows, how.batch, how)
    return other if ratio(times["auto"], times[other]).low > 1 else "auto"


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
