import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine

from tasks.errors import EspalierError
from tasks.scoring.batch import score_batch
from tasks.scoring.request import Request
from tests.scoring.conftest import people

ROWS = 700


def silent(_):
    pass


@pytest.fixture
def frame():
    return people(ROWS)


@pytest.fixture
def folder(tmp_path, frame):
    frame.to_parquet(tmp_path / "people.parquet", row_group_size=150)
    frame.to_csv(tmp_path / "people.csv", index=False)
    frame.to_csv(tmp_path / "people.tsv.gz", index=False, sep="\t")
    engine = create_engine(f"sqlite:///{tmp_path}/people.db")
    frame.replace([np.inf], np.nan).to_sql("people", engine, index=False)
    engine.dispose()
    return tmp_path


def request(folder, source="people.parquet", to="out.parquet", **options):
    return Request(source, to, **{"chunk": 128, "folder": folder, "state": folder / "state"} | options)


def test_answers_are_the_served_models_bit_for_bit(folder, frame, make):
    model = make()
    score_batch(request(folder), model, silent)
    answers, own = pd.read_parquet(folder / "out.parquet"), model.predictor.predict(frame)
    pd.testing.assert_frame_equal(answers[list(own)], own, check_exact=True)


@pytest.mark.parametrize("source", ["people.csv", "people.tsv.gz"])
def test_a_delimited_file_is_answered_as_if_it_were_read_whole(folder, make, source):
    model = make()
    score_batch(request(folder, source), model, silent)
    separator = "\t" if ".tsv" in source else ","
    own = model.predictor.predict(pd.read_csv(folder / source, sep=separator, na_values=["?"]))
    answers = pd.read_parquet(folder / "out.parquet")
    pd.testing.assert_frame_equal(answers[list(own)], own, check_exact=True)


@pytest.mark.parametrize(
    "plan",
    [
        {"task": "regression", "labels": [], "label_dtype": "float"},
        {"labels": ["0", "1", "2"], "label_dtype": "int", "threshold": None},
        {"labels": ["False", "True"], "label_dtype": "bool"},
        {"labels": ["0.5", "1.5"], "label_dtype": "float"},
    ],
)
def test_every_kind_of_answer_is_the_served_models(folder, frame, make, plan):
    model = make(**plan)
    score_batch(request(folder), model, silent)
    answers, own = pd.read_parquet(folder / "out.parquet"), model.predictor.predict(frame)
    pd.testing.assert_frame_equal(answers[list(own)], own, check_exact=True)


def test_the_output_names_row_version_time_and_what_is_kept(folder, frame, make):
    scored = score_batch(request(folder, keep=("person", "note")), make("12"), silent)
    answers = pd.read_parquet(folder / "out.parquet")
    assert list(answers)[:3] == ["row_number", "person", "note"]
    assert list(answers)[-3:] == ["model_version", "scored_at", "batch"]
    assert list(answers["row_number"]) == list(range(1, ROWS + 1))
    assert list(answers["person"]) == list(frame["person"])
    assert list(answers["note"]) == list(frame["note"])
    assert set(answers["model_version"]) == {"12"}
    assert set(answers["batch"]) == {scored.batch}
    assert answers["scored_at"].dt.tz is not None
    assert answers["scored_at"].is_monotonic_increasing


@pytest.mark.parametrize("chunk", [1, 64, 149, 151, ROWS, 10_000])
def test_the_size_of_a_chunk_does_not_change_the_answers(folder, make, chunk):
    model = make()
    score_batch(request(folder, to="whole.parquet", chunk=None), model, silent)
    small = "people.parquet" if chunk > 1 else "few.parquet"
    people(5).to_parquet(folder / "few.parquet")
    score_batch(request(folder, small, chunk=chunk), model, silent)
    answers = pd.read_parquet(folder / "out.parquet").drop(columns=["scored_at", "batch"])
    if chunk > 1:
        whole = pd.read_parquet(folder / "whole.parquet").drop(columns=["scored_at", "batch"])
        pd.testing.assert_frame_equal(answers, whole, check_exact=True)
    else:
        assert len(answers) == 5


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_rows_that_cannot_be_scored_are_quarantined_with_number_and_reason(folder, frame, make, kind):
    cells = frame.astype({"height": object, "born": object})
    cells.loc[[3, 300], "height"] = "tall"
    cells.loc[[300, 600], "born"] = "yesterday"
    cells["height"] = cells["height"].map(str, na_action="ignore")
    cells.to_parquet(folder / "bad.parquet") if kind == "parquet" else cells.to_csv(folder / "bad.csv")
    scored = score_batch(request(folder, f"bad.{kind}", keep=("person",)), make(), silent)
    assert (scored.rows, scored.scored, scored.quarantined) == (ROWS, ROWS - 3, 3)
    aside = pd.read_parquet(scored.quarantine)
    assert list(aside["row_number"]) == [4, 301, 601]
    assert list(aside["reason"]) == [
        "column 'height' holds 'tall', which is not a number",
        "column 'height' holds 'tall', which is not a number",
        "column 'born' holds 'yesterday', which is not a date",
    ]
    assert json.loads(aside["cells"][0])["person"] == frame["person"][3]
    answers = pd.read_parquet(folder / "out.parquet")
    assert set(answers["row_number"]) == set(range(1, ROWS + 1)) - {4, 301, 601}
    assert list(answers["person"]) == list(frame["person"].drop([3, 300, 600]))


def test_the_other_rows_of_a_chunk_with_bad_ones_are_answered_as_without_them(folder, frame, make):
    model = make()
    cells = frame.assign(born=frame["born"].where(frame.index != 5, "never"))
    cells.to_parquet(folder / "bad.parquet")
    score_batch(request(folder, "bad.parquet"), model, silent)
    answers, own = pd.read_parquet(folder / "out.parquet"), model.predictor.predict(frame).drop(index=5)
    pd.testing.assert_frame_equal(answers[list(own)], own.reset_index(drop=True), check_exact=True)


def test_an_answer_that_is_no_number_is_quarantined(folder, make):
    model = make(imputes=False)
    few = people(6).assign(height=[1.0, np.nan, 1.0, np.inf, 1.0, 1.0], income=1.0, city="Ulm")
    few.to_parquet(folder / "few.parquet")
    scored = score_batch(request(folder, "few.parquet"), model, silent)
    aside = pd.read_parquet(scored.quarantine)
    assert list(aside["row_number"]) == [2, 4]
    assert set(aside["reason"]) == {"the model's answer is not a number"}
    assert list(pd.read_parquet(folder / "out.parquet")["row_number"]) == [1, 3, 5, 6]


def with_bad_rows(folder, name, *rows):
    cells = people(ROWS)
    cells.assign(born=cells["born"].where(~cells.index.isin(rows), "never")).to_parquet(folder / name)
    return name


def test_no_quarantine_file_is_left_where_every_row_was_scored(folder, make):
    model = make()
    first = score_batch(request(folder, with_bad_rows(folder, "day.parquet", 3)), model, silent)
    assert Path(first.quarantine).exists()
    with_bad_rows(folder, "day.parquet")
    scored = score_batch(request(folder, "day.parquet", anew=True), model, silent)
    assert scored.quarantine is None
    assert not (folder / "out.quarantine.parquet").exists()


@pytest.mark.parametrize("bad", [[], [5, 6]])
@pytest.mark.parametrize("to", [{}, {"to": "sqlite:///out.db", "table": "scores"}])
def test_quarantined_rows_of_another_batch_are_not_lost_unasked(folder, make, bad, to):
    model, rejects = make(), folder / "rejects.parquet"
    with_bad_rows(folder, "monday.parquet", 3)
    score_batch(request(folder, "monday.parquet", "m.parquet", quarantine=rejects.name), model, silent)
    first = rejects.read_bytes()
    second = {"source": with_bad_rows(folder, "tuesday.parquet", *bad), "quarantine": rejects.name, **to}
    said = r"rejects\.parquet is there already, with rows of monday\.parquet .*--anew replaces it"
    with pytest.raises(EspalierError, match=said):
        score_batch(request(folder, **second), model, silent)
    assert rejects.read_bytes() == first
    scored = score_batch(request(folder, **second, anew=True), model, silent)
    assert rejects.exists() == bool(bad)
    assert scored.quarantined == len(bad)


def test_a_file_that_is_no_quarantine_is_not_taken_for_one(folder, make):
    kept = folder / "out.quarantine.parquet"
    kept.write_bytes(b"somebody's")
    with pytest.raises(EspalierError, match=r"quarantine out\.quarantine\.parquet is there already; --anew"):
        score_batch(request(folder), make(), silent)
    assert kept.read_bytes() == b"somebody's"
    assert not (folder / ".out.parquet.scoring").exists()


def test_the_same_batch_may_write_its_quarantine_again(folder, make):
    model = make()
    with_bad_rows(folder, "day.parquet", 3)
    for to in ("one.parquet", "two.parquet"):
        scored = score_batch(request(folder, "day.parquet", to, quarantine="bad.parquet"), model, silent)
    assert list(pd.read_parquet(scored.quarantine)["row_number"]) == [4]


def test_answers_of_the_same_batch_are_not_taken_for_its_quarantine(folder, make):
    model = make()
    score_batch(request(folder, to="one.parquet"), model, silent)
    with pytest.raises(EspalierError, match=r"quarantine one\.parquet is there already; "):
        score_batch(request(folder, to="two.parquet", quarantine="one.parquet"), model, silent)
    assert len(pd.read_parquet(folder / "one.parquet")) == ROWS


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quarantine": "people.parquet"}, "quarantine people.parquet is the file that is read"),
        ({"quarantine": "./linked/people.parquet"}, "quarantine ./linked/people.parquet is the file that"),
        ({"quarantine": "out.parquet"}, "quarantine out.parquet is what --to names"),
        ({"to": "people.parquet", "anew": True}, "--to: people.parquet is the file that is read"),
        ({"source": "p.quarantine.parquet", "to": "p.parquet"}, "quarantine p.quarantine.parquet is the"),
    ],
)
def test_nothing_is_written_over_what_is_read_or_written(folder, options, said):
    (folder / "linked").symlink_to(folder)
    with pytest.raises(EspalierError) as refused:
        request(folder, **options)
    assert said in str(refused.value)


def test_nothing_but_the_output_is_left(folder, make):
    before = set(folder.iterdir())
    score_batch(request(folder), make(), silent)
    assert {path.name for path in set(folder.iterdir()) - before} == {"out.parquet", "version-3-0"}


def test_an_input_without_rows_gives_an_output_without_rows(folder, make):
    for name in ("none.parquet", "none.csv"):
        people(3).iloc[:0].to_parquet(folder / "none.parquet")
        people(3).iloc[:0].to_csv(folder / "none.csv", index=False)
        scored = score_batch(request(folder, name, f"{name}.parquet", keep=("note",)), make(name), silent)
        assert (scored.rows, scored.scored) == (0, 0)
        assert pq.read_metadata(folder / f"{name}.parquet").num_rows == 0


def test_a_whole_batch_is_left_alone(folder, make):
    model = make()
    first = score_batch(request(folder), model, silent)
    written = (folder / "out.parquet").stat().st_mtime_ns
    again = score_batch(request(folder), model, silent)
    assert again.existing
    assert (again.batch, again.rows, again.scored) == (first.batch, first.rows, first.scored)
    assert (folder / "out.parquet").stat().st_mtime_ns == written


@pytest.mark.parametrize("other", ["version", "input", "file"])
def test_answers_of_another_version_or_input_are_not_replaced_unasked(folder, make, other):
    score_batch(request(folder), make(), silent)
    source, model = "people.parquet", make("4", seed=1) if other == "version" else make("3", seed=0)
    if other == "input":
        source = "people.csv"
    if other == "file":
        (folder / "out.parquet").write_bytes(b"something else")
    with pytest.raises(EspalierError, match=r"out\.parquet is there already.*--anew replaces it"):
        score_batch(request(folder, source), model, silent)
    scored = score_batch(request(folder, source, anew=True), model, silent)
    assert set(pd.read_parquet(folder / "out.parquet")["batch"]) == {scored.batch}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"source": "absent.parquet"}, "no file absent.parquet"),
        ({"source": "people.xlsx"}, "no file people.xlsx"),
        ({"to": "out.csv"}, "--to: out.csv does not end in .parquet"),
        ({"to": "nowhere/out.parquet"}, "--to: there is no folder"),
        ({"keep": ("persn",)}, "people.parquet has no column 'persn'; did you mean person"),
        ({"keep": ("note", "note")}, "--keep names 'note' twice"),
        ({"query": "select 1"}, "--query is only used with an SQLAlchemy URL"),
        ({"table": "scores"}, "--table is only used with an SQLAlchemy URL"),
        ({"to": "sqlite:///x.db"}, "--table is needed with an SQLAlchemy URL"),
        ({"source": "sqlite:///x.db"}, "--query is needed with an SQLAlchemy URL"),
        (
            {"source": "sqlite:///absent.db", "query": "select 1"},
            "no database file behind sqlite:///absent.db",
        ),
        ({"chunk": 0}, "--chunk: at least 1 row"),
        ({"quarantine": "bad.csv"}, "--quarantine: bad.csv does not end in .parquet"),
    ],
)
def test_what_is_wrong_is_one_line(folder, make, options, said):
    with pytest.raises(EspalierError) as refused:
        score_batch(request(folder, **options), make(), silent)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (folder / "out.parquet").exists()


def test_a_column_of_the_output_cannot_be_kept_too(folder, frame, make):
    frame.rename(columns={"note": "prediction"}).to_parquet(folder / "own.parquet")
    with pytest.raises(EspalierError, match="the output has a column 'prediction' of its own"):
        score_batch(request(folder, "own.parquet", keep=("prediction",)), make(), silent)


def test_a_missing_required_column_is_named(folder, frame, make):
    for kind in ("parquet", "csv"):
        frame.drop(columns="income").to_parquet(folder / "less.parquet")
        frame.drop(columns="income").to_csv(folder / "less.csv")
        with pytest.raises(EspalierError, match=rf"less\.{kind} has no column 'income'"):
            score_batch(request(folder, f"less.{kind}"), make(kind), silent)


def test_torn_files_are_one_line(folder, make):
    torn = (folder / "people.parquet").read_bytes()[:-9]
    (folder / "torn.parquet").write_bytes(torn)
    with pytest.raises(EspalierError, match=r"torn\.parquet is not a readable parquet file"):
        score_batch(request(folder, "torn.parquet"), make(), silent)


def test_an_input_written_to_meanwhile_is_noticed(folder, make, monkeypatch):
    model = make()
    score = model.score

    def meddling(cells):
        with (folder / "people.parquet").open("ab") as file:
            file.write(b"more")
        return score(cells)

    monkeypatch.setattr(model, "score", meddling)
    with pytest.raises(EspalierError, match=r"people\.parquet was written to while it was scored"):
        score_batch(request(folder), model, silent)
    assert not (folder / "out.parquet").exists()


def test_code_that_answers_otherwise_than_the_stored_is_refused(folder, make, monkeypatch):
    model = make()
    monkeypatch.setattr(type(model.predictor), "predict", lambda self, frame: _turned(self, frame))
    with pytest.raises(EspalierError, match="does not answer as the code stored with the model"):
        score_batch(request(folder), model, silent)


def _turned(predictor, frame):
    scores = predictor.scores(frame)
    return pd.DataFrame(
        {
            "prediction": "no",
            "probability_no": np.nextafter(scores[:, 0], np.float32(1)),
            "probability_yes": scores[:, 1],
        }
    )


def test_progress_says_rows_and_pace(folder, make):
    lines = []
    score_batch(request(folder), make(), lines.append)
    assert any(line.startswith(f"scored     {ROWS} of {ROWS} (100 %) rows, ") for line in lines)


def test_two_at_once_are_refused(folder, make):
    from tasks.scoring.request import staging_of

    with staging_of(request(folder)).held(), pytest.raises(EspalierError, match="another `espalier predict`"):
        score_batch(request(folder), make(), silent)


def test_paths_start_where_the_request_says(folder, make, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    score_batch(request(folder), make(), silent)
    assert (folder / "out.parquet").exists()
    assert not list(Path.cwd().iterdir())
