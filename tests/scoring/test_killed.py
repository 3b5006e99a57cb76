"""Killed (SIGKILL) at any line, a batch goes on without loss and without duplicates."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import create_engine

from tests.scoring.conftest import PLAN, people, stored

ROWS, CHUNK = 300, 32
SHARES = [0.0, 0.3, 0.7, 0.97, 0.995]
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path):
    frame = people(ROWS).assign(born=lambda rows: rows["born"].where(rows.index % 50 != 7, "never"))
    frame.to_parquet(tmp_path / "people.parquet", row_group_size=100)
    lines = frame.to_csv(index=False).splitlines()
    lines[40] += ",one more"
    lines[-1] += ",one more"
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    engine = create_engine(f"sqlite:///{tmp_path}/people.db")
    frame.replace([np.inf], np.nan).to_sql("people", engine, index=False)
    engine.dispose()
    stored(tmp_path / "version", PLAN)
    return tmp_path


def killed_and_gone_on(folder, shares, **asked):
    request = json.dumps({"keep": ["person"], "chunk": CHUNK, **asked})
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(folder), request]
    ended = subprocess.run(
        [*command, *map(str, shares)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def check_files(folder, found):
    whole = pd.read_parquet(folder / "whole.parquet").drop(columns="scored_at")
    aside = pd.read_parquet(folder / "whole.quarantine.parquet")
    numbers = [*whole["row_number"], *aside["row_number"]]
    assert sorted(numbers) == list(range(1, ROWS + 1))
    for each in found:
        answers = pd.read_parquet(folder / each["to"]).drop(columns="scored_at")
        pd.testing.assert_frame_equal(answers, whole, check_exact=True)
        beside = folder / each["to"].replace(".parquet", ".quarantine.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(beside), aside)
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("source", ["people.parquet", "people.csv"])
def test_a_file_killed_at_any_moment_is_as_if_it_had_not_been(folder, source):
    found = killed_and_gone_on(folder, SHARES, source=source, to="whole.parquet")
    check_files(folder, found)
    assert all(each["killed"] for each in found)
    assert max(each["resumed"] for each in found) > ROWS / 2
    assert found[0]["resumed"] == 0


def test_a_table_killed_at_any_moment_holds_each_row_once(folder):
    asked = {"source": "sqlite:///people.db", "query": "select * from people", "table": "scores"}
    found = killed_and_gone_on(folder, SHARES, **asked, to="sqlite:///whole.db")
    check_tables(folder, found)
    assert all(each["killed"] for each in found)
    assert max(each["resumed"] for each in found) > ROWS / 2


def check_tables(folder, found):
    whole = table(folder, "sqlite:///whole.db")
    assert whole["row_number"].is_unique
    (aside,) = {path.name for path in folder.glob("*.quarantine.parquet")}
    assert sorted([*whole["row_number"], *pd.read_parquet(folder / aside)["row_number"]]) == list(
        range(1, ROWS + 1)
    )
    for each in found:
        pd.testing.assert_frame_equal(table(folder, each["to"]), whole, check_exact=True)
    assert list((folder / "state").iterdir()) == []


def table(folder, url):
    engine = create_engine(url.replace("sqlite:///", f"sqlite:///{folder}/"))
    with engine.connect() as connection:
        found = pd.read_sql("select * from scores order by row_number", connection)
    engine.dispose()
    return found.drop(columns="scored_at")


def many_moments():
    """Shares of a batch, more of them near its end."""
    drawn = np.random.default_rng(0).random(20)
    return [round(share, 5) for share in [*drawn, *(0.9 + drawn[:10] / 10), *(0.99 + drawn[10:] / 100)]]


@pytest.mark.slow
def test_a_file_killed_at_many_more_moments(folder):
    found = killed_and_gone_on(folder, many_moments(), source="people.csv", to="whole.parquet")
    check_files(folder, found)


@pytest.mark.slow
def test_a_table_killed_at_many_more_moments(folder):
    asked = {"source": "people.parquet", "table": "scores"}
    check_tables(folder, killed_and_gone_on(folder, many_moments(), **asked, to="sqlite:///whole.db"))
