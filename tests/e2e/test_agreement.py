"""`espalier run` and `dvc repro` are two ways to the same recorded state."""

import json
import shutil
from dataclasses import replace

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.server]

STAGES = ["fetch", "clean", "reference", "reduce", "train", "prune", "evaluate", "measure"]


def statuses(**changed):
    return {name: changed.get(name, "skipped") for name in STAGES}


def test_a_second_run_runs_nothing_and_records_nothing_twice(project):
    ended = project.espalier("run")
    assert "(already recorded)\n" in ended.stdout
    assert "Model       espalier-digits version 1\n" in ended.stdout
    assert project.run() == statuses()


def test_status_is_clean_and_repro_runs_nothing_after_a_run(project):
    assert "up to date" in project.dvc("status").stdout
    before = (project.root / "dvc.lock").read_bytes()
    assert "Running stage" not in project.dvc("repro").stdout
    assert (project.root / "dvc.lock").read_bytes() == before


def test_repro_from_nothing_records_the_same_and_a_run_then_runs_nothing(project):
    ours = project.lock()
    for name in ("dvc.lock", ".dvc/cache", "models", "reports"):
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert project.dvc("repro").stdout.count("Running stage") == len(STAGES)
    assert project.lock() == ours
    assert project.run() == statuses()


def test_a_changed_parameter_reruns_only_its_dependents_and_going_back_restores(project):
    before = project.lock()
    assert project.run("prune.amount=0.6") == statuses(prune="ran", evaluate="ran", measure="ran")
    back = project.run("prune.amount=0.8")
    assert back == statuses(prune="restored", evaluate="restored", measure="restored")
    assert project.lock() == before
    assert "up to date" in project.dvc("status").stdout


def test_a_dry_run_says_why_and_writes_nothing(project):
    before = project.git("status", "--porcelain").stdout
    said = project.espalier("run", "--dry-run", "--set", "prune.amount=0.5").stdout
    assert "would run: prune changed" in said
    assert "train      up to date" in said
    assert project.git("status", "--porcelain").stdout == before


def test_editing_a_network_of_the_users_own_would_retrain(project):
    with (project.root / "nets" / "example.py").open("a") as file:
        file.write("\n# wider next time\n")
    assert "reference  would run: nets is modified" in project.espalier("run", "--dry-run").stdout


def test_experiments_metrics_and_plots_work_as_dvc_users_expect(project):
    project.dvc("exp", "run", "-S", "prune.amount=0.9")
    changed = json.loads(project.dvc("metrics", "diff", "--json").stdout)
    moved = changed["reports/metrics.json"]
    assert moved["compressed.size.parameters"]["diff"] < 0
    assert not any(name.startswith("reference.") for name in moved)
    assert project.dvc("plots", "diff").returncode == 0


def test_a_fresh_clone_and_a_pull_have_the_metrics_without_training(finished, tmp_path):
    root = tmp_path / "clone"
    finished.git("clone", "-q", str(finished.root), str(root))
    clone = replace(finished, root=root, environment={**finished.environment, "PYTHONPATH": str(root)})
    remote = finished.root / ".espalier" / "remote"
    clone.dvc("remote", "modify", "--local", "storage", "url", str(remote))
    clone.dvc("pull")
    assert (root / "reports" / "metrics.json").read_bytes() == (
        finished.root / "reports" / "metrics.json"
    ).read_bytes()
    assert "up to date" in clone.dvc("status").stdout
    assert clone.run() == statuses()
