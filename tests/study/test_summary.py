from __future__ import annotations

import json

import pandas as pd
import pytest

from tasks.config import Params
from tasks.study.summary import write_study
from tasks.study.tables import document, frame
from tests.study.made import failed, scored
from tests.study.made_study import study_results, summary


def test_the_files_are_written_and_named(tmp_path):
    found = write_study(tmp_path, study_results(), Params())
    names = [path.relative_to(tmp_path / "reports").as_posix() for path in found.files]
    assert names[:3] == ["study.html", "study.json", "study.parquet"]
    assert names[3:] == [f"study-{name}.png" for name in ("front", "effects", "interaction", "rows")]
    assert all(path.stat().st_size > 0 for path in found.files)


def test_equal_results_give_equal_files(tmp_path):
    one, other = (
        write_study(tmp_path / name, results, Params())
        for name, results in (("a", study_results()), ("b", study_results()))
    )
    assert [path.read_bytes() for path in one.files] == [path.read_bytes() for path in other.files]


def test_the_document_can_be_applied_from():
    found = document(summary())
    rows = {row["id"]: row for row in found["candidates"]}
    assert found["picks"]["best"] in rows
    assert rows["a"]["overrides"] == {"reduce.rows.factor": 0.5}
    assert rows["f"]["failures"] == {"0": "NaN in </script> epoch 2"}
    assert found["params"] == Params().model_dump(mode="json", by_alias=True)
    json.dumps(found, allow_nan=False)


def test_the_table_has_every_candidate_and_seed():
    results = study_results()
    table = frame(summary(results))
    assert sorted(zip(table["id"], table["seed"], strict=True)) == sorted(
        (trial["id"], trial["seed"]) for trial in results
    )
    assert set(table["status"]) == {"done", "failed"}
    assert table.set_index(["id", "seed"]).loc[("b", 1), "valid/accuracy"] == pytest.approx(0.936)


def test_the_table_survives_parquet(tmp_path):
    table = frame(summary())
    table.to_parquet(tmp_path / "t.parquet")
    assert list(pd.read_parquet(tmp_path / "t.parquet").columns) == list(table.columns)


def test_figures_are_finite_numbers():
    figures = summary().figures
    assert figures["candidates"] == 9
    assert figures["failed"] == 1
    assert figures["interaction"] == pytest.approx(0.017)
    assert 0 < figures["hypervolume"] < 1


def test_what_it_was_computed_from_changes_with_the_trials():
    one, other = summary(), summary(study_results()[:-1])
    assert one.computed_from["data"] == "d1"
    assert one.computed_from["trials"] != other.computed_from["trials"]


def test_test_figures_decide_nothing_but_what_the_fronts_are_worth():
    turned = [
        {**each, "test": {name: -value for name, value in each["test"].items()}} for each in study_results()
    ]
    one, other = summary(), summary(turned)
    assert one.standing.picks == other.standing.picks
    assert [row.rank for row in one.standing.rows] == [row.rank for row in other.standing.rows]
    assert one.interactions[0].effect == other.interactions[0].effect


def test_constraints_keep_candidates_off_the_front():
    found = summary(constraints={"bytes": {"max": 2000}})
    assert all(row.bytes <= 2000 for row in found.front)


def test_nothing_finished_still_makes_a_summary():
    found = summary([failed("f")])
    assert found.front == []
    assert found.verdicts == ()
    assert found.pick("knee") is None


def test_pictures_of_an_earlier_study_do_not_stay(tmp_path):
    write_study(tmp_path, study_results(), Params())
    later = write_study(tmp_path, [scored("one")], Params())
    drawn = {path.name for path in later.files if path.suffix == ".png"}
    assert {path.name for path in (tmp_path / "reports").glob("study-*.png")} == drawn
