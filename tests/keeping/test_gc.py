import os
import shutil
import subprocess
import time

import pytest

from tasks.errors import EspalierError
from tasks.keeping import gc
from tasks.promotion.act import move
from tasks.promotion.ledger import Ledger, Moves
from tasks.tracking.retention import open_store
from tasks.tracking.store import experiment_id, open_client
from tests.keeping.conftest import Records, git

pytestmark = pytest.mark.slow

MODEL = "testbed"
GRAPH = "stages:\n  make:\n    cmd: make\n    outs: [out.txt]\n"
DAYS_AGO = time.time() - 10 * 86_400


@pytest.fixture
def root(empty, empty_database, tmp_path):
    """A workspace in which nothing stands yet, with a database of MLflow's."""
    held = Records(shutil.copytree(empty, tmp_path / "workspace"))
    held.database.parent.mkdir(parents=True)
    shutil.copy(empty_database, held.database)
    (held.root / "params.yaml").write_text(f"registry: {{name: {MODEL}}}\n")
    (held.root / "dvc.yaml").write_text(GRAPH)
    git(held.root, "add", "-A")
    git(held.root, "commit", "-q", "-m", "settings")
    return held.root


@pytest.fixture
def client(root):
    return open_client(root)


@pytest.fixture
def registered(root, client):
    """Register a version, made from a result of its own."""
    experiment = experiment_id(client, root, MODEL)
    client.create_registered_model(MODEL)

    def made():
        run = client.create_run(experiment, tags={"espalier.identity": os.urandom(8).hex()}).info.run_id
        place = root / ".espalier" / "mlflow" / "artifacts" / run
        version = client.create_model_version(MODEL, str(place), run_id=run).version
        return str(version)

    return made


def entered(root, client, action, version, moves=None):
    """Enter a decision in the ledger."""
    ledger = Ledger(client, root, MODEL)
    entry = ledger.begin(action, version, "a reason")
    if moves:
        move(ledger, entry, moves)
    else:
        ledger.close(entry, "done")


def recorded(root, number, version):
    """Record a scheduled run of ten days ago that registered a version."""
    day = f"{DAYS_AGO:.0f} +0000"
    message = f"A run\n\nWorkspace: .\nVersion: {MODEL}/{version}"
    done = subprocess.run(
        ["git", "commit-tree", "HEAD^{tree}", "-m", message],
        cwd=root,
        env={**os.environ, "GIT_COMMITTER_DATE": day, "GIT_AUTHOR_DATE": day},
        check=True,
        capture_output=True,
        text=True,
    )
    git(root, "update-ref", f"refs/espalier/runs/{number}", done.stdout.strip())


def going(root, *, forget=False, days=0.0):
    """Numbers of the versions that would be freed."""
    found = gc.find(root, days, forget=forget)
    return sorted(int(version.version) for family, _ in found.families for version in family.versions)


def test_versions_that_alias_ledger_or_recorded_run_need_stay(root, client, registered):
    aliased, rejected, once, ran, free = (registered() for _ in range(5))
    client.set_registered_model_alias(MODEL, "mine", aliased)
    entered(root, client, "reject", rejected)
    entered(root, client, "promote", once, Moves((None, once), (None, None)))
    client.delete_registered_model_alias(MODEL, "champion")
    recorded(root, 1, ran)
    assert going(root) == [int(free)]
    assert going(root, days=1.0) == []


def test_old_recorded_runs_and_rejected_versions_go_when_asked_and_champions_never(root, client, registered):
    rejected, once, first, last = (registered() for _ in range(4))
    entered(root, client, "reject", rejected)
    entered(root, client, "promote", once, Moves((None, once), (None, None)))
    client.delete_registered_model_alias(MODEL, "champion")
    recorded(root, 1, first)
    recorded(root, 2, once)
    recorded(root, 3, last)
    assert going(root) == []
    assert going(root, forget=True) == [int(rejected), int(first)]
    found = gc.find(root, 0.0, forget=True)
    assert [run.number for run in found.recorded] == [1]  # 2 made a champion, 3 is the newest
    gc.free(root, found)
    assert git(root, "for-each-ref", "--format=%(refname:lstrip=3)", "refs/espalier").split() == ["2", "3"]
    assert {int(version.version) for version in open_store(root).versions} == {int(once), int(last)}
    assert len(Ledger(client, root, MODEL).entries()) == 2


def test_looking_writes_nothing_and_makes_no_ledger(root, client, registered):
    registered()
    kept = [root / ".espalier" / "mlflow", root / ".git" / "refs"]
    before = {path: path.read_bytes() for place in kept for path in place.rglob("*") if path.is_file()}
    gc.find(root, 0.0)
    assert {path: path.read_bytes() for path in before} == before
    assert client.get_experiment_by_name("promotions") is None


def test_abandoned_checkpoints_go_by_their_last_epoch_and_a_freed_version_takes_its_copy(root, registered):
    version = registered()
    old, new = (root / ".espalier" / "checkpoints" / name for name in ("old", "new"))
    copy = root / ".espalier" / "versions" / MODEL / f"{version}-abc"
    for folder in (old, new, copy):
        folder.mkdir(parents=True)
        (folder / "state.safetensors").write_text("weights")
    for path in (old / "state.safetensors", old):
        os.utime(path, (DAYS_AGO, DAYS_AGO))
    found = gc.find(root, 5.0)
    assert found.folders["checkpoints"] == (old,)
    assert found.bytes == len("weights")
    gc.free(root, gc.find(root, 0.0))
    assert not copy.exists()
    assert not old.exists()


def test_a_store_that_cannot_be_asked_frees_nothing(root, registered, monkeypatch):
    registered()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(EspalierError, match="does not answer"):
        gc.find(root, 0.0)
