"""Stage measure: latencies, seconds, machine, and the page: everything that differs from run to run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from tasks.artifacts import (
    Layout,
    load_cleaner,
    load_graph,
    load_rows,
    read_csv,
    read_json,
    write_csv,
    write_json,
    write_text,
)
from tasks.config import AFTER_STAGES, Params, load_params
from tasks.data.cleaner import Cleaner
from tasks.evaluation.alternatives import alternatives, beside
from tasks.evaluation.report import Facts, render
from tasks.evaluation.reports import MODELS, REPORTS
from tasks.evaluation.rows import compared_rows, rows_table
from tasks.evaluation.speed import Runner, machine, measure_speed
from tasks.stages.common import stage_main, timed

STAGES = ("fetch", "clean", "reference", "reduce", "train", "prune", "evaluate")

log = logging.getLogger("espalier.measure")


def runners(layout: Layout, cleaner: Cleaner) -> dict[str, Runner]:
    """Open every model with test rows of its own columns."""
    X, place = load_rows(layout.rows("test")).X, {name: i for i, name in enumerate(cleaner.plan.names)}
    graphs = {name: load_graph(layout.model(name), layout.root) for name in MODELS}
    return {
        name: Runner(layout.onnx(name), graph, X[:, [place[column] for column in graph.columns]])
        for name, graph in graphs.items()
    }


def others(layout: Layout, params: Params, kept: Runner) -> list[dict[str, Any]]:
    """Time the compressed model's other forms beside the one that was kept."""
    quantisation = read_json(layout.report("evaluate")).get("quantisation")
    forms = alternatives(kept.graph, params.export, quantisation)
    return [beside(kept.model, form, kept.rows, params.measure) for form in forms]


def seconds(layout: Layout) -> dict[str, float]:
    """Seconds each stage last took, where this machine knows."""
    files = {stage: layout.timing(stage) for stage in STAGES}
    return {stage: read_json(file)["seconds"] for stage, file in files.items() if file.exists()}


def compared(layout: Layout) -> dict[str, Any] | None:
    """Put the training on chosen rows beside the one on random rows, where stage train made both."""
    file = layout.timing("rows")
    took = read_json(file) if file.exists() else None
    return compared_rows(read_json(layout.report("reduce")), read_json(layout.report("train")), took)


def facts(layout: Layout, params: dict[str, Any], cleaner: Cleaner, measured: dict[str, Any]) -> Facts:
    """Gather what the page is made of."""
    reports = {name: read_json(layout.report(name)) for name in REPORTS if name != "measure"}
    ranking = read_csv(layout.plot("reduce"))
    keys = [str(column) for column in ranking]
    plan = cleaner.plan
    return Facts(
        **reports,
        measure=measured,
        params=params,
        ranking=[dict(zip(keys, row, strict=True)) for row in ranking.itertuples(index=False)],
        names=plan.names,
        positions=plan.positions,
        shape=plan.shape,
    )


def run(root: Path) -> None:
    """Time the models, write reports/measure.json and the page."""
    params, layout = load_params(root), Layout(root)
    with timed(layout, "measure"):
        cleaner = load_cleaner(layout.cleaner)
        timed_models = runners(layout, cleaner)
        speed = measure_speed(timed_models, params.measure)
        rows = compared(layout)
        forms = others(layout, params, timed_models["compressed"])
        told = {"seconds": seconds(layout), "machine": machine(), "rows": rows, "alternatives": forms}
        measured = {**speed, **told}
        write_json(layout.report("measure"), measured)
        write_csv(layout.plot("rows"), rows_table(rows))
        recipe = params.model_dump(mode="json", exclude=set(AFTER_STAGES))
        write_text(layout.html, render(facts(layout, recipe, cleaner, measured)))
    for name, found in measured["latency"].items():
        log.info("%s: %.1f us a row, %.0f rows/s", name, found["p50_us"], found["rows_per_s"])


def main() -> None:
    """Run in the current folder."""
    stage_main(run)


if __name__ == "__main__":
    main()
