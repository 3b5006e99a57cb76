"""The facts of a pruning, as `reports/prune.json` holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from tasks.models.factored import ranks
from tasks.pruning.config import BlocksConfig, LowRankConfig, NoPruneConfig, StepConfig, StructuredConfig
from tasks.pruning.masks import prunable_weights, zeros
from tasks.pruning.recovery import Outcome
from tasks.pruning.structure import widths
from tasks.training.scoring import METRIC

__all__ = ["recipe_report", "step_report"]


def step_report(
    before: nn.Module, config: NoPruneConfig | StepConfig, outcome: Outcome, task: str, metric: float
) -> dict[str, Any]:
    """Return the facts of one step, plain JSON."""
    after = outcome.network
    none = isinstance(config, NoPruneConfig)
    return {
        "method": config.method,
        "importance": None if none else getattr(config, "importance", None),
        "scope": None if none else getattr(config, "scope", None),
        "amount": 0.0 if none else _share(config, before, after),
        "requested": None if none else config.amount,
        "rounds": 0 if none else getattr(config, "rounds", 1),
        "probes": [],
        "layers": _layers(before, after, structured=isinstance(config, StructuredConfig | BlocksConfig)),
        "parameters_before": _parameters(before),
        "parameters_after": _parameters(after),
        "nonzeros_after": sum(int(weight.count_nonzero()) for weight in after.parameters()),
        "metric": METRIC[task],
        "valid_metric": metric,
        "history": [record.to_dict() for record in outcome.history],
        "notes": list(outcome.notes),
    }


def _share(config: NoPruneConfig | StepConfig, before: nn.Module, after: nn.Module) -> float:
    """Resolve the amount: 0 where nothing could be removed; a threshold's is the share of zeros it made."""
    if isinstance(config, StructuredConfig | LowRankConfig | BlocksConfig) and widths(before) == widths(
        after
    ):
        return 0.0
    weights = prunable_weights(after)
    if not weights:
        return 0.0
    if isinstance(config.amount, float):
        return config.amount
    if isinstance(config.amount, dict) and isinstance(config, StructuredConfig):
        first, second = widths(before), widths(after)
        return 1.0 - sum(second[name] for name in config.amount) / sum(first[name] for name in config.amount)
    return zeros(after) / sum(weight.numel() for weight in weights.values())


def _layers(before: nn.Module, after: nn.Module, *, structured: bool) -> list[dict[str, Any]]:
    """List units (structured) or non-zero weights (otherwise) of each layer."""
    first, second = (_units(net) if structured else _nonzeros(net) for net in (before, after))
    return [{"name": name, "before": count, "after": second.get(name, 0)} for name, count in first.items()]


def _units(network: nn.Module) -> dict[str, int]:
    """Count by layer, a factored one as the layer it stands for."""
    found = widths(network)
    return {**found, **{name: found[f"{name}.up"] for name in ranks(network)}}


def _nonzeros(network: nn.Module) -> dict[str, int]:
    """Count by layer, the halves of a factored one together."""
    counts: dict[str, int] = {}
    pairs = ranks(network)
    for parameter, weight in prunable_weights(network).items():
        name = parameter.rpartition(".")[0]
        layer = name.rpartition(".")[0] if name.rpartition(".")[0] in pairs else name
        counts[layer] = counts.get(layer, 0) + int(weight.count_nonzero())
    return counts


def _parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def recipe_report(before: nn.Module, after: nn.Module, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the facts of a recipe from those of its steps, at least one.

    `amount` is the share of the parameters that is gone or zero; `layers` counts units.
    """
    last, parameters = steps[-1], _parameters(before)
    names = tuple(dict.fromkeys(step["importance"] for step in steps if step["importance"]))
    records = [record for step in steps for record in step["history"]]
    return {
        **last,
        "method": "steps",
        "importance": ", ".join(names),
        "scope": None,
        "amount": 1.0 - last["nonzeros_after"] / parameters,
        "requested": None,
        "rounds": sum(step["rounds"] for step in steps),
        "probes": [probe for step in steps for probe in step["probes"]],
        "layers": _layers(before, after, structured=True),
        "parameters_before": parameters,
        "history": [{**record, "epoch": number} for number, record in enumerate(records, 1)],
        "notes": list(dict.fromkeys(note for step in steps for note in step["notes"])),
        "steps": [{key: value for key, value in step.items() if key != "history"} for step in steps],
    }
