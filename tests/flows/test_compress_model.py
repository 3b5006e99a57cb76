"""The command on a trained network and a table: what it prints, writes and refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from flows.compress_model import Request, _check_place, budget_of
from tasks.artifacts import load_graph
from tasks.errors import ConfigError, EspalierError
from tasks.export.onnx import run_onnx, session

CODE = """
from torch import nn


def build(input_shape, outputs):
    return nn.Sequential(nn.Linear(*input_shape, 30), nn.ReLU(), nn.Linear(30, outputs))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A trained network of six columns and its rows."""
    root = tmp_path_factory.mktemp("engine")
    (root / "nets").mkdir()
    (root / "nets" / "mine.py").write_text(CODE)
    X = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
    y = (X[:, 2] > 0).astype(int)
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(answer=np.where(y, "yes", "no"))
    frame[:300].to_parquet(root / "train.parquet")
    frame[:20].assign(b="word").to_csv(root / "words.csv", index=False)
    frame[:20].assign(answer=frame["answer"].mask(frame.index == 3)).to_csv(root / "gaps.csv", index=False)
    frame[300:].to_parquet(root / "valid.parquet")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 30), nn.ReLU(), nn.Linear(30, 2))
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(torch.from_numpy(X)), torch.from_numpy(y)).backward()
        optimiser.step()
    save_file(network.state_dict(), root / "w.safetensors")
    return root


def command(folder, *more, **changes):
    settings = {
        "model": "nets.mine:build",
        "weights": "w.safetensors",
        "data": "train.parquet",
        "valid": "valid.parquet",
        "target": "answer",
        "out": "small",
        **changes,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", "compress-model", *options, *more],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_writes_a_smaller_model_that_answers(folder):
    done = command(folder, "--budget=max_bytes=1500", "--budget=max_metric_drop=0.03")

    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    report = json.loads((folder / "small" / "report.json").read_text())
    assert report["met"]
    assert (folder / "small" / "model.onnx").stat().st_size <= 1500
    frame = pd.read_parquet(folder / "valid.parquet")
    answers = run_onnx(session(folder / "small" / "model.onnx"), frame[report["columns"]].to_numpy())
    assert np.mean(np.where(answers[:, 1] > 0.5, "yes", "no") == frame["answer"]) > 0.9
    graph = load_graph(folder / "small", folder)
    assert list(graph.columns) == report["columns"]


def test_a_budget_that_is_not_met_ends_with_three_and_leaves_the_nearest_model(folder):
    done = command(folder, "--budget=max_bytes=10", "--budget=max_seconds=1", out="nearest")

    assert done.returncode == 3
    assert done.stderr.splitlines() == ["espalier: the budget is not met; the nearest model is in nearest"]
    assert not json.loads((folder / "nearest" / "report.json").read_text())["met"]
    assert (folder / "nearest" / "model.onnx").exists()


def test_a_folder_that_holds_something_is_written_into_by_force_alone(folder):
    place = folder / "taken"
    place.mkdir()
    (place / "model.onnx").write_bytes(b"mine")
    limits = ("--budget=max_metric_drop=0.5", "--budget=max_seconds=1")
    refused = command(folder, *limits, out="taken")
    kept = (place / "model.onnx").read_bytes()
    done = command(folder, *limits, "--force", out="taken")

    assert (refused.returncode, kept) == (1, b"mine")
    assert refused.stderr.splitlines() == [
        "espalier: --out taken: holds files already; name a new folder, or replace them with --force"
    ]
    assert done.returncode == 0
    assert (place / "model.onnx").stat().st_size > len(kept)


def test_a_file_is_no_folder_and_an_empty_folder_is_free(tmp_path):
    (tmp_path / "file").write_text("")
    asked = Request("nets.mine:build", Path("w"), "a.csv", None, "y", [], tmp_path / "file", force=True)
    with pytest.raises(EspalierError, match="is a file; name a folder"):
        _check_place(asked)
    (tmp_path / "empty").mkdir()
    _check_place(replace(asked, out=tmp_path / "empty", force=False))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "none.safetensors"}, "--weights: no file none.safetensors"),
        ({"model": "nets.mine:bild"}, "did you mean 'build'"),
        ({"target": "answr"}, "did you mean"),
        ({"data": "none.parquet"}, "--data: no file none.parquet"),
        ({"valid": "words.csv"}, "--valid: column 'b' is not numeric"),
        ({"data": "gaps.csv"}, "--data: column 'answer' lacks 1 of"),
        ({"task": "ranking"}, "--task ranking: is none of auto, classification, regression"),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_written(folder, changes, message):
    done = command(folder, out="broken", **changes)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "broken").exists()


def test_weights_of_another_network_are_named(folder, tmp_path):
    save_file({"0.weight": torch.zeros(5, 6)}, tmp_path / "other.safetensors")
    done = command(folder, weights=tmp_path / "other.safetensors", out="broken")
    assert "does not fit the network" in done.stderr


def test_limits_are_read_and_checked_together():
    assert budget_of(["max_bytes=2000", "objective=best", "max_metric_drop=null"]).max_bytes == 2000
    with pytest.raises(ConfigError, match="did you mean 'max_bytes'"):
        budget_of(["max_byte=3", "objective=tiniest"])
    with pytest.raises(EspalierError, match="give KEY=VALUE"):
        budget_of(["max_bytes"])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (["max_bytes=[1"], "is neither a number nor a word"),
        (["max_bytes="], "give a value after =; null for no limit"),
        (["max_bytes=1", "max_bytes=2"], "max_bytes is given twice"),
    ],
)
def test_a_limit_that_cannot_be_read_is_one_line(limits, message):
    with pytest.raises(EspalierError, match=message) as told:
        budget_of(limits)
    assert "\n" not in str(told.value)


def test_a_whole_number_may_have_an_exponent():
    assert budget_of(["max_bytes=1e4"]).max_bytes == 10_000


def test_paths_start_from_the_current_folder_and_the_code_from_the_other_one(folder, tmp_path):
    names = {name: str(folder / f"{name}.parquet") for name in ("train", "valid")}
    shutil.copy(names["train"], tmp_path / "mine.parquet")
    shutil.copy(folder / "w.safetensors", tmp_path / "w.safetensors")
    done = command(
        tmp_path,
        f"-C{folder}",
        "--budget=max_metric_drop=0.5",
        "--budget=max_seconds=1",
        "--seed=3",
        data="mine.parquet",
        valid=names["valid"],
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "small" / "report.json").exists()
    missing = command(
        tmp_path,
        f"-C{folder}",
        data="mine.parquet",
        valid=names["valid"],
        weights="no.pth",
        out="broken",
    )
    assert missing.stderr.splitlines() == [
        "espalier: --weights: no file no.pth; the path is relative to the current folder"
    ]
