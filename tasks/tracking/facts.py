"""What a run is recorded with, read off the stages' reports: metrics, parameters, history, recipe."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.artifacts import Layout, read_json
from tasks.config import AFTER_STAGES
from tasks.evaluation.reports import REPORTS, Reports
from tasks.metrics.table import METRICS
from tasks.search.config import recovery_epochs

if TYPE_CHECKING:
    from tasks.config import Params

__all__ = [
    "Facts",
    "epoch_figures",
    "flat_parameters",
    "headline_key",
    "metric_format",
    "percent",
    "read_facts",
    "scaled",
    "texts",
    "tidy",
]

HISTORIES = {"reference": "reference", "reduced": "train", "compressed": "prune"}


@dataclass(frozen=True)
class Facts(Reports):
    """The reports of one result and the parameters that made it."""

    params: Params

    @property
    def headline(self) -> str:
        """Name of the headline metric."""
        return str(self.evaluate["metric"])

    def verdict(self, model: str) -> str:
        """Return the verdict on `model`; the reference has none."""
        return str(self.evaluate["comparisons"][model]["verdict"]) if model != "reference" else "reference"

    @property
    def columns(self) -> tuple[int, int]:
        """Columns, or features, before and after the reduction."""
        return int(self.reduce["columns"]["before"]), int(self.reduce["columns"]["after"])

    @property
    def amount(self) -> float:
        """Share that pruning removed."""
        return float(self.prune.get("amount") or 0.0)

    @property
    def removed(self) -> str:
        """The share that pruning removed, in words."""
        return f"{100 * self.amount:.4g} %"

    @property
    def recipe(self) -> str:
        """What tells this result from others, what differs first: '196 col, -80 %, mlp'."""
        pruned = f"-{self.removed}" if self.amount else "unpruned"
        return f"{self.columns[1]} col, {pruned}, {self.params.model.method}"

    def label(self, model: str) -> str:
        """Return the name of `model`'s run: what differs first, for MLflow clips names near 20 characters."""
        before, after = self.columns
        removed = f"/-{self.removed}" if self.amount else ""
        parts = {"reference": f"{before}", "reduced": f"{after}", "compressed": f"{after}{removed}"}
        return f"{model} {parts[model]}"

    def metrics(self, model: str) -> dict[str, float]:
        """Return every metric of `model` that is defined, the headline first; all models share the keys."""
        parts = (self._quality, self._size, self._speed, self._difference)
        found = {key: value for part in parts for key, value in part(model).items()}
        return {key: tidy(value) for key, value in found.items() if value is not None}

    def _quality(self, model: str) -> dict[str, float | None]:
        judged = self.evaluate["models"][model]
        low, high = judged["interval"]
        key, scale = percent(self.headline)
        ordered = sorted(judged["metrics"].items(), key=lambda item: item[0] != self.headline)
        found = {f"test/{name}": value for name, value in scaled(dict(ordered))}
        found |= {f"test/{key}_low": _times(scale, low), f"test/{key}_high": _times(scale, high)}
        found |= {f"valid/{name}": value for name, value in scaled(judged["valid"])}
        return found | {f"gap/{key}": _times(scale, judged["gap"])}

    def _size(self, model: str) -> dict[str, float | None]:
        size, dense = self.size(model), self.size("reference")
        found: dict[str, float | None] = {f"size/{name}": value for name, value in size.items()}
        found["size/log10_bytes"] = math.log10(size["bytes"])
        return found | self._int8(model) | {"size/times_smaller": dense["bytes"] / size["bytes"]}

    def _int8(self, model: str) -> dict[str, float | None]:
        """Return bytes in float32 and agreement with it, where int8 was tried."""
        tried = self.evaluate.get("quantisation")
        if not tried:
            return {}
        kept = (tried["chosen"], tried["form"])
        found = next((c for c in tried["candidates"] if (c["method"], c["form"]) == kept), None)
        if model != "compressed" or found is None:
            return {"size/float32_bytes": self.size(model)["bytes"], "valid/agreement_pct": 100.0}
        agreed = _times(100.0, found["agreement"])
        return {"size/float32_bytes": tried["fp32"]["bytes"], "valid/agreement_pct": agreed}

    def _speed(self, model: str) -> dict[str, float | None]:
        timed, dense = self.latency(model), self.latency("reference")
        found: dict[str, float | None] = {f"speed/{name}": value for name, value in timed.items()}
        found["speed/times_faster"] = dense["p50_us"] / timed["p50_us"]
        return found | {"cost/train_s": self.training_seconds(model)}

    def _difference(self, model: str) -> dict[str, float | None]:
        key, scale = percent(self.headline)
        same = {"difference": 0.0, "low": 0.0, "high": 0.0}
        found = self.evaluate["comparisons"].get(model, same) if model != "reference" else same
        ends = {"": found["difference"], "_low": found["low"], "_high": found["high"]}
        return {f"difference/{key}{end}": _times(scale, value) for end, value in ends.items()}

    def history(self, model: str) -> list[dict[str, float]]:
        """Return the epochs of `model`'s last training: ``epoch/...`` values."""
        records = getattr(self, HISTORIES[model]).get("history") or []
        return epoch_figures(self.evaluate["task"], records)

    def parameters(self, model: str) -> dict[str, str]:
        """Return the flat parameters that made `model`, every 'auto' resolved; all models share the keys."""
        flat = flat_parameters(self.params)
        return texts(flat | self._resolved(flat) | self._undone(model))

    def _resolved(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        known = {
            "reduce.columns.components": self.columns[1],
            "prune.amount": self.amount,
            "prune.finetune.epochs": recovery_epochs(
                self.params.prune, int(self.reduce["rows"]["after"]), self.params.train.epochs
            ),
            "evaluate.metric": self.headline,
            "evaluate.threshold": self.evaluate.get("threshold"),
            "source.task": self.evaluate["task"],
        }
        if int8 := self.evaluate.get("quantisation"):
            known["export.quantise.method"] = int8["chosen"]
        always = {"reduce.columns.components", "prune.amount", "export.quantise.method"}
        return {key: value for key, value in known.items() if key in always or flat.get(key) == "auto"}

    def _undone(self, model: str) -> dict[str, Any]:
        """Return what did not happen to a model that stands before pruning, or before reduction too."""
        if model == "compressed":
            return {}
        unpruned = {"prune.method": "none", "prune.amount": 0.0, "export.quantise.method": "none"}
        if model == "reduced":
            return unpruned
        dense = {"reduce.columns.method": "none", "reduce.columns.components": self.columns[0]}
        return unpruned | dense | {"reduce.rows.method": "none", "reduce.rows.factor": 1.0}


def read_facts(layout: Layout, params: Params) -> Facts:
    """Read the reports of every stage."""
    return Facts(**{name: read_json(layout.report(name)) for name in REPORTS}, params=params)


def flat_parameters(params: Params) -> dict[str, Any]:
    """Return every parameter a result depends on by its path; each 'auto' also as PATH.mode."""
    flat = dict(_flat(params.model_dump(mode="json", by_alias=True, exclude=set(AFTER_STAGES))))
    return flat | {f"{key}.mode": value for key, value in flat.items() if value == "auto"}


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as MLflow keeps parameters."""
    return {key: _text(value) for key, value in values.items()}


def epoch_figures(task: str, records: Iterable[Mapping[str, float | None]]) -> list[dict[str, float]]:
    """Return the figures of each epoch by the keys they are logged with."""
    key, scale = percent("accuracy" if task == "classification" else "r2")
    names = {
        "train_loss": ("epoch/train_loss", 1.0),
        "valid_loss": ("epoch/valid_loss", 1.0),
        "valid_metric": (f"epoch/valid_{key}", scale),
        "lr": ("epoch/lr", 1.0),
    }
    return [
        {name: unit * value for of, (name, unit) in names.items() if (value := record[of]) is not None}
        for record in records
    ]


def percent(metric: str) -> tuple[str, float]:
    """Return the key and the factor `metric` is logged with: MLflow's bars show two decimals only."""
    return (f"{metric}_pct", 100.0) if METRICS[metric].share or metric == "r2" else (metric, 1.0)


def headline_key(metric: str) -> str:
    """Return the key of the headline metric `metric` on the test rows."""
    return f"test/{percent(metric)[0]}"


def metric_format(key: str) -> str:
    """Return how a logged metric is written: always as finely, so that figures compare at sight.

    Examples
    --------
    >>> f"{94:{metric_format('test/accuracy_pct')}} %", f"{0.5:{metric_format('test/rmse')}}"
    ('94.00 %', '0.5000')
    """
    return ".2f" if key.endswith("_pct") else "#.4g"


def _times(scale: float, value: float | None) -> float | None:
    """Scale a value; what is undefined stays so."""
    return None if value is None else scale * value


def scaled(metrics: Mapping[str, float | None]) -> Iterator[tuple[str, float | None]]:
    """Return each metric by the key, and in the unit, it is logged with."""
    for name, value in metrics.items():
        key, scale = percent(name)
        yield key, _times(scale, value)


def tidy(value: float) -> float:
    """Return whole numbers as they are, others to six digits: MLflow's table shows every one."""
    return value if value == round(value) else float(f"{value:.6g}")


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
