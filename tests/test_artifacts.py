import resource
import signal
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch

from tasks import artifacts
from tasks.errors import EspalierError


@contextmanager
def disk_full(count=64):
    """No file may grow past a few bytes: the system refuses the write, as it does on a full disk.

    Undone before the test returns: a test runner that writes to a file would be refused too.
    """
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


SAVES = {
    "json": lambda path, n: artifacts.write_json(path, {"x": list(range(n))}),
    "csv": lambda path, n: artifacts.write_csv(path, pd.DataFrame({"x": range(n)})),
    "bytes": lambda path, n: artifacts.write_bytes(path, b"x" * n),
    "parquet": lambda path, n: artifacts.write_frame(path, pd.DataFrame({"x": np.arange(n)})),
    "npz": lambda path, n: artifacts.save_arrays(path, x=np.arange(n)),
    "safetensors": lambda path, n: artifacts.save_tensors(path, {"x": torch.arange(n)}),
}


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


@pytest.mark.parametrize("kind", SAVES)
def test_a_full_disk_leaves_the_previous_file_whole(tmp_path, kind):
    path = tmp_path / f"saved.{kind}"
    SAVES[kind](path, 3)
    before = path.read_bytes()
    with (
        pytest.raises(EspalierError, match=r"could not be written .*previous file is untouched"),
        disk_full(),
    ):
        SAVES[kind](path, 100_000)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


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
