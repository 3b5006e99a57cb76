"""Files passed on by their hash, through the default remote, to where the workspace's disk is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from dvc.repo import Repo, lock_repo
from dvc_data.hashfile.build import build
from dvc_data.hashfile.transfer import transfer
from ruamel.yaml import YAML

from tasks.errors import EspalierError
from tasks.versioning.repository import reopened

__all__ = ["OPEN_SETTINGS", "Offer", "collect", "offer"]

_REMOTE = "storage"
OPEN_SETTINGS = frozenset(
    {
        "url",
        "endpointurl",
        "region",
        "port",
        "use_ssl",
        "ssl_verify",
        "account_name",
        "projectname",
        "oss_endpoint",
        "listobjects",
        "allow_anonymous_login",
    }
)
"""What a remote's settings say of where it is; all others may be, or lead to, credentials."""


@dataclass(frozen=True)
class Offer:
    """Files in a remote.

    Attributes
    ----------
    remote : dict
        Where it is, as DVC's settings say it, without credentials.
    hashes : dict
        DVC's hash of each file or folder, by path.
    """

    remote: dict[str, Any]
    hashes: dict[str, str]


def offer(root: Path, paths: Sequence[str]) -> Offer:
    """Put files and folders into the workspace's default remote, unless they are there.

    Raises
    ------
    EspalierError
        Without a default remote, and when they do not get there.
    """
    with reopened(root) as repo, lock_repo(repo):
        name = repo.config["core"].get("remote")
        if not name:
            raise EspalierError(
                f"{root.name}: workers without this disk read their inputs from the DVC remote, and none is "
                "set; `dvc remote add -d NAME URL` sets one"
            )
        settings = _without_credentials(repo.config["remote"][name])
        found = _refused(lambda: {path: _put(repo, path) for path in paths}, str(settings["url"]))
    return Offer(settings, found)


def _refused(work: Callable[[], dict[str, str]], url: str) -> dict[str, str]:
    try:
        return work()
    except Exception as error:
        said = " ".join(str(error).split())
        raise EspalierError(
            f"DVC remote {url}: the study's inputs did not get there ({type(error).__name__}: {said}); "
            "check its address, space and rights, then run again"
        ) from error


def _put(repo: Repo, path: str) -> str:
    cache, remote = repo.cache.local, repo.cloud.get_remote_odb(command="push")
    place = str(Path(repo.root_dir, path))
    tree: Any
    staged, _, tree = build(cache, place, repo.fs, "md5", ignore=repo.dvcignore)
    transfer(staged, cache, {tree.hash_info}, shallow=False)
    transfer(cache, remote, {tree.hash_info}, shallow=False)
    parts = [entry.value for _, _, entry in tree] if tree.hash_info.isdir else []
    wanted = {tree.hash_info.value, *parts}
    if missing := wanted - set(remote.oids_exist(sorted(wanted))):
        raise OSError(f"{len(missing)} of {len(wanted)} files of {path} are not there")
    return str(tree.hash_info.value)


def _without_credentials(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what says where a remote is."""
    kept = {key: value for key, value in settings.items() if key in OPEN_SETTINGS and value is not None}
    parts = urlsplit(str(kept["url"]))
    if parts.scheme and parts.password is not None:
        user, _, host = parts.netloc.rpartition("@")
        kept["url"] = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))
    return {**kept, "url": str(kept["url"])}


def collect(root: Path, offered: Offer) -> None:
    """Fetch offered files by hash into a new folder; credentials are those of this process's environment.

    Raises
    ------
    EspalierError
        When the remote cannot be reached from here, or does not hold them.
    """
    url = str(offered.remote["url"])
    try:
        with _repository(root, offered.remote) as repo:
            for place, (path, oid) in enumerate(offered.hashes.items()):
                _described(root / f"{place}.dvc", path, oid)
            repo.pull()
    except Exception as error:
        said = " ".join(str(error).split())
        raise EspalierError(
            f"DVC remote {url}: cannot be read from here ({said}); set one that every worker reaches "
            "(`dvc remote add -d NAME URL`) and give workers its credentials in their own environment"
        ) from error
    finally:
        _swept(root, len(offered.hashes))
    missing = [path for path in offered.hashes if not (root / path).exists()]
    if missing:
        raise EspalierError(f"DVC remote {url}: does not give {', '.join(missing)}; run the study again")


def _repository(root: Path, remote: Mapping[str, Any]) -> Repo:
    """Make a DVC repository without Git that knows the one remote and keeps everything below `root`."""
    (root / ".dvc").mkdir(parents=True, exist_ok=True)
    config = {
        "core": {
            "no_scm": True,
            "remote": _REMOTE,
            "site_cache_dir": str(root / ".site"),
        },
        "cache": {"type": ["reflink", "hardlink", "copy"]},
        "remote": {_REMOTE: dict(remote)},
    }
    return Repo(str(root), config=config)


def _described(path: Path, out: str, oid: str) -> None:
    described = {"outs": [{"md5": oid, "hash": "md5", "path": out}]}
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(described, file)


def _swept(root: Path, count: int) -> None:
    for name in (".dvc", ".site"):
        shutil.rmtree(root / name, ignore_errors=True)
    for path in (root / ".dvcignore", *(root / f"{place}.dvc" for place in range(count))):
        path.unlink(missing_ok=True)
