"""Ours against other libraries: `python -m benchmarks.peers` prints a line a candidate, writes docs/peers.md.

Needs the extra `bench`; a library or a data set that is not installed is left out and named on the page.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks import more_sets
from benchmarks.contest import Judged, contest
from benchmarks.more_sets import MORE
from benchmarks.peers_page import Run, page
from benchmarks.problems import SETS, Problem
from benchmarks.rivals import PEERS, installed

PAGE = Path(__file__).parent.parent / "docs" / "peers.md"
AMOUNTS = (0.5, 0.65, 0.75, 0.85, 0.9, 0.93, 0.95, 0.97)
SMALL = ("digits", "breast_cancer", "MNIST-5k", "MNIST-1D, mlp", "MNIST-1D, cnn", "MNIST-1D, resnet")


def problems() -> dict[str, Problem]:
    """Sets that are there."""
    return {name: SETS[name] for name in SMALL} | more_sets.installed()


def line(found: Judged) -> str:
    """One candidate in one line."""
    return (
        f"{found.set:15} seed {found.seed}  {found.tables:2}  {found.method:22} {found.setting:28} "
        f"valid {found.valid:.4f}  test {found.test:.4f}  {found.bytes:>9,} bytes  {found.latency_us:5.1f} us"
    )


def measured(names: Sequence[str], seeds: int, options: argparse.Namespace) -> list[Judged]:
    """Hold the contest on every set and seed; what is measured is kept when a later one fails."""
    found = _kept(options.json, [])
    for name in names:
        for seed in range(seeds):
            began = time.perf_counter()
            problem = problems()[name]
            judged = contest(name, problem, seed, options.amounts, options.epochs, options.methods)
            print(*map(line, judged), sep="\n")
            print(f"{name}, seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)
            found = [*_kept(options.json, judged), *judged] if options.json else [*found, *judged]
            if options.json:
                options.json.write_text(json.dumps([asdict(each) for each in found], indent=1))
    return found


def _kept(path: Path | None, found: Sequence[Judged]) -> list[Judged]:
    """Read the figures that were not measured this time: of other sets, seeds or methods."""
    new = {(each.set, each.seed, each.method) for each in found}
    kept = [Judged(**each) for each in json.loads(path.read_text())] if path and path.exists() else []
    return [each for each in kept if (each.set, each.seed, each.method) not in new]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, and write the page of everything measured so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60, help="of training after a removal")
    parser.add_argument("--amounts", type=float, nargs="+", default=list(AMOUNTS))
    parser.add_argument("--only", nargs="*", help="sets; by default all; none: the page alone, from --json")
    parser.add_argument(
        "--methods", nargs="+", default=[], help="these alone, beside figures of --json that stay"
    )
    parser.add_argument("--json", type=Path, help="write every figure here; figures of other sets there stay")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    names = [name for name in problems() if options.only is None or name in options.only]
    found = measured(names, options.seeds, options)
    there = {*installed(), *(each.set for each in found)}
    missing = [name for name in (*PEERS, *SMALL, *MORE) if name not in there]
    options.page.write_text(page(Run(found, options.epochs, tuple(options.amounts), tuple(missing))))


if __name__ == "__main__":
    main()
