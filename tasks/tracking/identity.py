"""What makes a result the same one: its outputs and its parameters; and where its code stood."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.config import AFTER_STAGES

if TYPE_CHECKING:
    from tasks.config import Params

__all__ = ["Code", "code_version", "has_commit", "identity", "output_hash", "result_hashes"]

MEASURED = frozenset({"reports/measure.json", "reports/report.html"})


@dataclass(frozen=True)
class Code:
    """Commit, '' where there is none; dirty: tracked files differ from it, other than those a run writes."""

    commit: str
    dirty: bool


def result_hashes(lock: Mapping[str, str]) -> dict[str, str]:
    """Return the output hashes that tell results apart, so without those that `measure` writes."""
    return {path: lock[path] for path in sorted(lock) if path not in MEASURED}


def identity(params: Params, lock: Mapping[str, str]) -> str:
    """Return the hex SHA-256 of a result's output hashes and parameters."""
    settings = params.model_dump(mode="json", by_alias=True, exclude=set(AFTER_STAGES))
    facts = [result_hashes(lock), settings]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def output_hash(lock: Mapping[str, str], path: str) -> str | None:
    """Return DVC's hash of `path`, or of the nearest folder above it that DVC tracks."""
    places = [path, *(str(parent) for parent in Path(path).parents)]
    return next((lock[place] for place in places if place in lock), None)


def code_version(root: Path) -> Code:
    """Return the commit checked out at `root` and whether tracked files differ from it.

    Looked at are the folder and, where it is inside a project, the project's own code.
    """
    commit = _git(root, "rev-parse", "HEAD")
    written = [f":(exclude){name}" for name in ("dvc.lock", "data/source.json")]
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(top)tasks", *written)
    return Code(commit, bool(changed))


def has_commit(root: Path, commit: str) -> bool:
    """Say whether the repository around `root` has a commit."""
    return bool(_git(root, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"))


def _git(root: Path, *arguments: str) -> str:
    try:
        ended = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=False, timeout=30
        )
    except FileNotFoundError:
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""
