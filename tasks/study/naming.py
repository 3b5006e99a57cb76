"""Names of candidates: a short recipe, what differs first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.config import Params
from tasks.pruning.config import NoPruneConfig, PruneConfig, StepsConfig
from tasks.reduction.column_config import ColumnsConfig, size_field
from tasks.reduction.row_config import RowsConfig
from tasks.search.config import BudgetedConfig, PruneSection

__all__ = ["arm_of", "halves", "recipe", "shown", "told"]


def halves(params: Params) -> tuple[str, ...]:
    """Return which of columns, rows and pruning the parameters do anything to."""
    does = {
        "columns": params.reduce.columns.method != "none",
        "rows": params.reduce.rows.factor < 1,
        "pruning": not isinstance(params.prune, NoPruneConfig),
    }
    return tuple(name for name, done in does.items() if done)


def arm_of(params: Params) -> str:
    """Return the arm that the parameters belong to: nothing, columns, ..., columns+pruning, all."""
    done = halves(params)
    return "all" if len(done) == 3 else "+".join(done) or "nothing"


def recipe(params: Params, base: Params, overrides: Mapping[str, Any]) -> str:
    """Name parameters by what they do, what differs from `base` first.

    Examples
    --------
    >>> from tasks.study.overrides import validated
    >>> changes = {"reduce.columns.method": "pca", "reduce.columns.components": 0.9}
    >>> recipe(validated(Params(), changes), Params(), changes)
    'pca=0.90 prune=structured:0.80'
    """
    own, there = _parts(params), _parts(base)
    parts = {key: text for key, text in own.items() if text != there[key]}
    said = [text for text in parts.values() if text] + _others(overrides, base)
    same = [text for key, text in own.items() if text and key not in parts]
    int8 = _int8(params.export.quantise.method)
    if not any(own[key] for key in ("columns", "rows", "prune")):
        said.insert(0, "dense")
    return " ".join([*said, *same, *int8])


def _parts(params: Params) -> dict[str, str]:
    return {
        "columns": _columns(params.reduce.columns),
        "rows": _rows(params.reduce.rows),
        "prune": _prune(params.prune),
    }


def _columns(config: ColumnsConfig) -> str:
    option = size_field(config)
    return "" if option is None else f"{config.method}={shown(getattr(config, option))}"


def _rows(config: RowsConfig) -> str:
    return f"rows={config.method}:{shown(config.factor)}" if config.factor < 1 else ""


def _prune(config: PruneSection) -> str:
    if isinstance(config, NoPruneConfig):
        return ""
    if isinstance(config, BudgetedConfig):
        return f"prune=budget:{config.objective}"
    return "prune=" + _removal(config)


def _removal(config: PruneConfig) -> str:
    if isinstance(config, StepsConfig):
        return ",".join(_removal(step) for step in config.steps)
    amount = config.amount
    if amount is None:
        return f"{config.method}:<{shown(getattr(config, 'threshold', None))}"
    if isinstance(amount, Mapping):
        return f"{config.method}:" + "/".join(shown(share) for share in amount.values())
    return f"{config.method}:{shown(amount)}"


def _int8(method: str) -> list[str]:
    return [] if method == "none" else ["int8" if method == "auto" else f"int8={method}"]


_SAID = (
    "reduce.columns",
    "reduce.rows",
    "prune",
    "export.quantise",
    "reduce.rows.method",
    "reduce.rows.factor",
    "reduce.rows.compare",
    "prune.method",
    "prune.amount",
    "prune.threshold",
    "prune.steps",
    "export.quantise.method",
    "reference.weights",
)
_SIZES = ("method", "components", "kernel", "keep")


def _others(overrides: Mapping[str, Any], base: Params) -> list[str]:
    """Return the overrides that no part tells of, by the last word of their path."""
    same = {"model.method": base.model.method}
    left = {path: value for path, value in overrides.items() if not _is_said(path)}
    return [told(path, value) for path, value in sorted(left.items()) if same.get(path) != value]


def told(path: str, value: Any) -> str:
    """Say an override by the last word of its path that means something.

    Examples
    --------
    >>> told("train.lr", 0.01), told("model.method", "resmlp")
    ('lr=0.01', 'model=resmlp')
    """
    return f"{path.removesuffix('.method').rpartition('.')[2]}={shown(value)}"


def _is_said(path: str) -> bool:
    head, _, last = path.rpartition(".")
    if head == "reduce.columns":
        return last in _SIZES
    return path in _SAID


def shown(value: Any) -> str:
    """Return a value as a name shows it: 0.90, 256, 64,32.

    Examples
    --------
    >>> shown(0.9), shown(0.875), shown(256), shown([64, 32])
    ('0.90', '0.875', '256', '64,32')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}" if 0.01 <= abs(value) < 1 and round(value, 2) == value else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ",".join(shown(item) for item in value)
    if isinstance(value, Mapping):
        return ",".join(shown(item) for item in value.values())
    return str(value)
