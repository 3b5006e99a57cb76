"""After each fault the next run completes, and nothing saved is lost."""

import signal
import subprocess
import sys
import time

import pytest

from flows.embedded import free_port

pytestmark = [pytest.mark.slow, pytest.mark.server]

LONG = ("train.epochs=150",)


def settings(*overrides):
    return [word for override in overrides for word in ("--set", override)]


def stopped_in_training(project, how):
    """Start a run and send it a signal once the reference has a checkpoint; return exit code and errors."""
    command = [sys.executable, "-c", "from flows.cli import main; main()", "run", *settings(*LONG)]
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while not any((project.root / ".espalier" / "checkpoints").rglob("*.safetensors")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(how)
    errors = process.communicate()[1]
    return process.returncode, errors


def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(project, finished, tmp_path):
    before = (project.root / "dvc.lock").read_bytes()
    stopped_in_training(project, signal.SIGKILL)
    assert (project.root / "dvc.lock").read_bytes() == before
    assert project.run()["reference"] == "ran"
    resumed = project.lock()["reference"]
    unbroken = project.dvc("repro", "--force", "--single-item", "reference")
    assert "Running stage 'reference'" in unbroken.stdout
    assert project.lock()["reference"] == resumed


def test_ctrl_c_says_that_nothing_is_lost(project):
    code, errors = stopped_in_training(project, signal.SIGINT)
    assert code == 130
    assert "stopped; finished stages and epochs are kept" in errors
    assert "Traceback" not in errors
    assert project.run()["reference"] == "ran"


def test_a_stage_that_raises_is_one_line_and_the_next_run_goes_on(project):
    (project.root / "nets" / "broken.py").write_text(
        '"""Broken."""\n\n\ndef build(input_shape, outputs):\n    raise ValueError("no such width")\n'
    )
    broken = project.espalier(
        "run", *settings('model={method: user, builder: "nets.broken:build"}'), check=False
    )
    assert broken.returncode == 1
    assert "no such width" in broken.stderr
    (project.root / "nets" / "broken.py").unlink()
    model = "model={method: mlp, hidden: [64, 32], dropout: 0.0}"
    assert set(project.run(model).values()) <= {"skipped", "restored"}


def test_an_mlflow_that_does_not_answer_loses_nothing(project):
    nobody = f"http://127.0.0.1:{free_port()}"
    ended = project.espalier("run", *settings("prune.amount=0.7"), check=False, MLFLOW_TRACKING_URI=nobody)
    assert ended.returncode == 1
    assert len(ended.stderr.strip().splitlines()) == 1
    assert nobody in ended.stderr
    after = project.espalier("run").stdout
    assert "espalier-digits version 2" in after
    assert "(already recorded)" not in after


def test_a_corrupt_cache_object_is_made_anew(project):
    cached = max(
        (path for path in (project.root / ".dvc" / "cache" / "files").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    cached.chmod(0o644)
    cached.write_bytes(b"corrupt")
    (project.root / "data" / "clean" / "train.npz").unlink()
    (project.root / "data" / "raw.parquet").unlink()
    assert set(project.run()) >= {"fetch", "clean"}
    assert "up to date" in project.dvc("status").stdout


def test_a_second_run_is_refused_while_one_is_at_work(project):
    from tasks import versioning

    before = (project.root / "params.yaml").read_text()
    with versioning.workspace_lock(project.root):
        ended = project.espalier("run", *settings("prune.amount=0.5"), check=False)
    assert ended.returncode == 1
    assert "another run" in ended.stderr
    assert (project.root / "params.yaml").read_text() == before, "the run at work reads it too"
    assert project.espalier("run").returncode == 0
