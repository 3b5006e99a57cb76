"""Where a URI points: a package, a file, or a database."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from tasks.data.config import SourceConfig
from tasks.data.sources.packaged import PACKAGED
from tasks.errors import EspalierError, closest

__all__ = ["Location", "expand", "locate"]

SECRET = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Location:
    """One of: the name of a packaged set, the path of a file, the URL of a database with its secrets in."""

    package: str | None = None
    path: Path | None = None
    url: str | None = None
    secrets: tuple[str, ...] = ()


def locate(root: Path, config: SourceConfig) -> Location:
    """Return where `config.uri` points; relative paths start from the workspace `root`.

    Raises
    ------
    EspalierError
        On an unknown packaged set, a missing file, or an environment variable that is not set.
    """
    if config.uri.startswith("package:"):
        return Location(package=_packaged(config.uri.removeprefix("package:")))
    if "://" in config.uri:
        return Location(url=expand(config.uri), secrets=_secrets(config.uri))
    path = root / Path(config.uri).expanduser()
    if not path.is_file():
        raise EspalierError(f"source.uri: no file {config.uri}{_nearby(path)}")
    return Location(path=path)


def expand(uri: str) -> str:
    """Return the URI with every ${NAME} replaced by that environment variable."""
    for name in SECRET.findall(uri):
        if name not in os.environ:
            raise EspalierError(f"source.uri needs the environment variable {name}, which is not set")
    return SECRET.sub(lambda match: os.environ[match.group(1)], uri)


def _secrets(uri: str) -> tuple[str, ...]:
    """Return the values, and their decoded forms: a driver sees `p@ss` where the URL says `p%40ss`."""
    values = [os.environ[name] for name in SECRET.findall(uri) if os.environ.get(name)]
    return tuple(dict.fromkeys([*values, *map(unquote, values)]))


def _packaged(name: str) -> str:
    if name not in PACKAGED:
        close = closest(name, PACKAGED)
        hint = f"; did you mean {close}?" if close else f"; there are {', '.join(PACKAGED)}"
        raise EspalierError(f"source.uri: no packaged set {name!r}{hint}")
    return name


def _nearby(path: Path) -> str:
    """Name the files beside a missing one that it could have meant."""
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent.name!r} either"
    files = sorted(other for other in path.parent.iterdir() if other.is_file())
    stems = {other.stem: other.name for other in files}  # endings are alike anyway
    close = closest(path.stem, stems)
    return f"; did you mean {stems[close]}?" if close else ""
