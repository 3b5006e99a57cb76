"""What the budget search reaches: `python -m benchmarks.budget` prints a line a seed and set.

Everything is chosen on validation rows, within half a point of the dense network there; test rows are read
once, at the end, through the exported files. Bytes are those of the whole path from numeric row to answer.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from benchmarks.budget_page import Reached, line, page, summary
from benchmarks.more_sets import MORE, installed
from benchmarks.page import figures_beside
from benchmarks.problems import SETS, Dense, Problem, dense
from benchmarks.scratch import smallest
from tasks.evaluation.compare import Settings, compare
from tasks.evaluation.latency import interleave, ratio
from tasks.export.config import AutoQuantisation
from tasks.export.fold import fold
from tasks.export.onnx import run_onnx, serialised, session, to_model
from tasks.metrics.table import headline
from tasks.models.graph import Graph
from tasks.search.candidates import Bench, Made
from tasks.search.config import BudgetConfig
from tasks.search.meet import Met, meet

DROP = 0.005
SEEDS = {"MNIST-5k": 10, "breast_cancer": 10, "diabetes": 10}


def searched(given: Dense, epochs: int | Literal["auto"]) -> tuple[Met, int]:
    """Run the search on training and validation rows; return also the epochs of a recovery."""
    bench = Bench(given.search(epochs), quantise=AutoQuantisation(method="auto"))
    return meet(bench, BudgetConfig(max_metric_drop=DROP)), bench.epochs


def problems() -> dict[str, Problem]:
    """Sets that are there."""
    return SETS | installed()


def reached(name: str, seed: int, options: argparse.Namespace) -> Reached:
    """Train, search, and judge both files on the test rows."""
    problem = problems()[name]
    given = dense(problem, seed)
    began = time.perf_counter()
    found, epochs = searched(given, options.epochs or problem.recovery)
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
        scratch_bytes=len(smallest(given, epochs, DROP)) if options.scratch else 0,
        **_speed(given, before, best),
        columns=len(keep),
        columns_before=len(given.graph.columns),
        seconds=seconds,
        epochs=epochs,
        recoveries=sum(probe["recovered"] for probe in found.probes),
        met=found.met,
        holds=judged.high >= -DROP,
        notes=found.notes,
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


def seeds(text: str) -> tuple[int, ...]:
    """Read a count, a range or a list.

    Examples
    --------
    >>> seeds("3"), seeds("100:102"), seeds("4,7")
    ((0, 1, 2), (100, 101), (4, 7))
    """
    if "," in text:
        return tuple(int(seed) for seed in text.split(",") if seed)
    first, _, last = text.rpartition(":")
    return tuple(range(int(first or 0), int(last)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a seed, and medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds",
        type=seeds,
        help="a count, FIRST:END or A,B,...; by default 10 of some sets, 3 of the others",
    )
    parser.add_argument("--epochs", type=int, help="of a candidate's recovery; by default as the set has it")
    parser.add_argument(
        "--only", nargs="*", default=[""], help="sets whose name contains one of these; none: the page alone"
    )
    parser.add_argument(
        "--scratch",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="look for the smallest net from scratch too",
    )
    parser.add_argument("--json", type=Path, help="write every figure here; figures of other sets there stay")
    parser.add_argument("--page", type=Path, help="write the figures as a page, docs/budget.md")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    names = [name for name in problems() if any(part in name for part in options.only)]
    everything = [Reached(**each) for each in figures_beside(options.json, "name", names)]
    for name in names:
        found = []
        for seed in options.seeds or seeds(str(SEEDS.get(name, 3))):
            found.append(reached(name, seed, options))
            print(line(found[-1]), flush=True)
        print(summary(found), flush=True)
        everything += found
        if options.json:
            options.json.write_text(json.dumps([asdict(each) for each in everything], indent=1))
    if options.page:
        options.page.write_text(page(_in_order(everything)), encoding="utf-8")


def _in_order(found: Sequence[Reached]) -> list[Reached]:
    """Return the figures set by set, in the order of the sets' tables."""
    places = {name: place for place, name in enumerate([*SETS, *MORE])}
    return sorted(found, key=lambda each: (places[each.name], each.seed))


if __name__ == "__main__":
    main()
