from __future__ import annotations

import numpy as np
import pytest

from tasks.data.sources.arrays import read_npy, read_npz
from tasks.data.sources.loaded import from_arrays
from tasks.errors import EspalierError

Y = np.arange(6) % 2
PAIR = {"x": np.arange(12.0).reshape(6, 2), "y": Y}


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize(
    ("shape", "grid"),
    [
        ((6, 4), None),
        ((6, 5, 5), (1, 5, 5)),
        ((6, 2, 5), (2, 5)),
        ((6, 3, 5, 5), (3, 5, 5)),
        ((6, 5, 5, 3), (3, 5, 5)),
    ],
)
def test_grids_are_flattened_channels_first(shape, grid) -> None:
    loaded = from_arrays(np.zeros(shape, np.float32), Y, "set")
    assert loaded.shape == grid
    assert loaded.frame.shape == (6, np.prod(shape[1:]) + 1)


def test_channels_last_are_moved() -> None:
    X = np.arange(6 * 2 * 2 * 3).reshape(6, 2, 2, 3)
    frame = from_arrays(X, Y, "set").frame
    assert frame.iloc[0, :4].tolist() == [0, 3, 6, 9]


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.zeros((6, 2)), Y[:3]),
        (np.zeros((6, 2)), np.zeros((6, 3))),
        (np.zeros(6), Y),
        (np.asarray([["a"]]), Y),
    ],
)
def test_arrays_that_are_no_rows_are_refused(X, y) -> None:
    with pytest.raises(EspalierError, match="must be"):
        from_arrays(X, y, "set")


def test_archives_hold_x_and_y(tmp_path) -> None:
    np.savez(tmp_path / "s.npz", data=np.zeros((6, 2)), labels=Y)
    loaded = read_npz(tmp_path / "s.npz", "s.npz", ())
    assert loaded.frame.columns.tolist() == ["x0", "x1", "y"]


def test_an_official_split_becomes_a_column(tmp_path) -> None:
    np.savez(tmp_path / "s.npz", x_train=np.zeros((6, 2)), y_train=Y, x_test=np.ones((2, 2)), y_test=Y[:2])
    loaded = read_npz(tmp_path / "s.npz", "s.npz", ())
    assert loaded.split == "split"
    assert loaded.frame["split"].tolist() == ["train"] * 6 + ["test"] * 2


def test_other_names_are_listed(tmp_path) -> None:
    np.savez(tmp_path / "s.npz", a=Y, b=Y)
    with pytest.raises(EspalierError, match="holds a, b; arrays X and y are needed"):
        read_npz(tmp_path / "s.npz", "s.npz", ())


def test_the_last_column_of_a_plain_array_is_the_target(tmp_path) -> None:
    np.save(tmp_path / "s.npy", np.column_stack([np.ones(6), Y]))
    assert read_npy(tmp_path / "s.npy", "s.npy", ()).frame["y"].tolist() == Y.tolist()


def test_a_structured_array_names_its_columns(tmp_path) -> None:
    np.save(tmp_path / "s.npy", np.asarray([(1.0, 2)], dtype=[("a", "f8"), ("b", "i8")]))
    assert read_npy(tmp_path / "s.npy", "s.npy", ()).frame.columns.tolist() == ["a", "b"]


@pytest.mark.parametrize(("ending", "read"), [("npy", read_npy), ("npz", read_npz)])
def test_planted_objects_are_refused_and_never_run(tmp_path, ending, read) -> None:
    planted = np.asarray([Planted(str(tmp_path / "ran"))], dtype=object)
    path = tmp_path / f"s.{ending}"
    if ending == "npy":
        np.save(path, planted, allow_pickle=True)
    else:
        np.savez(path, X=planted, y=Y)
    with pytest.raises(EspalierError, match="refused, nothing was executed"):
        read(path, path.name, ())
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("name", "read"), [("s.npy", read_npy), ("s.npz", read_npz)])
@pytest.mark.parametrize("content", [b"garbage", b"PK\x03\x04 cut short", b"\x93NUMPY\x01\x00"])
def test_broken_files_are_named(tmp_path, name, read, content) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EspalierError, match=f"{name} is not"):
        read(tmp_path / name, name, ())


@pytest.mark.parametrize("ending", ["valid", "val", "Validation"])
def test_an_official_validation_part_goes_by_several_names(tmp_path, ending) -> None:
    arrays = {f"{name}_{part}": value for part in ("train", ending, "test") for name, value in PAIR.items()}
    np.savez(tmp_path / "t.npz", **arrays)
    parts = read_npz(tmp_path / "t.npz", "t.npz", ()).frame["split"]
    assert parts.value_counts().to_dict() == {"train": 6, "valid": 6, "test": 6}


def test_a_part_without_its_targets_is_named(tmp_path) -> None:
    arrays = {f"{name}_{part}": value for part in ("train", "test") for name, value in PAIR.items()}
    np.savez(tmp_path / "t.npz", **arrays, x_val=PAIR["x"])
    with pytest.raises(EspalierError, match="holds one of x_val and y_val; both are needed"):
        read_npz(tmp_path / "t.npz", "t.npz", ())


def test_a_structured_array_of_vectors_is_refused_by_field(tmp_path) -> None:
    np.save(tmp_path / "t.npy", np.zeros(4, dtype=[("v", "f4", (2,)), ("y", "i4")]))
    with pytest.raises(EspalierError, match=r"field 'v' has shape \(4, 2\)"):
        read_npy(tmp_path / "t.npy", "t.npy", ())
