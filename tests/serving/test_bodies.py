import json

import pandas as pd
import pytest

from tasks.serving.bodies import JSON, check_body, frame_of
from tasks.serving.refusal import Refusal

ROWS = [{"a": 1, "b": None, "c": "x"}, {"a": 2.5, "b": "y", "c": []}]
FORMS = {
    "dataframe_records": ROWS,
    "dataframe_split": {"columns": ["c", "b", "a"], "data": [["x", None, 1], [[], "y", 2.5]]},
    "instances": ROWS,
    "inputs": {"a": [1, 2.5], "b": [None, "y"], "c": ["x"]},
}


def packed(form):
    return json.dumps({form: FORMS[form]}).encode()


@pytest.mark.parametrize("form", FORMS)
def test_the_columns_that_are_asked_for_come_as_a_frame_whatever_the_others_hold(form):
    frame = frame_of(packed(form), JSON, ["b", "a"])
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"b": [None, "y"], "a": [1, 2.5]}))


@pytest.mark.parametrize("form", FORMS)
def test_what_a_body_brings_is_told_by_name(form):
    assert check_body(packed(form), JSON, ["a"]).names == {"a", "b", "c"}


def test_forms_that_mlflow_reads_as_they_are_pass_unchanged():
    for form in ("dataframe_records", "dataframe_split"):
        assert check_body(packed(form), JSON, ["a"]).body == packed(form)


def test_a_list_among_scalars_is_refused():
    body = json.dumps({"inputs": {"a": 1, "b": [2]}}).encode()
    with pytest.raises(Refusal, match="column 'a' is a number where others are lists"):
        check_body(body, JSON, ["a", "b"])


def test_a_long_sentence_is_cut():
    body = json.dumps({"x" * 10_000: 1}).encode()
    with pytest.raises(Refusal) as refused:
        check_body(body, JSON, ["a"])
    assert len(str(refused.value)) < 500
