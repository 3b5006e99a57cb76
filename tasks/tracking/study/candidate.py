"""What a candidate's run is recorded with: means over its seeds, in the names of a result's runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from tasks.errors import ConfigError
from tasks.metrics.table import METRICS
from tasks.tracking.facts import epoch_figures, flat_parameters, percent, scaled, texts, tidy

if TYPE_CHECKING:
    from tasks.config import Params
    from tasks.study.rows import Row, Trial

__all__ = ["Candidate"]

CURVE_POINTS = 16  # every epoch would double the time a study takes to be recorded
APART = ("measure.",)  # no candidate differs in it
FRONT, REST = "#2e7d32", "#9e9e9e"


@dataclass(frozen=True)
class Candidate:
    """One candidate of a study.

    Attributes
    ----------
    row
        Its trials, means and rank.
    params
        Of the workspace.
    headline
        Name of the metric that candidates are judged by.
    baseline
        The candidate without reduction and pruning, which sizes and speeds are compared with.
    picks
        Names by which it can be applied beside its id.
    """

    row: Row
    params: Params
    headline: str
    baseline: Row | None
    picks: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its run."""
        return self.row.name or self.row.id

    @property
    def done(self) -> tuple[Trial, ...]:
        """Trials that finished."""
        return tuple(trial for trial in self.row.trials if trial["status"] == "done")

    def tags(self) -> dict[str, str]:
        """Return tags: where it stands, and what went wrong."""
        row = self.row
        found = {
            "mlflow.runColor": FRONT if row.on_front else REST,
            "espalier.candidate": row.id,
            "espalier.arm": row.arm,
            "espalier.front": "yes" if row.on_front else "no",
            "espalier.rank": "" if row.rank is None else str(row.rank),
            "espalier.pick": ", ".join(self.picks),
            "espalier.seeds": f"{len(row.seeds)} of {len(row.trials)}",
            "espalier.unranked": row.unranked,
        }
        return {key: value for key, value in found.items() if value}

    def metrics(self) -> dict[str, float]:
        """Return every figure that is known, the validation headline first."""
        parts = (self._quality, self._size, self._cost, self._standing, self._seeds)
        found = chain.from_iterable(part().items() for part in parts)
        return {key: tidy(value) for key, value in found if value is not None}

    def _quality(self) -> dict[str, float | None]:
        parts = {"valid": self.row.valid, "test": self.row.test}
        key, scale = percent(self.headline)
        values = {part: metrics.get(self.headline) for part, metrics in parts.items()}
        first = {f"{part}/{key}": None if v is None else scale * v for part, v in values.items()}
        others = {f"{part}/{name}": v for part, metrics in parts.items() for name, v in scaled(metrics)}
        return first | others

    def _size(self) -> dict[str, float | None]:
        row = self.row
        smaller = None if self.baseline is None else _ratio(self.baseline.bytes, row.bytes)
        return {
            "size/bytes": None if row.bytes is None else round(row.bytes),
            "size/log10_bytes": None if not row.bytes else math.log10(row.bytes),
            "size/parameters": None if row.parameters is None else round(row.parameters),
            "size/multiply_adds": None if row.macs is None else round(row.macs),
            "size/times_smaller": smaller,
        }

    def _cost(self) -> dict[str, float | None]:
        row = self.row
        faster = None if self.baseline is None else _ratio(self.baseline.latency_us, row.latency_us)
        timed = {"speed/p50_us": row.latency_us, "speed/times_faster": faster}
        return timed | {"cost/train_s": row.train_seconds}

    def _standing(self) -> dict[str, float | None]:
        return {"study/rank": self.row.rank}

    def _seeds(self) -> dict[str, float | None]:
        """Return the headline of each seed, and its spread on validation rows."""
        key, scale = percent(self.headline)
        per_seed = {
            f"seeds/{part}_{key}_{seed}": value
            for part in ("valid", "test")
            for seed, value in self.row.per_seed(self.headline, part).items()
        }
        found = {f"seeds/valid_{key}_sd": self.row.spread, **per_seed}
        return {name: None if value is None else scale * value for name, value in found.items()}

    def curves(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield epoch and figures, means over the seeds, of as many epochs as every seed has."""
        task = METRICS[self.headline].task
        seeds = [epoch_figures(task, trial.get("history") or ()) for trial in self.done]
        epochs = list(zip(*seeds, strict=False))
        for place in _evenly(len(epochs), CURVE_POINTS):
            shared = set.intersection(*(set(figures) for figures in epochs[place])) - {"epoch/lr"}
            yield place + 1, {key: tidy(_mean([own[key] for own in epochs[place]])) for key in sorted(shared)}

    def parameters(self) -> dict[str, str]:
        """Return the flat parameters, every 'auto' resolved; or what was asked where that cannot be."""
        from tasks.study.overrides import validated

        try:
            flat = flat_parameters(validated(self.params, self.row.overrides))
        except ConfigError:
            flat = flat_parameters(self.params) | dict(self.row.overrides)
        seeds = [trial["seed"] for trial in self.row.trials]
        own = {key: value for key, value in flat.items() if not key.startswith(APART)}
        return texts(own | {"train.seed": seeds} | self._resolved(flat))

    def _resolved(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        recipes = [trial["recipe"] for trial in self.done]
        if not recipes:
            return {}
        factor = 1.0 if recipes[0]["rows"]["method"] == "none" else flat.get("reduce.rows.factor", 1.0)
        return {
            "reduce.columns.components": tidy(_mean([recipe["columns"]["after"] for recipe in recipes])),
            "reduce.rows.factor": factor,
            "prune.amount": tidy(_mean([recipe["amount"] for recipe in recipes])),
            "export.quantise.method": recipes[0]["int8"] or "none",
            "evaluate.metric": self.headline,
        }

    def cleans_itself(self) -> bool:
        """Whether it learns from other clean rows than the workspace's."""
        return any(path == "clean" or path.startswith("clean.") for path in self.row.overrides)

    def note(self) -> str:
        """Return what the run's page says, plain text first."""
        row = self.row
        standing = f"rank {row.rank}" if row.rank is not None else f"not ranked: {row.unranked}"
        front = ", on the Pareto front" if row.on_front else ""
        picks = f" Picked as: {', '.join(self.picks)}." if self.picks else ""
        failed = "".join(f"\n- seed {seed}: {reason}" for seed, reason in row.failures.items())
        return (
            f"{self.name}: {standing}{front}.{picks}\n\nFigures are means over {len(row.seeds)} seed(s); "
            f"test rows inform no choice.\n\n`espalier study --apply {row.id}` takes this recipe.{failed}"
        )


def _ratio(whole: float | None, part: float | None) -> float | None:
    return whole / part if whole and part else None


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _evenly(count: int, most: int) -> list[int]:
    """Return up to `most` places out of `count`, first and last among them."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]
