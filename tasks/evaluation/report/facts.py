"""What the page is made of: the stages' reports and the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.evaluation.reports import MODELS, Reports

__all__ = ["COLOURS", "Facts"]

COLOURS = {name: f"${name}" for name in MODELS}  # resolved by the page's script, for light and dark


@dataclass(frozen=True)
class Facts(Reports):
    """The reports, and what else the page shows.

    Attributes
    ----------
    params
        The recipe: params.yaml, section by section.
    ranking
        Candidates of the reduction by falling worth: rank, name, value, cumulative, kept (0 or 1).
    names, positions, shape
        Numeric columns after cleaning; the grid cell of each, and the grid, where the source has one.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    ranking: Sequence[Mapping[str, Any]] = ()
    names: tuple[str, ...] = ()
    positions: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None

    @property
    def models(self) -> dict[str, str]:
        """Names of the judged models, and how the page calls them."""
        return {name: MODELS.get(name, name) for name in self.evaluate["models"]}

    @property
    def title(self) -> str:
        """The headline metric in words."""
        return str(self.evaluate.get("title") or self.evaluate["metric"])
