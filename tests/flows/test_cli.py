import errno
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.asking import answers
from flows.cli import _guarded
from flows.embedded import free_port
from flows.environment import enter
from flows.run import _next
from tasks.config import Params, apply_overrides, load_params
from tasks.registry import Registered

PROJECT = Path(__file__).resolve().parents[2]


def espalier(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def root(tmp_path):
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "",
        "run",
        "init",
        "compare",
        "compress-model",
        "explain",
        "export-bundle",
        "doctor",
        "predict",
        "ui",
        "remote",
    ],
)
def test_help_fits_one_screen(tmp_path, command):
    lines = espalier(tmp_path, *command.split(), "--help").stdout.splitlines()
    assert 3 < len(lines) <= (25 if command else 40)  # the list of all commands has a line for each
    assert max(map(len, lines)) <= 80
    assert not any(line.endswith("...") for line in lines[1:])


def test_a_wrong_setting_is_one_list_exit_code_two_and_writes_nothing(root):
    ended = espalier(root, "run", "--set", "train.epoch=5", "--set", "prune.amount=3")
    assert ended.returncode == 2
    assert "train.epoch: unknown key (got 5); did you mean 'epochs'?" in ended.stderr
    assert "prune.amount" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in root.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize("command", ["study", "run", "run --dry-run"])
def test_a_space_that_no_study_could_go_by_is_refused_before_it_is_written(root, command):
    before = (root / "params.yaml").read_text()
    ended = espalier(root, *command.split(), "--set", "study.space={train.seed: [1, 2]}")
    assert ended.returncode == 2
    assert "study.space.train.seed: cannot vary" in ended.stderr
    assert (root / "params.yaml").read_text() == before


def test_the_version_is_that_of_the_package(tmp_path):
    ended = espalier(tmp_path, "--version")
    assert (ended.returncode, ended.stdout) == (0, f"espalier {version('espalier')}\n")


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("nets.absent:build", "model.builder: no module nets.absent in the workspace"),
        ("nets.mine:bild", "model.builder: nets.mine has no function 'bild' (did you mean 'build'?)"),
        ("nets.broken:build", "model.builder: importing nets.broken raised ImportError"),
    ],
)
def test_a_dry_run_looks_for_the_builder(root, builder, message):
    (root / "nets").mkdir()
    (root / "nets" / "mine.py").write_text("def build(input_shape, outputs): ...\n")
    (root / "nets" / "broken.py").write_text("raise ImportError('no such thing')\n")
    ended = espalier(root, "run", "--dry-run", "--set", f"model={{method: user, builder: '{builder}'}}")

    assert ended.returncode == 1
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert sorted(path.name for path in root.rglob("*")) == ["broken.py", "mine.py", "nets", "params.yaml"]


def test_a_folder_that_does_not_exist_is_one_line(tmp_path):
    ended = espalier(tmp_path, "run", "-C", "nowhere")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "espalier: nowhere: no such folder; `espalier init nowhere --source FILE` makes a workspace"
    ]


def test_a_place_that_cannot_be_written_is_one_line(capsys):
    def refused():
        raise PermissionError(errno.EACCES, "Permission denied", "work/params.yaml")

    assert _guarded(refused) == 1
    assert capsys.readouterr().err.splitlines() == [
        "espalier: work/params.yaml: Permission denied; free space or fix permissions, then run again"
    ]


def test_a_mistake_of_the_program_keeps_its_traceback():
    def mistaken():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "model.onnx")

    with pytest.raises(FileNotFoundError):
        _guarded(mistaken)


@pytest.mark.parametrize(
    ("registered", "folder", "last"),
    [
        ("1", ".", "espalier run --set prune.amount=0.9"),
        ("3", ".", "espalier compare espalier-mnist/2 espalier-mnist/3"),
        ("3", "work/a", "espalier compare -C work/a espalier-mnist/2 espalier-mnist/3"),
        (None, "work/a", "espalier run -C work/a --set registry.register=true"),
    ],
)
def test_what_to_do_next_follows_from_what_there_is(registered, folder, last):
    registered = registered and Registered("espalier-mnist", registered, "http://there", existing=False)
    result = SimpleNamespace(registered=registered)
    assert _next(Params(), result, folder)[-1] == last


@pytest.mark.parametrize("method", ["none", "structured", "unstructured", "low_rank", "steps", "budget"])
def test_the_setting_that_is_suggested_is_valid(root, method):
    settings = [f"prune.method={method}"]
    settings += ["prune.steps=[{method: structured}]"] if method == "steps" else []
    params = apply_overrides(root, settings)
    registered = Registered("espalier-mnist", "1", "http://there", existing=False)
    suggested = _next(params, SimpleNamespace(registered=registered), ".")[-1].split()[-1]

    assert load_params(root, [suggested]) != params


def test_a_prefect_server_that_does_not_answer_is_one_line(root):
    ended = espalier(root, "run", PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "PREFECT_API_URL" in ended.stderr


def test_entering_a_workspace_keeps_every_tool_inside_it(tmp_path, monkeypatch):
    jobs = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
    for name in ("PREFECT_HOME", "DVC_SITE_CACHE_DIR", "MPLCONFIGDIR", jobs):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    try:
        enter(tmp_path)
        places = [os.environ[name] for name in ("PREFECT_HOME", "DVC_SITE_CACHE_DIR", "MPLCONFIGDIR")]
        assert all(place.startswith(str(tmp_path)) for place in places)
        assert sys.path[0] == str(tmp_path)
        assert os.environ[jobs] == "false"
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_entering_respects_what_is_set(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", "elsewhere")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    try:
        enter(tmp_path)
        assert os.environ["PREFECT_HOME"] == "elsewhere"
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_nobody_answers_on_a_free_port():
    assert not answers(f"http://127.0.0.1:{free_port()}/api")


def test_a_taken_port_is_replaced_by_a_free_one():
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_port(taken) != taken
