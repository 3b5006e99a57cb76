from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tasks.tracking.journal import end_log, start_log, written_ahead

KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import create_engine, text
from tasks.tracking.journal import written_ahead

path = Path(sys.argv[1])
with written_ahead(path), create_engine(f"sqlite:///{path}").connect() as connection:
    for number in range(5):
        connection.execute(text(f"INSERT INTO t VALUES ({number})"))
        connection.commit()
    connection.execute(text("INSERT INTO t VALUES (99)"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "some.db")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
    return tmp_path / "some.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def _insert(engine: Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO t VALUES ({number})"))


def _pragma(engine: Engine, name: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(f"PRAGMA {name}")).scalar()


def _held(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT a FROM t ORDER BY a")]


def test_the_disk_is_waited_for_at_the_end_alone(path: Path, engine: Engine) -> None:
    _insert(engine, 1)  # the pool holds a connection that is older than the block
    with written_ahead(path):
        _insert(engine, 2)
        assert (_pragma(engine, "journal_mode"), _pragma(engine, "synchronous")) == ("wal", 1)
    assert (_pragma(engine, "journal_mode"), _pragma(engine, "synchronous")) == ("delete", 2)
    assert _held(path) == [1, 2]
    assert [file.name for file in path.parent.iterdir()] == ["some.db"]


def test_another_database_is_as_careful_as_before(path: Path, tmp_path: Path) -> None:
    other = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with written_ahead(path):
        assert (_pragma(other, "journal_mode"), _pragma(other, "synchronous")) == ("delete", 2)
    other.dispose()


def test_all_is_there_for_one_who_keeps_it_open(path: Path, engine: Engine) -> None:
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("SELECT a FROM t").fetchall()
        with written_ahead(path):
            _insert(engine, 1)
            assert reader.execute("SELECT a FROM t").fetchall() == [(1,)]
        _insert(engine, 2)
        assert reader.execute("SELECT a FROM t").fetchall() == [(1,), (2,)]


def test_a_writer_that_was_killed_leaves_whole_transactions(path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert _held(path) == [0, 1, 2, 3, 4]


def test_an_error_inside_ends_the_block_as_well(path: Path, engine: Engine) -> None:
    def fails() -> None:
        with written_ahead(path):
            _insert(engine, 1)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert _pragma(engine, "journal_mode") == "delete"
    assert _held(path) == [1]


def test_a_log_is_kept_while_it_is_shared(path: Path, engine: Engine) -> None:
    assert start_log(path)
    with written_ahead(path):
        _insert(engine, 1)
    assert _held(path) == [1]
    end_log(path)
    assert _pragma(engine, "journal_mode") == "delete"
