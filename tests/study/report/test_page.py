from __future__ import annotations

import json
import re

import pytest

from tasks.study.report import render
from tests.study.made import failed, trial
from tests.study.made_study import study_results, summary


def held(page, name):
    data = re.search(rf"<script type=application/json id={name}>(.*?)</script>", page, re.DOTALL)
    return json.loads(data.group(1).replace("<\\/", "</"))


@pytest.fixture(scope="module")
def page():
    return render(summary())


def test_every_chart_has_its_place_and_a_fixed_id(page):
    ids = [figure["id"] for figure in held(page, "figures")]
    assert len(ids) == len(set(ids)) >= 5
    for name in (*ids, "chart-front", "chart-curves"):
        assert page.count(f"<div id={name} ") == 1


def test_equal_studies_give_equal_text(page):
    assert render(summary()) == page


def test_names_and_reasons_are_escaped(page):
    body = page[page.index("<main>") : page.index("</main>")]
    assert "b &lt;b&gt;" in body
    assert "NaN in &lt;/script&gt; epoch 2" in body
    assert "<script>" not in body


def test_the_page_stores_nothing_and_asks_nobody(page):
    assert not re.search(r"localStorage|sessionStorage|fetch\(|XMLHttpRequest|cookie|https?://", page)


def test_the_page_is_light(page):
    assert len(page) < 200_000


def test_every_candidate_is_there_with_a_value_for_every_axis(page):
    found = held(page, "study")
    assert {row["id"] for row in found["rows"]} == {each["id"] for each in study_results()}
    assert all(len(row["values"]) == len(found["axes"]) for row in found["rows"])


def test_test_figures_are_marked_and_have_no_better_direction(page):
    tests = [axis for axis in held(page, "study")["axes"] if axis["sort"] == "test"]
    assert [axis["title"] for axis in tests] == ["test accuracy (not chosen by)"]
    assert [axis["better"] for axis in tests] == [0]
    assert "<small>not chosen by</small>" in page


def test_the_headline_is_the_answer_and_verdicts_have_their_tone(page):
    assert "<h1>Reducing and pruning together helps: +1.7 points beyond the sum of the halves</h1>" in page
    assert "<li class=good>Together helps" in page


def test_why_a_study_stopped_is_said():
    stopped = summary()
    stopped.facts["stopped"] = "time is up: 3 candidates were not tried"
    assert "<p class=notice>time is up: 3 candidates were not tried</p>" in render(stopped)


def test_how_it_was_run_is_told(page):
    for text in ("<dt>took</dt><dd>2.2 min</dd>", "<dt>data hash</dt><dd>d1</dd>", "<li>a note</li>"):
        assert text in page


@pytest.mark.parametrize(
    "results",
    [[failed("f")], [trial("a")], [trial("a", latency_us=None), trial("b", latency_us=None, test={})]],
    ids=["all failed", "one", "no latency, no test"],
)
def test_little_makes_a_page_too(results):
    assert "<h1>" in render(summary(results))


def test_a_regression_makes_a_page():
    results = [
        {
            **each,
            "headline": "rmse" if each["headline"] else None,
            "valid": {"rmse": 1 - each["valid"].get("accuracy", 0)},
            "test": {"rmse": 1.0},
        }
        for each in study_results()
    ]
    axes = held(render(summary(results)), "study")["axes"]
    assert (axes[0]["title"], axes[0]["better"], axes[0]["form"]) == ("validation RMSE", -1, "number")
