"""A study in MLflow's own pages: what a person sees who opens the printed addresses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tasks.config import load_params
from tasks.study.report import render
from tasks.study.summary import summarise
from tasks.tracking import RecordedStudy, Study, record, record_study
from tasks.tracking.study.candidate import Candidate
from tests.browser import WIDTH, page_of, shoot
from tests.tracking.servers import free_port, server
from tests.tracking.study import synthetic

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.timeout(900)]

CANDIDATES = 24
GREEN = "#2e7d32"
WITHOUT_ASSISTANT = """
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
"""
DRAWN = "performance.getEntriesByName('espalier-drawn').length > 0"
POINTS = """() => [...document.querySelectorAll(".js-plotly-plot")].map(plot => ({
    x: plot.layout.xaxis?.title?.text, y: plot.layout.yaxis?.title?.text,
    traces: plot.data.map(trace => ({
        type: trace.type, x: [...(trace.x ?? [])], y: [...(trace.y ?? [])],
        color: trace.marker?.color, name: trace.name,
        dimensions: trace.dimensions?.map(d => ({label: d.label, values: [...d.values], ticks: d.ticktext})),
    })),
}))"""


@dataclass(frozen=True)
class Shown:
    """A study behind a running server."""

    study: Study
    recorded: RecordedStudy

    @property
    def front(self) -> list[Candidate]:
        return [candidate for candidate in self.study.candidates if candidate.row.on_front]


@pytest.fixture(scope="module")
def shown(
    tmp_path_factory: pytest.TempPathFactory,
    write_workspace: Callable[..., Path],
    empty_database: Path,
    lock: dict[str, str],
) -> Iterator[Shown]:
    root, held = write_workspace(tmp_path_factory.mktemp("studied")), tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, held / "mlflow.db")
    store = ["server", "--backend-store-uri", f"sqlite:///{held / 'mlflow.db'}", "--workers", "1"]
    store += ["--artifacts-destination", str(held / "artifacts")]
    with server(store, free_port(), "health", held) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", url)
        params = load_params(root)
        record(root, params, [], flow_run_id=None, lock=lock)
        study = synthetic.study(params, CANDIDATES, verdicts=("Columns and pruning together help.",))
        study = replace(study, files=_files(root, study))
        yield Shown(study, record_study(root, study, flow_run_id=None, lock=lock))


def _files(root: Path, study: Study) -> tuple[Path, ...]:
    import matplotlib.pyplot as plt

    report, plot = root / "reports" / "study.html", root / "reports" / "front.png"
    trials = [trial for row in study.standing.rows for trial in row.trials]
    report.write_text(render(summarise(trials, study.params)), encoding="utf-8")
    figure, axes = plt.subplots()
    axes.plot([1, 2], [1, 2])
    figure.savefig(plot)
    plt.close(figure)
    return (report, plot)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = page_of(browser, WITHOUT_ASSISTANT)
    yield opened
    opened.context.close()


def _plots(page: Page, wanted: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """What is drawn, once it is what a test waits for."""
    for _ in range(240):
        drawn: list[dict[str, Any]] = page.evaluate(POINTS)
        if wanted(drawn):
            return drawn
        page.wait_for_timeout(500)
    raise AssertionError(f"not drawn: {json.dumps(drawn)[:2000]}")


def _drawn(page: Page, x: str, y: str) -> dict[str, Any]:
    """The scatter plot of two metrics, once it is drawn."""

    def found(plots: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [plot["traces"][0] for plot in plots if (plot["x"], plot["y"]) == (x, y)]

    return found(_plots(page, lambda plots: bool(found(plots))))[0]


def _axes(page: Page) -> dict[str, list[Any]]:
    """The axes of the parallel coordinates, values by label."""

    def found(plots: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [trace for plot in plots for trace in plot["traces"] if trace["type"] == "parcoords"]

    axes = found(_plots(page, lambda plots: bool(found(plots))))[0]["dimensions"]
    return {
        axis["label"]: [axis["ticks"][value] for value in axis["values"]] if axis["ticks"] else axis["values"]
        for axis in axes
    }


def _figures(candidates: Iterable[Candidate], x: str) -> list[tuple[float, float]]:
    """A metric and the validation accuracy of every candidate that has them."""
    found = [candidate.metrics() for candidate in candidates]
    return sorted((own[x], own["valid/accuracy_pct"]) for own in found if x in own)


def _picked(shown: Shown, pick: str) -> str:
    return next(candidate.name for candidate in shown.study.candidates if pick in candidate.picks)


def _row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def test_the_table_lists_the_candidates_best_first(shown: Shown, page: Page) -> None:
    page.goto(shown.recorded.views["table"])
    page.get_by_text(f"{CANDIDATES} matching runs").wait_for()
    names = [candidate.name for candidate in shown.study.candidates]
    links = page.locator("[role=row] [col-id='attributes.`Run Name`'] a")
    links.nth(len(shown.front)).wait_for()
    seen = links.all_inner_texts()
    assert seen == names[: len(seen)]
    heading = page.get_by_test_id("sort-header-valid/accuracy_pct")
    heading.wait_for()
    page.get_by_text("Sort: study/rank").wait_for()
    shoot(page, "table")


def test_the_front_is_green_in_the_charts(shown: Shown, page: Page) -> None:
    page.goto(shown.recorded.views["front"])
    trace = _drawn(page, "size/log10_bytes", "valid/accuracy_pct")
    drawn = sorted(zip(trace["x"], trace["y"], trace["color"], strict=True))
    assert [(x, y) for x, y, _ in drawn] == _figures(shown.study.candidates, "size/log10_bytes")
    assert [(x, y) for x, y, color in drawn if color == GREEN] == _figures(shown.front, "size/log10_bytes")
    axes = page.locator(".parcoords .dimension .label")
    axes.nth(4).wait_for()
    assert "prune.amount" in axes.all_text_contents()
    page.set_viewport_size({"width": WIDTH, "height": 1120})  # the second row of charts too
    page.wait_for_timeout(2000)
    shoot(page, "front")


def test_selected_runs_are_the_ones_compared(shown: Shown, page: Page) -> None:
    chosen = shown.front[:3]
    page.goto(shown.recorded.views["table"])
    for candidate in chosen:
        _row(page, candidate.name).get_by_role("checkbox", name="toggle row selection").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("heading", name="Comparing 3 Runs").wait_for()
    qualities = sorted(candidate.metrics()["valid/accuracy_pct"] for candidate in chosen)
    assert sorted(_axes(page)["valid/accuracy_pct"]) == qualities
    for candidate in chosen:
        assert page.get_by_text(candidate.name, exact=True).count()


def test_the_printed_comparison_shows_the_front_by_what_was_varied(shown: Shown, page: Page) -> None:
    page.goto(shown.recorded.views["compare"])
    page.get_by_role("heading", name=f"Comparing {len(shown.front)} Runs").wait_for()
    axes = _axes(page)
    assert list(axes) == [
        "export.quantise.method",
        "prune.amount",
        "reduce.columns.components",
        "valid/accuracy_pct",
    ]
    assert axes["valid/accuracy_pct"] == [
        candidate.metrics()["valid/accuracy_pct"] for candidate in shown.front
    ]
    assert axes["prune.amount"] == [
        float(candidate.parameters()["prune.amount"]) for candidate in shown.front
    ]
    shoot(page, "compare")


def test_the_report_opens_in_the_viewer_and_draws(shown: Shown, page: Page) -> None:
    page.goto(shown.recorded.views["report"])
    frame = page.wait_for_selector("iframe").content_frame()
    assert frame is not None
    frame.wait_for_function(DRAWN)
    assert frame.locator("#chart-front canvas").count() == 1
    frame.get_by_text(_picked(shown, "knee")).first.wait_for()
    shoot(page, "report")


def test_the_study_page_tells_what_came_out(shown: Shown, page: Page) -> None:
    page.goto(shown.recorded.url)
    page.get_by_role("heading", name=shown.study.name, exact=True).wait_for()
    page.get_by_text("Columns and pruning together help.").first.wait_for()
    page.get_by_text("Show more", exact=True).first.click()
    page.get_by_text(f"knee: {_picked(shown, 'knee')}").first.wait_for()
    shoot(page, "study")


def test_a_candidate_page_shows_each_seed(shown: Shown, page: Page) -> None:
    best = shown.study.candidates[0]
    run = shown.recorded.runs[best.row.id]
    page.goto(shown.recorded.url.replace(shown.recorded.run_id, run))
    page.get_by_role("heading", name=best.name, exact=True).wait_for()
    page.get_by_text("seeds/valid_accuracy_pct_2", exact=True).first.scroll_into_view_if_needed()
    shoot(page, "candidate")
