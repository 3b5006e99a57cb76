"""The stages' reports of one result, and the models that it compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "MADE_BY",
    "MODELS",
    "REPORTS",
    "Reports",
    "making_seconds",
    "mostly_zero",
    "uncounted_layers",
]

MODELS = {"reference": "reference", "reduced": "reduced", "compressed": "reduced + pruned"}
"""The models in the order they are judged, and how they are called."""

MADE_BY = {
    "reference": ("reference",),
    "reduced": ("reduce", "train"),
    "compressed": ("reduce", "train", "prune"),
}
"""The stages whose time a model costs; what the reference took is not counted to the others."""

ZEROS_FROM = 0.95  # a trained network has a few zeros of its own

REPORTS = ("clean", "reference", "reduce", "train", "prune", "evaluate", "measure")


def making_seconds(measure: Mapping[str, Any], model: str) -> float | None:
    """Seconds that went into a model; None where one of its stages has not run on this machine."""
    seconds, stages = measure.get("seconds", {}), MADE_BY[model]
    return float(sum(seconds[stage] for stage in stages)) if all(s in seconds for s in stages) else None


def mostly_zero(size: Mapping[str, int]) -> bool:
    """Whether zeros are worth a word: they make a stored file smaller, and no runtime faster."""
    return size["nonzeros"] < ZEROS_FROM * size["parameters"]


def uncounted_layers(evaluate: Mapping[str, Any]) -> list[str]:
    """Name the layers, of any model, that multiply-adds leave out."""
    named = (layer for model in evaluate["models"].values() for layer in model.get("uncounted", ()))
    return list(dict.fromkeys(named))


@dataclass(frozen=True)
class Reports:
    """The stages' JSON reports, as read from their files."""

    clean: Mapping[str, Any]
    reference: Mapping[str, Any]
    reduce: Mapping[str, Any]
    train: Mapping[str, Any]
    prune: Mapping[str, Any]
    evaluate: Mapping[str, Any]
    measure: Mapping[str, Any]

    def size(self, model: str) -> Mapping[str, int]:
        """Sizes of a model."""
        found: Mapping[str, int] = self.evaluate["models"][model]["size"]
        return found

    def latency(self, model: str) -> Mapping[str, float]:
        """Speed of a model."""
        found: Mapping[str, float] = self.measure["latency"][model]
        return found

    def training_seconds(self, model: str) -> float | None:
        """Seconds of the stages that made a model; None where one has not run here."""
        return making_seconds(self.measure, model)
