from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.config import apply_overrides
from tasks.data.profile import suggest

ROOT = Path(__file__).parents[2]


def _table(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 9)), columns=[f"n{i}" for i in range(9)])
    frame["town"] = rng.choice(["Ulm", "Bonn", "?"], rows)
    frame.insert(0, "id", range(rows))
    frame["y"] = rng.choice(["no", "yes"], rows, p=[0.9, 0.1])
    return frame


def test_a_table_gets_settings_with_a_reason_for_each(tmp_path) -> None:
    frame = _table()
    frame.loc[::5, "n0"] = None
    frame.loc[::50, "n1"] = -999
    frame.to_csv(tmp_path / "Own Data.csv", index=False)
    found = suggest(tmp_path, "Own Data.csv", "y")
    assert found.params["source"] == {
        "uri": "Own Data.csv",
        "target": "y",
        "na_values": ["?"],
        "drop": ["id"],
    }
    assert found.params["registry"] == {"name": "espalier-own-data"}
    assert found.params["clean"]["sentinels"] == [-999.0]
    assert found.params["clean"]["impute"] == {"indicator": True}
    assert found.params["train"]["class_weights"] == "balanced"
    assert found.params["reduce"]["columns"] == {"method": "weight_norm", "components": "auto"}
    assert any("source.drop id" in reason for reason in found.reasons)


@pytest.mark.parametrize("uri", ["package:digits", "package:diabetes", "series.npz", "image.npz"])
def test_every_suggestion_is_a_valid_params_yaml(tmp_path, uri) -> None:
    rng, y = np.random.default_rng(0), np.arange(60) % 3
    np.savez(tmp_path / "series.npz", X=rng.normal(size=(60, 2, 12)), y=y)
    np.savez(tmp_path / "image.npz", X=rng.normal(size=(60, 8, 8, 3)), y=y)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    params = apply_overrides(tmp_path, suggest(tmp_path, uri, None).overrides())
    assert params.source.uri == uri
    assert params.model.method == {"series.npz": "cnn1d", "image.npz": "cnn2d"}.get(uri, "mlp")


def test_an_official_split_is_used(tmp_path) -> None:
    X, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2
    np.savez(tmp_path / "set.npz", x_train=X, y_train=y, x_test=X, y_test=y)
    found = suggest(tmp_path, "set.npz", None)
    assert found.params["source"]["split"] == "split"
    assert found.params["clean"]["split"] == {"method": "column"}


def test_a_skewed_regression_learns_the_logarithm(tmp_path) -> None:
    frame = _table().drop(columns="y").assign(price=np.exp(np.linspace(0, 9, 400)))
    frame.to_csv(tmp_path / "p.csv", index=False)
    assert suggest(tmp_path, "p.csv", "price").params["clean"]["target"] == {"log": True}


def test_what_cleaning_takes_away_asks_for_nothing_else(tmp_path) -> None:
    frame = _table().assign(empty=None)
    frame.loc[::50, "n1"] = -9999
    frame.to_csv(tmp_path / "t.csv", index=False)
    clean = suggest(tmp_path, "t.csv", "y").params["clean"]
    assert clean == {"sentinels": [-9999.0]}


def test_a_table_is_not_emptied_of_its_columns(tmp_path) -> None:
    pd.DataFrame({"id": range(40), "code": [f"k{i}" for i in range(40)], "y": [0, 1] * 20}).to_csv(
        tmp_path / "t.csv", index=False
    )
    found = suggest(tmp_path, "t.csv", "y")
    assert "drop" not in found.params["source"]
    assert "look at id, code: every column seems to name the row" in found.reasons
