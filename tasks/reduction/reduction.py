"""The fitted reduction: what was learned, apart from the recipe that learned it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.data.plan import NumericPlan
from tasks.formats import Format
from tasks.reduction.cells import place, shrink

__all__ = ["Affine", "Array", "Reduction", "encode"]

FORMAT = Format("the reduction", 1)

Array: TypeAlias = NDArray[Any]
Affine: TypeAlias = tuple[Array, Array]
"""W (d, k) and b (k,) of z = x W + b."""


def encode(layers: Sequence[Affine], features: Array) -> Array:
    """Apply affine maps in turn to features (n, d), with max(0, z) between them."""
    (W, b), *rest = layers
    z = features @ W + b
    for W, b in rest:
        z = np.maximum(z, 0) @ W + b
    return z


@dataclass(frozen=True, eq=False)
class Reduction:
    """Which columns and rows stay, and how features become the network's input.

    Parameters
    ----------
    method
        Name in `COLUMN_METHODS`.
    kept
        Ascending positions of the numeric columns that stay; None: all. A selection is no layer: it
        restricts encoding, plan and graph.
    projection
        `W` (d, k) and `b` (k,), float32: `z = features @ W + b`, on the features of the kept columns.
    encoder
        Affine maps in turn, float32, a ReLU between them, on the features of the kept columns.
    grid
        `{"kind": "pool", "kernel": [..]}` or `{"kind": "dct", "keep": [..]}` on the grid of the features.
    shape
        Input of the network without the batch axis: `(width,)`, or the grid after pool or dct.
    rows
        Ascending positions of the training rows that stay (int64); None: all, or resampled each round.
    row_method, row_factor, per_round, seed
        How rows were chosen; share of rows; `fixed` or `resampled`; what every draw is seeded with.
    balanced
        Whether every class gives as many rows as the others, not its share.
    compare
        Whether a training on as many random rows is to stand beside the one on `rows`.
    unfreeze
        Whether the projection trains together with the network.
    worth
        What the candidates were worth, float64: a score for every numeric column (selections) or the
        share of the variance each component carries (projections, encoders and grids).
    report
        Facts for reports/reduce.json.
    """

    method: str
    shape: tuple[int, ...]
    kept: tuple[int, ...] | None = None
    projection: Affine | None = None
    encoder: tuple[Affine, ...] | None = None
    grid: Mapping[str, Any] | None = None
    rows: Array | None = None
    row_method: str = "none"
    row_factor: float = 1.0
    per_round: str = "fixed"
    seed: int = 0
    balanced: bool = False
    compare: bool = False
    unfreeze: bool = False
    worth: Array | None = None
    report: Mapping[str, Any] = field(default_factory=dict)

    def transform(self, features: Array, plan: NumericPlan) -> Array:
        """Reduce features of the unreduced plan; the graph's layers compute the same.

        Parameters
        ----------
        features
            (n, d) of `plan.transform`, every column present.
        plan
            The plan of all columns.

        Returns
        -------
        (n, ...) float32, one row of `shape` each.
        """
        reduced = features
        if self.kept is not None:
            reduced = reduced[:, np.isin(plan.owner, self.kept)]
        if self.projection is not None:
            W, b = self.projection
            reduced = reduced @ W + b
        if self.encoder is not None:
            reduced = encode(self.encoder, reduced)
        if self.grid is not None:
            reduced = shrink(place(reduced, plan), self.grid)
        return np.ascontiguousarray(reduced, dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON."""
        return {
            "version": FORMAT.version,
            "method": self.method,
            "shape": list(self.shape),
            "kept": None if self.kept is None else list(self.kept),
            "grid": None if self.grid is None else dict(self.grid),
            "row_method": self.row_method,
            "row_factor": self.row_factor,
            "per_round": self.per_round,
            "seed": self.seed,
            "balanced": self.balanced,
            "compare": self.compare,
            "unfreeze": self.unfreeze,
            "report": dict(self.report),
        }

    def arrays(self) -> dict[str, Array]:
        """Fitted arrays by name; what is absent is left out."""
        W, b = self.projection or (None, None)
        named = {"W": W, "b": b, "rows": self.rows, "worth": self.worth}
        for i, (W, b) in enumerate(self.encoder or ()):
            named |= {f"encoder{i}.W": W, f"encoder{i}.b": b}
        return {name: array for name, array in named.items() if array is not None}

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array]) -> Reduction:
        """Rebuild what `to_dict` and `arrays` took apart; EspalierError where the format is a newer one."""
        spec = FORMAT.current(spec)
        return cls(
            method=spec["method"],
            shape=tuple(spec["shape"]),
            kept=None if spec["kept"] is None else tuple(spec["kept"]),
            projection=(arrays["W"], arrays["b"]) if "W" in arrays else None,
            encoder=_encoder(arrays),
            grid=spec["grid"],
            rows=arrays.get("rows"),
            row_method=spec["row_method"],
            row_factor=spec["row_factor"],
            per_round=spec["per_round"],
            seed=spec["seed"],
            balanced=spec["balanced"],
            compare=spec["compare"],
            unfreeze=spec["unfreeze"],
            worth=arrays.get("worth"),
            report=spec["report"],
        )


def _encoder(arrays: Mapping[str, Array]) -> tuple[Affine, ...] | None:
    depth = sum(name.startswith("encoder") and name.endswith(".W") for name in arrays)
    return tuple((arrays[f"encoder{i}.W"], arrays[f"encoder{i}.b"]) for i in range(depth)) or None
