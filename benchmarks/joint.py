"""Columns and units together against units alone at equal bytes: `python -m benchmarks.joint`.

Both search for what is best within so many bytes, with as many recoveries, and choose on validation rows by
the same rule; the sizes are those of units alone at fixed amounts. Test rows are read once.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from benchmarks.contest import Recording
from benchmarks.page import figures_beside, table
from benchmarks.peers import problems
from benchmarks.problems import Dense, dense
from tasks.evaluation.compare import Settings, compare
from tasks.export.config import AutoQuantisation
from tasks.export.onnx import run_onnx, session
from tasks.metrics.table import headline
from tasks.search.budget import Setting
from tasks.search.candidates import Made
from tasks.search.config import CANDIDATE_EPOCHS, BudgetConfig
from tasks.search.meet import meet

AMOUNTS = (0.75, 0.85, 0.9, 0.95)
RECOVERIES = 6


@dataclass(frozen=True)
class Pair:
    """Both at one size: bytes, test metric, the difference of them with its interval over test rows."""

    name: str
    seed: int
    amount: float
    allowed: int
    both_bytes: int
    units_bytes: int
    both: float
    units: float
    low: float
    high: float
    columns: str


@dataclass(frozen=True, eq=False)
class _Whole(Recording):
    """Makes candidates with all columns alone."""

    whole: bool = field(default=True, init=False)


def pairs(name: str, seed: int, amounts: Sequence[float], epochs: int, recoveries: int) -> Iterator[Pair]:
    """Search on both sides at each size, and judge on test rows."""
    given = dense(problems()[name], seed)
    both, units = (kind(given.search(epochs), quantise=AutoQuantisation(method="auto")) for kind in _KINDS)
    for amount in amounts:
        allowed = len(units.recover(Setting(1.0, round(1 - amount, 4))).model)
        found = [_best(bench, allowed, recoveries) for bench in (both, units)]
        yield _judged(given, name, amount, allowed, *found)


_KINDS = (Recording, _Whole)


def _best(bench: Recording, allowed: int, recoveries: int) -> Made:
    """Return the best within the size; the clock counts recoveries, earlier ones of other sizes are known."""
    known = tuple(bench.made.values())
    budget = BudgetConfig(
        objective="best", max_metric_drop=None, max_bytes=allowed, max_seconds=recoveries + 0.5
    )
    return meet(bench, budget, known=known, clock=lambda: float(len(bench.made))).best


def _judged(given: Dense, name: str, amount: float, allowed: int, both: Made, units: Made) -> Pair:
    X, y = given.rows("test"), given.cleaned.test.y
    metric = headline("auto", given.cleaned.cleaner.target.kind)
    answers = [run_onnx(session(made.model), X[:, list(made.keep)]) for made in (both, units)]
    if given.task == "classification":
        answers = [answer.argmax(axis=1) for answer in answers]
    judged = compare(metric, y, *answers, margin=0.0, settings=Settings(0.95, 2000, given.seed))
    return Pair(
        name=name,
        seed=given.seed,
        amount=amount,
        allowed=allowed,
        both_bytes=len(both.model),
        units_bytes=len(units.model),
        both=metric(y, answers[0]),
        units=metric(y, answers[1]),
        low=judged.low,
        high=judged.high,
        columns=f"{len(both.keep)}/{len(given.graph.columns)}",
    )


def line(found: Pair) -> str:
    """One size in one line."""
    return (
        f"{found.name:15} seed {found.seed}  {found.amount:g}: {found.both_bytes:>7,} and "
        f"{found.units_bytes:>7,} bytes  {100 * found.both:5.1f} and {100 * found.units:5.1f}  "
        f"{100 * (found.both - found.units):+5.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]  "
        f"{found.columns} columns"
    )


def page(found: Sequence[Pair], epochs: int, recoveries: int) -> str:
    """Means over the seeds, by set and size, as a Markdown page."""
    groups: dict[tuple[str, float], list[Pair]] = {}
    for each in found:
        groups.setdefault((each.name, each.amount), []).append(each)
    head = ["set", "seeds", "size of units alone at", "bytes, both", "bytes, units", "test, both"]
    head += ["test, units", "points gained (by seed)", "columns kept"]
    return (
        "# Columns and units together, at the bytes of units alone\n\n"
        "Written by `python -m benchmarks.joint --page docs/joint.md`; nothing here is typed in. Both sides "
        f"search for what is best within the size, with {recoveries} recoveries of {epochs} epochs for each, "
        "and choose on validation rows by the same rule; what has recovered for one size is known at the "
        "next. Metrics are accuracy, or R\N{SUPERSCRIPT TWO}, times 100, on test rows read once: means over "
        f"seeds; bytes are medians.\n\n{table(head, [_cells(*key, each) for key, each in groups.items()])}\n"
    )


def _cells(name: str, amount: float, group: Sequence[Pair]) -> list[str]:
    gains = [100 * (each.both - each.units) for each in group]
    return [
        name,
        str(len(group)),
        f"{amount:g}",
        f"{statistics.median(each.both_bytes for each in group):,.0f}",
        f"{statistics.median(each.units_bytes for each in group):,.0f}",
        f"{100 * statistics.mean(each.both for each in group):.1f}",
        f"{100 * statistics.mean(each.units for each in group):.1f}",
        f"{statistics.mean(gains):+.1f} ({', '.join(f'{gain:+.1f}' for gain in gains)})",
        ", ".join(each.columns for each in group),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a size and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--amounts", type=float, nargs="+", default=list(AMOUNTS))
    parser.add_argument("--epochs", type=int, default=CANDIDATE_EPOCHS)
    parser.add_argument("--recoveries", type=int, default=RECOVERIES)
    parser.add_argument("--only", nargs="*", help="sets; by default all that are installed")
    parser.add_argument("--json", type=Path, help="keep every figure here; those of other sets there stay")
    parser.add_argument("--page", type=Path, help="write the figures as a page, docs/joint.md")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    names = [name for name in problems() if options.only is None or name in options.only]
    found = [Pair(**each) for each in figures_beside(options.json, "name", names)]
    for name in names:
        for seed in options.seeds:
            for pair in pairs(name, seed, options.amounts, options.epochs, options.recoveries):
                print(line(pair), flush=True)
                found.append(pair)
        if options.json:
            options.json.write_text(json.dumps([asdict(each) for each in found], indent=1))
    if options.page:
        options.page.write_text(page(found, options.epochs, options.recoveries), encoding="utf-8")


if __name__ == "__main__":
    main()
