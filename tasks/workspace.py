"""Makes a workspace: a folder in the project with its own params.yaml, graph of stages and DVC repository."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks import versioning
from tasks.artifacts import write_text
from tasks.closure import copied_graph
from tasks.config import Params, overridden
from tasks.errors import ConfigError, EspalierError
from tasks.schema import parse_section

__all__ = ["create", "project_root", "settings_text"]


def project_root() -> Path:
    """Return the folder of the project: where tasks/, the template dvc.yaml and params.yaml stand."""
    return Path(__file__).resolve().parents[1]


def create(directory: Path, uri: str, target: str | None, *, query: str | None = None) -> list[str]:
    """Look at a source and make a workspace that suits it.

    Parameters
    ----------
    directory : Path
        Where the workspace is made; inside the project, new or without params.yaml.
    uri : str
        File (SQLite's too, relative to the current folder), `package:NAME` or SQLAlchemy URL.
    target : str or None
        Column to predict; packaged sets know theirs.
    query : str or None
        What to ask a database.

    Returns
    -------
    list of str
        What was found and chosen, and why.

    Raises
    ------
    EspalierError
        When the folder is taken or outside the project, or the source cannot be read.
    """
    from tasks.data.profile import suggest

    root = project_root()
    _require_place(directory, root)
    _check_source(uri, target, query)
    chosen = suggest(directory, _placed(uri), target, query)
    seen_from_there = f"source.uri={json.dumps(_placed(uri, directory))}"
    template = (root / "params.yaml").read_text(encoding="utf-8")
    text, _ = settings_text(template, [*chosen.overrides(), seen_from_there])
    directory.mkdir(parents=True, exist_ok=True)
    versioning.init_workspace(
        directory,
        config=(root / ".dvc" / "config").read_text(encoding="utf-8"),
        ignored=(root / ".dvcignore").read_text(encoding="utf-8"),
    )
    shutil.copytree(root / "nets", directory / "nets", ignore=shutil.ignore_patterns("__pycache__"))
    graph = copied_graph((root / "dvc.yaml").read_text(encoding="utf-8"), root, directory)
    write_text(directory / "dvc.yaml", graph)
    write_text(directory / "params.yaml", text)
    return list(chosen.reasons)


def settings_text(template: str, overrides: list[str]) -> tuple[str, Params]:
    """Return the commented params.yaml of a new workspace: every default, then what suits its data."""
    defaults = _flat(Params().model_dump(mode="json", by_alias=True))
    untouched, _ = overridden(template, _methods_first(defaults))
    return overridden(untouched, overrides)


def _methods_first(settings: Mapping[str, Any]) -> list[str]:
    """Write settings as overrides; a method goes before the options that only it knows."""
    keys = sorted(settings, key=lambda key: not key.endswith(".method"))
    return [f"{key}={json.dumps(settings[key])}" for key in keys]


def _flat(section: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in section.items():
        found |= (
            _flat(value, f"{path}{key}.") if isinstance(value, Mapping) and value else {f"{path}{key}": value}
        )
    return found


def _check_source(uri: str, target: str | None, query: str | None) -> None:
    _, problems = parse_section(Params, "source", {"uri": uri, "target": target, "query": query})
    if problems:
        raise ConfigError(problems, "espalier init")


def _require_place(directory: Path, root: Path) -> None:
    if root not in directory.parents:
        raise EspalierError(f"{directory}: a workspace lies inside the project, {root}; name a folder there")
    if (directory / "params.yaml").exists():
        raise EspalierError(
            f"{directory}: holds a workspace already; run it with `espalier run -C {directory}`"
        )
    taken = [name for name in ("dvc.yaml", ".dvc", "nets") if (directory / name).exists()]
    if taken:
        raise EspalierError(f"{directory}: {', '.join(taken)} stand there already; name a new folder")


def _placed(uri: str, start: Path | None = None) -> str:
    """Write a file of the current folder, SQLite's too, as an absolute path or as seen from `start`."""
    prefix = "sqlite:///" if uri.startswith("sqlite:///") else ""
    if uri.startswith("package:") or ("://" in uri and not prefix) or "${" in uri:
        return uri
    path = Path(uri.removeprefix(prefix)).resolve()
    return prefix + (str(path) if start is None else _relative(path, start))


def _relative(path: Path, start: Path) -> str:
    """Write a path as seen from the folder `start`."""
    steps: Iterator[Path] = (parent for parent in [start, *start.parents] if path.is_relative_to(parent))
    shared = next(steps)
    ups = len(start.relative_to(shared).parts)
    return Path(*[".."] * ups, path.relative_to(shared)).as_posix()
