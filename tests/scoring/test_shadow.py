import pandas as pd
import pyarrow as pa
import pytest

from tasks.scoring.batch import score_batch
from tasks.scoring.request import Request
from tasks.scoring.shadow import compared
from tests.scoring.conftest import COLUMNS, people

ROWS = 400


def silent(_):
    pass


@pytest.fixture
def folder(tmp_path):
    people(ROWS).to_parquet(tmp_path / "people.parquet", row_group_size=150)
    return tmp_path


def request(folder, **options):
    asked = {"source": "people.parquet", "to": "out.parquet", "chunk": 128}
    return Request(**asked | {"folder": folder, "state": folder / "state" / "scoring"} | options)


def logs(folder):
    return sorted((folder / "state" / "shadow").glob("*.parquet"))


def test_the_output_is_the_same_with_and_without_a_shadow(folder, make):
    first, second = make("3"), make("4", seed=1)
    score_batch(request(folder, to="alone.parquet"), first, silent)
    score_batch(request(folder), first, silent, second)
    alone, beside = pd.read_parquet(folder / "alone.parquet"), pd.read_parquet(folder / "out.parquet")
    pd.testing.assert_frame_equal(alone.drop(columns="scored_at"), beside.drop(columns="scored_at"))


def test_both_answers_are_logged_and_compared(folder, make):
    first, second = make("3"), make("4", seed=1)
    scored = score_batch(request(folder), first, silent, second)
    (log,) = logs(folder)
    logged, frame = pd.read_parquet(log), people(ROWS)
    one, other = first.predictor.predict(frame), second.predictor.predict(frame)
    assert list(logged["answered_prediction"]) == list(one["prediction"])
    assert list(logged["shadow_prediction"]) == list(other["prediction"])
    assert scored.shadow["rows"] == ROWS
    assert scored.shadow["agreement"] == pytest.approx((one["prediction"] == other["prediction"]).mean())
    gap = (other["probability_yes"].astype(float) - one["probability_yes"].astype(float)).abs()
    assert scored.shadow["largest_difference"] == pytest.approx(gap.max(), rel=1e-6)


def test_rows_that_the_shadow_alone_refuses_are_counted(folder, make):
    cells = people(ROWS).assign(note=["1"] * (ROWS - 3) + ["x", "y", "z"])
    cells.to_parquet(folder / "people.parquet")
    more = [*COLUMNS, {"source": "note", "kind": "number", "outputs": ["note"]}]
    second = make("4", encoding={"version": 1, "missing": [], "columns": more})
    scored = score_batch(request(folder), make("3"), silent, second)
    assert (scored.scored, scored.quarantined) == (ROWS, 0)
    assert (scored.shadow["rows"], scored.shadow["refused"]) == (ROWS - 3, 3)
    logged = pd.read_parquet(logs(folder)[0])
    assert list(logged["shadow_refused"].dropna()) == [
        f"column 'note' holds {cell!r}, which is not a number" for cell in "xyz"
    ]


def test_an_input_without_the_shadows_columns_is_scored_and_told(folder, make):
    more = [*COLUMNS, {"source": "absent", "kind": "number", "outputs": ["absent"]}]
    second = make("4", encoding={"version": 1, "missing": [], "columns": more})
    lines = []
    scored = score_batch(request(folder), make("3"), lines.append, second)
    assert scored.scored == ROWS
    assert scored.shadow is None
    assert any("people/4 is not in the shadow" in line and "'absent'" in line for line in lines)


def test_a_regression_is_compared_by_its_numbers(folder, make):
    plan = {"task": "regression", "labels": [], "label_dtype": "float"}
    first, second = make("3", **plan), make("4", seed=1, **plan)
    scored = score_batch(request(folder), first, silent, second)
    frame = people(ROWS)
    gap = second.predictor.predict(frame)["prediction"] - first.predictor.predict(frame)["prediction"]
    assert scored.shadow["mean_difference"] == pytest.approx(gap.mean())
    assert scored.shadow["mean_absolute_difference"] == pytest.approx(gap.abs().mean())
    assert "agreement" not in scored.shadow


def test_the_rows_of_a_batch_that_was_killed_are_compared_once(folder, make, monkeypatch):
    first, second = make("3"), make("4", seed=1)
    score, calls = first.score, []

    def killed(cells):
        calls.append(len(cells))
        if len(calls) == 5:  # the first rows are also held against the model's own code
            raise KeyboardInterrupt
        return score(cells)

    with monkeypatch.context() as patched:
        patched.setattr(first, "score", killed)
        with pytest.raises(KeyboardInterrupt):
            score_batch(request(folder), first, silent, second)
    assert logs(folder) == []
    scored = score_batch(request(folder), first, silent, second)
    assert scored.resumed > 0
    assert scored.shadow["rows"] == ROWS
    assert pd.read_parquet(logs(folder)[0])["row_number"].is_unique


def test_equal_answers_agree_in_everything():
    table = pa.table(
        {
            "answered_prediction": ["a", "b"],
            "answered_probability_a": pa.array([0.75, 0.25], pa.float32()),
            "shadow_prediction": ["a", "b"],
            "shadow_probability_a": pa.array([0.75, 0.25], pa.float32()),
            "shadow_refused": pa.array([None, None], pa.string()),
        }
    )
    found = compared(iter([table, table]))
    assert found == {
        "rows": 4,
        "refused": 0,
        "agreement": 1.0,
        "mean_absolute_difference": 0.0,
        "largest_difference": 0.0,
    }


def test_a_shadow_that_fails_refuses_its_rows_and_the_batch_is_scored(folder, make, monkeypatch):
    first, second = make("3"), make("4", seed=1)
    monkeypatch.setattr(second, "score", lambda _: (_ for _ in ()).throw(RuntimeError("out of memory")))
    scored = score_batch(request(folder), first, silent, second)
    assert scored.scored == ROWS
    assert (scored.shadow["rows"], scored.shadow["refused"]) == (0, ROWS)
    assert set(pd.read_parquet(logs(folder)[0])["shadow_refused"]) == {"out of memory"}
