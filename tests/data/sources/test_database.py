from __future__ import annotations

import sqlite3

import pandas as pd
import pytest

from tasks.data.config import SourceConfig
from tasks.data.sources import fingerprint, read_source
from tasks.data.sources.location import locate
from tasks.errors import EspalierError

FRAME = pd.DataFrame({"a": range(20), "b": ["u", "v"] * 10, "y": [0, 1] * 10})


@pytest.fixture
def database(tmp_path):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        FRAME.to_sql("sales", connection, index=False)
    connection.close()
    return tmp_path


def _source(query: str = "select * from sales", uri: str = "sqlite:///shop.db") -> SourceConfig:
    return SourceConfig(uri=uri, query=query, target="y")


def test_a_query_gives_its_rows(database) -> None:
    frame, meta = read_source(database, _source())
    assert frame.equals(FRAME)
    assert meta.dtypes == {"a": "number", "b": "category"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select * from sale", "no such table: sale"),
        ("selec * from sales", "syntax error"),
        ("select a from sales", "no column 'y'"),
        ("select * from sales where a > 99", "has no rows"),
    ],
)
def test_sql_errors_are_one_line_in_the_databases_words(database, query, message) -> None:
    with pytest.raises(EspalierError, match=message) as caught:
        read_source(database, _source(query))
    assert "\n" not in str(caught.value)


def test_a_colon_in_a_query_is_no_parameter(database) -> None:
    rows, _ = read_source(database, _source("select *, ':x' as mark, '10:30' as at from sales"))
    assert set(rows["mark"]) == {":x"}
    assert set(rows["at"]) == {"10:30"}


def test_a_missing_database_is_not_made(tmp_path) -> None:
    with pytest.raises(EspalierError, match=r"no database file behind sqlite:///shop\.db"):
        read_source(tmp_path, _source())
    assert not (tmp_path / "shop.db").exists()


def test_secrets_come_from_the_environment(database, monkeypatch) -> None:
    with pytest.raises(EspalierError, match="environment variable SHOP, which is not set"):
        read_source(database, _source(uri="sqlite:///${SHOP}.db"))
    monkeypatch.setenv("SHOP", "shop")
    assert len(read_source(database, _source(uri="sqlite:///${SHOP}.db"))[0]) == 20
    assert fingerprint(database, _source(uri="sqlite:///${SHOP}.db"))["uri"] == "sqlite:///${SHOP}.db"


def test_secrets_do_not_stand_in_messages(database, monkeypatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    (database / "shop.db").rename(database / "hunter2.db")
    for uri in ("nosuch://me:${SECRET}@host/db", "sqlite:///${SECRET}.db"):
        with pytest.raises(EspalierError) as caught:
            read_source(database, _source("select hunter2 from sales", uri=uri))
        assert "hunter2" not in str(caught.value)


def test_a_secret_is_struck_out_in_both_spellings(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SECRET", "hunter%402")
    assert locate(tmp_path, _source(uri="x://me:${SECRET}@h")).secrets == ("hunter%402", "hunter@2")


def test_a_changed_table_has_another_fingerprint(database) -> None:
    before = fingerprint(database, _source())
    assert fingerprint(database, _source()) == before
    with sqlite3.connect(database / "shop.db") as connection:
        connection.execute("update sales set a = 7 where a = 3")
    connection.close()
    assert fingerprint(database, _source()) != before
