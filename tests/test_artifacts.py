import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks import artifacts
from tasks.errors import EspalierError


def full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_arrays_come_back_as_they_went(tmp_path):
    X = np.array([[1.0, np.nan]], dtype=np.float32)
    artifacts.save_arrays(tmp_path / "a.npz", X=X, y=np.array([3]))
    found = artifacts.load_arrays(tmp_path / "a.npz")
    np.testing.assert_array_equal(found["X"], X)
    assert found["X"].dtype == np.float32


def test_equal_arrays_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        artifacts.save_arrays(tmp_path / name, X=np.arange(5))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_object_arrays_are_refused(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle=False"):
        artifacts.save_arrays(tmp_path / "a.npz", X=np.array([{}], dtype=object))


def test_tensors_come_back_as_they_went(tmp_path):
    tensors = {"w": torch.arange(6.0).reshape(2, 3).t(), "b": torch.ones(2, dtype=torch.int64)}
    artifacts.save_tensors(tmp_path / "t.safetensors", tensors)
    found = artifacts.load_tensors(tmp_path / "t.safetensors")
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_json_refuses_values_that_are_not_numbers(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        artifacts.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_a_full_disk_leaves_the_previous_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    artifacts.write_json(path, {"kept": 1})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(EspalierError, match="No space left"):
            artifacts.write_json(path, {"lost": 2})
    assert artifacts.read_json(path) == {"kept": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_a_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(EspalierError, match="dvc pull"):
        artifacts.read_json(tmp_path / "none.json")


def test_a_fingerprint_follows_contents_names_and_settings(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("1")
    first = artifacts.fingerprint(folder, settings={"x": 1})
    assert artifacts.fingerprint(folder, settings={"x": 1}) == first
    assert artifacts.fingerprint(folder, settings={"x": 2}) != first
    (folder / "a").rename(folder / "b")
    assert artifacts.fingerprint(folder, settings={"x": 1}) != first
    (folder / "b").rename(folder / "a")
    (folder / "a").write_text("2")
    assert artifacts.fingerprint(folder, settings={"x": 1}) != first
