"""How long studies take: against one `espalier run` after the other, with one worker and two, and in vain.

Everything runs in a clone, through the commands that users type, with a Prefect server up.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import t

from benchmarks.foundation import ESPALIER
from benchmarks.processes import run
from tasks.artifacts import Layout
from tasks.config import load_params
from tasks.files import write_text
from tasks.study.trial import trial_settings

__all__ = ["Bench", "drawn", "extrapolated"]

CANDIDATES, SEEDS = 32, 3
SMALL = (
    "--set=source.uri=package:digits",
    "--set=reduce.columns.components=32",
    "--set=study.rivals=false",
    "--set=study.sampler=grid",
    "--set=train.epochs=40",
    "--set=prune.finetune.epochs=40",
)
EVEN = "{prune.amount: [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]}"
"""Candidates that cost about the same: what one worker waits for another at the end is no efficiency."""
TRIVIAL = (
    "--set=source.uri=package:digits",
    "--set=study.rivals=false",
    "--set=study.sampler=grid",
    "--set=model.method=linear",
    "--set=prune.method=none",
    "--set=reduce.columns.method=none",
    "--set=train.epochs=1",
    "--set=registry.name=trivial",
)
FEW, MANY = 10, 60


@dataclass(frozen=True)
class Timed:
    """A study: seconds of the whole command, of the candidates' part, and its document."""

    whole: float
    search: float
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Bench:
    """A clone in which studies are run, and the environment of a Prefect server that is up."""

    work: Path
    env: Mapping[str, str]
    params: str = field(init=False)

    def __post_init__(self) -> None:
        """Keep the parameters as they are, for every measurement starts from them."""
        object.__setattr__(self, "params", self.layout.params.read_text("utf-8"))

    @property
    def layout(self) -> Layout:
        """Files of the clone."""
        return Layout(self.work)

    def study(self, *settings: str) -> Timed:
        """Run `espalier study` in the clone."""
        write_text(self.layout.params, self.params)
        finished = run([*ESPALIER, "study", *settings], self.work, self.env)
        document = json.loads((self.work / "reports" / "study.json").read_text("utf-8"))
        failed = [row["name"] for row in document["candidates"] if row["failures"]]
        if failed or document["run"]["stopped"]:
            raise RuntimeError(f"the study did not end well: {failed} {document['run']['stopped']}")
        return Timed(finished.seconds, document["run"]["seconds"], document)

    def forget(self) -> None:
        """Drop what studies have computed and recorded."""
        for name in ("study", "mlflow"):
            shutil.rmtree(self.work / ".espalier" / name, ignore_errors=True)

    def against_runs(self, sample: int, seed: int = 0) -> dict[str, Any]:
        """The whole study, then some of its trials one by one: same parameters, same seeds.

        Of the trials of every third in training time equally many are drawn. Before any counts, one run makes
        what all with its seed share (cleaning, the dense network), which `espalier run` finds again.
        """
        self.forget()
        found = self.study(f"--candidates={CANDIDATES}", f"--seeds={SEEDS}")
        rows = [row for row in found.document["candidates"] if not row["failures"]]
        trials = pd.read_parquet(self.work / "reports" / "study.parquet")
        chosen, first = drawn(rows, sample, random.Random(seed)), self._one({}, 0)[0]
        taken = []
        for row in chosen:
            seconds, reached = self._one(row["overrides"], 0)
            own = trials[(trials["id"] == row["id"]) & (trials["seed"] == 0)].iloc[0]
            same = all(own[f"test/{name}"] == value for name, value in reached.items())
            taken.append({"name": row["name"], "seconds": seconds, "same": same})
        return {
            "candidates": len(rows),
            "seeds": SEEDS,
            "seconds": found.whole,
            "search": found.search,
            "first": first,
            "sample": taken,
        }

    def _one(self, overrides: Mapping[str, Any], seed: int) -> tuple[float, dict[str, float]]:
        """Run `espalier run` with a candidate's parameters; return seconds, and metrics on test rows."""
        write_text(self.layout.params, self.params)
        asked = [*trial_settings(load_params(self.work), overrides, seed), "registry.register=false"]
        finished = run([*ESPALIER, "run", *(f"--set={each}" for each in asked)], self.work, self.env)
        judged = json.loads(self.layout.report("evaluate").read_text("utf-8"))
        metrics: dict[str, float] = judged["models"]["compressed"]["metrics"]
        return finished.seconds, metrics

    def efficiency(self, repeats: int) -> dict[str, Any]:
        """The same small study with one worker and two, cold store each time, for each runner in turn."""
        taken: dict[str, dict[str, list[float]]] = {}
        for _ in range(repeats):
            for runner in ("processes", "dask"):
                for workers in (1, 2):
                    self.forget()
                    own = (f"--set=study.runner={runner}", f"--set=study.workers={workers}")
                    found = self.study(*SMALL, f"--set=study.space={EVEN}", "--seeds=2", *own)
                    times = taken.setdefault(runner, {})
                    times.setdefault(f"search_{workers}", []).append(found.search)
                    times.setdefault(f"whole_{workers}", []).append(found.whole)
        return {**taken, "candidates": 8, "seeds": 2}

    def orchestration(self, repeats: int) -> dict[str, Any]:
        """Studies of few and of many trivial candidates whose trials are there already, in turn.

        What the many take longer is what so many candidates cost besides their own work; one worker.
        """
        self.forget()
        self._trivial(MANY, 2)  # makes all trials; the few are among them
        few, many = [], []
        for _ in range(repeats):
            few.append(self._trivial(FEW, 1))
            many.append(self._trivial(MANY, 1))
        counts = [len(found[0].document["candidates"]) for found in (few, many)]
        each = [
            (more.search - less.search) / (counts[1] - counts[0])
            for less, more in zip(few, many, strict=True)
        ]
        return {
            "counts": counts,
            "few": [a.search for a in few],
            "many": [b.search for b in many],
            "each": each,
        }

    def _trivial(self, count: int, workers: int) -> Timed:
        rates = ", ".join(f"{0.001 * place:.3f}" for place in range(1, count + 1))
        space = f"--set=study.space={{train.lr: [{rates}]}}"
        return self.study(
            *TRIVIAL, space, f"--candidates={count}", "--seeds=1", f"--set=study.workers={workers}"
        )


def drawn(rows: Sequence[Mapping[str, Any]], count: int, chance: random.Random) -> list[Mapping[str, Any]]:
    """Draw from every third, by training time, equally many."""
    ordered = sorted(rows, key=lambda row: float(row["train_seconds"]))
    thirds = [ordered[place * len(ordered) // 3 : (place + 1) * len(ordered) // 3] for place in range(3)]
    return [row for third in thirds for row in chance.sample(third, min(len(third), count // 3))]


def extrapolated(found: Mapping[str, Any]) -> tuple[float, float, float]:
    """Seconds of all trials one by one: mean, and the mean's 95 % interval by the spread of the sample.

    The first run of each seed makes the dense network; the others find it.
    """
    seconds = [each["seconds"] for each in found["sample"]]
    firsts, others = found["seeds"], (found["candidates"] - 1) * found["seeds"]
    wide = t.ppf(0.975, len(seconds) - 1) * statistics.stdev(seconds) / len(seconds) ** 0.5
    total = firsts * found["first"] + others * statistics.mean(seconds)
    return total, total - others * wide, total + others * wide
