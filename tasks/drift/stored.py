"""A profile as files: profile.json and arrays.npz."""

from __future__ import annotations

from pathlib import Path

from tasks.drift.profile import Profile
from tasks.files import load_arrays, read_json, save_arrays, write_json

__all__ = ["load_profile", "save_profile"]


def load_profile(folder: Path) -> Profile:
    """Read what a model was made from, in summary."""
    return Profile.from_dict(read_json(folder / "profile.json"), load_arrays(folder / "arrays.npz"))


def save_profile(folder: Path, profile: Profile) -> None:
    """Write a profile; equal ones give equal bytes."""
    write_json(folder / "profile.json", profile.to_dict())
    save_arrays(folder / "arrays.npz", **profile.arrays())
