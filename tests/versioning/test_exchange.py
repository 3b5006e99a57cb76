import shutil

import pytest

from tasks import versioning
from tasks.errors import EspalierError
from tasks.versioning.exchange import _without_credentials
from tests.versioning.conftest import CONFIG, workspace_in


@pytest.fixture
def root(tmp_path):
    workspace = workspace_in(tmp_path, tmp_path / "remote", "__pycache__/\n")
    (workspace / "data").mkdir()
    (workspace / "data" / "raw.parquet").write_bytes(b"rows")
    (workspace / "nets" / "__pycache__").mkdir(parents=True)
    (workspace / "nets" / "mine.py").write_text("layers = 3\n")
    (workspace / "nets" / "__pycache__" / "mine.pyc").write_bytes(b"cached")
    return workspace


PATHS = ["data/raw.parquet", "nets"]


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_what_is_offered_is_collected_elsewhere_and_nothing_else_is_left_there(root, tmp_path):
    offered = versioning.offer(root, PATHS)
    shutil.rmtree(root)
    versioning.collect(tmp_path / "other", offered)
    assert files(tmp_path / "other") == {"data/raw.parquet": b"rows", "nets/mine.py": b"layers = 3\n"}


def test_what_is_in_the_remote_is_offered_again_under_the_same_hashes(root):
    assert versioning.offer(root, PATHS) == versioning.offer(root, PATHS)


def test_without_a_remote_the_way_to_one_is_told(root):
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    with pytest.raises(EspalierError, match="none is set; `dvc remote add -d NAME URL` sets one"):
        versioning.offer(root, PATHS)


def test_a_remote_that_takes_nothing_is_told_in_one_line(root):
    (root / "file").write_text("no folder")
    (root / ".dvc" / "config").write_text(CONFIG.format(url=root / "file" / "below"))
    with pytest.raises(EspalierError, match=r"DVC remote .*did not get there") as caught:
        versioning.offer(root, PATHS)
    assert "\n" not in str(caught.value)


def test_a_remote_that_a_worker_does_not_reach_is_told_in_one_line(root, tmp_path):
    offered = versioning.offer(root, PATHS)
    shutil.rmtree(tmp_path / "remote")
    with pytest.raises(EspalierError, match="cannot be read from here") as caught:
        versioning.collect(tmp_path / "other", offered)
    assert "\n" not in str(caught.value)
    assert not files(tmp_path / "other")


def test_no_credential_of_a_remote_is_passed_on():
    settings = {
        "url": "https://me:secret@host:8443/store",
        "password": "secret",
        "secret_access_key": "secret",
        "session_token": "secret",
        "connection_string": "secret",
        "keyfile": "/home/me/secret",
        "custom_auth_header": "X-Token secret",
        "endpointurl": "https://host:9000",
        "region": "eu-1",
    }
    kept = _without_credentials(settings)
    assert kept == {"url": "https://me@host:8443/store", "endpointurl": "https://host:9000", "region": "eu-1"}
    assert "secret" not in str(kept)
