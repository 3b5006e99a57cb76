"""Saved views of MLflow's runs page; the format is MLflow's own and internal, so it is built here alone."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.tracking.facts import headline_key

__all__ = ["CHARTS", "TABLE", "view_tags"]

TABLE = "espalier-results"
CHARTS = "espalier-charts"
COLUMN_WIDTH = 130
CHARTS_ABREAST = 2  # MLflow sets three, too narrow beside the list of runs
CREATED_MS = 1_767_225_600_000
ONE_PER_RESULT = "tags.`espalier.model` = 'result'"
EVERY_MODEL = "tags.`espalier.model` != 'result'"


def view_tags(metric: str, *, ascending: bool) -> dict[str, str]:
    """Return the experiment tags of the table and the chart view; `metric` is the headline."""
    key = headline_key(metric)
    views = {TABLE: ("Results", _table(key, ascending)), CHARTS: ("Size and speed", _charts(key, ascending))}
    return {f"mlflow.sharedViewState.{view}": _shared(name, state) for view, (name, state) in views.items()}


def _shared(name: str, state: Mapping[str, Any]) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps(
        {"name": name, "createdAt": CREATED_MS, "updatedAt": CREATED_MS, "state": f"deflate;{packed}"}
    )


def _runs(key: str, ascending: bool, search: str, columns: Sequence[str]) -> dict[str, Any]:
    return {
        "searchFilter": search,
        "orderByKey": f"metrics.`{key}`",
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": dict.fromkeys(columns, COLUMN_WIDTH),
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
    return _runs(key, ascending, ONE_PER_RESULT, _columns(key))


def _charts(key: str, ascending: bool) -> dict[str, Any]:
    section = "espalier-section"
    return _runs(key, ascending, EVERY_MODEL, _columns(key)) | {
        "isAccordionReordered": True,
        "compareRunSections": [
            {
                "uuid": section,
                "name": "Size, speed and quality",
                "display": True,
                "isReordered": True,
                "deleted": False,
                "isGenerated": False,
                "columns": CHARTS_ABREAST,
            }
        ],
        "compareRunCharts": [
            _scatter("size", section, "size/log10_bytes", key, "Quality against size (log10 bytes)"),
            _scatter("speed", section, "speed/p50_us", key, "Quality against latency at batch 1 (us)"),
            _parallel(section, key),
            *(_bar(name, section, name) for name in (key, "size/bytes", "speed/p50_us")),
        ],
    }


def _chart(uuid: str, section: str, kind: str, title: str) -> dict[str, Any]:
    return {
        "uuid": f"espalier-{uuid.replace('/', '-')}",
        "type": kind,
        "runsCountToCompare": 30,
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        "displayName": title,
    }


def _scatter(uuid: str, section: str, x: str, y: str, title: str) -> dict[str, Any]:
    axes = {"xaxis": {"key": x, "type": "METRIC"}, "yaxis": {"key": y, "type": "METRIC"}}
    return _chart(uuid, section, "SCATTER", title) | axes


def _parallel(section: str, key: str) -> dict[str, Any]:
    return _chart("parallel", section, "PARALLEL", "What bought what") | {
        "selectedParams": ["reduce.columns.components", "prune.amount"],
        "selectedMetrics": ["size/log10_bytes", key],
        "showAllRuns": True,
    }


def _bar(uuid: str, section: str, metric: str) -> dict[str, Any]:
    return _chart(uuid, section, "BAR", metric) | {"metricKey": metric}
