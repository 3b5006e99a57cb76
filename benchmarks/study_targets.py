"""Figures of studies beside what they had to reach, as docs/study-speed.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.page import spread, table, verdict
from benchmarks.study_runs import extrapolated

__all__ = ["page"]

Line = tuple[str, str, str, str]
ANSWERS = {"hover": "hover", "axis": "another axis", "filter": "a filter", "sort": "sorting the table"}
WAYS = {
    "sqlite": "into the workspace's own database",
    "server": "through `mlflow server` as it starts by default, SQLite behind it",
    "ui": "through the server that `espalier ui` starts",
}


def _against(found: Mapping[str, Any]) -> Iterator[Line]:
    trials = found["candidates"] * found["seeds"]
    total, low, high = extrapolated(found)
    took = found["seconds"]
    same = sum(each["same"] for each in found["sample"])
    yield (
        f"`espalier study --candidates 32 --seeds 3` on MNIST-5k: {found['candidates']} candidates with the "
        f"rivals, {trials} trials, two workers, server up",
        "under 12 minutes",
        f"{took / 60:.1f} minutes, {found['search'] / 60:.1f} of them computing trials",
        verdict(took < 720),
    )
    yield (
        f"the same {trials} trials by `espalier run --set ...`, one by one, server up",
        "the study is 3x faster",
        f"{total / took:.1f}x ({low / took:.1f} to {high / took:.1f}): {total / 60:.0f} minutes "
        f"({low / 60:.0f} to {high / 60:.0f}), extrapolated from {len(found['sample'])} trials of "
        f"{spread([each['seconds'] for each in found['sample']])} s; test metrics equal in {same} of "
        f"{len(found['sample'])}",
        verdict(total >= 3 * took),
    )


def _efficiency(found: Mapping[str, Any]) -> Iterator[Line]:
    for runner in ("processes", "dask"):
        own = found[runner]
        reached, whole = (
            [one / (2 * two) for one, two in zip(own[f"{part}_1"], own[f"{part}_2"], strict=True)]
            for part in ("search", "whole")
        )
        yield (
            f"parallel efficiency of two workers, `study.runner: {runner}`: {found['candidates']} candidates "
            f"x {found['seeds']} seeds, cold store, server up",
            "at least 0.8",
            f"{spread(reached, '.2f')} ({spread(own['search_1'])} s against {spread(own['search_2'])} s, "
            f"workers' start included); of the whole command {spread(whole, '.2f')}",
            verdict(statistics.median(reached) >= 0.8),
        )


def _orchestration(found: Mapping[str, Any]) -> Iterator[Line]:
    few, many = found["counts"]
    yield (
        f"a candidate besides its own work: {many} candidates against {few}, all trials there already, one "
        "worker, server up",
        "under 200 ms",
        f"{spread([1000 * each for each in found['each']], '.0f')} ms",
        verdict(statistics.median(found["each"]) < 0.2),
    )


def _report(found: Mapping[str, Any]) -> Iterator[Line]:
    yield (
        f"report of {found['candidates']:,} candidates x 3 seeds opens in Chromium {found['chromium']}",
        "everything drawn in under 3 s",
        f"{spread(found['all'], '.2f')} s; scatter {spread(found['scatter'], '.2f')} s, table "
        f"{spread(found['table'], '.2f')} s; longest task {spread(found['longest_task'], '.2f')} s",
        verdict(statistics.median(found["all"]) < 3),
    )
    answers = {text: found[f"{name}_ms"] for name, text in ANSWERS.items()}
    yield (
        "the same page answers",
        "in under 200 ms",
        "; ".join(f"{text} {spread(taken, '.0f')} ms" for text, taken in answers.items()),
        verdict(max(statistics.median(taken) for taken in answers.values()) < 200),
    )


def _mlflow(found: Mapping[str, Any]) -> Iterator[Line]:
    for way, text in WAYS.items():
        yield (
            f"MLflow: {found['candidates']} candidates x 3 seeds, with report and plots, {text}",
            "under 20 s",
            f"{spread(found[way])} s",
            verdict(statistics.median(found[way]) < 20),
        )


PARTS = {
    "against": _against,
    "efficiency": _efficiency,
    "orchestration": _orchestration,
    "report": _report,
    "mlflow": _mlflow,
}
HOW = (
    "Where several figures were taken: median (smallest to largest).",
    "One by one: equally many trials are drawn from every third of the candidates by training time, and run "
    "right after the study in the same clone, nothing beside them, without registering. The first run of a "
    "seed makes what all with that seed share, and is counted apart. The interval is that of the sample's "
    "mean (Student's t, 95 %).",
    "Efficiency: seconds with one worker over twice the seconds with two, of the part that computes "
    "candidates, from starting the workers to the last candidate. Latency, report and MLflow come after it, "
    "one after the other.",
    "The report's candidates are made up. Each time it is opened in a fresh profile, from the disk. An "
    "answer is the time from an action to the frame that shows it; of many points hovered, the slowest "
    "counts.",
    "MLflow is measured from the call to its end, as `espalier study` makes it when all is computed.",
)


def page(known: Mapping[str, Any]) -> str:
    """The whole page, of the pieces that were measured."""
    described = ", ".join(f"{key} {value}" for key, value in known["machine"].items())
    lines = [line for name, tell in PARTS.items() if name in known for line in tell(known[name])]
    busy = ", ".join(
        f"{name} {known[name]['load_before']:g} ({known[name]['minutes']:g} minutes)"
        for name in PARTS
        if name in known
    )
    parts = [
        "# Speed of studies",
        "Written by `make bench` (`python -m benchmarks.study`; a piece alone: `--only NAME`, one of "
        f"{', '.join(PARTS)}); nothing here is typed in. Machine: {described}.",
        table(["what", "target", "measured", ""], lines),
        f"Load of the machine before each piece, and how long the piece took: {busy}.",
        "\n".join(f"- {sentence}" for sentence in HOW),
    ]
    return "\n\n".join(parts) + "\n"
