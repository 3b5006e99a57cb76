"""What the budget search reaches: `python -m benchmarks.budget` prints a line a seed and set.

Everything is chosen on validation rows, within half a point of the dense network there; test rows are read
once, at the end, through the exported files. Bytes are those of the whole path from numeric row to answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from benchmarks.page import table
from benchmarks.problems import SETS, Dense, dense
from tasks.evaluation.compare import Settings, compare
from tasks.evaluation.latency import interleave, ratio
from tasks.export.config import AutoQuantisation
from tasks.export.fold import fold
from tasks.export.onnx import run_onnx, serialised, session, to_model
from tasks.metrics.table import headline
from tasks.models.graph import Graph
from tasks.search.candidates import Bench, Made
from tasks.search.config import CANDIDATE_EPOCHS, BudgetConfig
from tasks.search.meet import Met, meet

DROP = 0.005


@dataclass(frozen=True)
class Reached:
    """A set and seed: test metric of both in percent or R2, what it costs, how long the search took."""

    name: str
    seed: int
    dense: float
    compressed: float
    low: float
    high: float
    dense_bytes: int
    bytes: int
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
    met: bool
    holds: bool


def searched(given: Dense, epochs: int) -> Met:
    """Run the search on training and validation rows."""
    bench = Bench(given.search(epochs), quantise=AutoQuantisation(method="auto"))
    return meet(bench, BudgetConfig(max_metric_drop=DROP))


def reached(name: str, seed: int, epochs: int) -> Reached:
    """Train, search, and judge both files on the test rows."""
    given = dense(SETS[name], seed)
    began = time.perf_counter()
    found = searched(given, epochs)
    seconds = time.perf_counter() - began
    best, keep = found.best, list(found.best.keep)
    before = serialised(to_model(fold(given.graph)))
    files = {"dense": (before, given.rows("test")), "compressed": (best.model, given.rows("test")[:, keep])}
    answers = {kind: _decided(run_onnx(session(model), X), given.task) for kind, (model, X) in files.items()}
    y = given.cleaned.test.y
    metric = headline("auto", given.cleaned.cleaner.target.kind)
    judged = compare(
        metric,
        y,
        answers["compressed"],
        answers["dense"],
        margin=DROP,
        settings=Settings(0.95, 2000, seed),
    )
    return Reached(
        name=name,
        seed=seed,
        dense=metric(y, answers["dense"]),
        compressed=metric(y, answers["compressed"]),
        low=judged.low,
        high=judged.high,
        dense_bytes=len(before),
        bytes=len(best.model),
        **_speed(given, before, best),
        columns=len(keep),
        columns_before=len(given.graph.columns),
        seconds=seconds,
        epochs=epochs,
        met=found.met,
        holds=judged.high >= -DROP,
    )


def _decided(answers: NDArray[np.float32], task: str) -> NDArray[np.float32]:
    return answers.argmax(axis=1) if task == "classification" else answers


def _speed(given: Dense, before: bytes, best: Made) -> dict[str, float]:
    """Time both files, the dense network in PyTorch and an identity graph, interleaved; one thread.

    Returns
    -------
    dict
        How many times faster the compressed file is than the dense one and than eager PyTorch, at one row and
        at 1,024; how many times an identity graph's time it takes at one row.
    """
    keep, X = list(best.keep), given.rows("test")
    batch = X[np.arange(1024) % len(X)]
    found = {}
    for rows, suffix in ((X[:1], "1"), (batch, "1024")):
        calls = {
            "dense": _call(before, rows),
            "compressed": _call(best.model, rows[:, keep]),
            "eager": _eager(given.graph, rows),
            "identity": _call(_identity(), rows[:, keep]),
        }
        times = interleave(calls, rounds=20, seconds=0.01)
        found[f"faster_{suffix}"] = ratio(times["dense"], times["compressed"]).ratio
        found[f"faster_eager_{suffix}"] = ratio(times["eager"], times["compressed"]).ratio
        found[f"identity_{suffix}"] = ratio(times["compressed"], times["identity"]).ratio
    return found


def _call(model: bytes, rows: NDArray[np.float32]) -> Callable[[], object]:
    opened, given = session(model), {"rows": np.ascontiguousarray(rows)}
    return lambda: opened.run(None, given)


def _eager(graph: Graph, rows: NDArray[np.float32]) -> Callable[[], object]:
    X = torch.from_numpy(np.ascontiguousarray(rows))

    def call() -> object:
        with torch.inference_mode():
            return graph.predict(X)

    return call


def _identity() -> bytes:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", "p"]) for name in ("rows", "same")]
    body = helper.make_graph(
        [helper.make_node("Identity", ["rows"], ["same"])], "identity", ends[:1], ends[1:]
    )
    opset = [helper.make_opsetid("", 18)]
    content: bytes = helper.make_model(body, opset_imports=opset, ir_version=10).SerializeToString()
    return content


def line(found: Reached) -> str:
    """One result in one line."""
    return (
        f"{found.name:15} seed {found.seed}  {found.dense:7.4f} -> {found.compressed:7.4f} "
        f"[{found.low:+.4f}, {found.high:+.4f}]  {found.dense_bytes:>9,} -> {found.bytes:>7,} bytes "
        f"({found.dense_bytes / found.bytes:5.1f}x)  {found.faster_1:4.2f}x faster, "
        f"{found.faster_eager_1:4.2f}x than eager, {found.identity_1:4.2f}x identity, 1024 rows "
        f"{found.faster_eager_1024:5.1f}x eager  "
        f"{found.columns}/{found.columns_before} columns  {found.seconds:5.1f} s"
        f"{'' if found.met else '  not met'}{'' if found.holds else '  does not hold on test'}"
    )


def summary(found: Sequence[Reached]) -> str:
    """Medians of a set."""
    smaller = statistics.median(each.dense_bytes / each.bytes for each in found)
    lost = statistics.mean(each.compressed - each.dense for each in found)
    holds = sum(each.holds for each in found)
    kept = f"holds {holds}/{len(found)}"
    return f"{found[0].name:15} median {smaller:.1f}x smaller, mean {lost:+.4f} on test, {kept}"


def page(found: Sequence[Reached]) -> str:
    """Every set and seed as a Markdown page."""
    head = ["set", "seed", "dense", "compressed", "difference [95 %]", "bytes", "smaller"]
    head += ["faster", "than eager", "x identity", "1,024 rows, x eager", "columns", "epochs", "search"]
    names = list(dict.fromkeys(each.name for each in found))
    sets = "\n".join(f"- {summary([each for each in found if each.name == name])}" for name in names)
    return (
        "# Budget search: what it reaches\n\n"
        "Written by `python -m benchmarks.budget --page docs/budget.md`; nothing here is typed in. "
        "The budget: the smallest file within 0.005 of the dense network's metric on validation rows. "
        "The metric is accuracy (R2 for diabetes) on test rows, read once. Times are of one thread, "
        "interleaved. `epochs` are those of a candidate's recovery, `search` is boxed at 180 s.\n\n"
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
        f"{each.faster_1:.2f}x",
        f"{each.faster_eager_1:.2f}x",
        f"{each.identity_1:.2f}",
        f"{each.faster_eager_1024:.1f}x",
        f"{each.columns}/{each.columns_before}",
        str(each.epochs),
        f"{each.seconds:.0f} s",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a seed, and medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=CANDIDATE_EPOCHS)
    parser.add_argument("--only", help="sets whose name contains this")
    parser.add_argument("--json", type=Path, help="write every figure here")
    parser.add_argument("--page", type=Path, help="write the figures as a page, docs/budget.md")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    everything = []
    for name in SETS:
        if options.only and options.only not in name:
            continue
        found = []
        for seed in range(options.seeds):
            found.append(reached(name, seed, options.epochs))
            print(line(found[-1]), flush=True)
        print(summary(found), flush=True)
        everything += found
        if options.page:
            options.page.write_text(page(everything), encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in everything], indent=1))


if __name__ == "__main__":
    main()
