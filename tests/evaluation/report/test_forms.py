from __future__ import annotations

import pytest

from tasks.evaluation.report import render
from tasks.evaluation.report.forms import forms, sentences

CANDIDATE = {"form": "folded", "bytes": 1000, "agreement": 0.996, "metric": 0.9, "loss": 0.002, "why": None}
FOUND = {
    "method": "auto",
    "chosen": "static",
    "form": "folded",
    "rows": 500,
    "fp32": {"bytes": 4000, "metric": 0.902},
    "candidates": [
        {"method": "static", **CANDIDATE},
        {"method": "weights", **CANDIDATE, "why": "int8 would be <larger>"},
        {"method": "dynamic", "form": "scaled", "why": "no", **dict.fromkeys(("bytes", "agreement", "loss"))},
    ],
}
SLOWER = {"ratio": 0.5, "low": 0.45, "high": 0.55}
FASTER = {"ratio": 2.0, "low": 1.9, "high": 2.1}
SAME = {"ratio": 1.0, "low": 0.9, "high": 1.1}


def _facts(make_facts, found=None, **pace):
    facts = make_facts()
    facts.evaluate["quantisation"] = found
    if pace:
        setting = "export.quantise.method: none"
        facts.measure["alternatives"] = [{"what": "float32", "setting": setting, **pace}]
    return facts


def test_without_a_choice_nothing_is_said(make_facts):
    assert forms(_facts(make_facts)) == ""


def test_the_kept_form_is_told_with_what_it_costs(make_facts):
    said = sentences(_facts(make_facts, FOUND))[0]
    assert said.startswith("The file is int8 (static): 1 kB against 4 kB in float32.")
    assert "99.6 % on 500 validation rows" in said
    assert "loses 0.2 points" in said


def test_float32_that_stays_is_told_too(make_facts):
    said = sentences(_facts(make_facts, FOUND | {"chosen": "none"}))[0]
    assert said == "The file stays in float32 (4 kB): no int8 form is smaller and as good."


def test_every_candidate_has_its_row_and_its_reason(make_facts):
    made = forms(_facts(make_facts, FOUND))
    assert made.count("<tr>") == 1 + 3
    assert "int8 would be &lt;larger&gt;" in made
    assert made.count("<td>kept</td>") == 1


@pytest.mark.parametrize(
    ("one", "many", "said", "advised"),
    [
        (SLOWER, FASTER, "2× slower than float32 on one row and 2× faster than it on 1,024 rows", True),
        (FASTER, FASTER, "2× faster than float32 on one row and 2× faster than it", False),
        (SAME, SAME, "about as fast as float32 on one row and about as fast as it", False),
    ],
    ids=["slower", "faster", "same"],
)
def test_a_form_that_is_slower_beyond_the_spread_is_said_to_be(make_facts, one, many, said, advised):
    found = sentences(_facts(make_facts, FOUND, batch1=one, batch=many))[1]
    assert said in found
    assert ("set export.quantise.method: none" in found) is advised


def test_the_page_draws_sensitivity_and_names_columns_where_pruning_reports_them(make_facts):
    facts = make_facts()
    assert "chart-sensitivity" not in render(facts)
    curve = [{"layer": "body.0", "share": share, "metric": 1 - share} for share in (0.25, 0.5)]
    names = [f"x{i}" for i in range(14)]
    told = {**facts.prune, "sensitivity": curve, "columns_removed": names}
    page = render(make_facts(prune=told))
    assert "chart-sensitivity" in page
    assert "No longer read after pruning: x0, x1" in page
    assert "x11 and 2 more." in page
