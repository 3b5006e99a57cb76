"""The workspace that a worker on another disk makes for itself, and how it tells that it needs one.

It lies in the cache of the worker's user (`XDG_CACHE_HOME`, else `~/.cache`), named by its content: all
workers of a machine share one, and the next study of the same data finds what an earlier one has computed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from uuid import uuid4

from ruamel.yaml import YAML

from tasks.errors import EspalierError
from tasks.files import fingerprint, write_text
from tasks.layout import Layout
from tasks.study.nodes import PROJECT, content, graph_file, steps
from tasks.study.store import flocked

__all__ = [
    "Parcel",
    "differences",
    "installed",
    "is_here",
    "mark",
    "needed",
    "parcel",
    "private_workspace",
    "require_same",
]

_CLEAN = "clean"
_NUMERIC = ("torch", "numpy", "scipy", "scikit-learn", "onnxruntime")
_KEPT_DAYS = 30


@dataclass(frozen=True)
class Parcel:
    """What a trial needs of its workspace, to be sent along.

    Attributes
    ----------
    root : str
        The workspace, on the disk of the process that asks.
    token : str
        Stands in a file there as long as the study runs; see `is_here`.
    installed : dict
        The asker's `installed()`.
    params : str
        Text of params.yaml.
    texts : dict
        Other small files, by path.
    contents : dict
        Hash of each file or folder that is too large to send, by path.
    """

    root: str
    token: str
    installed: Mapping[str, str]
    params: str
    texts: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)


def parcel(root: Path, token: str) -> Parcel:
    """Return what workers need of a workspace."""
    return Parcel(
        str(root),
        token,
        installed(),
        Layout(root).params.read_text(encoding="utf-8"),
        {"dvc.yaml": graph_file(root).read_text(encoding="utf-8"), "dvc.lock": _lock(root)},
        {path: content(root / path) for path in needed(root)},
    )


def _lock(root: Path) -> str:
    """Return dvc.lock with the stage clean alone: the others are of another recipe than a trial's."""
    path, yaml, text = root / "dvc.lock", YAML(typ="safe"), StringIO()
    held = yaml.load(path.read_text(encoding="utf-8"))["stages"] if path.exists() else {}
    yaml.dump({"schema": "2.0", "stages": {name: held[name] for name in (_CLEAN,) if name in held}}, text)
    return text.getvalue()


def needed(root: Path) -> tuple[str, ...]:
    """Return the files and folders of a workspace that trials read: raw rows, networks, the clean rows."""
    graph = steps(root)
    paths = [path for step in graph.values() for path in step.outside] + list(graph[_CLEAN].outs)
    return tuple(path for path in dict.fromkeys(paths) if (root / path).exists())


@lru_cache(maxsize=1)
def installed() -> dict[str, str]:
    """Return what numbers depend on in this process: a hash of its own code, versions of libraries.

    Read once: a process keeps what it has imported.
    """
    code = sorted(PROJECT.glob("tasks/**/*.py"))
    names = [path.relative_to(PROJECT).as_posix() for path in code]
    found = {"espalier": fingerprint(*code, settings=names)[:12]}
    return found | {name: version(name).partition("+")[0] for name in _NUMERIC}


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Say in a line what is installed here that another process has not; nothing where all is equal."""
    pairs = [(name, wanted[name], found.get(name)) for name in wanted if found.get(name) != wanted[name]]
    return ", ".join(f"{name} {here} (the study has {there})" for name, there, here in pairs)


def require_same(wanted: Mapping[str, str], found: Mapping[str, str], host: str) -> None:
    """Refuse the worker on `host` where its `installed()` is not the study's."""
    if other := differences(wanted, found):
        raise EspalierError(f"worker {host}: {other}; install the same there, and start the worker again")


def mark(root: Path) -> str:
    """Leave a new random token in the workspace, and return it."""
    token = uuid4().hex
    write_text(_mark(root), token)
    return token


def is_here(root: Path, token: str) -> bool:
    """Say whether this process sees the very disk that a token was left on, not a folder called alike."""
    try:
        return _mark(root).read_text(encoding="utf-8") == token
    except OSError:
        return False


def _mark(root: Path) -> Path:
    return Layout(root).state / "study" / "here"


def private_workspace(sent: Parcel, fetch: Callable[[Path], None]) -> Path:
    """Return a workspace of this machine with what was sent; made whole, or not at all.

    Parameters
    ----------
    sent
        Texts, and hashes of the rest.
    fetch
        Puts the rest into a new folder.

    Raises
    ------
    EspalierError
        When what was fetched is not what was meant, or cannot be kept.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "espalier" / "workspaces"
    name = fingerprint(settings=[dict(sent.texts), dict(sent.contents)])[:32]
    try:
        with flocked(home / f"{name}.lock"):
            if not (home / name).exists():
                _forget(home)
                _made(home / name, sent, fetch)
            os.utime(home / name)
    except OSError as error:
        raise EspalierError(
            f"{error.filename or home}: {error.strerror or error}; workers keep their workspace below "
            "XDG_CACHE_HOME, else ~/.cache: free space there, or name a folder they may write to"
        ) from error
    return home / name


def _made(place: Path, sent: Parcel, fetch: Callable[[Path], None]) -> None:
    unfinished = place.with_name(f".{place.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    fetch(unfinished)
    wrong = [path for path, known in sent.contents.items() if content(unfinished / path) != known]
    if wrong:
        raise EspalierError(
            f"{', '.join(wrong)}: what the DVC remote gives is not what the workspace holds; a file that "
            ".dvcignore names cannot reach a worker: move it away, or give workers the workspace's disk"
        )
    for path, text in sent.texts.items():
        write_text(unfinished / path, text)
    unfinished.rename(place)


def _forget(home: Path) -> None:
    """Remove the workspaces that no study has asked for in a month."""
    until = time.time() - _KEPT_DAYS * 86400
    for place in home.iterdir():
        if place.is_dir() and place.stat().st_mtime < until:
            shutil.rmtree(place, ignore_errors=True)
