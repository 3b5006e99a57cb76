"""What a study found, as Markdown: every candidate, what the fronts are worth, the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.evaluation.report import words
from tasks.evaluation.speed import machine
from tasks.files import read_frame, read_json
from tasks.metrics.table import METRICS
from tasks.study.resample import ends, over_seeds
from tasks.study.rows import RIVALS

__all__ = ["study_table"]

Study = Mapping[str, Any]
FAMILIES = {"reduction": "reduction alone", "pruning": "pruning alone", "both": "both"}


def study_table(workspace: Path) -> str:
    """Write the last study of a workspace as Markdown.

    Parameters
    ----------
    workspace : Path
        Folder whose reports/ holds study.json and study.parquet.
    """
    study: Study = read_json(workspace / "reports" / "study.json")
    trials = read_frame(workspace / "reports" / "study.parquet")
    return "\n".join([*_candidates(study, trials), "", *_fronts(study), "", *_verdicts(study)])


def _candidates(study: Study, trials: pd.DataFrame) -> Iterator[str]:
    """Yield the table of candidates, best rank first, then the rivals."""
    metric, seeds = study["headline"], max(len(each["seeds"]) for each in study["candidates"])
    title = METRICS[metric].title
    rivals = sum(each["arm"] in RIVALS for each in study["candidates"])
    yield (
        f"{len(study['candidates']) - rivals} candidates and {rivals} rivals, {_count(seeds, 'seed')} each. "
        f"Front and picks are by validation rows ({', '.join(study['objectives'])}), none by test rows. "
        "Means over the seeds, in brackets their 95 % interval. Measured on: "
        f"{', '.join(f'{key} {value}' for key, value in machine().items())}."
    )
    yield ""
    yield f"| candidate | {title}, validation | {title}, test | bytes | multiply-adds | latency | |"
    yield "|---|---|---|---|---|---|---|"
    for each in sorted(study["candidates"], key=lambda each: each["arm"] in RIVALS):
        own = trials[trials["id"] == each["id"]]
        cells = [each["name"], *(_metric(own, f"{part}/{metric}", metric) for part in ("valid", "test"))]
        cells += [
            _whole(each["bytes"]),
            _whole(each["macs"]),
            _latency(each["latency_us"]),
            _place(study, each),
        ]
        yield f"| {' | '.join(cells)} |"


def _metric(trials: pd.DataFrame, column: str, metric: str) -> str:
    values = trials[column].to_numpy(dtype=np.float64) if column in trials else np.array([])
    if not len(values) or np.isnan(values).any():
        return words.MISSING
    low, high = ends(over_seeds(values[None, :], lambda means: float(means[0])))
    if low is not None and high is not None:
        low, high = np.clip([low, high], 0.0 if METRICS[metric].share else None, _most(metric)).tolist()
    return words.value(metric, float(values.mean())) + _between(words.value, metric, low, high)


def _most(metric: str) -> float | None:
    """Largest value of a metric, which an interval does not pass; None where there is none."""
    return 1.0 if METRICS[metric].share or metric == "r2" else None


def _between(write: Any, metric: str, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f" ({write(metric, low).removesuffix(' %')} to {write(metric, high).removesuffix(' %')})"


def _whole(number: float | None) -> str:
    return words.MISSING if number is None else f"{number:,.0f}"


def _latency(number: float | None) -> str:
    return words.MISSING if number is None else f"{number:.1f} us"


def _place(study: Study, candidate: Study) -> str:
    """Say what a candidate is, and whether it is on the front or a pick."""
    if not candidate["seeds"]:
        return f"failed: {next(iter(candidate['failures'].values()))}"
    kind = "rival" if candidate["arm"] in RIVALS else candidate["arm"].replace("nothing", "dense")
    picks = [name for name, picked in study["picks"].items() if picked == candidate["id"]]
    return ", ".join([kind, *(["front"] if candidate["front"] else []), *(f"**{name}**" for name in picks)])


def _fronts(study: Study) -> Iterator[str]:
    """Yield the hypervolumes of reducing, pruning and both, and how far both is ahead."""
    found, metric = study["families"], study["headline"]
    if found is None:
        yield "The fronts cannot be compared: one of reduction, pruning and both has no candidate."
        return
    decades, points = found["decades"], words.unit(metric).strip() or METRICS[metric].title
    yield (
        f"Hypervolume: test {METRICS[metric].title} of what would be chosen at each size, above a floor of "
        f"{words.value(metric, found['floor'])}, over the {decades:.2f} decades of bytes up to "
        f"{found['ceiling']:,.0f} ({points} x decades). The lead of both is the mean over those sizes."
    )
    yield ""
    yield f"| front | candidates | hypervolume | lead of both, {points} | both ... |"
    yield "|---|---|---|---|---|"
    for family in found["families"]:
        cells = [FAMILIES[family["name"]], str(family["candidates"]), _volume(family, metric)]
        yield f"| {' | '.join([*cells, *_lead(metric, found['ahead'].get(family['name']), decades)])} |"


def _volume(family: Study, metric: str) -> str:
    return _plain(metric, family["volume"]) + _between(_plain, metric, family["low"], family["high"])


def _plain(metric: str, number: float) -> str:
    return words.difference(metric, number).lstrip("+")


def _lead(metric: str, ahead: Study | None, decades: float) -> Sequence[str]:
    if ahead is None:
        return "", ""
    low, high = (None if ahead[end] is None else ahead[end] / decades for end in ("low", "high"))
    mean = words.difference(metric, ahead["value"] / decades)
    return mean + _between(words.difference, metric, low, high), f"**{ahead['answer']}**"


def _verdicts(study: Study) -> Iterator[str]:
    yield "In words:"
    yield ""
    for each in study["verdicts"]:
        yield f"- {each['text']}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
