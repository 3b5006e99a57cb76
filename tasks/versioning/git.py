"""What is asked of Git, without its hooks and without anything that a person's settings could change."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tasks.errors import EspalierError

__all__ = ["git", "top_of"]

_PASSED = ("GIT_CONFIG", "GIT_SSH", "GIT_SSL", "GIT_HTTP", "GIT_ASKPASS", "GIT_TERMINAL_PROMPT")
_BY = {"GIT_AUTHOR_NAME": "Espalier", "GIT_AUTHOR_EMAIL": "espalier@localhost"}
_WRITTEN_BY = {name.replace("AUTHOR", "COMMITTER"): value for name, value in _BY.items()}


def git(folder: Path, *words: str, text: str | None = None, **environment: str) -> str:
    """Return what `git` prints; commits it makes are Espalier's own.

    Parameters
    ----------
    folder : Path
        Where it works.
    words : str
    text : str, optional
        Standard input.
    environment : str
        Variables beside this process's own, such as GIT_INDEX_FILE.

    Raises
    ------
    EspalierError
        When it is not installed, or refuses.
    """
    try:
        ended = subprocess.run(
            ["git", "-c", f"core.hooksPath={os.devnull}", "-c", "gc.auto=0", *words],
            cwd=folder,
            env=_environment(environment),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise EspalierError("git is not installed; scheduled runs are recorded with it") from error
    if ended.returncode:
        said = " ".join((ended.stderr.strip() or ended.stdout.strip()).split())
        raise EspalierError(f"git {words[0]} in {folder}: {said}")
    return ended.stdout


def top_of(root: Path) -> Path:
    """Return the top folder of the Git repository around the workspace.

    Raises
    ------
    EspalierError
        When there is none.
    """
    try:
        return Path(git(root, "rev-parse", "--show-toplevel").strip())
    except EspalierError as error:
        raise EspalierError(
            f"{root}: a scheduled run is recorded in Git, and this is no repository; `git init` makes one"
        ) from error


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    # A hook's own GIT_DIR or GIT_INDEX_FILE would lead elsewhere.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED)}
    return {"GIT_TERMINAL_PROMPT": "0", **kept, **passed, **_BY, **_WRITTEN_BY, "LC_ALL": "C", **more}
