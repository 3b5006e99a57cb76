from hashlib import sha256

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data.sources.tables import read_csv
from tasks.errors import EspalierError
from tasks.scoring import inputs
from tasks.scoring.delimited import DelimitedInput, common, kind_of
from tasks.scoring.parquet import ParquetInput


def chunks_of(source, wanted, rows, first=0):
    return list(source.chunks(source.survey(wanted, rows), wanted, rows, first))


def parquet(path, frame, **options):
    frame.to_parquet(path, **options)
    return ParquetInput(path, path.name)


def delimited(path, text, missing=()):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return DelimitedInput(path, path.name, missing)


@pytest.mark.parametrize("group", [3, 7, 10, 100])
@pytest.mark.parametrize("first", [0, 1, 3])
def test_chunks_of_parquet_are_equal_however_its_row_groups_lie(tmp_path, group, first):
    frame = pd.DataFrame({"a": np.arange(23), "b": np.arange(23) * 0.5})
    found = chunks_of(parquet(tmp_path / "a.parquet", frame, row_group_size=group), ["b", "a"], 5, first)
    assert [chunk.index for chunk in found] == list(range(first, 5))
    assert [len(chunk.cells) for chunk in found] == [5, 5, 5, 5, 3][first:]
    numbers = np.concatenate([chunk.numbers for chunk in found])
    np.testing.assert_array_equal(numbers, np.arange(first * 5, 23) + 1)
    cells = pd.concat([chunk.cells.frame(["a", "b"]) for chunk in found], ignore_index=True)
    pd.testing.assert_frame_equal(cells, frame.iloc[first * 5 :].reset_index(drop=True))


def test_cells_of_parquet_come_as_pandas_reads_them(tmp_path):
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], "Int64"),
            "kind": pd.Categorical(["a", "b", None]),
            "when": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
            "flag": [True, None, False],
            "text": ["x", None, "z"],
        },
        index=pd.Index([7, 8, 9], name="key"),
    )
    names = ["whole", "kind", "when", "flag", "text", "key"]
    (chunk,) = chunks_of(parquet(tmp_path / "a.parquet", frame), names, 5)
    read = pd.read_parquet(tmp_path / "a.parquet").reset_index()[names]
    pd.testing.assert_frame_equal(chunk.cells.frame(names), read)


def test_bytes_come_as_text(tmp_path):
    pq.write_table(pa.table({"a": pa.array([b"caf\xc3\xa9", None])}), tmp_path / "a.parquet")
    (chunk,) = chunks_of(ParquetInput(tmp_path / "a.parquet", "a"), ["a"], 5)
    assert chunk.cells.frame(["a"])["a"][0] == "café"


def test_a_column_of_lists_is_refused(tmp_path):
    pq.write_table(pa.table({"a": [[1, 2], [3]]}), tmp_path / "a.parquet")
    with pytest.raises(EspalierError, match="column 'a' holds several values a cell"):
        ParquetInput(tmp_path / "a.parquet", "a.parquet").survey(["a"], 5)


@pytest.mark.parametrize(
    "cells",
    [
        ["007", "8", "x", "9"],
        ["1", "2", "3.5", "4"],
        ["1", "2", "", "4"],
        ["True", "False", "", "True"],
        ["True", "False", "1", "0"],
        ["3.0", "4.0", "a", "5.0"],
        ["0.1", "0.2", "oops", "0.30000000000000004"],
        ["", "", "", ""],
        ["18446744073709551615", "1", "2", "3"],
        ["1", "2", "?", "3"],
        [" 5", "6 ", "7", "8"],
        ['"a,b"', '"c""d"', "e", "f"],
    ],
)
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_chunk_of_a_delimited_file_is_read_as_the_whole_file(tmp_path, cells, rows):
    text = "a,b\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells))
    found = chunks_of(delimited(tmp_path / "a.csv", text, ("?",)), ["a", "b"], rows)
    whole = read_csv(tmp_path / "a.csv", "a.csv", ("?",)).frame
    read = [cell for chunk in found for cell in chunk.cells.frame(["a"])["a"].tolist()]
    assert list(map(comparable, read)) == list(map(comparable, whole["a"].tolist()))


def comparable(cell):
    """A number by its value, a truth value by itself; missing is missing."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return "missing"
    return (isinstance(cell, str), isinstance(cell, bool), cell)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("int", "int", "int"),
        ("int", "none", "float"),
        ("int", "uint", "uint"),
        ("none", "uint", "float"),
        ("bool", "flag", "flag"),
        ("bool", "float", "text"),
        ("text", "none", "text"),
    ],
)
def test_what_two_parts_have_in_common_is_what_pandas_takes_them_for(first, second, both):
    assert common(first, second) == common(second, first) == both


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, 2], "int"),
        ([1.5, None], "float"),
        ([None, None], "none"),
        ([True, None], "flag"),
        (["a", 1], "text"),
    ],
)
def test_kinds_of_cells(cells, kind):
    assert kind_of(pd.Series(cells)) == kind


def test_decimal_commas_are_read(tmp_path):
    (chunk,) = chunks_of(delimited(tmp_path / "a.csv", "a;b\n1,5;x\n2,5;y\n"), ["a"], 5)
    assert chunk.cells.frame(["a"])["a"].tolist() == [1.5, 2.5]


RAGGED = "a,b\n1,x\n2,y,z\n\n3,w\n4\n5,v\n6,u\n7,t,s\n"


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_rows_of_another_width_are_put_aside_and_the_others_keep_their_numbers(tmp_path, rows):
    found = chunks_of(delimited(tmp_path / "a.csv", RAGGED), ["a", "b"], rows)
    numbers = [int(number) for chunk in found for number in chunk.numbers]
    cells = [cell for chunk in found for cell in chunk.cells.frame(["b"])["b"]]
    aside = [each for chunk in found for each in chunk.aside]
    assert numbers == [1, 3, 5, 6]
    assert cells == ["x", "w", "v", "u"]
    assert [each.row for each in aside] == [2, 4, 7]
    assert aside[0].reason == "line 3 has 3 fields, the header has 2"
    assert aside[0].cells == '["2", "y", "z"]'


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_from_a_later_chunk_on_nothing_changes(tmp_path, rows):
    source = delimited(tmp_path / "a.csv", RAGGED)
    whole = chunks_of(source, ["a"], rows)
    for first in range(1, len(whole)):
        rest = chunks_of(source, ["a"], rows, first)
        assert [chunk.index for chunk in rest] == [chunk.index for chunk in whole[first:]]
        for one, other in zip(rest, whole[first:], strict=True):
            np.testing.assert_array_equal(one.numbers, other.numbers)
            assert one.aside == other.aside
            assert one.cells.frame(["a"])["a"].tolist() == other.cells.frame(["a"])["a"].tolist()


def test_a_row_that_is_not_utf_8_is_put_aside(tmp_path):
    found = chunks_of(delimited(tmp_path / "a.csv", b"a,b\n1,x\n2,\xe4\n3,z\n"), ["b"], 10)
    assert found[0].cells.frame(["b"])["b"].tolist() == ["x", "z"]
    assert [each.reason for each in found[0].aside] == ["line 3 holds bytes that are not UTF-8"]


def test_the_survey_counts_every_row(tmp_path):
    assert delimited(tmp_path / "a.csv", RAGGED).survey(["a"], 2).rows == 7
    assert delimited(tmp_path / "b.csv", "a\n1\n2\n").survey(["a"], 2).rows == 2


def test_fingerprints_follow_the_bytes(tmp_path):
    first = delimited(tmp_path / "a.csv", "a\n1\n").survey(["a"], 2).fingerprint
    assert delimited(tmp_path / "b.csv", "a\n1\n").survey(["a"], 2).fingerprint == first
    assert delimited(tmp_path / "a.csv", "a\n2\n").survey(["a"], 2).fingerprint != first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n", "names no column"),
        ("a,a\n1,2\n", "two columns named 'a'"),
        ("b\n1\n", "has no column 'a'"),
    ],
)
def test_what_is_wrong_with_a_delimited_file_is_one_line(tmp_path, text, said):
    with pytest.raises(EspalierError, match=said):
        delimited(tmp_path / "a.csv", text).survey(["a"], 2)


def test_a_torn_gzip_is_one_line(tmp_path):
    import gzip

    packed = gzip.compress(("a\n" + "1\n" * 5000).encode())
    with pytest.raises(EspalierError, match="is no readable table"):
        delimited(tmp_path / "a.csv.gz", packed[:-20]).survey(["a"], 2)


def test_large_files_are_fingerprinted_by_their_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "BLOCK", 8)
    monkeypatch.setattr(inputs, "PIECE", 3)
    path, text = tmp_path / "a", bytes(range(20))
    path.write_bytes(text[:8])
    assert inputs.digest_of(path) == "sha256:" + sha256(text[:8]).hexdigest()
    path.write_bytes(text)
    each = b"".join(sha256(text[i : i + 8]).digest() for i in (0, 8, 16))
    assert inputs.digest_of(path) == "sha256-blocks:" + sha256(each).hexdigest()
    path.write_bytes(text[8:16] + text[:8] + text[16:])
    assert inputs.digest_of(path) != "sha256-blocks:" + sha256(each).hexdigest()
    path.write_bytes(b"")
    assert inputs.digest_of(path) == "sha256:" + sha256(b"").hexdigest()
