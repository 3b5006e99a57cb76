import numpy as np
import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from tasks.errors import EspalierError
from tasks.scoring.batch import score_batch
from tasks.scoring.request import Request
from tests.scoring.conftest import people

ROWS = 300
URL = "sqlite:///people.db"


def silent(_):
    pass


@pytest.fixture
def frame():
    return people(ROWS).replace([np.inf], np.nan)


@pytest.fixture
def engine(tmp_path, frame):
    made = create_engine(f"sqlite:///{tmp_path}/people.db")
    frame.to_sql("people", made, index=False)
    yield made
    made.dispose()


def request(folder, **options):
    asked = {"source": URL, "query": "select * from people", "to": URL, "table": "scores", "chunk": 64}
    return Request(**asked | {"folder": folder, "state": folder / "state", "keep": ("person",)} | options)


def read(engine, query):
    with engine.connect() as connection:
        return pd.read_sql(text(query), connection)


def test_a_query_is_scored_into_a_table_of_the_same_database(tmp_path, engine, frame, make):
    model = make()
    scored = score_batch(request(tmp_path), model, silent)
    found = read(engine, "select * from scores order by row_number")
    own = model.predictor.predict(frame)
    assert (scored.rows, scored.scored, len(found)) == (ROWS, ROWS, ROWS)
    assert list(found["person"]) == list(frame["person"])
    assert list(found["prediction"]) == list(own["prediction"])
    np.testing.assert_array_equal(found["probability_yes"].astype(np.float32), own["probability_yes"])
    assert set(found["model_version"]) == {"3"}
    assert set(found["batch"]) == {scored.batch}


def test_nothing_of_a_whole_batch_is_left_in_the_state_folder(tmp_path, engine, make):
    score_batch(request(tmp_path), make(), silent)
    assert list((tmp_path / "state").iterdir()) == []


def test_the_journal_says_what_was_scored(tmp_path, engine, make):
    scored = score_batch(request(tmp_path), make(), silent)
    (batch,) = read(engine, "select * from espalier_batches").to_dict("records")
    assert (batch["batch"], batch["model"], batch["model_version"]) == (scored.batch, "people", "3")
    assert (batch["input"], batch["scored"], batch["quarantined"]) == (URL, ROWS, 0)
    assert batch["finished_at"] is not None
    assert read(engine, "select sum(scored) as n from espalier_chunks")["n"][0] == ROWS


def test_the_same_rows_are_not_added_twice(tmp_path, engine, make):
    model = make()
    score_batch(request(tmp_path), model, silent)
    assert score_batch(request(tmp_path), model, silent).existing
    assert read(engine, "select count(*) as n from scores")["n"][0] == ROWS


def test_new_rows_and_another_version_are_added(tmp_path, engine, make):
    score_batch(request(tmp_path), make(), silent)
    people(10, seed=9).replace([np.inf], np.nan).to_sql("people", engine, index=False, if_exists="append")
    score_batch(request(tmp_path), make("4", 1), silent)
    counts = read(engine, "select model_version, count(*) as n from scores group by 1 order by 1")
    assert counts.values.tolist() == [["3", ROWS], ["4", ROWS + 10]]


def test_scored_anew_the_rows_are_there_once(tmp_path, engine, make):
    model = make()
    score_batch(request(tmp_path), model, silent)
    score_batch(request(tmp_path, anew=True), model, silent)
    assert read(engine, "select count(*) as n from scores")["n"][0] == ROWS


def test_missing_and_infinite_numbers_that_are_kept_are_null(tmp_path, engine, frame, make):
    score_batch(request(tmp_path, keep=("height",)), make(), silent)
    found = read(engine, "select count(*) - count(height) as n from scores")
    assert found["n"][0] == frame["height"].isna().sum()


def test_bad_rows_of_a_query_are_quarantined(tmp_path, engine, make):
    with engine.begin() as connection:
        connection.execute(text("update people set born = 'long ago' where person = 1007"))
    scored = score_batch(request(tmp_path), make(), silent)
    assert (scored.scored, scored.quarantined) == (ROWS - 1, 1)
    assert pd.read_parquet(scored.quarantine)["row_number"].tolist() == [8]
    assert scored.batch in scored.quarantine


def test_a_table_with_other_columns_is_refused(tmp_path, engine, make):
    with engine.begin() as connection:
        connection.execute(text("create table scores (a int)"))
    with pytest.raises(EspalierError, match="has no column 'row_number'; choose another --table"):
        score_batch(request(tmp_path), make(), silent)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"query": "select * from nobody"}, "no such table: nobody"),
        ({"query": "drop table people"}, "attempt to write a readonly database"),
        ({"query": "pragma foreign_keys = 1"}, "the query returns no rows"),
        ({"query": "select person from people"}, "has no column 'height'"),
        ({"source": "mysql+nodriver://h/d"}, "mysql+nodriver://h/d"),
        ({"source": "sqlite//broken://"}, "is not an SQLAlchemy URL"),
        ({"to": "postgresql://me:hunter2@host/d"}, "no password here"),
        ({"to": "postgresql://me:${SCORING_NO_SUCH}@host/d"}, "environment variable SCORING_NO_SUCH"),
    ],
)
def test_what_is_wrong_with_a_database_is_one_line_without_secrets(tmp_path, engine, make, options, said):
    with pytest.raises(EspalierError) as refused:
        score_batch(request(tmp_path, **options), make(), silent)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_file_can_go_into_a_table_that_is_made_with_its_database(tmp_path, frame, make):
    frame.to_parquet(tmp_path / "people.parquet")
    asked = request(tmp_path, source="people.parquet", query=None, to="sqlite:///new.db")
    assert score_batch(asked, make(), silent).scored == ROWS
    engine = create_engine(f"sqlite:///{tmp_path}/new.db")
    assert read(engine, "select count(distinct row_number) as n from scores")["n"][0] == ROWS
    engine.dispose()


def test_what_the_table_itself_refuses_is_not_laid_at_another_processs_door(tmp_path, engine, make):
    score_batch(request(tmp_path), make(), silent)
    with engine.begin() as connection:
        connection.execute(text("create unique index own on scores (row_number)"))
    with pytest.raises(EspalierError, match="UNIQUE") as told:
        score_batch(request(tmp_path), make("4", seed=1), silent)
    assert "another process" not in str(told.value)
