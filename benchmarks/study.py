"""What studies had to reach: `python -m benchmarks.study` measures and writes docs/study-speed.md.

Pieces can be measured alone (`--only report mlflow`); the figures of the others are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import study_page, study_records
from benchmarks.foundation import clone
from benchmarks.processes import prefect_server
from benchmarks.study_runs import Bench
from benchmarks.study_targets import page
from tasks.evaluation.speed import machine
from tasks.files import write_json

FIGURES = Path(__file__).parent / "figures" / "study.json"
PAGE = Path(__file__).parent.parent / "docs" / "study-speed.md"
PIECES = ("against", "efficiency", "orchestration", "report", "mlflow")
Measure = Callable[[], dict[str, Any]]


def measures(options: argparse.Namespace, stack: ExitStack) -> Iterator[tuple[str, Measure]]:
    """What is asked for, in order; those that run studies share a clone and a Prefect server."""
    bench: Bench | None = None
    for piece in PIECES:
        if piece not in options.only:
            continue
        if piece not in ("report", "mlflow") and bench is None:
            work = stack.enter_context(clone())
            os.environ["PYTHONPATH"] = str(work)
            bench = Bench(work, stack.enter_context(prefect_server(work.parent / "prefect")))
        if piece == "against" and bench:
            yield piece, partial(bench.against_runs, options.sample)
        elif piece == "efficiency" and bench:
            yield piece, partial(bench.efficiency, options.repeats)
        elif piece == "orchestration" and bench:
            yield piece, partial(bench.orchestration, options.repeats)
        elif piece == "report":
            yield piece, lambda: study_page.measured(options.loads)
        else:
            yield piece, lambda: study_records.measured(options.repeats)


def _timed(measure: Measure) -> dict[str, Any]:
    """Measure, and note how busy the machine was before."""
    load, began = os.getloadavg()[0], time.monotonic()
    found = measure()
    return {**found, "load_before": round(load, 2), "minutes": round((time.monotonic() - began) / 60, 1)}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="+", choices=PIECES, default=list(PIECES), help="pieces to measure")
    parser.add_argument("--sample", type=int, default=6, help="trials run one by one, a multiple of 3")
    parser.add_argument("--repeats", type=int, default=2, help="of efficiency, orchestration and mlflow")
    parser.add_argument("--loads", type=int, default=5, help="of the report")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, and write the page from all that is known."""
    options = _options(arguments)
    known: dict[str, Any] = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    with ExitStack() as stack:
        for piece, measure in measures(options, stack):
            known[piece] = _timed(measure)
            write_json(FIGURES, {**known, "machine": machine()})
            sys.stdout.write(f"{piece}: {known[piece]['minutes']} minutes\n")
            sys.stdout.flush()
    PAGE.write_text(page({**known, "machine": machine()}), encoding="utf-8")
    sys.stdout.write("written: docs/study-speed.md\n")


if __name__ == "__main__":
    main()
