from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest

from tasks.data.config import SourceConfig
from tasks.data.sources import read_source
from tasks.errors import EspalierError

FRAME = pd.DataFrame(
    {
        "a": range(20),
        "town": ["Ulm", "Bonn"] * 10,
        "who": [1, 2, 3, 4] * 5,
        "day": pd.date_range("2024-01-01", periods=20),
        "part": ["train"] * 15 + ["test"] * 5,
        "y": [0, 1] * 10,
    }
)


@pytest.fixture
def workspace(tmp_path):
    FRAME.to_parquet(tmp_path / "t.parquet")
    return tmp_path


def _read(workspace, **settings):
    return read_source(workspace, SourceConfig(uri="t.parquet", **{"target": "y", **settings}))


def test_roles_are_no_features(workspace) -> None:
    _, meta = _read(workspace, group="who", time="day", split="part")
    assert meta.columns == ("a", "town")
    assert (meta.group, meta.time, meta.split) == ("who", "day", "part")


def test_dropped_columns_are_gone(workspace) -> None:
    frame, meta = _read(workspace, drop=["town", "day"])
    assert "town" not in frame.columns
    assert meta.columns == ("a", "who", "part")


def test_types_are_guessed_and_overruled(workspace) -> None:
    assert _read(workspace)[1].dtypes["who"] == "number"
    assert _read(workspace, dtypes={"who": "category"})[1].dtypes["who"] == "category"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "z"}, r"source\.target: t\.parquet has no column 'z'"),
        ({"target": "twon"}, "did you mean town"),
        ({"target": None}, "source.target names no column"),
        ({"group": "whom"}, r"source\.group.*did you mean who"),
        ({"drop": ["zzzz"]}, r"source\.drop\[0\].*its columns are a, town"),
        ({"dtypes": {"b": "text"}}, r"source\.dtypes\.b"),
        ({"shape": [2, 2]}, "4 cells, t.parquet has 5 features"),
        ({"shape": [1, 1, 5]}, "a grid needs numbers, column 'town' is category"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_named(workspace, settings, message) -> None:
    with pytest.raises(EspalierError, match=message):
        _read(workspace, **settings)


def test_a_table_of_numbers_may_be_a_grid(tmp_path) -> None:
    FRAME[["a", "who", "y"]].to_parquet(tmp_path / "t.parquet")
    assert _read(tmp_path, shape=[1, 2])[1].shape == (1, 2)


def test_a_header_without_rows_is_refused(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n")
    with pytest.raises(EspalierError, match=r"t\.csv has no rows"):
        read_source(tmp_path, SourceConfig(uri="t.csv", target="y"))


def test_a_lone_target_has_no_features(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("y\n0\n1\n0\n1\n")
    with pytest.raises(EspalierError, match="no feature column"):
        read_source(tmp_path, SourceConfig(uri="t.csv", target="y"))


def test_mixed_objects_become_strings_and_gaps_stay(tmp_path) -> None:
    from tasks.data.sources.read import _storable

    frame = pd.DataFrame(
        {
            "a": [Decimal("1.5"), None],
            "b": pd.Categorical(["x", None]),
            "c": pd.Series(["u", 3], dtype=object),
        }
    )
    stored = _storable(frame)
    assert stored["a"].tolist()[0] == "1.5"
    assert stored.isna().sum().tolist() == [1, 1, 0]
    stored.to_parquet(tmp_path / "t.parquet")


def test_numbers_as_column_names_are_strings(tmp_path) -> None:
    pd.DataFrame({"0": [1, 2, 3, 4], "y": [0, 1, 0, 1]}).to_parquet(tmp_path / "t.parquet")
    assert _read(tmp_path)[1].columns == ("0",)


def test_bytes_are_read_as_text(tmp_path) -> None:
    pd.DataFrame({"a": range(20), "y": ["hü".encode(), b"hott"] * 10}).to_parquet(tmp_path / "t.parquet")
    frame, _ = read_source(tmp_path, SourceConfig(uri="t.parquet", target="y"))
    assert set(frame["y"]) == {"hü", "hott"}


def test_a_column_of_lists_is_refused_unless_dropped(tmp_path) -> None:
    pd.DataFrame({"a": range(20), "b": [[1, 2]] * 20, "y": [0, 1] * 10}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(EspalierError, match="column 'b' holds several values a cell"):
        read_source(tmp_path, SourceConfig(uri="t.parquet", target="y"))
    _, meta = read_source(tmp_path, SourceConfig(uri="t.parquet", target="y", drop=("b",)))
    assert meta.columns == ("a",)


def test_columns_dropped_from_a_parquet_file_are_known_all_the_same(tmp_path) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0] * 2, "b": [[1], [2]] * 2, "y": ["u", "v"] * 2})
    frame.to_parquet(tmp_path / "t.parquet")
    read, meta = read_source(tmp_path, SourceConfig(uri="t.parquet", target="y", drop=("b",)))
    assert read.columns.tolist() == ["a", "y"]
    assert meta.columns == ("a",)
    with pytest.raises(EspalierError, match=r"drop\[1\].*no column 'c'"):
        read_source(tmp_path, SourceConfig(uri="t.parquet", target="y", drop=("b", "c")))
