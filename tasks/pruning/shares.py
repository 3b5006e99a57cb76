"""Amounts under each scope: a share of every layer, of all layers together, or a layer's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tasks.errors import EspalierError
from tasks.schema import nearest

__all__ = ["Shares", "at_each", "removals", "resolved"]

Shares = float | dict[str, float]
"""One share for all layers, or one for each layer named; layers without a name lose nothing."""


def at_each(shares: Shares, change: Callable[[float], float]) -> Shares:
    """Change every share.

    Examples
    --------
    >>> at_each({"a": 0.5}, lambda share: share / 2)
    {'a': 0.25}
    """
    if isinstance(shares, dict):
        return {name: change(share) for name, share in shares.items()}
    return change(shares)


def resolved(shares: Shares, layers: Mapping[str, Sequence[str]]) -> Shares:
    """Name each layer by the group it belongs to.

    Parameters
    ----------
    shares : float or dict
    layers : mapping of str to sequence of str
        Group -> names of the layers that lose their units together with it.

    Raises
    ------
    EspalierError
        When a layer does not exist or cannot be pruned, or two of one group have different shares.
    """
    if not isinstance(shares, dict):
        return shares
    owner = {member: group for group, members in layers.items() for member in (group, *members)}
    found: dict[str, float] = {}
    for name, share in shares.items():
        if name not in owner:
            raise EspalierError(
                f"prune.amount.{name}: no layer of this name can be pruned; {nearest(name, list(layers))}"
            )
        if found.setdefault(owner[name], share) != share:
            raise EspalierError(
                f"prune.amount.{name}: loses its units together with {owner[name]}, whose share is "
                f"{found[owner[name]]:g} and not {share:g}; give them one share"
            )
    return found


def removals(sizes: Mapping[str, int], shares: Shares, *, pooled: bool) -> int | dict[str, int]:
    """Count what a share of each layer is, or a share of all when `pooled`; for `keep_largest`."""
    if isinstance(shares, dict):
        return {name: round(shares.get(name, 0.0) * size) for name, size in sizes.items()}
    if pooled:
        return round(shares * sum(sizes.values()))
    return {name: round(shares * size) for name, size in sizes.items()}
