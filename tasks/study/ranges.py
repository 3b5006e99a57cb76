"""Sizes and amounts to try around those a workspace has, whatever its data and methods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tasks.pruning.config import StepsConfig, UnstructuredConfig
from tasks.reduction.column_config import ColumnsConfig, size_field
from tasks.search.config import PruneSection
from tasks.study.facts import Facts

__all__ = ["amount_path", "amounts", "most_components", "sizes"]

COUNT = 3  # values tried of one parameter
SHARES = (0.5, 0.25, 0.125)
VARIANCES = (0.99, 0.95, 0.85)
AMOUNTS = (0.5, 0.75, 0.9)
_SELECTIONS = ("weight_norm", "select_k_best", "interpolative")


def most_components(method: str, facts: Facts) -> int:
    """Largest count the data allow a column method: columns, features, discriminants, cells of an axis."""
    if method in ("pool", "dct"):
        return max(facts.grid or (1,))
    if method == "lda":
        return max(1, min(facts.features, facts.outputs - 1))
    return facts.columns if method in _SELECTIONS else facts.features


def sizes(config: ColumnsConfig, facts: Facts) -> list[Any]:
    """Return up to three sizes of the configured column method, its own among them unless that is auto.

    Counts go by factors of two, shares too; shares of variance by what they leave out.

    Examples
    --------
    >>> from tasks.reduction.column_config import WeightNormColumns, PcaColumns
    >>> sizes(PcaColumns(components=0.9), None)
    [0.96, 0.9, 0.7]
    """
    option = size_field(config)
    if option is None:
        return []
    own = getattr(config, option)
    if config.method == "pca" and not isinstance(own, int):
        return list(VARIANCES) if own == "auto" else _variances(own)
    most = most_components(config.method, facts)
    if own == "auto":
        return _counts(most, range(2, 5) if option == "kernel" else (most // 2, most // 4, most // 8))
    if isinstance(own, float):
        return _shares(most, [share for share in (2 * own, own, own / 2, own / 4) if share < 1])
    if option == "kernel":
        return _counts(most, (own, own + 1, 2 * own))
    larger = 2 * own if 2 * own < most else own
    return _counts(max(most, own), (larger, own, own // 2, own // 4))


def _variances(own: float) -> list[float]:
    return list(
        dict.fromkeys(round(1 - (1 - own) * factor, 4) for factor in (0.4, 1, 3) if (1 - own) * factor < 1)
    )


def _shares(most: int, wanted: Iterable[float]) -> list[float]:
    """Return the shares that keep different counts."""
    kept: dict[int, float] = {}
    for share in wanted:
        kept.setdefault(max(1, round(share * most)), share)
    return list(kept.values())[:COUNT]


def _counts(most: int, wanted: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(count for count in wanted if 1 <= count <= most))[:COUNT]


def amount_path(config: PruneSection) -> str | None:
    """Return the path of what sets how much a removal takes away; None when nothing does."""
    if isinstance(config, StepsConfig):
        return "prune.steps"
    if isinstance(config, UnstructuredConfig) and config.threshold is not None:
        return "prune.threshold"
    return None if config.method in ("none", "budget") else "prune.amount"


def amounts(config: PruneSection) -> list[Any]:
    """Return up to three values of `amount_path`: around the configured one, by factors of two of what stays.

    Examples
    --------
    >>> from tasks.pruning.config import StructuredConfig
    >>> amounts(StructuredConfig(amount=0.8))
    [0.6, 0.8, 0.9]
    """
    if isinstance(config, StepsConfig):
        return _distinct(_steps(config, place) for place in range(COUNT))
    if isinstance(config, UnstructuredConfig) and config.threshold is not None:
        return [config.threshold / 2, config.threshold, 2 * config.threshold]
    own = getattr(config, "amount", None)
    return [] if own is None else _distinct(_amount(own, place) for place in range(COUNT))


def _steps(config: StepsConfig, place: int) -> list[dict[str, Any]]:
    """Return the steps with the amount of each one moved alike."""
    moved = []
    for step in config.steps:
        amount = None if step.amount is None else {"amount": _amount(step.amount, place)}
        moved.append(
            step.model_dump(mode="json", exclude_unset=True) | {"method": step.method} | (amount or {})
        )
    return moved


def _amount(own: Any, place: int) -> Any:
    """Return the amount at `place`: 0 gentler, 1 as it is, 2 more."""
    if isinstance(own, dict):
        return {layer: _amount(share, place) for layer, share in own.items()}
    if own == "auto":
        return AMOUNTS[place]
    kept = 1 - own
    return round(1 - (min(2 * kept, (1 + kept) / 2), kept, kept / 2)[place], 6)


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
