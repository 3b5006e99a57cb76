"""Which columns every candidate keeps, because of how the network reads them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.graph import Graph
from tasks.pruning.inputs import narrow
from tasks.search.ladder import most_aggressive

__all__ = ["fixed_columns"]

_ROWS = 1024
"""Rows to fit on: whether columns can leave does not depend on how well the others make up for them."""


def fixed_columns(graph: Graph, plan: NumericPlan, X: Tensor) -> tuple[int, ...]:
    """Positions of the columns that cannot be taken away; the others can in any combination.

    A network that reads columns beside its first layers counts them from one end (``x[:, :3]``,
    ``x[:, -1:]``): the farthest it reads so, and all on the way there, stay in their places. None where each
    column can leave, all where neither end has some that can.

    Parameters
    ----------
    graph : Graph
        Not changed.
    plan : NumericPlan
        Of exactly the graph's columns.
    X : Tensor, (n, p)
        Training rows.
    """
    columns = range(len(plan.names))

    def leaves(keep: Sequence[int]) -> bool:
        try:
            narrow(graph, plan, keep, X[:_ROWS])
        except EspalierError:  # which is all that `narrow` says of a graph
            return False
        return True

    if leaves(columns[1:] or columns) and leaves(columns[:-1] or columns):
        return ()
    from_start, from_end = [columns[:-gone] for gone in columns[1:]], [columns[gone:] for gone in columns[1:]]
    for ladder in filter(None, (from_start, from_end)):
        found = most_aggressive(ladder, leaves, floor=True)
        if found.met:
            return tuple(found.value)
    return tuple(columns)
