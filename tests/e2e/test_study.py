"""`espalier study` through the real command: runners, resuming, Ctrl-C, failures, a pick made the recipe."""

import json
import signal
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.server]

SMALL = [
    "train.epochs=2",
    "prune.finetune.epochs=2",
    "study.rivals=false",
    "study.workers=2",
    "study.sampler=grid",
    "study.space={prune.amount: [0.5, 0.9], reduce.columns.components: [16, 32]}",
]
COMMAND = [sys.executable, "-c", "from flows.cli import main; main()", "study"]


def words(*settings):
    return [word for each in settings for word in ("--set", each)]


def study(project, *settings, **options):
    return project.espalier(
        "study", *words(*SMALL, *settings), "--candidates", "4", "--seeds", "1", **options
    )


def figures(project):
    """What does not depend on a clock, by candidate."""
    report = json.loads((project.root / "reports" / "study.json").read_text())
    return {
        each["id"]: (each["valid"], each["test"], each["bytes"], each["macs"])
        for each in report["candidates"]
    }


def forget(project):
    """Forget all trials and what they were made of."""
    import shutil

    shutil.rmtree(project.root / ".espalier" / "study")


def test_runners_agree_a_second_run_computes_nothing_and_a_pick_gives_the_same_numbers(project):
    said = study(project).stdout
    assert "front, by validation rows" in said
    front = said.partition("front, by")[2].partition("Report")[0]
    assert max(map(len, front.splitlines())) <= 80
    pages = {line.split()[0] for line in said.splitlines() if "http://" in line}
    assert pages == {"page", "table", "front", "compare", "report"}
    first = figures(project)
    nodes = sorted(path.name for path in (project.root / ".espalier" / "study" / "nodes").iterdir())
    assert "(already recorded)" in study(project).stdout
    assert sorted(path.name for path in (project.root / ".espalier" / "study" / "nodes").iterdir()) == nodes
    assert "up to date" in project.dvc("status", "reports/study.dvc").stdout

    forget(project)
    study(project, "study.runner=threads")
    assert figures(project) == first

    best = json.loads((project.root / "reports" / "study.json").read_text())["picks"]["best"]
    project.espalier("study", "--apply", "best")
    report = json.loads((project.root / "reports" / "evaluate.json").read_text())["models"]["compressed"]
    valid, test, size, _ = first[best]
    assert (report["valid"], report["metrics"], report["size"]["bytes"]) == (valid, test, size)


def test_dask_agrees_with_processes(project):
    pytest.importorskip("prefect_dask", reason="extra dask is not installed")
    study(project)
    first = figures(project)
    forget(project)
    study(project, "study.runner=dask")
    assert figures(project) == first


def test_ctrl_c_ends_with_what_is_there_and_a_killed_study_goes_on(project):
    long = words(*SMALL, "prune.finetune.epochs=40", "study.workers=1")
    for how, code in ((signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)):
        process = subprocess.Popen(
            [*COMMAND, *long, "--candidates", "4", "--seeds", "1"],
            cwd=project.root,
            env=project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        trials = project.root / ".espalier" / "study" / "trials"
        before = len(list(trials.glob("*.json")))
        until = time.monotonic() + 200
        while len(list(trials.glob("*.json"))) == before:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(how)
        out, err = process.communicate()
        assert process.returncode == code, err
        if how == signal.SIGINT:
            assert "were not tried" in out
            assert (project.root / "reports" / "study.json").exists()
    kept = {path.name for path in trials.glob("*.json")}
    project.espalier("study", *long, "--candidates", "4", "--seeds", "1")
    after = {path.name for path in trials.glob("*.json")}
    assert kept <= after
    assert len(figures(project)) == len(after)


def test_a_candidate_that_cannot_be_is_recorded_and_the_others_go_on(project):
    said = study(project, "study.space={reduce.columns.components: [16, 5000]}").stdout
    assert "candidates failed" in said
    report = json.loads((project.root / "reports" / "study.json").read_text())
    failed = [each for each in report["candidates"] if each["failures"]]
    assert failed
    assert "components" in str(failed[0]["failures"])


KILLER = """import math, os, signal

from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)

    def forward(self, x):
        if self.layer.in_features == 16:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.layer(x.flatten(1))


def build(input_shape, outputs):
    return Net(math.prod(input_shape), outputs)
"""


def test_a_candidate_that_kills_its_worker_fails_alone(project):
    (project.root / "nets" / "killer.py").write_text(KILLER)
    settings = [
        "model.method=user",
        "model.builder=nets.killer:build",
        "prune.method=none",
        "study.space={reduce.columns.components: [16, 20, 24, 32]}",
    ]
    study(project, *settings)
    report = json.loads((project.root / "reports" / "study.json").read_text())
    failures = {
        each["overrides"].get("reduce.columns.components"): each["failures"] for each in report["candidates"]
    }
    assert "its worker was lost 3 times" in str(failures.pop(16))
    assert len(failures) == 3
    assert not any(failures.values())


def test_apply_without_a_study_and_of_an_unknown_id_say_what_to_do(project):
    ended = project.espalier("study", "--apply", "knee", check=False)
    assert ended.returncode == 1
    assert "run `espalier study` first" in ended.stderr
