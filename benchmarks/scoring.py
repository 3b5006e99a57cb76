"""Batch scoring against a bare ONNX Runtime loop: `python -m benchmarks.scoring`, docs/scoring-speed.md.

Both read the same Parquet file, in turn, in one process. The bare loop is what somebody would write in ten
lines: it makes float32 rows of each batch, runs the model and keeps the answers in memory. Scoring does all
that `espalier predict` does once the version is on the disk: fingerprint, checks, journal, output.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.page import table, verdict
from benchmarks.scoring_cases import CASES, Case
from tasks.evaluation.speed import machine
from tasks.scoring.batch import score_batch
from tasks.scoring.request import Request
from tasks.scoring.served import Served

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scoring-speed.md"
BATCH = 16_384
TARGET = 0.8


def bare(case: Case, out: Path | None = None) -> int:
    """Read, run, keep the answers; write them to `out` where one is given."""
    session = ort.InferenceSession(
        str(case.folder / "artifacts" / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    with pq.ParquetFile(case.path) as file:
        batches = file.iter_batches(BATCH, columns=case.columns)
        answers = np.concatenate([session.run(None, {name: case.rows(batch)})[0] for batch in batches])
    if out is not None:
        columns = answers.reshape(len(answers), -1).T
        pq.write_table(
            pa.table({f"p{k}": np.ascontiguousarray(column) for k, column in enumerate(columns)}), out
        )
    return len(answers)


def scored(case: Case, out: Path) -> int:
    """Score as `espalier predict` does."""
    model = Served("bench", "1", case.folder)
    request = Request(str(case.path), str(out), folder=out.parent, state=out.parent / "state")
    return score_batch(request, model, lambda _: None).scored


def timed(case: Case, rounds: int, work: Path) -> dict[str, list[float]]:
    """Return seconds of each round, of the three in turn; one round goes first and is not kept."""
    out = work / "out.parquet"
    calls: dict[str, Callable[[], int]] = {
        "bare": lambda: bare(case),
        "bare, written": lambda: bare(case, out),
        "scored": lambda: scored(case, out),
    }
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        order = list(calls)[turn % 3 :] + list(calls)[: turn % 3]
        for name in order:
            out.unlink(missing_ok=True)
            began = time.perf_counter()
            calls[name]()
            if turn:
                found[name].append(time.perf_counter() - began)
    return found


def measured(names: Sequence[str], rounds: int) -> Iterator[dict[str, Any]]:
    """Measure the cases, each in a folder that goes away."""
    for name in names:
        make, rows = CASES[name]
        with tempfile.TemporaryDirectory(prefix="espalier-scoring-") as folder:
            case = make(Path(folder), rows)
            times = timed(case, rounds, Path(folder))
            yield {
                "name": case.name,
                "about": case.about,
                "rows": rows,
                "bytes": case.path.stat().st_size,
                "times": times,
            }


def page(found: Sequence[Mapping[str, Any]], rounds: int, load: float) -> str:
    """The whole of docs/scoring-speed.md."""
    described = ", ".join(f"{key} {value}" for key, value in machine().items())
    head = [
        "file",
        "",
        "bare loop, rows/s",
        "bare loop that writes, rows/s",
        "`espalier predict`, rows/s",
        "of bare",
        "",
    ]
    return (
        "\n\n".join(
            [
                "# Speed of batch scoring",
                "Written by `make bench` (`python -m benchmarks.scoring`); nothing here is typed in. "
                f"Machine: {described}. Load before: {load:.2f}.",
                f"To be reached: at least {TARGET:.0%} of a bare ONNX Runtime loop over the same file.",
                table(head, [_row(each) for each in found]),
                "\n".join(f"- {line}" for line in _notes(rounds)),
            ]
        )
        + "\n"
    )


def _row(each: Mapping[str, Any]) -> list[str]:
    times = each["times"]
    shares = sorted(b / s for b, s in zip(times["bare"], times["scored"], strict=True))
    pace = [
        f"{each['rows'] / statistics.median(times[name]):,.0f}"
        for name in ("bare", "bare, written", "scored")
    ]
    share = f"{statistics.median(shares):.0%} ({shares[0]:.0%} to {shares[-1]:.0%})"
    about = f"{each['about']}; {each['bytes'] / 1e6:.0f} MB"
    return [each["name"], about, *pace, share, verdict(statistics.median(shares) >= TARGET)]


def _notes(rounds: int) -> list[str]:
    return [
        f"The three take turns in one process, {rounds} rounds after one to warm up, the file in the disk's "
        "cache; medians, and the share with its smallest and largest round.",
        f"The bare loop reads {BATCH:,} rows at a time, makes float32 rows of them through pandas, runs the "
        "model and keeps the scores in memory; the one that writes also puts them into a Parquet file. Both "
        "load the model.",
        "Scoring is all that `espalier predict` does with a version that is on the disk: it loads it, reads "
        "the file once for its fingerprint, holds the first answers against the model's own code, keeps a "
        "journal, and writes row numbers, predictions, every probability, version, time and batch.",
        "Starting Python, Prefect and MLflow is not in it: some seconds, once a batch.",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description="Batch scoring against a bare ONNX Runtime loop.")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES), help="files to score")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--show", action="store_true", help="print the page instead of writing it")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    text = page(list(measured(options.only, options.rounds)), options.rounds, load)
    if options.show:
        sys.stdout.write(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
        sys.stdout.write("written: docs/scoring-speed.md\n")


if __name__ == "__main__":
    main()
