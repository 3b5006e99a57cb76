"""`espalier study` on Dask: workers on another disk, and what is left when something is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.e2e.dask_made import Cluster, kill

pytest.importorskip("prefect_dask", reason="extra dask is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.server]

SMALL = [
    "train.epochs=2",
    "prune.finetune.epochs=20",
    "study.rivals=false",
    "study.workers=1",
    "study.sampler=grid",
    "study.space={prune.amount: [0.5, 0.9]}",
]
WORDS = ["--candidates", "3", "--seeds", "1"]


def words(*settings):
    return [word for each in [*SMALL, *settings] for word in ("--set", each)] + WORDS


def begin(project, *settings):
    return subprocess.Popen(
        [sys.executable, "-c", "from flows.cli import main; main()", "study", *words(*settings)],
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until(found, process):
    """Wait for a study to come to a point."""
    while not found():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def figures(project):
    """What does not depend on a clock, by candidate."""
    report = json.loads((project.root / "reports" / "study.json").read_text())
    return {
        each["id"]: (each["valid"], each["test"], each["bytes"], each["macs"])
        for each in report["candidates"]
    }


def nodes(project):
    """Files of all nodes but the seconds that they took."""
    folder = project.root / ".espalier" / "study" / "nodes"
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "node.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def cluster(project, tmp_path):
    started = Cluster(tmp_path, hidden=project.root)
    yield started
    started.end()


def test_workers_on_another_disk_give_the_same_though_study_and_worker_are_killed(project, cluster, tmp_path):
    project.espalier("study", *words())
    first, kept = figures(project), nodes(project)
    shutil.rmtree(project.root / ".espalier" / "study")
    project.dvc("remote", "modify", "storage", "url", str(tmp_path / "remote"))
    dask = ["study.runner=dask", f"study.address={cluster.address}"]
    worker, private = cluster.worker("one")

    killed = begin(project, *dask)
    until(lambda: list(private.glob("*/.espalier/study/trials/*.json")), killed)
    kill(killed)

    study = begin(project, *dask)
    until(lambda: list(private.glob("*/.espalier/study/work/*")), study)
    kill(worker)
    _, other = cluster.worker("two")
    out, err = study.communicate()
    assert study.returncode == 0, out + err
    assert figures(project) == first
    assert nodes(project) == kept
    assert len(list((project.root / ".espalier" / "study" / "trials").iterdir())) == 3
    report = json.loads((project.root / "reports" / "study.json").read_text())
    assert all(each["latency_us"] for each in report["candidates"])
    assert [path.name for path in other.glob("*/data/raw.parquet")] == ["raw.parquet"]

    cluster.end()
    assert "(already recorded)" in project.espalier("study", *words(*dask)).stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_cluster_of_this_machine_ends_with_the_study(project, how):
    study = begin(project, "study.runner=dask", "prune.finetune.epochs=60")
    computed = project.root / ".espalier" / "study"
    until(lambda: list(computed.glob("work/*/.espalier/checkpoints/*")), study)
    family = psutil.Process(study.pid).children(recursive=True)
    assert any("forkserver" in " ".join(each.cmdline()) for each in family), family  # workers are its copies
    os.killpg(study.pid, how) if how == signal.SIGINT else study.kill()
    out, err = study.communicate()
    assert not psutil.wait_procs(family, timeout=60)[1]
    if how == signal.SIGINT:
        assert study.returncode == 0, out + err
        assert "were not tried" in out
        assert len(figures(project)) == len(list((computed / "trials").glob("*.json"))) == 1
