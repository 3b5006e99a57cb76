from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.encoding import encode
from tasks.errors import EspalierError
from tasks.scoring.chunks import FrameCells, TableCells
from tasks.scoring.served import Served, _encoded
from tests.scoring.conftest import PLAN, people, stored

KINDS = [
    pa.int8(),
    pa.uint8(),
    pa.int32(),
    pa.int64(),
    pa.uint64(),
    pa.float32(),
    pa.float64(),
    pa.bool_(),
]


@st.composite
def tables(draw):
    """Tables of numbers of every type, with gaps, infinities and outsize numbers."""
    rows = draw(st.integers(0, 12))
    columns = {}
    for i, kind in enumerate(draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))):
        cell = st.booleans()
        if pa.types.is_integer(kind):
            high = 2 ** (kind.bit_width - (0 if pa.types.is_unsigned_integer(kind) else 1)) - 1
            cell = st.integers(0 if pa.types.is_unsigned_integer(kind) else -high, high)
        elif pa.types.is_floating(kind):
            cell = st.floats(width=kind.bit_width)
        cell = st.none() | cell if draw(st.booleans()) else cell
        columns[f"x{i}"] = pa.array(draw(st.lists(cell, min_size=rows, max_size=rows)), kind)
    return pa.table(columns)


@given(tables())
def test_numbers_are_encoded_bit_for_bit_as_the_model_does(table):
    plan = {"columns": [{"source": name, "kind": "number", "outputs": [name]} for name in table.column_names]}
    X, refused = _encoded(TableCells(table), plan, encode)
    own = encode(table.to_pandas(), plan)
    there = ~np.isnan(own)
    np.testing.assert_array_equal(np.isnan(X), ~there)
    np.testing.assert_array_equal(X[there].view(np.uint32), own[there].view(np.uint32))
    assert not refused


def test_mixed_columns_are_encoded_bit_for_bit_in_the_models_order():
    frame = people(200)
    for cells in (TableCells(pa.Table.from_pandas(frame)), FrameCells(frame)):
        X, refused = _encoded(cells, PLAN["encoding"], encode)
        np.testing.assert_array_equal(X, encode(frame, PLAN["encoding"]))
        assert X.dtype == np.float32
        assert not refused


def test_all_bad_cells_are_found_and_the_first_reason_of_a_row_is_kept(make):
    frame = people(20).astype({"children": object})
    frame.loc[[2, 5], "children"] = "many"
    frame.loc[[5, 6], "born"] = "never"
    answered = make().score(FrameCells(frame))
    assert [place for place, _ in answered.aside] == [2, 5, 6]
    assert dict(answered.aside)[5] == "column 'children' holds 'many', which is not a number"
    assert len(answered.rows) == len(answered.columns[0]) == 17


def test_a_kept_selection_of_outputs_stays_in_place():
    entries = [
        {
            "source": "born",
            "kind": "date",
            "format": "%Y-%m-%d",
            "parts": ["year", "month"],
            "outputs": ["m"],
            "keep": [1],
        },
        {"source": "height", "kind": "number", "outputs": ["height"]},
        {"source": "children", "kind": "number", "offset": 1.0, "outputs": ["children"]},
    ]
    frame = people(50)
    X, _ = _encoded(TableCells(pa.Table.from_pandas(frame)), {"columns": entries}, encode)
    np.testing.assert_array_equal(X, encode(frame, {"columns": entries}))


def test_a_version_that_lacks_a_file_is_refused(tmp_path):
    folder = stored(tmp_path / "version", PLAN)
    (folder / "artifacts" / "serving.json").unlink()
    with pytest.raises(EspalierError, match=r"serving\.json: the registered version has no such file"):
        Served("people", "3", folder)


def test_versions_of_other_files_have_another_digest(make):
    assert make("1").digest == make("2").digest != make("3", seed=1).digest


def test_answers_do_not_depend_on_the_rows_beside(make):
    model, frame = make(), people(40_000)
    whole = model.score(FrameCells(frame)).columns
    part = model.score(FrameCells(frame.iloc[16_000:17_000].reset_index(drop=True))).columns
    for one, other in zip(whole, part, strict=True):
        assert one[16_000:17_000].equals(other)


def test_frames_and_tables_are_answered_alike(make):
    model, frame = make(), people(300)
    from_table, from_frame = (
        model.score(TableCells(pa.Table.from_pandas(frame))),
        model.score(FrameCells(frame)),
    )
    assert all(a.equals(b) for a, b in zip(from_table.columns, from_frame.columns, strict=True))


def test_answers_are_held_against_the_models_code_beside_rows_that_cannot_be_read(make, monkeypatch):
    frame = people(20).astype({"children": object})
    frame.loc[3, "children"] = "many"
    model = make()
    model.hold_against(FrameCells(frame))
    own = model.predictor.encode
    changed = replace(model.predictor, encode=lambda cells, plan: own(cells, plan) + 1)
    monkeypatch.setattr(model, "predictor", changed)
    with pytest.raises(EspalierError, match="does not answer as the code stored"):
        model.hold_against(FrameCells(frame))


def test_an_answer_that_is_no_number_is_put_aside_alone(make):
    frame = people(8)
    frame["height"] = 1.7
    frame.loc[4, "height"] = np.nan
    answered = make(imputes=False).score(FrameCells(frame))
    assert 4 in dict(answered.aside)
    assert sorted([*answered.rows, *dict(answered.aside)]) == list(range(8))
