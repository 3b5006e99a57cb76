from __future__ import annotations

import gzip

import pandas as pd
import pytest

from tasks.data.sources.files import read_file
from tasks.errors import EspalierError

PACKED = gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)


def _read(path, content: bytes | str, missing=()) -> pd.DataFrame:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, path.name, missing).frame


def test_csv_gzip_and_tsv_hold_the_same_rows(tmp_path) -> None:
    plain = _read(tmp_path / "t.csv", "a,b\n1,x\n2,y\n")
    assert plain.equals(_read(tmp_path / "t.csv.gz", gzip.compress(b"a,b\n1,x\n2,y\n")))
    assert plain.equals(_read(tmp_path / "t.tsv", "a\tb\n1\tx\n2\ty\n"))


def test_semicolons_come_with_decimal_commas(tmp_path) -> None:
    assert _read(tmp_path / "t.csv", "a;b\n1,5;x\n2;y\n")["a"].tolist() == [1.5, 2]


def test_a_byte_order_mark_and_spaces_are_no_part_of_the_cells(tmp_path) -> None:
    frame = _read(tmp_path / "t.csv", "\ufeffa, b\n1, x\n")
    assert frame.columns.tolist() == ["a", "b"]
    assert frame["b"].tolist() == ["x"]


def test_missing_words_are_gaps(tmp_path) -> None:
    assert _read(tmp_path / "t.csv", "a,b\n?,x\n2,?\n", ("?",)).isna().sum().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", "t.csv: line 3 has 1 fields, the header has 2"),
        ('a,b\n"1\n1",2\n3,4,5\n6,7\n', "line 4 has 3 fields, the header has 2 .1 such rows."),
        (b"a,b\n1,2\n3,\xff\n", "line 3 holds the byte 0xff, which is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b,a\n1,2,3\n", "two columns named 'a'"),
    ],
)
def test_broken_tables_say_where_and_why(tmp_path, content, message) -> None:
    with pytest.raises(EspalierError, match=message):
        _read(tmp_path / "t.csv", content)


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", PACKED[:30], PACKED[:15] + b"?" + PACKED[16:]], ids=len)
def test_a_broken_gzip_file_is_no_table(tmp_path, content) -> None:
    with pytest.raises(EspalierError, match="no readable table"):
        _read(tmp_path / "t.csv.gz", content)


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_arrow_files_give_back_what_was_written(tmp_path, ending) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    path = tmp_path / f"t.{ending}"
    getattr(frame, f"to_{ending}")(path)
    assert read_file(path, path.name, ()).frame.equals(frame)


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_broken_arrow_files_are_named(tmp_path, ending) -> None:
    with pytest.raises(EspalierError, match=f"t.{ending} is not a readable {ending} file"):
        _read(tmp_path / f"t.{ending}", "garbage")


def test_a_named_index_is_a_column(tmp_path) -> None:
    pd.DataFrame({"a": [1]}, index=pd.Index([7], name="key")).to_parquet(tmp_path / "t.parquet")
    assert read_file(tmp_path / "t.parquet", "t.parquet", ()).frame.columns.tolist() == ["key", "a"]


def test_of_a_parquet_file_columns_that_nobody_wants_are_not_read(tmp_path, monkeypatch) -> None:
    path, asked = tmp_path / "t.parquet", []
    pd.DataFrame({"a": [1], "b": [[1, 2]], "c": [3]}, index=pd.Index([7], name="key")).to_parquet(path)
    read = pd.read_parquet
    monkeypatch.setattr(
        pd, "read_parquet", lambda path, columns: asked.append(columns) or read(path, columns=columns)
    )
    loaded = read_file(path, path.name, (), drop=("b", "absent"))
    assert loaded.frame.columns.tolist() == ["key", "a", "c"]
    assert loaded.unread == ("b",)
    assert "b" not in asked[0]


def test_unknown_endings_list_the_known_ones(tmp_path) -> None:
    with pytest.raises(EspalierError, match=r"none of \.csv .* \.pth"):
        _read(tmp_path / "t.xlsx", "x")


def test_lines_may_end_in_a_carriage_return(tmp_path) -> None:
    assert _read(tmp_path / "t.csv", "a;b\r1,5;x\r2;y\r")["a"].tolist() == [1.5, 2]


def test_a_quoted_name_does_not_choose_the_delimiter(tmp_path) -> None:
    assert list(_read(tmp_path / "t.csv", '"a|b|c",y\n1,2\n')) == ["a|b|c", "y"]
