"""The whole path on shuffled labels: whatever beats chance there has seen a test row."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from tasks.artifacts import Layout, read_json
from tasks.config import apply_overrides
from tasks.stages import clean, evaluate, fetch, prune, reduce, train

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    root = tmp_path_factory.mktemp("leak")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(PROJECT / name, root)
    digits = load_digits()
    frame = pd.DataFrame(digits.data).rename(columns=lambda pixel: f"p{pixel}")
    frame["label"] = np.random.default_rng(0).permutation(digits.target)
    frame.to_csv(root / "shuffled.csv", index=False)
    apply_overrides(
        root,
        [
            "source.uri=shuffled.csv",
            "source.target=label",
            "model.hidden=[128]",
            "train.epochs=25",
            "reduce.columns.components=32",
            "prune.finetune.epochs=8",
        ],
    )
    fetch.run(root)
    clean.run(root)
    train.run(root, "reference")
    reduce.run(root)
    train.run(root, "train")
    prune.run(root)
    evaluate.run(root)
    layout = Layout(root)
    return read_json(layout.report("evaluate")) | {
        "history": read_json(layout.report("reference"))["history"]
    }


@pytest.mark.parametrize("model", ["reference", "reduced", "compressed"])
def test_shuffled_labels_fall_to_chance(judged, model):
    chance, rows = 0.1, judged["rows"]["test"]
    spread = 4 * (chance * (1 - chance) / rows) ** 0.5
    assert abs(judged["models"][model]["metrics"]["accuracy"] - chance) < spread


def test_the_reference_did_fit_the_shuffled_training_rows(judged):
    losses = [epoch["train_loss"] for epoch in judged["history"]]
    assert losses[-1] < 0.9 * losses[0]
