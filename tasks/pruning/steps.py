"""The kinds of step a recipe is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks.pruning.columns import prune_inputs
from tasks.pruning.recovery import Outcome, Recovery
from tasks.pruning.units import prune_units
from tasks.pruning.weights import prune_weights

__all__ = ["NEED_FRONT", "STEPS", "Step"]

Step = Callable[[Outcome, Any, "float | None", Recovery], Outcome]
"""(where the recipe stands, the step's section, its amount, how to recover) -> where it stands afterwards.

The outcome passed in is not changed. The amount is resolved; None where the section asks for no share (a
threshold). `Outcome.front` is given to steps that need the path before the network.
"""

STEPS: dict[str, Step] = {
    "inputs": prune_inputs,
    "structured": prune_units,
    "unstructured": prune_weights,
}
"""`method` of a section -> the step."""

NEED_FRONT = frozenset({"inputs"})
"""Steps that reach before the network."""
