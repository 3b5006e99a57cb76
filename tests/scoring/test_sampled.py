import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasks.scoring import sampled
from tasks.scoring.delimited import DelimitedInput
from tasks.scoring.parquet import ParquetInput
from tasks.scoring.sampled import sample
from tests.scoring.conftest import people


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(sampled, "CELLS", 64)


@pytest.fixture
def frame():
    return people(500)


def inputs(folder, frame):
    frame.to_parquet(folder / "rows.parquet", row_group_size=90)
    frame.to_csv(folder / "rows.csv", index=False)
    parquet = ParquetInput(folder / "rows.parquet", "rows.parquet")
    return parquet, DelimitedInput(folder / "rows.csv", "rows.csv", ("?",))


def test_a_sample_is_rows_of_the_input_in_their_order_and_the_same_each_time(tmp_path, frame):
    for source in inputs(tmp_path, frame):
        found = sample(source, ["person", "height"], 40)
        assert (len(found.frame), found.of) == (40, 500)
        assert (np.diff(found.places) > 0).all()
        assert found.frame["person"].tolist() == frame["person"].iloc[found.places].tolist()
        assert sample(source, ["person", "height"], 40).places.tolist() == found.places.tolist()
        assert sample(source, ["person", "height"], 40, seed=1).places.tolist() != found.places.tolist()


def test_of_an_input_with_fewer_rows_all_are_taken(tmp_path, frame):
    for source in inputs(tmp_path, frame):
        found = sample(source, list(frame), 10_000)
        assert found.places.tolist() == list(range(500))
        assert found.frame["person"].tolist() == frame["person"].tolist()


def test_every_row_is_as_likely_as_any_other(tmp_path):
    source, _ = inputs(tmp_path, pd.DataFrame({"a": np.arange(150.0)}))
    counts = np.zeros(150)
    for seed in range(400):
        counts[sample(source, ["a"], 30, seed).places] += 1
    assert counts.sum() == 400 * 30
    assert stats.chisquare(counts).pvalue > 1e-3


def test_rows_that_cannot_be_read_are_left_out_and_the_places_of_the_others_stay(tmp_path, frame):
    lines = frame.to_csv(index=False).splitlines()
    lines[3] += ",one more"
    (tmp_path / "torn.csv").write_text("\n".join(lines) + "\n")
    found = sample(DelimitedInput(tmp_path / "torn.csv", "torn.csv", ("?",)), ["person"], 10_000)
    assert found.of == 500
    assert found.places.tolist() == [0, 1, *range(3, 500)]
    assert found.frame["person"].tolist() == frame["person"].drop(2).tolist()
