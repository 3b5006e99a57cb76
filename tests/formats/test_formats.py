"""What earlier versions stored is still read; `stored/` was written once, in the first formats."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.artifacts import load_cleaner, load_graph, load_reduction, read_json, write_json
from tasks.data.cleaner import FORMAT, Cleaner
from tasks.drift.profile import Profile
from tasks.drift.stored import load_profile
from tasks.errors import EspalierError
from tasks.export.plan import FORMAT as PLAN
from tasks.export.serving import PLAN as SERVED
from tasks.export.serving import Predictor
from tasks.formats import Format
from tasks.models.spec import from_spec
from tasks.reduction.reduction import Reduction

STORED = Path(__file__).parent / "stored"


@pytest.fixture
def rows():
    return pd.DataFrame(json.loads((STORED / "rows.json").read_text()))


@pytest.fixture
def expected():
    return read_json(STORED / "expected.json")


def numeric(expected):
    return np.array(expected["numeric"], np.float32)


def test_a_stored_cleaner_reads_rows_as_it_did(rows, expected):
    np.testing.assert_array_equal(load_cleaner(STORED / "cleaner.json").encode(rows), numeric(expected))


def test_a_stored_model_answers_as_it_did(expected):
    answers = load_graph(STORED / "model").predict(torch.from_numpy(numeric(expected)))
    np.testing.assert_allclose(answers.detach().numpy(), expected["probabilities"], rtol=1e-5)


def test_a_stored_reduction_reduces_as_it_did(expected):
    plan = load_cleaner(STORED / "cleaner.json").plan
    reduced = load_reduction(STORED / "reduced").transform(plan.transform(numeric(expected)), plan)
    np.testing.assert_allclose(reduced, expected["reduced"], rtol=1e-5, atol=1e-6)


def test_a_stored_profile_is_read():
    profile = load_profile(STORED / "profile")
    assert (profile.rows, profile.target, profile.labels) == (200, "answer", ("no", "yes"))


def test_a_stored_serving_plan_is_read_and_its_number_is_that_of_the_served_code():
    plan = read_json(STORED / "serving.json")
    assert PLAN.current(plan) == plan
    assert PLAN.version == SERVED


def test_a_cleaner_from_before_formats_had_numbers_is_read(rows, expected):
    old = {key: value for key, value in read_json(STORED / "cleaner.json").items() if key != "version"}
    np.testing.assert_array_equal(Cleaner.from_dict(old).encode(rows), numeric(expected))
    assert Cleaner.from_dict(old).to_dict()["version"] == FORMAT.version


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("model/spec.json", lambda document: from_spec(document, {})),
        ("cleaner.json", Cleaner.from_dict),
        ("reduced/reduction.json", lambda document: Reduction.from_dict(document, {})),
        ("profile/profile.json", lambda document: Profile.from_dict(document, {})),
        ("serving.json", PLAN.current),
    ],
)
def test_what_a_newer_espalier_stored_is_refused_in_one_line(file, read):
    newer = {**read_json(STORED / file), "version": 99}
    with pytest.raises(EspalierError, match=r"format 99, and this Espalier reads up to 1: .* newer one"):
        read(newer)


def test_the_served_code_refuses_a_plan_it_was_not_stored_with(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.export.serving.ort.InferenceSession", lambda *_, **__: None)
    write_json(tmp_path / "serving.json", {**read_json(STORED / "serving.json"), "version": 2})
    with pytest.raises(ValueError, match="of format 2, and the code beside it reads 1"):
        Predictor.load(tmp_path / "model.onnx", tmp_path / "serving.json", lambda frame, plan: None)


def renamed(old):
    return {"columns": old["names"]}


def doubled(old):
    return {"columns": old["columns"] * 2}


def test_an_older_document_goes_through_every_step_in_turn():
    form = Format("a thing", 3, {1: renamed, 2: doubled})
    assert form.current({"version": 1, "names": ["a"]}) == {"version": 3, "columns": ["a", "a"]}
    assert form.current({"version": 2, "columns": ["a"]}) == {"version": 3, "columns": ["a", "a"]}
    assert form.current({"version": 3, "columns": ["a"]}) == {"version": 3, "columns": ["a"]}


def test_a_document_from_which_no_way_leads_here_is_refused_and_the_oldest_named():
    form = Format("a thing", 3, {2: doubled})
    with pytest.raises(EspalierError, match=r"a thing is stored in format 1.*reads 2 to 3.*espalier run"):
        form.current({"version": 1})


def test_bringing_up_to_date_leaves_the_document_as_it_was():
    old = {"version": 1, "names": ["a"]}
    Format("a thing", 2, {1: renamed}).current(old)
    assert old == {"version": 1, "names": ["a"]}
