from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from tasks.artifacts import Layout, read_json
from tasks.config import load_params
from tasks.data.encoding import encode
from tasks.export.serving import Predictor
from tasks.registry import CHALLENGER, CHAMPION, Registered, register
from tasks.tracking import Recorded, record, tracking_uri
from tasks.tracking.model import input_example, requirements, signature
from tasks.tracking.store import open_client

Lock = dict[str, str]
Make = Callable[..., Path]


def _both(root: Path, lock: Lock) -> tuple[Recorded, Registered]:
    params = load_params(root)
    recorded = record(root, params, [], flow_run_id=None, lock=lock)
    return recorded, register(root, params, recorded)


@pytest.fixture(scope="module")
def registered(
    tmp_path_factory: pytest.TempPathFactory, write_workspace: Make, lock: Lock
) -> tuple[Path, Recorded, Registered]:
    """A workspace whose result is registered; tests only read it."""
    root = write_workspace(tmp_path_factory.mktemp("registered"))
    return root, *_both(root, lock)


@pytest.fixture
def served(
    registered: tuple[Path, Recorded, Registered], monkeypatch: pytest.MonkeyPatch
) -> mlflow.pyfunc.PyFuncModel:
    """The challenger, loaded as a client loads it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(registered[0]))
    return mlflow.pyfunc.load_model("models:/testbed@challenger")


def _expected(root: Path, frame: pd.DataFrame) -> pd.DataFrame:
    layout = Layout(root)
    return Predictor.load(layout.onnx("compressed"), layout.serving("compressed"), encode).predict(frame)


def test_a_result_becomes_the_challenger(registered: tuple[Path, Recorded, Registered]) -> None:
    root, recorded, found = registered
    version = open_client(root).get_model_version_by_alias("testbed", CHALLENGER)
    assert (str(version.version), version.run_id) == (found.version, recorded.runs["compressed"])


def test_the_description_starts_plain_and_holds_the_result_table(
    registered: tuple[Path, Recorded, Registered],
) -> None:
    root, _, found = registered
    text = open_client(root).get_model_version("testbed", found.version).description
    assert text.startswith("Accuracy 94.00 %")
    assert "| bytes (ONNX)" in text
    assert "Reduction: weight_norm" in text


def test_a_version_has_at_most_four_short_tags(registered: tuple[Path, Recorded, Registered]) -> None:
    root, _, found = registered
    tags = open_client(root).get_model_version("testbed", found.version).tags
    assert tags == {
        "accuracy": "94.00 %",
        "size": "9.7 kB, 21.5x",
        "speed": "7.5 us, 4.0x",
        "verdict": "not shown",
    }


def test_the_logged_model_names_its_version(registered: tuple[Path, Recorded, Registered]) -> None:
    root, recorded, found = registered
    tags = open_client(root).get_logged_model(recorded.model_id).tags
    assert f'"version": "{found.version}"' in tags["mlflow.modelVersions"]


def test_the_same_result_is_the_same_version(workspace: Path, lock: Lock) -> None:
    (_, first), (_, second) = _both(workspace, lock), _both(workspace, lock)
    assert (first.existing, second.existing) == (False, True)
    assert first.version == second.version
    assert len(open_client(workspace).search_model_versions("name = 'testbed'")) == 1


def test_the_newest_result_is_the_challenger_and_going_back_brings_the_older_one_back(
    make_workspace: Make, lock: Lock
) -> None:
    root = make_workspace()
    other = lock | {"reports/evaluate.json": "9" * 32}
    versions = [_both(root, hashes)[1].version for hashes in (lock, other, lock)]
    assert versions == ["1", "2", "1"]
    assert str(open_client(root).get_model_version_by_alias("testbed", CHALLENGER).version) == "1"


def test_a_champion_does_not_become_its_own_challenger(workspace: Path, lock: Lock) -> None:
    _, found = _both(workspace, lock)
    client = open_client(workspace)
    client.delete_registered_model_alias("testbed", CHALLENGER)
    client.set_registered_model_alias("testbed", CHAMPION, found.version)
    _both(workspace, lock)
    assert list(client.get_registered_model("testbed").aliases) == [CHAMPION]


def test_the_challenger_predicts_raw_rows_as_the_pipeline_does(
    registered: tuple[Path, Recorded, Registered], served: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    answer = served.predict(frame)
    pd.testing.assert_frame_equal(answer, _expected(registered[0], frame))


def test_column_order_and_extra_columns_do_not_matter(
    served: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    turned = frame.assign(unrelated=1)[["unrelated", "city", "children", "height"]]
    pd.testing.assert_frame_equal(served.predict(turned), served.predict(frame))


def test_whole_numbers_with_a_missing_cell_are_accepted(
    served: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    answer = served.predict(frame.assign(children=[np.nan, 0, 1, 7]))
    pd.testing.assert_frame_equal(answer[1:], served.predict(frame)[1:])


def test_a_missing_required_column_is_refused_by_name(
    served: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    with pytest.raises(MlflowException, match="height"):
        served.predict(frame.drop(columns="height"))


def test_requirements_are_pinned_and_name_no_torch() -> None:
    names = [line.partition("==")[0] for line in requirements()]
    assert names == ["mlflow", "numpy", "onnxruntime", "pandas"]
    assert all("==" in line for line in requirements())


def test_the_input_example_fits_the_schema_and_is_no_row_of_the_data(
    workspace: Path, frame: pd.DataFrame
) -> None:
    plan = read_json(Layout(workspace).serving("compressed"))
    example = input_example(plan)
    assert list(example) == signature(plan).inputs.input_names()
    assert example.astype({"children": int}).merge(frame).empty


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("height", pd.Series([2, 0, 1, 7])),
        ("height", pd.Series([True, False, True, True])),
        ("height", pd.Series([2, None, 1, 7], dtype="Int64")),
        ("height", pd.Series([2, None, 1, 7], dtype=object)),
        ("children", pd.Series([2.0, 0.5, np.nan, 7.0], dtype=np.float32)),
        ("children", pd.Series([2, 0, 1, 7], dtype=np.uint8)),
        ("city", pd.Series([np.nan] * 4)),
        ("city", pd.Series(["Ulm", "Bonn", None, "Oslo"], dtype="category")),
        ("city", pd.Series(["Ulm", "Bonn", None, "Oslo"], dtype="string")),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.dtype),
)
def test_a_column_may_come_in_any_type_that_holds_its_cells(
    registered: tuple[Path, Recorded, Registered],
    served: mlflow.pyfunc.PyFuncModel,
    frame: pd.DataFrame,
    column: str,
    cells: pd.Series,
) -> None:
    frame = frame.assign(**{column: cells})
    pd.testing.assert_frame_equal(served.predict(frame), _expected(registered[0], frame))


def test_a_cell_that_is_no_number_is_refused_by_the_name_of_its_column(
    served: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match="column 'height' holds 'tall'"):
        served.predict(frame.assign(height=["tall", "1", "2", "3"]))


def test_the_stored_model_says_what_its_columns_hold(served: mlflow.pyfunc.PyFuncModel) -> None:
    kinds = served.metadata.metadata["columns"]
    assert kinds == {"height": "number", "children": "number", "city": "category"}


def test_a_regression_answers_with_one_number(workspace: Path) -> None:
    plan = read_json(Layout(workspace).serving("compressed")) | {"task": "regression", "labels": None}
    assert signature(plan).outputs.to_dict() == [{"name": "prediction", "type": "double", "required": True}]
