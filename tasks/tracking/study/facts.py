"""A study as the recorder takes it, and what its runs have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.metrics.table import METRICS
from tasks.tracking.facts import percent, tidy
from tasks.tracking.study.candidate import Candidate

if TYPE_CHECKING:
    from tasks.config import Params
    from tasks.study.rows import Row
    from tasks.study.standing import Standing

__all__ = ["Study"]

BASELINE = "nothing"
FIRST = (
    "reduce.columns.components",
    "prune.amount",
    "export.quantise.method",
    "reduce.rows.factor",
    "reduce.columns.method",
    "prune.method",
)
MARK_LENGTH = 12


@dataclass(frozen=True)
class Study:
    """Everything that is recorded of a study.

    Attributes
    ----------
    params
        Of the workspace: what candidates change, and section `study`.
    standing
        Candidates with their trials and ranks, front, picks.
    verdicts
        What the study found, a sentence each.
    figures
        Further figures of the whole study, by name.
    files
        Report, tables and plots; PNG and CSV are kept apart from the others.
    """

    params: Params
    standing: Standing
    verdicts: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """What it is called, the word study in it."""
        name = self.params.study.name
        return name if "study" in name.lower() else f"study {name}"

    @cached_property
    def headline(self) -> str:
        """Name of the metric that candidates are judged by."""
        named = (row.headline for row in self.standing.rows if row.headline)
        configured = self.params.evaluate.metric
        return next(named, "accuracy" if configured == "auto" else configured)

    @property
    def key(self) -> str:
        """Key of the headline on validation rows."""
        return f"valid/{percent(self.headline)[0]}"

    @property
    def ascending(self) -> bool:
        """Whether less is better."""
        return not METRICS[self.headline].higher_is_better

    @cached_property
    def identity(self) -> str:
        """Hex SHA-256 of what was compared by what, and how it was timed; what clocks showed is left out."""
        asked = self.params.study.model_dump(mode="json", include={"name", "objectives", "constraints"})
        asked |= self.params.measure.model_dump(mode="json", include={"threads", "repeats"})
        trials = sorted(
            (str(trial["key"]), str(trial["status"])) for row in self.standing.rows for trial in row.trials
        )
        return hashlib.sha256(json.dumps([asked, trials], sort_keys=True).encode()).hexdigest()

    @property
    def mark(self) -> str:
        """Short form of the identity, by which views find the candidates."""
        return self.identity[:MARK_LENGTH]

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Candidates, best first."""
        baseline = next((row for row in self.standing.rows if row.arm == BASELINE), None)
        return tuple(
            Candidate(row, self.params, self.headline, baseline, self._picked(row))
            for row in self.standing.rows
        )

    def _picked(self, row: Row) -> tuple[str, ...]:
        return tuple(name for name, id_ in self.standing.picks.items() if id_ == row.id)

    @cached_property
    def parameters(self) -> dict[str, dict[str, str]]:
        """Parameters of each candidate by its id; all share the keys.

        An option that a candidate's method does not have is given as the others have it where they agree:
        MLflow would draw it as a difference.
        """
        found = {candidate.row.id: candidate.parameters() for candidate in self.candidates}
        values: dict[str, set[str]] = {}
        for own in found.values():
            for key, value in own.items():
                values.setdefault(key, set()).add(value)
        absent = {key: next(iter(held)) if len(held) == 1 else "none" for key, held in values.items()}
        return {id_: absent | own for id_, own in found.items()}

    @property
    def varied(self) -> list[str]:
        """Parameters that differ among candidates, the ones that were asked for first."""
        asked = {path for row in self.standing.rows for path in row.overrides}
        values: dict[str, set[str]] = {}
        for parameters in self.parameters.values():
            for key, value in parameters.items():
                values.setdefault(key, set()).add(value)
        differ = [key for key, found in values.items() if len(found) > 1 and not key.endswith(".mode")]
        others = sorted((key for key in differ if key not in FIRST), key=lambda key: key not in asked)
        return [*(key for key in FIRST if key in differ), *others]

    def totals(self) -> dict[str, float]:
        """Figures of the study's own run."""
        rows = self.standing.rows
        volume = self.standing.volume
        found = {
            "study/candidates": float(len(rows)),
            "study/front": float(sum(row.on_front for row in rows)),
            "study/failed": float(sum(not row.seeds for row in rows)),
            "study/trials": float(sum(len(row.trials) for row in rows)),
            **({} if volume is None else {"study/hypervolume": volume}),
            **{f"study/{name}": float(value) for name, value in self.figures.items()},
        }
        return {name: tidy(value) for name, value in found.items()}
