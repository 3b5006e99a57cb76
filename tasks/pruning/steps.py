"""The kinds of step a recipe is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks.pruning.blocks import block_sensitivity, prune_blocks
from tasks.pruning.columns import column_sensitivity, prune_inputs
from tasks.pruning.lowrank import prune_ranks
from tasks.pruning.rank_sensitivity import rank_sensitivity
from tasks.pruning.recovery import Outcome, Recovery
from tasks.pruning.sensitivity import Curves
from tasks.pruning.units import prune_units, unit_sensitivity
from tasks.pruning.weights import prune_weights, weight_sensitivity

__all__ = ["NEED_FRONT", "SENSITIVITY", "STEPS", "Step"]

Step = Callable[[Outcome, Any, Any, Recovery], Outcome]
"""(where the recipe stands, the step's section, its amount, how to recover) -> where it stands afterwards.

The outcome passed in is not changed. The amount is resolved; None where the section asks for no share (a
threshold). `Outcome.front` is given to steps that need the path before the network.
"""

STEPS: dict[str, Step] = {
    "blocks": prune_blocks,
    "inputs": prune_inputs,
    "low_rank": prune_ranks,
    "structured": prune_units,
    "unstructured": prune_weights,
}
"""`method` of a section -> the step."""

SENSITIVITY: dict[str, Callable[[Outcome, Any, Recovery], Curves]] = {
    "blocks": block_sensitivity,
    "inputs": column_sensitivity,
    "low_rank": rank_sensitivity,
    "structured": unit_sensitivity,
    "unstructured": weight_sensitivity,
}
"""`method` of a section -> (where the recipe stands, section, recovery) -> what each layer alone costs."""

NEED_FRONT = frozenset({"inputs", "budget"})
"""Steps that reach before the network."""
