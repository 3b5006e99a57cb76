"""What the page is made of: the stages' reports and the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["COLOURS", "NAMES", "Facts"]

NAMES = {"reference": "reference", "reduced": "reduced", "compressed": "reduced + pruned"}
COLOURS = {name: f"${name}" for name in NAMES}  # resolved by the page's script, for light and dark


@dataclass(frozen=True)
class Facts:
    """Reports of the stages by name, as read from their files.

    Attributes
    ----------
    params
        The recipe: params.yaml, section by section.
    clean, reference, reduce, train, prune, evaluate, measure
        The stages' JSON reports.
    ranking
        Candidates of the reduction by falling worth: rank, name, value, cumulative, kept (0 or 1).
    names, positions, shape
        Numeric columns after cleaning; the grid cell of each, and the grid, where the source has one.
    """

    params: Mapping[str, Any]
    clean: Mapping[str, Any]
    reference: Mapping[str, Any]
    reduce: Mapping[str, Any]
    train: Mapping[str, Any]
    prune: Mapping[str, Any]
    evaluate: Mapping[str, Any]
    measure: Mapping[str, Any]
    ranking: Sequence[Mapping[str, Any]] = ()
    names: tuple[str, ...] = ()
    positions: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None

    @property
    def models(self) -> dict[str, str]:
        """Names of the judged models, and how the page calls them."""
        return {name: NAMES.get(name, name) for name in self.evaluate["models"]}

    @property
    def title(self) -> str:
        """The headline metric in words."""
        return str(self.evaluate.get("title") or self.evaluate["metric"])

    def size(self, model: str) -> Mapping[str, int]:
        """Sizes of a model."""
        found: Mapping[str, int] = self.evaluate["models"][model]["size"]
        return found

    def latency(self, model: str) -> Mapping[str, float]:
        """Speed of a model."""
        found: Mapping[str, float] = self.measure["latency"][model]
        return found

    def training_seconds(self, model: str) -> float | None:
        """Seconds of the stages that made a model."""
        stages = {"reference": ["reference"], "reduced": ["reduce", "train"]}
        wanted = stages.get(model, ["reduce", "train", "prune"])
        seconds = self.measure["seconds"]
        return sum(seconds[s] for s in wanted) if all(s in seconds for s in wanted) else None
