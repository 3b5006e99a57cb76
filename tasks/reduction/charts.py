"""What a reduction kept, as plot data and as a picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tasks.data.plan import NumericPlan
from tasks.reduction.reduction import Reduction

__all__ = ["draw", "ranking"]

Panel: TypeAlias = Callable[[Axes], None]


def ranking(reduction: Reduction, plan: NumericPlan) -> pd.DataFrame:
    """List the candidates by falling worth.

    Returns
    -------
    Columns `rank` (from 1), `name`, `value` (a column's score, or a component's share of the variance),
    `cumulative` (share of the total so far), `kept` (0 or 1). Empty for method none.
    """
    worth = np.zeros(0) if reduction.worth is None else reduction.worth
    order = np.argsort(-worth, kind="stable")
    if reduction.kept is not None:
        names, kept = [plan.names[i] for i in order], np.isin(order, reduction.kept)
    else:
        names, kept = [f"component {i + 1}" for i in order], np.arange(len(order)) < np.prod(reduction.shape)
    value = worth[order]
    total = value.sum() if reduction.kept is not None else 1.0
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "name": names,
            "value": value,
            "cumulative": np.cumsum(value) / total if total > 0 else value,
            "kept": kept.astype(np.int64),
        }
    )


def _curve(reduction: Reduction, plan: NumericPlan) -> Panel:
    table = ranking(reduction, plan)
    selection = reduction.kept is not None
    whole = "the variance" if reduction.encoder is None else "the code's variance"

    def panel(axes: Axes) -> None:
        axes.plot(table["rank"], table["value" if selection else "cumulative"], color="0.6")
        kept = table[table["kept"] == 1]
        axes.plot(kept["rank"], kept["value" if selection else "cumulative"], color="C0", linewidth=2.5)
        axes.set_xlabel("columns by score" if selection else "components")
        axes.set_ylabel("score" if selection else f"share of {whole} so far")
        axes.set_title(f"{reduction.method}: {len(kept)} of {len(table)} kept")

    return panel


def _map(reduction: Reduction, plan: NumericPlan, shape: tuple[int, ...]) -> Panel:
    """Scores of the kept columns where they stand on the grid, channels added up."""
    cells = np.zeros(int(np.prod(shape)))
    kept = list(reduction.kept or ())
    worth: NDArray[Any] = reduction.worth if reduction.worth is not None else np.zeros(len(plan.names))
    cells[np.asarray(plan.positions)[kept]] = worth[kept]
    picture = np.atleast_2d(cells.reshape(shape).sum(axis=0))
    aspect: Literal["equal", "auto"] = "equal" if len(shape) == 3 else "auto"

    def panel(axes: Axes) -> None:
        axes.imshow(np.ma.masked_equal(picture, 0), cmap="viridis", interpolation="nearest", aspect=aspect)
        axes.set_title("kept columns on the grid")

    return panel


def _rivals(trials: list[dict[str, Any]]) -> Panel:
    scored = [trial for trial in trials if trial["score"] is not None]

    def panel(axes: Axes) -> None:
        axes.plot([t["score"] for t in scored], [t["method"] for t in scored], "o", color="C1")
        axes.invert_yaxis()
        axes.set_xlabel("validation metric")
        axes.set_title(f"auto: methods of {scored[0]['components']} components")

    return panel


def _trials(trials: list[dict[str, Any]]) -> Panel:
    def panel(axes: Axes) -> None:
        axes.plot([t["components"] for t in trials], [t["score"] for t in trials], "o-", color="C1")
        axes.set_xscale("log", base=2)
        axes.set_xlabel("size tried")
        axes.set_ylabel("validation metric")
        axes.set_title("auto: short trainings")

    return panel


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "every column is kept", ha="center", va="center")
    axes.set_axis_off()


def _panels(reduction: Reduction, plan: NumericPlan) -> list[Panel]:
    panels = [_nothing if reduction.worth is None else _curve(reduction, plan)]
    if reduction.kept is not None and plan.shape is not None:
        panels.append(_map(reduction, plan, plan.shape))
    if trials := reduction.report["columns"]["trials"]:
        panels.append((_rivals if "method" in trials[0] else _trials)(trials))
    return panels


def draw(reduction: Reduction, plan: NumericPlan) -> bytes:
    """Draw worth, kept cells and trials side by side: a PNG, the same bytes for the same reduction."""
    panels = _panels(reduction, plan)
    figure = Figure(figsize=(5 * len(panels), 3.6), layout="constrained")
    for panel, axes in zip(panels, np.ravel(figure.subplots(1, len(panels))), strict=True):
        panel(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
