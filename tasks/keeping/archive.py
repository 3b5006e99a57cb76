"""A backup as one tar file: what was saved, and last of all the list of it with checksums.

A file without that list is half of a backup, and is never taken for a whole one; while it is written it is
called `NAME.partial` besides.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tasks.errors import EspalierError
from tasks.formats import Format

__all__ = ["Archive", "contents", "unpack", "written"]

FORMAT = Format("the backup", 1)
_LIST = "manifest.json"
_CHUNK = 1 << 20
_ATTEMPTS = 5


class Archive:
    """A backup that is being written; `spare` is a file of its own to copy through."""

    def __init__(self, tar: tarfile.TarFile, spare: Path) -> None:
        self.tar, self.spare = tar, spare
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, path: Path) -> None:
        """Add a file as it stands at one moment; one that is gone is left out."""
        with suppress(FileNotFoundError):
            digest = _steady(path, self.spare)
            self.files[name] = {"bytes": self.spare.stat().st_size, "sha256": digest}
            with self.spare.open("rb") as file:
                info = tarfile.TarInfo(name)
                info.size, info.mtime = self.files[name]["bytes"], int(path.stat().st_mtime)
                self.tar.addfile(info, file)

    def add_folder(self, name: str, folder: Path) -> None:
        """Add the files of a folder that are there by now, and not in the backup under that name."""
        for path in sorted(folder.rglob("*")):
            known = f"{name}/{path.relative_to(folder).as_posix()}"
            if path.is_file() and known not in self.files:
                self.add(known, path)

    def close(self, facts: Mapping[str, Any]) -> None:
        """Add the list, which makes the backup a whole one."""
        listed = FORMAT.stamp({**facts, "files": self.files})
        text = json.dumps(listed, indent=1).encode()
        info = tarfile.TarInfo(_LIST)
        info.size = len(text)
        self.tar.addfile(info, io.BytesIO(text))


def _steady(path: Path, copy: Path) -> str:
    """Copy a file that nobody wrote to meanwhile, as far as a few attempts go; return its SHA-256."""
    for _ in range(_ATTEMPTS):
        before = path.stat()
        with path.open("rb") as source, copy.open("wb") as target:
            digest = _copied(source, target.write)
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            break
    return digest


def _copied(source: IO[bytes], write: Callable[[bytes], object]) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        write(chunk)
    return digest.hexdigest()


@contextmanager
def written(target: Path, spare: Path) -> Iterator[Archive]:
    """Write a backup to `target`, gzipped where its name ends so; it appears when the block ends well."""
    partial = target.with_name(f"{target.name}.partial")
    packed = target.suffix in (".gz", ".tgz")
    try:
        with partial.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz" if packed else "w") as tar:
                yield Archive(tar, spare)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise EspalierError(
            f"{target}: could not be written ({error.strerror or error}); nothing is lost. Free space or "
            "name another place, then run again"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def contents(path: Path) -> dict[str, Any]:
    """Return the list of a backup.

    Raises
    ------
    EspalierError
        When it is none, half of one, or of a newer Espalier.
    """
    with _opened(path) as tar:
        return _listed(path, tar)


def _listed(path: Path, tar: tarfile.TarFile) -> dict[str, Any]:
    try:
        file = tar.extractfile(_LIST)
    except KeyError:
        file = None
    if file is None:
        raise EspalierError(f"{path}: no whole backup: its list, written last of all, is not there")
    return FORMAT.current(json.loads(file.read()))


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    if not path.is_file():
        raise EspalierError(f"{path}: no such file; `espalier backup FILE` makes one")
    try:
        with tarfile.open(path) as tar:
            yield tar
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        reason = str(error).partition(":")[0]
        raise EspalierError(f"{path}: no whole backup ({reason}); take another one") from error


def unpack(path: Path, folder: Path | None) -> dict[str, Any]:
    """Check every file of a backup against its checksum, and write it below `folder` where one is given.

    Returns
    -------
    dict
        The list.

    Raises
    ------
    EspalierError
        When the backup is not whole, or damaged.
    """
    with _opened(path) as tar:
        listed = _listed(path, tar)
        for name, facts in listed["files"].items():
            if not _inside(name):
                raise EspalierError(
                    f"{path}: holds a file outside its folder ({name}); not a backup to trust"
                )
            if _unpacked(tar, name, folder) != facts["sha256"]:
                raise EspalierError(f"{path}: {name} is damaged; take another backup. Nothing was changed")
    return listed


def _inside(name: str) -> bool:
    place = PurePosixPath(name)
    return not place.is_absolute() and ".." not in place.parts


def _unpacked(tar: tarfile.TarFile, name: str, folder: Path | None) -> str:
    """Read a member, write it where a folder is given; return its SHA-256, '' where it is not there."""
    try:
        file = tar.extractfile(name)
    except KeyError:
        return ""
    if file is None:
        return ""
    if folder is None:
        return _copied(file, lambda _: None)
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        return _copied(file, out.write)
