"""Saved views of MLflow's runs page; the format is MLflow's own and internal, so it is built here alone."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.tracking.facts import headline_key

__all__ = ["CHARTS", "TABLE", "chart_state", "parallel", "runs_state", "scatter", "view_tag", "view_tags"]

TABLE = "espalier-results"
CHARTS = "espalier-charts"
NAME_WIDTH = 330
SECTION = "espalier-section"
CHARTS_ABREAST = 2  # MLflow sets three, too narrow beside the list of runs
RUN_NAME = "attributes.`Run Name`"
CREATED_MS = 1_767_225_600_000
ONE_PER_RESULT = "tags.`espalier.model` = 'result'"
EVERY_MODEL = "tags.`espalier.model` != 'result'"


def view_tags(metric: str, *, ascending: bool) -> dict[str, str]:
    """Return the experiment tags of the table and the chart view; `metric` is the headline."""
    key = headline_key(metric)
    views = {TABLE: ("Results", _table(key, ascending)), CHARTS: ("Size and speed", _charts(key, ascending))}
    return dict(view_tag(view, name, state) for view, (name, state) in views.items())


def view_tag(view: str, name: str, state: Mapping[str, Any]) -> tuple[str, str]:
    """Return the experiment tag, key and value, that holds the saved view `view`, shown as `name`."""
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    dates = {"createdAt": CREATED_MS, "updatedAt": CREATED_MS}
    return f"mlflow.sharedViewState.{view}", json.dumps({"name": name, **dates, "state": f"deflate;{packed}"})


def runs_state(key: str, ascending: bool, search: str, columns: Sequence[str]) -> dict[str, Any]:
    """Return a view of the runs that `search` finds, ordered by metric `key`, with `columns`."""
    return {
        "searchFilter": search,
        "orderByKey": f"metrics.`{key}`",
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "columnOrder": [RUN_NAME, *columns],
        "columnWidths": {RUN_NAME: NAME_WIDTH, **{column: _width(column) for column in columns}},
        "runsHiddenMode": "SHOWALL",
        "groupBy": None,
    }


def _columns(key: str) -> list[str]:
    metrics = [
        key,
        "size/bytes",
        "size/times_smaller",
        "speed/p50_us",
        "speed/times_faster",
        "size/parameters",
    ]
    params = ["reduce.columns.method", "reduce.columns.components", "prune.method", "prune.amount"]
    return [
        *(f"metrics.`{name}`" for name in metrics),
        "tags.`espalier.verdict`",
        *(f"params.`{name}`" for name in params),
        "attributes.`Models`",
    ]


def _table(key: str, ascending: bool) -> dict[str, Any]:
    return runs_state(key, ascending, ONE_PER_RESULT, _columns(key))


def _charts(key: str, ascending: bool) -> dict[str, Any]:
    charts = [
        scatter("size", "size/log10_bytes", key, "Quality against size (log10 bytes)"),
        scatter("speed", "speed/p50_us", key, "Quality against latency at batch 1 (us)"),
        parallel(["reduce.columns.components", "prune.amount"], ["size/log10_bytes", key]),
        *(_bar(name, name) for name in (key, "size/bytes", "speed/p50_us")),
    ]
    runs = runs_state(key, ascending, EVERY_MODEL, _columns(key))
    return runs | chart_state("Size, speed and quality", charts)


def _width(column: str) -> int:
    """Return pixels that a column's heading takes."""
    heading = column.partition(".")[2].strip("`")
    return max(90, 40 + 7 * len(heading))


def chart_state(title: str, charts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the part of a view that draws `charts` in one section."""
    section = {
        "uuid": SECTION,
        "name": title,
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
        "columns": CHARTS_ABREAST,
    }
    return {"isAccordionReordered": True, "compareRunSections": [section], "compareRunCharts": list(charts)}


def _chart(uuid: str, kind: str, title: str) -> dict[str, Any]:
    return {
        "uuid": f"espalier-{uuid.replace('/', '-')}",
        "type": kind,
        "runsCountToCompare": 30,
        "metricSectionId": SECTION,
        "deleted": False,
        "isGenerated": False,
        "displayName": title,
    }


def scatter(uuid: str, x: str, y: str, title: str) -> dict[str, Any]:
    """Return a chart of metric `y` over metric `x`."""
    axes = {"xaxis": {"key": x, "type": "METRIC"}, "yaxis": {"key": y, "type": "METRIC"}}
    return _chart(uuid, "SCATTER", title) | axes


def parallel(params: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    """Return a chart of parallel coordinates, parameters first."""
    return _chart("parallel", "PARALLEL", "What bought what") | {
        "selectedParams": list(params),
        "selectedMetrics": list(metrics),
        "showAllRuns": True,
    }


def _bar(uuid: str, metric: str) -> dict[str, Any]:
    return _chart(uuid, "BAR", metric) | {"metricKey": metric}
