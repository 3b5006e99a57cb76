"""How much disk the packages take that something needs, as the metadata of what is installed here says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["closure", "installed_bytes"]


def _named(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(names: Iterable[str]) -> set[str]:
    """Return the distributions that `names` need on this machine, themselves included.

    A requirement that is not installed counts as none: what needs it works without.
    """
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        name = _named(wanted.name)
        if name in found:
            continue
        try:
            needs = [Requirement(line) for line in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def installed_bytes(names: Iterable[str]) -> int:
    """Return the bytes of all files of these distributions; compiled Python is not counted."""
    return sum(_bytes(metadata.distribution(name)) for name in names)


def _bytes(distribution: metadata.Distribution) -> int:
    paths = [distribution.locate_file(file) for file in distribution.files or [] if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in map(_path, paths) if path.is_file())


def _path(place: object) -> Path:
    return Path(str(place))
