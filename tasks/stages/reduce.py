"""Stage reduce: fewer columns and fewer rows, learned from the training rows and the reference."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tasks.artifacts import (
    Layout,
    load_cleaner,
    load_graph,
    load_rows,
    save_reduction,
    write_bytes,
    write_csv,
    write_json,
)
from tasks.config import load_params
from tasks.data.cleaner import Cleaner
from tasks.errors import EspalierError
from tasks.reduction.charts import draw, ranking
from tasks.reduction.column_config import ColumnsConfig, needs_reference
from tasks.reduction.row_config import RowsConfig, ScoredRows, needs_errors
from tasks.reduction.sample import Sample
from tasks.search.components import ProbeTraining, fit_reduction
from tasks.search.difficulty import reference_errors
from tasks.search.relevance import first_layer_norms
from tasks.stages.common import stage_main, timed
from tasks.training.device import cpu_threads
from tasks.training.tensors import learning_target

__all__ = ["run"]

log = logging.getLogger("espalier.reduce")


def run(root: Path) -> None:
    """Fit section `reduce`; write data/reduced/, reports/reduce.json and its plots."""
    layout, params = Layout(root), load_params(root)
    with timed(layout, "reduce"), cpu_threads(params.train.threads):
        cleaner, train = load_cleaner(layout.cleaner), load_rows(layout.rows("train"))
        valid = load_rows(layout.rows("valid"))
        probe = ProbeTraining(cleaner, train, valid, params.model, params.train, root)
        sample = Sample(
            cleaner.plan.transform(train.X),
            learning_target(cleaner.target, train.y).numpy(),
            cleaner.plan,
            cleaner.target.kind,
            _norms(layout, cleaner, params.reduce.columns),
            params.train.seed,
            cleaner.plan.transform(valid.X),
            _errors(layout, probe, params.reduce.rows),
        )
        reduction = fit_reduction(params.reduce, sample, probe)
        save_reduction(layout.reduction, reduction)
        write_json(layout.report("reduce"), reduction.report)
        write_csv(layout.plot("reduce"), ranking(reduction, cleaner.plan))
        write_bytes(layout.plot("reduce").with_suffix(".png"), draw(reduction, cleaner.plan))
    _tell(reduction.report)


def _errors(layout: Layout, probe: ProbeTraining, config: RowsConfig) -> NDArray[Any] | None:
    """How wrong the reference is on each training row, where it is asked for."""
    if not isinstance(config, ScoredRows) or not needs_errors(config):
        return None
    return reference_errors(config, load_graph(layout.model("reference"), layout.root), probe)


def _norms(layout: Layout, cleaner: Cleaner, config: ColumnsConfig) -> NDArray[Any] | None:
    """Read the reference's first layer where it is asked for; auto can do without."""
    if not needs_reference(config):
        return None
    try:
        return _reference_norms(layout, cleaner)
    except EspalierError as error:
        if config.method != "auto":
            raise
        log.info("auto: %s", error)
        return None


def _reference_norms(layout: Layout, cleaner: Cleaner) -> NDArray[Any]:
    return first_layer_norms(load_graph(layout.model("reference"), layout.root), cleaner.plan)


def _tell(report: Mapping[str, Any]) -> None:
    columns, rows = report["columns"], report["rows"]
    for trial in columns["trials"]:
        tried = f"{trial['method']}, " if "method" in trial else ""
        if trial["score"] is None:
            log.info("auto: %srefused: %s", tried, trial["refused"])
        else:
            log.info(
                "auto: %s%d components, validation score %.4f", tried, trial["components"], trial["score"]
            )
    if columns.get("ahead") is not None:
        log.info("auto: %s wins by %.4f", columns["method"], columns["ahead"])
    kept = f"{len(columns['kept'])} columns kept, " if columns["kept"] is not None else ""
    log.info("%s: %s%d features to %d", columns["method"], kept, columns["before"], columns["after"])
    log.info("rows %s, %s: %d of %d", rows["method"], rows["per_round"], rows["after"], rows["before"])


if __name__ == "__main__":
    stage_main(run)
