from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from tasks.tracking.views import CHARTS, TABLE, view_tags


def _state(view: str, metric: str = "accuracy", ascending: bool = False) -> dict[str, Any]:
    shared = json.loads(view_tags(metric, ascending=ascending)[f"mlflow.sharedViewState.{view}"])
    packed = shared["state"].removeprefix("deflate;")
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return state


def test_results_are_ranked_by_the_headline() -> None:
    state = _state(TABLE)
    assert state["orderByKey"] == "metrics.`test/accuracy_pct`"
    assert state["selectedColumns"][0] == "metrics.`test/accuracy_pct`"


def test_errors_are_ranked_upwards() -> None:
    state = _state(TABLE, "rmse", ascending=True)
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`test/rmse`", True)


def test_every_chart_stands_in_a_section_that_exists() -> None:
    state = _state(CHARTS)
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == sections


def test_charts_have_identifiers_of_their_own() -> None:
    identifiers = [chart["uuid"] for chart in _state(CHARTS)["compareRunCharts"]]
    assert len(set(identifiers)) == len(identifiers)


def test_equal_headlines_give_equal_tags() -> None:
    assert view_tags("accuracy", ascending=False) == view_tags("accuracy", ascending=False)
