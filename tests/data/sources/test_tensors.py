from __future__ import annotations

import pickle

import pytest
import torch

from tasks.data.sources.tensors import read_tensors
from tasks.errors import EspalierError

X, Y = torch.arange(12.0).reshape(6, 2), torch.arange(6) % 2


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize(
    "stored",
    [
        (X, Y),
        [X, Y[:, None]],
        {"X": X, "y": Y},
        {"data": X, "targets": Y},
        torch.column_stack([X, Y]),
        (X.bfloat16(), Y),
        (X.requires_grad_(), Y),
    ],
)
def test_pairs_dicts_and_tables_hold_the_same_rows(tmp_path, stored) -> None:
    torch.save(stored, tmp_path / "train_data.pth")
    frame = read_tensors(tmp_path / "train_data.pth", "train_data.pth", ()).frame
    assert frame["x1"].tolist() == [1, 3, 5, 7, 9, 11]
    assert frame["y"].tolist() == [0, 1] * 3


def test_images_keep_their_grid(tmp_path) -> None:
    torch.save((torch.zeros(6, 4, 4, dtype=torch.uint8), Y), tmp_path / "t.pt")
    assert read_tensors(tmp_path / "t.pt", "t.pt", ()).shape == (1, 4, 4)


def test_planted_objects_are_refused_and_never_run(tmp_path) -> None:
    torch.save(Planted(str(tmp_path / "ran")), tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Planted(str(tmp_path / "ran"))))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(EspalierError, match="refused, nothing was executed"):
            read_tensors(tmp_path / name, name, ())
    assert not (tmp_path / "ran").exists()


def test_a_whole_network_is_refused(tmp_path) -> None:
    torch.save(torch.nn.Linear(2, 1), tmp_path / "net.pth")
    with pytest.raises(EspalierError, match="refused"):
        read_tensors(tmp_path / "net.pth", "net.pth", ())


def test_weights_are_told_from_rows(tmp_path) -> None:
    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / "net.pth")
    with pytest.raises(EspalierError, match=r"holds weight, bias.*reference\.weights"):
        read_tensors(tmp_path / "net.pth", "net.pth", ())


@pytest.mark.parametrize("content", [b"garbage", b"PK\x03\x04 cut short"])
def test_broken_files_are_named(tmp_path, content) -> None:
    (tmp_path / "t.pt").write_bytes(content)
    with pytest.raises(EspalierError, match=r"t\.pt is not"):
        read_tensors(tmp_path / "t.pt", "t.pt", ())


@pytest.mark.parametrize("stored", [3, [X, Y, Y], X.to_sparse()])
def test_other_contents_are_refused(tmp_path, stored) -> None:
    torch.save(stored, tmp_path / "t.pt")
    with pytest.raises(EspalierError, match=r"t\.pt holds"):
        read_tensors(tmp_path / "t.pt", "t.pt", ())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_narrow_floats_are_widened(tmp_path, dtype) -> None:
    torch.save((X.detach().to(dtype), Y), tmp_path / "t.pt")
    assert read_tensors(tmp_path / "t.pt", "t.pt", ()).frame["x1"].tolist() == X[:, 1].to(dtype).tolist()
