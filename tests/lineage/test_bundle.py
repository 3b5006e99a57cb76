import hashlib
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.lineage.bundle import SUMS, export_bundle
from tasks.scoring.batch import score_batch
from tasks.scoring.request import Request
from tasks.scoring.served import Served
from tasks.tracking.fetch import fetch_version

ALONE = """
import runpy, sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname.partition(".")[0] in ("flows", "mlflow", "tasks", "torch"):
            raise ModuleNotFoundError(fullname)

sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
ROWS = "id,height,children,city\na,1.7,2,Ulm\nb,,0,Bonn\nc,1.8,1,?\nd,0.3,7,Oslo\n"


def exported(root, folder, **how):
    return export_bundle(root, load_params(root), "1", folder, **how)


@pytest.fixture(scope="module")
def once(finished_once, tmp_path_factory):
    """A folder that was handed over, and the workspace it is from; tests only read it."""
    folder = tmp_path_factory.mktemp("handed") / "bundle"
    return finished_once, exported(finished_once, folder).folder


@pytest.fixture
def bundle(once, tmp_path):
    return shutil.copytree(once[1], tmp_path / "bundle")


def predicted(bundle, rows, answers, *keep, check=True):
    """Run its predict.py in a process that has neither this project nor MLflow nor torch."""
    words = [sys.executable, "-I", "-c", ALONE, str(bundle / "predict.py"), str(rows), str(answers), *keep]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, cwd=bundle.parent, timeout=120)
    assert (ended.returncode == 0) == check, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", ROWS),
        pytest.param("rows.tsv", ROWS.replace(",", "\t"), marks=pytest.mark.slow),
        pytest.param("semicolons.csv", ROWS.replace(",", ";").replace(".", ","), marks=pytest.mark.slow),
    ],
)
def test_its_answers_are_those_of_espalier_predict_to_the_bit(once, tmp_path, name, text):
    root, bundle = once
    (tmp_path / name).write_text(text)
    predicted(bundle, tmp_path / name, tmp_path / "answers.csv", "id")
    version = fetch_version(root, "testbed", "1")
    request = Request(name, "answers.parquet", keep=("id",), folder=tmp_path)
    score_batch(request, Served(version.name, version.version, version.folder), lambda _: None)
    wanted = pd.read_parquet(tmp_path / "answers.parquet")
    got = pd.read_csv(tmp_path / "answers.csv")
    assert list(got) == ["id", "prediction", "probability_no", "probability_yes"]
    assert len(got) == len(wanted) == 4
    for column in got:
        same = got[column].astype(wanted[column].dtype).to_numpy() == wanted[column].to_numpy()
        assert np.all(same), column


def test_it_holds_all_that_it_takes_and_nothing_of_mlflow(once):
    _, bundle = once
    names = sorted(path.name for path in bundle.iterdir())
    assert names == [
        "SHA256SUMS",
        "card.md",
        "encoding.py",
        "example.csv",
        "folder.py",
        "model.onnx",
        "predict.py",
        "requirements.txt",
        "serving.json",
    ]
    needed = [line.partition("==")[0] for line in (bundle / "requirements.txt").read_text().splitlines()]
    assert needed == ["numpy", "onnxruntime", "pandas"]
    assert (bundle / "card.md").read_text().startswith("# testbed, version 1")


def test_its_checksums_are_those_of_its_files(once):
    _, bundle = once
    sums = dict(line.split("  ")[::-1] for line in (bundle / SUMS).read_text().splitlines())
    files = [path for path in bundle.iterdir() if path.name != SUMS]
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.onnx", "encoding.py"])
def test_a_file_that_was_changed_does_not_answer(bundle, tmp_path, name):
    (bundle / name).write_bytes((bundle / name).read_bytes() + b"\n")
    (tmp_path / "rows.csv").write_text(ROWS)
    said = predicted(bundle, tmp_path / "rows.csv", tmp_path / "answers.csv", check=False)
    assert f"{name} is not the file that was handed over" in said
    assert not (tmp_path / "answers.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,height\na,1\n", "missing required columns: children, city"),
        (ROWS.replace("1.7", "tall"), "column 'height' holds 'tall', which is not a number"),
        (f"{ROWS}e,1.9,1\n", "rows differ in their number of fields"),
        ("", "No columns to parse"),
    ],
)
def test_rows_that_it_cannot_score_are_one_line(once, tmp_path, text, said):
    (tmp_path / "rows.csv").write_text(text)
    told = predicted(once[1], tmp_path / "rows.csv", tmp_path / "answers.csv", check=False)
    assert said in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "answers.csv").exists()


def test_a_folder_that_holds_something_is_left_alone_unless_forced(once, tmp_path):
    root, _ = once
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(EspalierError, match="holds files already"):
        exported(root, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
    exported(root, tmp_path, force=True)
    assert (tmp_path / "note.txt").read_text() == "mine"
    assert (tmp_path / "predict.py").exists()
    with pytest.raises(EspalierError, match="is a file"):
        exported(root, tmp_path / "note.txt")


@pytest.mark.slow
def test_a_version_whose_file_was_changed_is_not_handed_over(finished, tmp_path):
    next((finished / ".espalier").rglob("model.onnx")).write_bytes(b"another")
    with pytest.raises(EspalierError, match=r"model\.onnx of the registered version was changed"):
        exported(finished, tmp_path / "bundle")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project"]


@pytest.mark.slow
def test_what_nobody_can_compare_any_more_is_said(finished, tmp_path):
    shutil.rmtree(finished / ".dvc" / "cache")
    shutil.rmtree(finished / "store")
    assert "that is lost: model.onnx, serving.json" in exported(finished, tmp_path / "bundle").notes[0]


@pytest.mark.slow
def test_the_example_is_scored_before_anything_is_handed_over(finished, tmp_path, monkeypatch):
    def other(folder):
        (folder / "example.csv").write_text("x\n1\n")

    monkeypatch.setattr("tasks.lineage.bundle._example", other)
    with pytest.raises(EspalierError, match=r"does not score its own example\.csv: .*missing required col"):
        exported(finished, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
