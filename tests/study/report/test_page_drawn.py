"""The study's page as a browser shows it: the scatter answers, and everything follows what is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import pytest

from tasks.study.report import render
from tests.browser import page_of, shoot
from tests.study.made_study import summary

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

POINTS = """() => {
  const [plane, tip] = ["canvas", ".tip"].map(name => document.querySelector(`#chart-front ${name}`));
  const edges = plane.getBoundingClientRect(), found = {};
  for (let x = 60; x < edges.width; x += 4) for (let y = 4; y < edges.height - 40; y += 4) {
    plane.dispatchEvent(new PointerEvent("pointermove", {clientX: edges.left + x, clientY: edges.top + y}));
    if (!tip.hidden) found[tip.querySelector("b").textContent] = [edges.left + x, edges.top + y];
  }
  return found;
}"""


DRAWN = "performance.getEntriesByName('espalier-drawn').length > 0"
PHONE = 375  # pixels across
LIGHTNESS = """name => {
  const [r, g, b] = getComputedStyle(document.body)[name].match(/[\\d.]+/g).map(Number);
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "study.html"
    path.write_text(render(summary()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def opened(browser: Browser, address: str) -> Iterator[Page]:
    page, errors = page_of(browser), []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(address)
    page.wait_for_function(DRAWN)
    yield page
    page.context.close()
    assert errors == []


@pytest.fixture
def page(opened: Page) -> Page:
    opened.locator("[data-reset]").click()
    opened.select_option("select[data-axis=x]", "bytes")
    opened.locator("#chart-front").scroll_into_view_if_needed()
    return opened


def test_pointing_at_a_candidate_tells_its_recipe(page: Page) -> None:
    finished = [row for row in summary().standing.rows if row.seeds]
    told = set(page.evaluate(POINTS))
    assert told <= {row.name for row in finished}
    assert len(told) == len({(row.bytes, row.valid["accuracy"]) for row in finished})


def test_a_click_pins_the_card_and_another_lets_go(page: Page) -> None:
    name, (x, y) = next(iter(page.evaluate(POINTS).items()))
    page.mouse.click(x, y)
    card = page.locator("[data-pinned] h3", has_text=name)
    card.wait_for()
    page.mouse.click(x, y)
    card.wait_for(state="detached")


def test_a_group_leaves_with_its_entry_in_the_legend(page: Page) -> None:
    before = len(page.evaluate(POINTS))
    page.locator("[data-legend] button", has_text="rival").click()
    assert len(page.evaluate(POINTS)) < before
    page.locator("[data-reset]").click()
    page.wait_for_function("document.querySelectorAll('[data-legend] [aria-pressed=false]').length === 0")
    assert len(page.evaluate(POINTS)) == before


def test_another_axis_moves_the_candidates(page: Page) -> None:
    before = page.evaluate(POINTS)
    page.select_option("select[data-axis=x]", "train_seconds")
    assert page.evaluate(POINTS) != before


def test_a_dragged_box_is_looked_at_closer_until_a_double_click(page: Page) -> None:
    before = page.evaluate(POINTS)
    x, y = next(iter(before.values()))
    page.mouse.move(x - 30, y - 30)
    page.mouse.down()
    page.mouse.move(x + 30, y + 30)
    page.mouse.up()
    assert len(page.evaluate(POINTS)) < len(before)
    assert page.locator("[data-pinned] h3").count() == 0
    page.mouse.dblclick(x + 200, y + 5)
    assert page.evaluate(POINTS) == before


def test_words_narrow_the_table(page: Page) -> None:
    page.fill("[data-find]", "linear")
    page.wait_for_function("document.querySelectorAll('[data-listing] tbody tr').length === 1")
    shoot(page, "study-report")


def test_a_chart_tells_what_is_pointed_at_and_its_legend_takes_lines_away(page: Page) -> None:
    chart = page.locator("#chart-interaction")
    chart.scroll_into_view_if_needed()
    edges = chart.bounding_box()
    assert edges is not None
    lines = chart.locator("svg path[stroke-dasharray]").count()
    place = page.evaluate("() => document.getElementById('chart-interaction').spots[0].at")
    page.mouse.move(edges["x"] + place[0], edges["y"] + place[1])
    chart.locator(".tip", has_text="data as they are").wait_for()
    chart.locator("[data-trace]", has_text="sum of the halves").click()
    assert chart.locator("svg path[stroke-dasharray]").count() == lines - 1


def test_every_chart_is_drawn(page: Page) -> None:
    for chart in page.locator(".charts .chart").all():
        assert chart.locator("svg circle").count() > 0
    assert page.locator("#chart-curves svg path[stroke-width]").count() > 0
    assert "NaN" not in page.content().partition("<main>")[2].partition("</main>")[0].replace("NaN in", "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_sticks_out_in_the_light_and_in_the_dark(
    browser: Browser, address: str, scheme: Literal["light", "dark"]
) -> None:
    page, errors = page_of(browser), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.set_viewport_size({"width": PHONE, "height": 700})
    page.emulate_media(color_scheme=scheme)
    page.goto(address)
    page.wait_for_function(DRAWN)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth") == PHONE
    text, ground = (page.evaluate(LIGHTNESS, name) for name in ("color", "backgroundColor"))
    assert (text > 0.7, ground < 0.3) == (scheme == "dark",) * 2
    assert abs(text - ground) > 0.6
    page.context.close()
    assert errors == []
