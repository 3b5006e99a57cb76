"""Stage evaluate: export each model, judge its answers on the test rows, profile what it was made of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts import Layout, load_cleaner, load_graph, load_rows, write_csv, write_json
from tasks.config import load_params
from tasks.data.cleaner import Cleaner
from tasks.data.rows import Rows
from tasks.drift.stored import save_profile
from tasks.evaluation.alternatives import settled
from tasks.evaluation.config import EvaluateConfig
from tasks.evaluation.efficiency import size_of, uncounted
from tasks.evaluation.judge import Case, Splits, judge, share, yardstick
from tasks.evaluation.plots import flat_metrics, plot_tables
from tasks.evaluation.reports import MODELS
from tasks.export.choose import choose
from tasks.export.config import ExportConfig, NoQuantisation
from tasks.export.fold import forms
from tasks.export.onnx import check_parity, run_onnx, serialised, session, to_model
from tasks.export.plan import serving_plan
from tasks.files import write_bytes
from tasks.models.graph import Graph
from tasks.stages.common import stage_main, timed
from tasks.stages.profiled import profile_of

PARTS = ("train", "valid", "test")
SAID = {
    "non-inferior": "as good as the reference",
    "inferior": "worse than the reference",
    "not shown": "not shown to be as good as the reference with this many test rows",
}
CHECKED = 1024  # validation rows on which the file is held against the network

log = logging.getLogger("espalier.evaluate")


def _case(cleaner: Cleaner, rows: dict[str, Rows]) -> Case:
    target = cleaner.target
    return Case(target.kind, target.labels or (), Splits(*(rows[part].y for part in PARTS)))


def _settings(config: ExportConfig, model: str) -> ExportConfig:
    """Return the export of one model: only the compressed one is quantised."""
    return config if model == "compressed" else config.model_copy(update={"quantise": NoQuantisation()})


def export(
    graph: Graph,
    path: Path,
    config: ExportConfig,
    by: EvaluateConfig,
    cleaner: Cleaner,
    rows: dict[str, Rows],
) -> dict[str, Any]:
    """Write one model; return its size, its largest difference to the network, and what it answers.

    The float32 file is held against the network; an int8 one, where it is kept, against the float32 file.
    """
    place = {name: i for i, name in enumerate(cleaner.plan.names)}
    columns = [place[name] for name in graph.columns]
    X = {part: rows[part].X[:, columns] for part in PARTS}
    mode = settled(graph, config.fold, X["valid"])
    tried = forms(graph, mode)
    models = {form: to_model(folded) for form, folded in tried.items()}
    parity = check_parity(graph, serialised(models["folded"]), X["valid"][:CHECKED])
    kept = choose(models, config.quantise, X["train"], yardstick(_case(cleaner, rows), X["valid"], by))
    write_bytes(path, kept.model)
    opened = session(path)
    answers = Splits(*(run_onnx(opened, X[part]) for part in PARTS))
    return {
        "size": size_of(tried[kept.form], path).to_dict(),
        "parity": parity,
        "quantisation": kept.report,
        "answers": answers,
    }


def run(root: Path) -> None:
    """Export, judge, write reports and plot data."""
    params, layout = load_params(root), Layout(root)
    with timed(layout, "evaluate"):
        cleaner = load_cleaner(layout.cleaner)
        rows = {part: load_rows(layout.rows(part)) for part in PARTS}
        used = share(len(rows["test"]), params.evaluate.factor, params.evaluate.seed)
        held = np.concatenate([rows[part].index for part in ("valid", "test")])
        all_rows, rows["test"] = len(rows["test"]), rows["test"].take(used)
        graphs = {name: load_graph(layout.model(name), root) for name in MODELS}
        made = {
            name: export(
                graph, layout.onnx(name), _settings(params.export, name), params.evaluate, cleaner, rows
            )
            for name, graph in graphs.items()
        }
        case = _case(cleaner, rows)
        report = judge(case, {name: model["answers"] for name, model in made.items()}, params.evaluate)
        report["rows"]["test_all"] = all_rows
        report["quantisation"] = made["compressed"]["quantisation"]
        for name, graph in graphs.items():
            judged = report["models"][name]
            judged |= {"size": made[name]["size"], "parity": made[name]["parity"]}
            if layers := uncounted(graph):
                judged["uncounted"] = list(layers)
            served = serving_plan(cleaner, graph, judged["threshold"])
            write_json(layout.serving(name), served)
            if name == "compressed":
                own = made[name]["answers"]
                profile = profile_of(layout, cleaner, graph, rows, own, served, judged, held)
                save_profile(layout.profile(name), profile)
        write_json(layout.report("evaluate"), report)
        write_json(layout.report("metrics"), flat_metrics(report))
        for name, frame in plot_tables(report).items():
            write_csv(layout.plot(name), frame)
    quick = f" (a quick look: {len(used)} of {all_rows} test rows)" if len(used) < all_rows else ""
    for name, found in report["comparisons"].items():
        verdict = SAID[found["verdict"]]
        log.info("%s: %s (margin %g)%s", name, verdict, found["margin"], quick)


def main() -> None:
    """Run in the current folder."""
    stage_main(run)


if __name__ == "__main__":
    main()
