"""The registered model where it is used: an environment without torch, and MLflow's scoring server."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import urllib.request
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.artifacts import Layout
from tasks.config import load_params
from tasks.data.encoding import encode
from tasks.export.serving import Predictor
from tasks.registry import register
from tasks.tracking import record, tracking_uri
from tasks.tracking.model import requirements
from tests.tracking.servers import free_port, server

PREDICT = """
import importlib.util, json, sys
import mlflow, pandas as pd
frame = pd.read_json("rows.json")
answer = mlflow.pyfunc.load_model("models:/testbed@challenger").predict(frame)
loaded = {name.partition(".")[0] for name in sys.modules}
found = [name for name in ("torch", "tasks") if importlib.util.find_spec(name)]
told = {"answer": answer.to_dict("list"), "loaded": sorted(loaded), "found": found}
json.dump(told, open("answer.json", "w"))
"""


@pytest.fixture(scope="module")
def registered(
    tmp_path_factory: pytest.TempPathFactory, write_workspace: Callable[..., Path], lock: dict[str, str]
) -> Path:
    root = write_workspace(tmp_path_factory.mktemp("served"))
    params = load_params(root)
    register(root, params, record(root, params, [], flow_run_id=None, lock=lock))
    return root


@pytest.fixture
def expected(registered: Path, frame: pd.DataFrame) -> pd.DataFrame:
    layout = Layout(registered)
    return Predictor.load(layout.onnx("compressed"), layout.serving("compressed"), encode).predict(frame)


def _closure(names: list[str]) -> set[str]:
    """Distributions that `names` need, themselves included."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in needs if "extra ==" not in need]
    return found


def _environment_of(names: set[str], folder: Path) -> Path:
    """A virtual environment that holds these installed distributions and nothing else; no download."""
    venv.create(folder, with_pip=False, symlinks=True)
    target = next((folder / "lib").glob("python*/site-packages"))
    for name in names:
        distribution = importlib.metadata.distribution(name)
        tops = {Path(file).parts[0] for file in distribution.files or [] if ".." not in Path(file).parts}
        for top in tops - {"__pycache__"}:
            if not (target / top).exists():
                (target / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder / "bin" / "python"


@pytest.mark.slow
def test_the_challenger_predicts_alike_where_neither_torch_nor_this_project_is_installed(
    registered: Path, expected: pd.DataFrame, frame: pd.DataFrame, tmp_path: Path
) -> None:
    names = _closure([line.partition("==")[0] for line in requirements()])
    assert "torch" not in names
    python = _environment_of(names, tmp_path / "bare")
    frame.drop(columns="answer").to_json(tmp_path / "rows.json")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    subprocess.run(
        [str(python), "-I", "-c", PREDICT],
        cwd=tmp_path,
        env=kept | {"MLFLOW_TRACKING_URI": tracking_uri(registered)},
        check=True,
        timeout=200,
    )
    told = json.loads((tmp_path / "answer.json").read_text())
    assert told["found"] == []
    assert not {"torch", "tasks", "prefect", "dvc"} & set(told["loaded"])
    answer = pd.DataFrame(told["answer"])
    pd.testing.assert_frame_equal(answer, expected, check_dtype=False, check_exact=False, rtol=1e-6)


def _ask(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{url}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


@pytest.mark.server
def test_mlflow_serves_the_challenger(registered: Path, expected: pd.DataFrame, tmp_path: Path) -> None:
    serve = ["models", "serve", "-m", "models:/testbed@challenger", "--env-manager", "local"]
    rows = [[1.7, 2, "Ulm"], [None, 0, "Bonn"], [1.8, 1, None], [0.3, 7, "Oslo"]]
    body = {"dataframe_split": {"columns": ["height", "children", "city"], "data": rows}}
    with server(serve, free_port(), "ping", tmp_path, MLFLOW_TRACKING_URI=tracking_uri(registered)) as url:
        answer = pd.DataFrame(_ask(url, body)["predictions"])
    pd.testing.assert_frame_equal(answer, expected, check_dtype=False, check_exact=False, rtol=1e-6)


@pytest.mark.server
def test_a_tracking_server_records_and_registers_like_the_local_store(
    tmp_path: Path,
    write_workspace: Callable[..., Path],
    empty_database: Path,
    lock: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, held = write_workspace(tmp_path / "workspace"), tmp_path / "server"
    held.mkdir()
    (held / "mlflow.db").write_bytes(empty_database.read_bytes())
    store = ["server", "--backend-store-uri", f"sqlite:///{held / 'mlflow.db'}", "--workers", "1"]
    store += ["--artifacts-destination", str(held / "artifacts")]
    with server(store, free_port(), "health", held) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        params = load_params(root)
        first, second = (record(root, params, [], flow_run_id=None, lock=lock) for _ in range(2))
        versions = [register(root, params, found) for found in (first, second)]
    assert (first.existing, second.existing) == (False, True)
    assert [(version.version, version.existing) for version in versions] == [("1", False), ("1", True)]
    assert versions[0].url.startswith(f"{url}/#/models/testbed/versions/1?")
