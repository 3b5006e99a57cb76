from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tasks.data.encoding as encoding
from tasks.data.encoding import encode
from tasks.export.serving import CHUNK, Predictor, chosen, decoded_labels, load_encoding

NUMBERS = {"version": 1, "columns": [{"source": "a", "kind": "number", "outputs": ["a"]}]}


class Session:
    """Stands in for ONNX Runtime: two classes, the second as likely as the cell says; or the cell itself."""

    def __init__(self, regression: bool = False) -> None:
        self.regression, self.batches = regression, []

    def run(self, _: None, feed: dict[str, Any]) -> list[Any]:
        cell = feed["rows"][:, 0]
        self.batches.append(len(cell))
        return [cell[:, None] if self.regression else np.column_stack([1 - cell, cell])]


def _predictor(regression: bool = False, **plan: Any) -> Predictor:
    task = "regression" if regression else "classification"
    base = {"task": task, "encoding": NUMBERS, "labels": ["no", "yes"], "label_dtype": "str"}
    return Predictor(Session(regression), base | {"threshold": None, "input": "rows"} | plan, encode)  # type: ignore[arg-type]  # a stand-in


def test_the_answer_is_the_label_and_every_probability() -> None:
    answer = _predictor().predict(pd.DataFrame({"a": [0.25, 0.75]}))
    assert list(answer) == ["prediction", "probability_no", "probability_yes"]
    assert list(answer["prediction"]) == ["no", "yes"]
    np.testing.assert_allclose(answer["probability_yes"], [0.25, 0.75])


def test_the_threshold_decides_between_two_classes() -> None:
    probabilities = np.array([[0.8, 0.2], [0.7, 0.3], [0.2, 0.8]])
    assert list(chosen(probabilities, 0.3)) == [0, 1, 1]
    assert list(chosen(probabilities, None)) == [0, 0, 1]


def test_a_threshold_says_nothing_about_three_classes() -> None:
    assert list(chosen(np.array([[0.1, 0.3, 0.6]]), 0.2)) == [2]


@pytest.mark.parametrize(
    ("kind", "labels", "decoded"),
    [
        ("int", ["3", "7"], [3, 7]),
        ("float", ["0.5", "1.5"], [0.5, 1.5]),
        ("bool", ["False", "True"], [False, True]),
        ("str", ["3", "7"], ["3", "7"]),
    ],
)
def test_labels_come_back_in_the_type_of_the_target(kind: str, labels: list[str], decoded: list[Any]) -> None:
    found = decoded_labels({"labels": labels, "label_dtype": kind})
    assert list(found) == decoded
    assert {type(value) for value in found.tolist()} == {type(value) for value in decoded}


def test_a_regression_answers_with_one_column() -> None:
    answer = _predictor(regression=True).predict(pd.DataFrame({"a": [1.5, -2.0]}))
    assert list(answer) == ["prediction"]
    assert list(answer["prediction"]) == [1.5, -2.0]


def test_the_index_of_the_frame_is_kept() -> None:
    frame = pd.DataFrame({"a": [0.1, 0.9]}, index=["first", "second"])
    assert list(_predictor().predict(frame).index) == ["first", "second"]


def test_many_rows_are_answered_in_parts_and_none_is_lost() -> None:
    cells = np.linspace(0, 1, CHUNK + 3, dtype=np.float32)
    predictor = _predictor()
    answer = predictor.predict(pd.DataFrame({"a": cells}))
    assert predictor.session.batches == [CHUNK, 3]
    np.testing.assert_array_equal(answer["probability_yes"], cells)


def test_no_rows_give_no_answers() -> None:
    assert len(_predictor().predict(pd.DataFrame({"a": np.array([], float)}))) == 0


def test_a_missing_column_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="missing required column: a"):
        _predictor().predict(pd.DataFrame({"b": [1.0]}))


def test_a_stored_encoding_is_loaded_under_its_own_name(tmp_path: Path) -> None:
    copy = tmp_path / "encoding.py"
    copy.write_bytes(Path(encoding.__file__).read_bytes())
    module = load_encoding(copy)
    assert module.__name__.startswith("espalier_encoding_")
    assert module is not encoding
    np.testing.assert_array_equal(module.encode(pd.DataFrame({"a": [2.0]}), NUMBERS), [[2.0]])


def test_two_versions_keep_their_own_encodings(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.py").write_text(f"VERSION = {number}\n")
    modules = [load_encoding(tmp_path / f"{number}.py") for number in (1, 2)]
    assert [module.VERSION for module in modules] == [1, 2]
    assert load_encoding(tmp_path / "1.py") is modules[0]
    assert all(module.__name__ in sys.modules for module in modules)
