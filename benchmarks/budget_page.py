"""What a budget search reached on a set and seed, as a line and as the page docs/budget.md."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.page import table

__all__ = ["Reached", "line", "page", "summary"]


@dataclass(frozen=True)
class Reached:
    """A set and seed: test metric of both as a share or R2, what it costs, how long the search took.

    `scratch_bytes` is the file of the smallest network from scratch that does as well; 0 when not looked for.
    """

    name: str
    seed: int
    dense: float
    compressed: float
    low: float
    high: float
    dense_bytes: int
    bytes: int
    scratch_bytes: int
    faster_1: float
    faster_1024: float
    faster_eager_1: float
    faster_eager_1024: float
    identity_1: float
    identity_1024: float
    columns: int
    columns_before: int
    seconds: float
    epochs: int
    recoveries: int
    met: bool
    holds: bool
    notes: tuple[str, ...] = ()


def line(found: Reached) -> str:
    """One result in one line."""
    return (
        f"{found.name:15} seed {found.seed}  {found.dense:7.4f} -> {found.compressed:7.4f} "
        f"[{found.low:+.4f}, {found.high:+.4f}]  {found.dense_bytes:>9,} -> {found.bytes:>7,} bytes "
        f"({found.dense_bytes / found.bytes:5.1f}x)  {found.faster_1:4.2f}x faster, "
        f"{found.faster_eager_1:4.2f}x than eager, {found.identity_1:4.2f}x identity, 1024 rows "
        f"{found.faster_eager_1024:5.1f}x eager  "
        f"{found.columns}/{found.columns_before} columns  {found.recoveries} recoveries of {found.epochs} "
        f"epochs in {found.seconds:5.1f} s{_beside(found)}"
        f"{'' if found.met else '  not met'}{'' if found.holds else '  does not hold on test'}"
        f"{''.join(f'  ({note})' for note in found.notes)}"
    )


def _beside(found: Reached) -> str:
    return f"  {_than_scratch(found)} smaller than from scratch" if found.scratch_bytes else ""


def _than_scratch(found: Reached) -> str:
    """How many times smaller than the smallest network from scratch."""
    return f"{found.scratch_bytes / found.bytes:.2f}x" if found.scratch_bytes else "-"


def summary(found: Sequence[Reached]) -> str:
    """Medians of a set."""
    smaller = statistics.median(each.dense_bytes / each.bytes for each in found)
    lost = statistics.mean(each.compressed - each.dense for each in found)
    holds = sum(each.holds for each in found)
    kept = f"holds {holds}/{len(found)}"
    scratch = [each.scratch_bytes / each.bytes for each in found if each.scratch_bytes]
    beside = f", {statistics.median(scratch):.2f}x smaller than from scratch" if scratch else ""
    return f"{found[0].name:15} median {smaller:.1f}x smaller{beside}, mean {lost:+.4f} on test, {kept}"


def page(found: Sequence[Reached]) -> str:
    """Every set and seed as a Markdown page."""
    head = ["set", "seed", "dense", "compressed", "difference [95 %]", "bytes", "smaller", "than scratch"]
    head += [
        "faster",
        "than eager",
        "x identity",
        "1,024 rows, x eager",
        "columns",
        "epochs",
        "recoveries",
        "search",
    ]
    names = list(dict.fromkeys(each.name for each in found))
    sets = "\n".join(f"- {summary([each for each in found if each.name == name])}" for name in names)
    return (
        "# Budget search: what it reaches\n\n"
        "Written by `python -m benchmarks.budget --page docs/budget.md`; nothing here is typed in. "
        "The budget: the smallest file within 0.005 of the dense network's metric on validation rows. "
        "The metric is accuracy (R2 where a number is predicted) on test rows, read once. Times are of one "
        "thread, interleaved. `epochs` are those of a candidate's recovery, `search` is boxed at 180 s. "
        "`than scratch`: how many times smaller than the smallest network from scratch that does as well on "
        "validation rows, of the dense one's widths halved again and again, trained for the dense epochs and "
        "those of a recovery together, in int8 where that is smaller; no part of the search.\n\n"
        f"{table(head, [_cells(each) for each in found])}\n\n{sets}\n\n"
        "`holds`: the interval of the difference on test rows reaches the budget's 0.005.\n"
    )


def _cells(each: Reached) -> list[str]:
    return [
        each.name,
        str(each.seed),
        f"{each.dense:.4f}",
        f"{each.compressed:.4f}",
        f"{each.compressed - each.dense:+.4f} [{each.low:+.4f}, {each.high:+.4f}]",
        f"{each.bytes:,}",
        f"{each.dense_bytes / each.bytes:.1f}x",
        _than_scratch(each),
        f"{each.faster_1:.2f}x",
        f"{each.faster_eager_1:.2f}x",
        f"{each.identity_1:.2f}",
        f"{each.faster_eager_1024:.1f}x",
        f"{each.columns}/{each.columns_before}",
        str(each.epochs),
        str(each.recoveries),
        f"{each.seconds:.0f} s",
    ]
