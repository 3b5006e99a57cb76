"""How fast a study's page of a thousand candidates opens and answers, in headless Chromium."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.config import Params
from tasks.study.report import render
from tasks.study.summary import summarise
from tests.browser import chromium, page_of
from tests.tracking.study import synthetic

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["measured"]

CANDIDATES = 1000
WATCH = """
window.__long = [];
new PerformanceObserver(list => list.getEntries().forEach(entry => window.__long.push(entry.duration)))
  .observe({type: "longtask", buffered: true});
window.__answered = (act, seen) => new Promise(done => {
  const began = performance.now();
  act();
  const look = () => {
    if (seen()) requestAnimationFrame(() => setTimeout(() => done(performance.now() - began), 0));
    else requestAnimationFrame(look);
  };
  look();
});
"""
MARKS = """() => {
  const at = name => performance.getEntriesByName(name)[0]?.startTime;
  return {table: at("study-drawn"), scatter: at("study-front"), all: at("espalier-drawn")};
}"""
PAINTED = (
    "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0)))"
)
SWITCH = """() => __answered(() => {
  const chooser = document.querySelector("select[data-axis=x]");
  chooser.value = chooser.value === "bytes" ? "latency_us" : "bytes";
  chooser.dispatchEvent(new Event("change"));
}, () => true)"""
FILTER = """word => __answered(() => {
  const place = document.querySelector("[data-find]");
  window.__counted = document.querySelector("[data-count]").textContent;
  place.value = word;
  place.dispatchEvent(new Event("input"));
}, () => document.querySelector("[data-count]").textContent !== window.__counted)"""
SORT = """() => {
  const heading = () => document.querySelector("[data-listing] th button[data-key=bytes]");
  const before = heading();
  return __answered(() => before.click(), () => heading() !== before);
}"""
HOVER = """async () => {
  const [plane, tip] = ["canvas", ".tip"].map(name => document.querySelector(`#chart-front ${name}`));
  const edges = plane.getBoundingClientRect(), taken = [];
  for (let step = 0; step < 200; step++) {
    const before = tip.textContent;
    const place = {
      clientX: edges.left + edges.width * (.1 + .8 * step / 200),
      clientY: edges.top + edges.height * (.15 + .6 * (step * 37 % 200) / 200), bubbles: true,
    };
    const move = new PointerEvent("pointermove", place);
    const ms = await __answered(() => plane.dispatchEvent(move), () => true);
    if (!tip.hidden && tip.textContent !== before) taken.push(ms);
  }
  return taken;
}"""


def html(candidates: int) -> str:
    """A page of made-up candidates, three seeds each; one failed."""
    params = Params()
    wanted = list(islice(synthetic.recipes(), candidates - 1))
    results = [synthetic.trial(params, own, seed, 20) for own in wanted for seed in range(3)]
    results += [synthetic.failed(params, synthetic.REFUSED, seed) for seed in range(3)]
    return render(summarise(results, params, {"runner": "processes", "seconds": 600.0}))


@contextmanager
def _opened(browser: Browser, path: Path) -> Iterator[tuple[Page, float]]:
    page = page_of(browser, WATCH)
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_function("performance.getEntriesByName('espalier-drawn').length > 0")
    yield page, page.evaluate(PAINTED)
    page.context.close()


def _answers(page: Page) -> dict[str, float]:
    """Milliseconds from an action to the frame that shows its effect; of many points hovered, the slowest."""
    page.evaluate("document.getElementById('chart-front').scrollIntoView({block: 'center'})")
    hovered: list[float] = page.evaluate(HOVER)
    if not hovered:
        raise RuntimeError("no point of the scatter answered the pointer")
    return {
        "hover": max(hovered),
        "axis": float(page.evaluate(SWITCH)),
        "filter": float(page.evaluate(FILTER, "pca int8")),
        "sort": float(page.evaluate(SORT)),
    }


def measured(repeats: int, candidates: int = CANDIDATES) -> dict[str, Any]:
    """Open the page in a fresh profile, so many times: seconds to what is drawn, milliseconds of answers."""
    with tempfile.TemporaryDirectory(prefix="espalier-bench-") as folder, chromium() as browser:
        path = Path(folder) / "study.html"
        path.write_text(html(candidates), encoding="utf-8")
        runs = []
        for _ in range(repeats):
            with _opened(browser, path) as (page, painted):
                marks = {name: at / 1000 for name, at in page.evaluate(MARKS).items()}
                longest = max(page.evaluate("window.__long"), default=0.0)
                opened = {**marks, "painted": painted / 1000, "longest_task": longest / 1000}
                runs.append({**opened, **{f"{name}_ms": ms for name, ms in _answers(page).items()}})
        kept = {name: [run[name] for run in runs] for name in runs[0]}
        return {"candidates": candidates, "chromium": browser.version, "bytes": path.stat().st_size, **kept}
