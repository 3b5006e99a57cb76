import pytest
from dvc.repo import Repo

from tasks import versioning
from tasks.errors import EspalierError


@pytest.fixture
def root(fresh):
    return fresh


def config(root):
    return (root / ".dvc" / "config").read_text()


def address(root):
    with Repo(str(root)) as repo:
        return str(repo.config["remote"]["storage"]["url"])


def refused(root, url, match, **settings):
    before = config(root)
    with pytest.raises(EspalierError, match=match):
        versioning.set_remote(root, url, settings, root)
    assert config(root) == before


def test_a_remote_that_keeps_and_gives_back_an_object_becomes_the_default_and_keeps_nothing(root, tmp_path):
    found = versioning.set_remote(root, "../shared", {}, root)
    assert address(root) == found.url == str(tmp_path / "shared")
    assert list((tmp_path / "shared").iterdir()) == []
    assert versioning.shown_remote(root) == found
    assert found.place is None


def test_a_remote_inside_the_workspace_is_written_as_seen_from_it_and_called_private(root):
    found = versioning.set_remote(root, "kept", {}, root)
    assert found.place == root / "kept"
    assert "url = ../kept" in config(root)
    assert address(root) == str(root / "kept")


def test_without_a_default_remote_none_is_shown_and_the_first_is_called_storage(root, tmp_path):
    (root / ".dvc" / "config").write_text("")
    assert versioning.shown_remote(root) is None
    assert versioning.set_remote(root, str(tmp_path / "shared"), {}, root).name == "storage"
    assert "remote = storage" in config(root)


def test_a_file_in_the_place_of_the_folder_changes_nothing(root, tmp_path):
    (tmp_path / "shared").write_text("a file")
    refused(root, str(tmp_path / "shared"), r"could not be written.*config is as it was")


def test_a_path_whose_folder_is_not_there_is_taken_for_a_disk_that_is_not_mounted(root, tmp_path):
    refused(root, str(tmp_path / "disk" / "dvc"), r"disk is no folder here")
    assert not (tmp_path / "disk").exists()


def test_an_object_that_comes_back_changed_changes_nothing(root, tmp_path, monkeypatch):
    from dvc.fs import LocalFileSystem

    monkeypatch.setattr(LocalFileSystem, "cat_file", lambda self, path: b"other")
    refused(root, str(tmp_path / "shared"), "gave back other bytes")
    assert list((tmp_path / "shared").iterdir()) == []


def test_a_password_never_gets_into_a_file_that_git_has(root):
    refused(root, "ssh://me:hunter2@host/dvc", r"me:\*\*\*@host.*--local")
    refused(root, "s3://bucket/dvc", "--local", secret_access_key="hunter2")


def test_a_misspelt_setting_is_answered_with_the_nearest(root):
    refused(root, "s3://bucket/dvc", "did you mean endpointurl", endpointurls="http://127.0.0.1:9")


def test_settings_of_another_kind_of_remote_do_not_stay(root, tmp_path):
    text = config(root).replace("url = ../remote", "url = s3://bucket/dvc\n    region = somewhere")
    (root / ".dvc" / "config").write_text(text)
    versioning.set_remote(root, str(tmp_path / "shared"), {}, root)
    assert "region" not in config(root)


def test_a_remote_of_ones_own_that_would_win_is_named(root, tmp_path):
    (root / ".dvc" / "config.local").write_text("['remote \"storage\"']\n    url = /elsewhere\n")
    refused(root, str(tmp_path / "shared"), r"config\.local names a remote of its own")


def test_what_the_remote_lacks_is_counted(root, tmp_path):
    (root / "in.txt").write_text("ab")
    (root / "params.yaml").write_text("")
    (root / "dvc.yaml").write_text(
        "stages:\n  double:\n    cmd: cat in.txt in.txt > double.txt\n    deps: [in.txt]\n"
        "    outs: [double.txt]\n"
    )
    (root / "reports").mkdir()
    versioning.run_stage(root, "double", lambda: (root / "double.txt").write_text("abab"))
    versioning.set_remote(root, str(tmp_path / "shared"), {}, root)
    assert versioning.presence(root) == (1, 1)
    versioning.push(root)
    assert versioning.presence(root) == (1, 0)
    assert list((tmp_path / "shared").rglob("*probe*")) == []


def test_a_folder_whose_list_is_nowhere_is_told_with_what_to_do(root):
    (root / "data.dvc").write_text(f"outs:\n- md5: {'0' * 32}.dir\n  hash: md5\n  path: data\n")
    with pytest.raises(EspalierError, match=r"neither here nor in the DVC remote; `dvc push` where"):
        versioning.presence(root)
