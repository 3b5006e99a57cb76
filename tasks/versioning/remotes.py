"""The DVC remote that all clones share: shown, and set once it has kept a probe."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dvc.exceptions import DvcException
from dvc.repo import Repo

from tasks.errors import EspalierError, closest, masked
from tasks.versioning.exchange import OPEN_SETTINGS
from tasks.versioning.repository import opened

__all__ = ["Remote", "default_remote", "set_remote", "shown_remote"]

_NAME = "storage"


@dataclass(frozen=True)
class Remote:
    """The default remote of a workspace.

    Attributes
    ----------
    name, url : str
        As DVC's settings say it, passwords struck out.
    place : Path or None
        Folder in this very workspace, where no other clone reads it; None: elsewhere.
    """

    name: str
    url: str
    place: Path | None


def shown_remote(root: Path) -> Remote | None:
    """Return the workspace's default remote, None where none is set."""
    with opened(root) as repo:
        return default_remote(root, repo)


def default_remote(root: Path, repo: Repo) -> Remote | None:
    """Return the default remote of an open repository, None where none is set."""
    name = repo.config["core"].get("remote")
    return _described(root, name, str(repo.config["remote"][name]["url"])) if name else None


def set_remote(root: Path, url: str, settings: Mapping[str, str], started_in: Path) -> Remote:
    """Make `url` the default remote in .dvc/config, once it has kept an object and given it back.

    Parameters
    ----------
    root : Path
        Workspace.
    url : str
        What DVC takes; a path starts in `started_in`.
    settings : mapping
        Others that DVC takes of such a remote, none of them secret.

    Raises
    ------
    EspalierError
        When it cannot be written or read, or a secret would get into Git; nothing is changed then.
    """
    _require_open(url, settings)
    place = _placed(url, started_in)
    with opened(root) as repo:
        name = repo.config["core"].get("remote") or _NAME
        _require_unshadowed(repo, name)
        own = {**_kept(repo.config.read("repo")["remote"].get(name, {}), place), **settings, "url": place}
        repo.config["core"]["remote"] = name
        repo.config["remote"][name] = {**repo.config.read("local")["remote"].get(name, {}), **own}
        _probed(repo, name, place)
        with repo.config.edit("repo") as config:
            config["core"]["remote"] = name
            config["remote"][name] = {**own, "url": _written(root, place)}
    return _described(root, name, place)


def _described(root: Path, name: str, url: str) -> Remote:
    inside = Path(url).is_absolute() and Path(url).is_relative_to(root)
    return Remote(name, os.path.relpath(url, root), Path(url)) if inside else Remote(name, masked(url), None)


def _kept(settings: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Return the settings that a new address goes on with: DVC refuses those of another kind."""
    kind = urlsplit(url).scheme
    return dict(settings) if urlsplit(str(settings.get("url", ""))).scheme == kind else {}


def _require_open(url: str, settings: Mapping[str, str]) -> None:
    """Keep secrets out of a file that Git has."""
    if masked(url) != url:
        raise EspalierError(
            f"{masked(url)}: a password would get into Git; leave it out, and set it for yourself with "
            "`dvc remote modify --local storage password ...` or in the environment"
        )
    for key in settings:
        if key == "url" or key not in OPEN_SETTINGS:
            near = closest(key, OPEN_SETTINGS - {"url"})
            raise EspalierError(
                f"--set {key}: not a setting that all clones share"
                + (f"; did you mean {near}?" if near else "")
                + f" (known: {', '.join(sorted(OPEN_SETTINGS - {'url'}))}). What is yours alone, credentials "
                "above all: `dvc remote modify --local storage KEY VALUE`, or the environment"
            )


def _require_unshadowed(repo: Repo, name: str) -> None:
    own: dict[str, Any] = repo.config.read("local")
    if "url" in own.get("remote", {}).get(name, {}) or "remote" in own.get("core", {}):
        raise EspalierError(
            f".dvc/config.local names a remote of its own, which would win here; `dvc remote modify --local "
            f"--unset {name} url` and `dvc remote default --local --unset` take it out"
        )


def _placed(url: str, started_in: Path) -> str:
    """Return a URL as it is, a path as an absolute one in a folder that is there."""
    if re.match(r"\w+://", url):
        return url
    path = (started_in / Path(url).expanduser()).resolve()
    if not path.parent.is_dir():
        raise EspalierError(f"{url}: {path.parent} is no folder here; mount it, make it, or correct the path")
    return str(path)


def _written(root: Path, place: str) -> str:
    """Return what to write: a path inside the workspace as seen from it, so that clones can move."""
    inside = Path(place).is_absolute() and Path(place).is_relative_to(root)
    return os.path.relpath(place, root) if inside else place


def _probed(repo: Repo, name: str, url: str) -> None:
    """Have the remote keep an object and give it back; the object does not stay."""
    content = secrets.token_bytes(64)
    try:
        remote = repo.cloud.get_remote(name, command="push")
        fs, probe = remote.fs, remote.fs.join(remote.path, f"espalier-probe-{secrets.token_hex(8)}")
        fs.makedirs(remote.path, exist_ok=True)
        fs.pipe_file(probe, content)
        try:
            found = fs.cat_file(probe)
        finally:
            fs.rm_file(probe)
    except (DvcException, ImportError) as error:  # settings; the package for such addresses
        raise EspalierError(f"{url}: {_said(error)}; .dvc/config is as it was") from error
    except Exception as error:
        raise EspalierError(
            f"{url}: an object could not be written, read back and removed ({type(error).__name__}: "
            f"{_said(error)}); check address, rights and credentials. .dvc/config is as it was"
        ) from error
    if found != content:
        raise EspalierError(f"{url}: gave back other bytes than were written; .dvc/config is as it was")


def _said(error: BaseException) -> str:
    return masked(" ".join(str(error).split()))
