"""Write what was measured as Markdown: figures beside what they had to reach."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.foundation import Cold, Orchestration

__all__ = ["README_TABLE", "figures_beside", "page", "replace_between"]

README_TABLE = ("<!-- result:begin -->", "<!-- result:end -->")


def figures_beside(path: Path | None, key: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Read the figures of sets that are not measured this time; each says under `key` of which it is."""
    if path is None or not path.exists():
        return []
    return [each for each in json.loads(path.read_text("utf-8")) if each[key] not in names]


def replace_between(path: Path, markers: tuple[str, str], text: str) -> None:
    """Replace what stands between two markers of a file."""
    begin, end = markers
    pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
    page = path.read_text("utf-8")
    path.write_text(pattern.sub(lambda _: f"{begin}\n{text.strip()}\n{end}", page), encoding="utf-8")


def verdict(reached: bool) -> str:
    """One word for a target."""
    return "reached" if reached else "**missed**"


def beyond(missed: Iterable[bool], of: str) -> str:
    """Say in how many `of` them (seeds, rounds) a target that the median is held against was missed."""
    each = list(missed)
    return f" (missed in {sum(each)} of {len(each)} {of})" if any(each) else ""


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Median and range."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def targets(
    first: Cold, seeds: Sequence[Mapping[str, float]], against: Orchestration
) -> list[tuple[str, ...]]:
    """Rows of the table of targets: what, target, measured, verdict."""
    flow, plain = statistics.median(against.flow), statistics.median(against.plain)
    cached = statistics.median(against.cached)
    smaller = [row["smaller"] for row in seeds]
    faster = [row["faster"] for row in seeds]
    lost = [100 * row["difference"] for row in seeds]
    return [
        (
            "main job, fresh clone, embedded servers",
            "under 90 s",
            f"{first.seconds:.1f} s",
            verdict(first.seconds < 90),
        ),
        (
            "of it outside the stages' own computing",
            "at most 35 s",
            f"{first.outside:.1f} s",
            verdict(first.outside <= 35),
        ),
        (
            "everything cached, Prefect server up",
            "under 8 s",
            f"{spread(against.cached)} s",
            verdict(cached < 8),
        ),
        (
            "flow + versioning + tracking against a plain script of the same stages, server up",
            "at most 10 % + 4 s more",
            f"{flow:.1f} s against {plain:.1f} s ({100 * (flow / plain - 1):+.0f} %, {flow - plain:+.1f} s)",
            verdict(flow <= 1.1 * plain + 4),
        ),
        (
            "peak memory of the process tree",
            "under 2 GiB",
            f"{first.peak_mib / 1024:.2f} GiB",
            verdict(first.peak_mib < 2048),
        ),
        (
            "MNIST-5k, compressed against reference: bytes",
            "10x smaller",
            f"{spread(smaller)}x",
            verdict(min(smaller) >= 10),
        ),
        (
            "the same: batch-1 latency, both in ONNX Runtime",
            "2.5x faster",
            f"{spread(faster)}x",
            verdict(min(faster) >= 2.5),
        ),
        (
            "the same: test accuracy, points against the reference",
            "at most 1 below",
            f"{spread(lost, '+.2f')}",
            verdict(statistics.mean(lost) >= -1),
        ),
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def seed_rows(seeds: Sequence[Mapping[str, float]]) -> list[list[str]]:
    """One row a seed: metric of both, difference with its interval, factors."""
    return [
        [
            f"{row['seed']:.0f}",
            f"{100 * row['reference']:.2f}",
            f"{100 * row['compressed']:.2f}",
            f"{100 * row['difference']:+.2f} [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]",
            f"{row['smaller']:.1f}x",
            f"{row['faster']:.2f}x",
            f"{row['batch_faster']:.1f}x",
        ]
        for row in seeds
    ]


OTHERS = (
    "The other pages of figures: [the engine](engine.md), [studies](study-speed.md), "
    "[batch scoring](scoring-speed.md), [a model's life](life-speed.md), "
    "[the served model](serving-speed.md)."
)


def page(
    first: Cold, seeds: Sequence[Mapping[str, float]], against: Orchestration, machine: Mapping[str, object]
) -> str:
    """The whole of docs/benchmarks.md."""
    described = ", ".join(f"{key} {value}" for key, value in machine.items())
    stages = [[name, f"{seconds:.1f}"] for name, seconds in first.stages.items()]
    seed_head = [
        "seed",
        "reference %",
        "compressed %",
        "difference [95 %]",
        "smaller",
        "faster, batch 1",
        "rows/s, batch",
    ]
    return (
        "\n\n".join(
            [
                "# Benchmarks",
                "Written by `make bench` (`python -m benchmarks.foundation`); nothing here is typed in. "
                f"Machine: {described}.",
                OTHERS,
                "## What had to be reached",
                table(["what", "target", "measured", ""], targets(first, seeds, against)),
                "Where several figures were taken: median (smallest to largest). "
                "Memory counts shared pages once a process.",
                "## MNIST-5k, the default parameters, seed by seed",
                "A seed draws the split, the initial weights and the batches. "
                "Settings were chosen on validation rows. "
                "One split's standard error of the accuracy is about 0.7 points.",
                table(seed_head, seed_rows(seeds)),
                "## Seconds of each stage on the fresh clone",
                table(["stage", "seconds"], stages),
            ]
        )
        + "\n"
    )
