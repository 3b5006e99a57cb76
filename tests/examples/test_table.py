import re

import pandas as pd
import pytest
import torch

from examples.__main__ import BEGIN, END, HERE, main, names, overview, with_table
from examples.table import _metric, _place, study_table
from tasks.closure import copied_graph
from tasks.config import load_params
from tasks.files import write_frame, write_json
from tasks.study.tables import document, frame
from tests.study.made_study import summary


@pytest.fixture
def workspace(tmp_path):
    made = summary()
    write_json(tmp_path / "reports" / "study.json", document(made))
    write_frame(tmp_path / "reports" / "study.parquet", frame(made))
    return tmp_path


def cells(text, name):
    """The cells of the row that begins with a name."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {name}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_candidates_row_holds_its_means_and_what_it_is(workspace) -> None:
    row = cells(study_table(workspace), "b <b>")
    assert row[1].startswith("93.6 % (")
    assert row[2].startswith("91.6 % (")
    assert row[3:5] == ["1,000", "500"]
    assert row[6].startswith("columns+pruning, front")


def test_the_machine_is_named(workspace) -> None:
    assert f"torch {torch.__version__}" in study_table(workspace)


def test_seeds_that_agree_have_an_interval_without_width(workspace) -> None:
    assert cells(study_table(workspace), "c <b>")[1] == "94.0 % (94.0 to 94.0)"


def test_rivals_and_failures_are_told_apart(workspace) -> None:
    text = study_table(workspace)
    assert cells(text, "r <b>")[6] == "rival"
    assert cells(text, "called f")[6].startswith("failed: NaN in")
    assert text.index("| r <b>") > text.index("| called f")


def test_a_rival_that_is_picked_is_shown_as_both() -> None:
    study = {"picks": {"best": "r"}}
    candidate = {"id": "r", "arm": "random rows", "front": True, "seeds": [0]}
    assert _place(study, candidate) == "rival, front, **best**"


@pytest.mark.parametrize(("metric", "end"), [("accuracy", " to 100.0)"), ("r2", " to 1)")])
def test_an_interval_does_not_pass_what_a_metric_can_reach(metric, end) -> None:
    trials = pd.DataFrame({f"test/{metric}": [0.99, 1.0, 0.95]})
    assert _metric(trials, f"test/{metric}", metric).endswith(end)


def test_fronts_and_the_lead_of_both_are_there(workspace) -> None:
    text = study_table(workspace)
    assert [cells(text, name)[1] for name in ("reduction alone", "pruning alone", "both")] == ["1", "1", "3"]
    assert re.fullmatch(r"\*\*(helps|does not help|cannot tell)\*\*", cells(text, "pruning alone")[4])
    assert cells(text, "both |")[3:] == ["", ""]


def test_a_table_takes_the_place_of_the_last_one() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert with_table(page, r"new \1") == f"before\n{BEGIN}\nnew \\1\n{END}\nafter"
    with pytest.raises(ValueError, match="README needs"):
        with_table("no markers", "new")


def test_the_overview_repeats_the_leads_of_the_pages_that_have_one(workspace) -> None:
    text = study_table(workspace)
    lines = overview({"made": text, "new": "Not studied yet"}).splitlines()
    assert len(lines) == 3
    lead, said = cells(text, "pruning alone")[3:]
    assert lines[2].startswith("| [made](made/README.md), points | ")
    assert lines[2].endswith(f" | {lead}: {said} |")


def test_an_unknown_example_is_named_with_those_there_are(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["adlut"])
    assert "no example 'adlut'; there are adult, ames" in capsys.readouterr().err


@pytest.mark.parametrize("name", names())
def test_an_example_is_a_workspace_as_init_makes_it(name) -> None:
    folder = HERE / name
    assert load_params(folder).study.name == name
    graph = (HERE.parent / "dvc.yaml").read_text("utf-8")
    assert (folder / "dvc.yaml").read_text("utf-8") == copied_graph(graph, HERE.parent, folder)
    assert (folder / ".dvc" / "config").read_text() == (HERE.parent / ".dvc" / "config").read_text()
    page = (folder / "README.md").read_text("utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert f"[{name}]({name}/README.md)" in (HERE / "README.md").read_text("utf-8")
