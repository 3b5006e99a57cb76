from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.registry import register
from tasks.scoring.batch import score_batch
from tasks.scoring.request import Request
from tasks.scoring.served import Served
from tasks.tracking import record, tracking_uri
from tasks.tracking.fetch import fetch_version
from tasks.tracking.store import open_client

Lock = dict[str, str]
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_workspace: Make, lock: Lock) -> Path:
    """A workspace with one registered version, the challenger."""
    made = write_workspace(tmp_path_factory.mktemp("registered"))
    params = load_params(made)
    register(made, params, record(made, params, [], flow_run_id=None, lock=lock))
    return made


def test_a_version_is_found_by_alias_and_by_number(root: Path) -> None:
    by_alias, by_number = fetch_version(root, "testbed", "challenger"), fetch_version(root, "testbed", "1")
    assert (by_alias.version, by_alias.alias) == ("1", "challenger")
    assert (by_number.version, by_number.alias) == ("1", "")
    assert by_alias.folder == by_number.folder
    assert (by_alias.folder / "artifacts" / "model.onnx").is_file()


def test_its_files_are_fetched_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fetch_version(root, "testbed", "1").folder
    monkeypatch.setattr("mlflow.artifacts.download_artifacts", None)
    assert fetch_version(root, "testbed", "1").folder == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_killed_download_leaves_no_half_version(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fetch_version(root, "testbed", "1").folder
    shutil.rmtree(folder)

    def torn(*_: object, dst_path: str, **__: object) -> str:
        (Path(dst_path) / "half").mkdir()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mlflow.artifacts.download_artifacts", torn)
        with pytest.raises(EspalierError, match="No space left"):
            fetch_version(root, "testbed", "1")
    assert list(folder.parent.iterdir()) == []
    assert (fetch_version(root, "testbed", "1").folder / "serving.py").is_file()


@pytest.mark.parametrize(
    ("name", "wanted", "said"),
    [
        (
            "testbed",
            "champion",
            "`espalier promote` makes one; until then there is the challenger",
        ),
        ("testbed", "chalenger", "no alias 'chalenger'; did you mean challenger?"),
        ("testbed", "7", "no version 7; there are: 1"),
        ("nobody", "champion", "registry.name: no model 'nobody' is registered"),
    ],
)
def test_what_is_not_there_is_one_line(root: Path, name: str, wanted: str, said: str) -> None:
    with pytest.raises(EspalierError) as refused:
        fetch_version(root, name, wanted)
    assert said in str(refused.value)


def test_the_champion_is_whoever_has_the_alias_now(root: Path) -> None:
    client = open_client(root)
    client.set_registered_model_alias("testbed", "champion", "1")
    assert fetch_version(root, "testbed", "champion").version == "1"
    client.delete_registered_model_alias("testbed", "champion")


def test_scored_rows_are_answered_as_mlflow_serves_them(
    root: Path, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fetch_version(root, "testbed", "challenger")
    frame.to_parquet(tmp_path / "rows.parquet")
    model = Served(found.name, found.version, found.folder)
    score_batch(Request("rows.parquet", "out.parquet", folder=tmp_path), model, lambda _: None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(root))
    served = mlflow.pyfunc.load_model("models:/testbed@challenger").predict(frame)
    answers = pd.read_parquet(tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(answers[list(served)], served, check_exact=True)
