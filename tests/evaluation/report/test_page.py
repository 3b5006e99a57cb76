from __future__ import annotations

import json
import re

import pytest
from plotly.offline import get_plotlyjs

from tasks.evaluation.report import render


def _figures(page):
    data = re.search(r"<script type=application/json id=figures>(.*?)</script>", page, re.DOTALL)
    return json.loads(data.group(1).replace("<\\/", "</"))


@pytest.mark.parametrize("regression", [False, True])
def test_every_chart_has_its_place_and_a_fixed_id(make_facts, regression):
    page = render(make_facts(regression))
    ids = [figure["id"] for figure in _figures(page)]
    assert len(ids) == len(set(ids)) >= 10
    for name in ids:
        assert page.count(f"<div id={name} ") == 1


def test_equal_facts_give_equal_text(make_facts):
    assert render(make_facts()) == render(make_facts())


def test_names_from_the_data_are_escaped(make_facts):
    page = render(make_facts())
    assert "&lt;script&gt;" in page
    body = page[page.index("<main>") : page.index("</main>")]
    assert "<script>" not in body
    assert "<b>" not in body.replace("<b>", "", body.count("class=tile>"))


def test_every_setting_of_the_recipe_is_there(make_facts):
    page = render(make_facts())
    assert "<dt>uri</dt><dd>package:made</dd>" in page
    assert "<dt>method</dt><dd>structured</dd><dt>amount</dt><dd>0.8</dd>" in page


def test_buttons_name_their_choices(make_facts):
    for figure in _figures(render(make_facts())):
        for shown in figure["choices"].values():
            assert len(shown) == len(figure["data"])


def test_the_page_stores_nothing_and_asks_nobody(make_facts):
    page = render(make_facts())
    own = page.replace(get_plotlyjs(), "")
    assert own.count("<script>") == 3
    assert not re.search(r"localStorage|sessionStorage|fetch\(|XMLHttpRequest|cookie", own)


def test_kept_cells_need_a_grid(make_facts):
    assert "chart-cells" in render(make_facts())
    assert "chart-cells" not in render(make_facts(positions=None, shape=None))


def test_an_unranked_reduction_has_no_worth_chart(make_facts):
    assert "chart-worth" not in render(make_facts(ranking=[]))


def test_a_network_that_was_not_pruned_is_said_so(make_facts):
    facts = make_facts()
    none = {"history": [], "method": "none", "amount": None, "layers": []}
    assert "Network: not pruned." in render(make_facts(prune={**none}))
    assert "80 % removed" in render(facts)


@pytest.mark.parametrize(("factor", "said"), [(1.0, False), (0.5, True)])
def test_a_quick_look_is_announced(make_facts, factor, said):
    assert ("80 of 160 test rows" in render(make_facts(factor=factor))) is said


@pytest.mark.parametrize(("higher", "said"), [(True, "Up and to the left"), (False, "Down and to the left")])
def test_the_better_corner_follows_the_metric(make_facts, higher, said):
    facts = make_facts()
    facts.evaluate["higher_is_better"] = higher
    assert f"{said} is better." in render(facts)


def test_models_of_one_size_are_not_called_smaller(make_facts):
    facts = make_facts()
    for judged in facts.evaluate["models"].values():
        judged["size"] = facts.size("reference")
    page = render(facts)
    assert "<h1>Reduced + pruned: as large, 2.5× faster on one row" in page
    assert "ONNX file, as large as 4 kB" in page


def test_a_speed_within_the_spread_has_no_factor(make_facts):
    facts = make_facts()
    within = {"ratio": 1.04, "low": 0.97, "high": 1.1}
    facts.measure["ratios"]["compressed"]["batch1"] = within
    assert "1.04×</b>" not in render(facts)
    assert "0.97 to 1.10" in render(facts)


def test_zeros_are_credited_in_storage_alone(make_facts):
    facts = make_facts()
    facts.size("compressed")["nonzeros"] = facts.size("compressed")["parameters"]
    assert "ONNX file, xz" not in render(facts)
    facts.size("compressed")["nonzeros"] = 5
    page = render(facts)
    assert "ONNX file, xz" in page
    assert "they make no call faster" in page


def test_layers_that_multiply_adds_leave_out_are_named(make_facts):
    facts = make_facts()
    assert "for one row<" in render(facts)
    facts.evaluate["models"]["reduced"]["uncounted"] = ["body.0: Mine (<W>)"]
    assert "for one row, without body.0: Mine (&lt;W&gt;)" in render(facts)
