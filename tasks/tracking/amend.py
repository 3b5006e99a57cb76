"""A result that was recorded without a commit that can make it again, once such a commit makes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.artifacts import Layout
from tasks.tracking.entries import NOTE
from tasks.tracking.identity import code_version, has_commit

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["COMMIT", "DIRTY", "amend_origin", "with_commit"]

COMMIT, DIRTY = "mlflow.source.git.commit", "espalier.git_dirty"

_LINE = re.compile(r"^- git: .*$", re.MULTILINE)
_FIRST = re.compile(r"^- ", re.MULTILINE)


def amend_origin(client: MlflowClient, root: Path, run: Run, nested: Sequence[Run]) -> bool:
    """Say of a recorded result that the commit checked out at `root`, which just made it again, is its own.

    Nothing changes where it has a commit without local changes already, which is still in the repository, or
    the folder is at none.

    Returns
    -------
    bool
        Whether it has another commit than before.
    """
    held = run.data.tags
    if held.get(DIRTY) == "false" and COMMIT in held and has_commit(root, held[COMMIT]):
        return False
    code = code_version(root)
    if not code.commit or code.dirty:
        return False
    for path in (Layout(root).params, root / "dvc.lock"):  # the lock names the code by its hashes
        if path.exists():
            client.log_artifact(run.info.run_id, str(path))
    if NOTE in held:
        client.set_tag(run.info.run_id, NOTE, with_commit(held[NOTE], code.commit))
    for part in [*nested, run]:  # the result's own run last: until then the next run begins again
        client.set_tag(part.info.run_id, DIRTY, "false")
        client.set_tag(part.info.run_id, COMMIT, code.commit)
    return True


def with_commit(note: str, commit: str) -> str:
    """Return a result's note with its line about git naming `commit`.

    Examples
    --------
    >>> with_commit("94 %. - git: `1`", "2"), with_commit("- git: `1`", "2")
    ('94 %. - git: `1`', '- git: `2`')
    """
    line = f"- git: `{commit}`"
    if _LINE.search(note):
        return _LINE.sub(line, note)
    return _FIRST.sub(f"{line}\n- ", note, count=1)
