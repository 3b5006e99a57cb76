"""Scheduled runs as commits under refs of their own: no branch moves, and every run can be rebuilt.

`refs/espalier/runs/N` is a commit of the folder as it was run, with the dvc.lock the run made; its parent is
the commit the run started from.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import EspalierError
from tasks.versioning.elsewhere import fetch_runs, passed_on
from tasks.versioning.git import git, top_of

__all__ = [
    "Run",
    "fetch_others",
    "latest_run",
    "record_run",
    "run_that_made",
    "run_with_ref",
    "runs",
    "snapshot",
    "text_at",
]

REFS = "refs/espalier/runs"
_LARGEST = 1_000_000
"""Bytes of a file that Git does not know and a snapshot takes along: code and settings, never data."""

_ATTEMPTS = 20
_RUN_MADE = ("params.yaml", "dvc.lock", "data/source.json", "reports/study.dvc")
_FIELDS = "%(refname)%1f%(objectname)%1f%(contents:trailers:only,unfold)%1e"


@dataclass(frozen=True)
class Run:
    """A recorded run.

    Attributes
    ----------
    number : int
    commit : str
    facts : dict
        What its message tells: Workspace, Flow-run, MLflow-run, Version and such; Kind, where it is no
        compression.
    """

    number: int
    commit: str
    facts: Mapping[str, str]

    @property
    def ref(self) -> str:
        """Its name in Git."""
        return f"{REFS}/{self.number}"

    def text(self, root: Path, name: str) -> str:
        """Return a file of the workspace as the run has it, '' where it has none."""
        return text_at(root, self.commit, name)


def text_at(root: Path, commit: str, name: str) -> str:
    """Return a file of the workspace as a commit has it, '' where it has none."""
    place = f"{_inside(root)}{name}"
    if not git(root, "ls-tree", "--full-tree", commit, "--", place):
        return ""
    return git(root, "show", f"{commit}:{place}")


def runs(root: Path) -> list[Run]:
    """Return the workspace's recorded runs, the first one first."""
    own = _inside(root) or "."
    found = [run for run in _all(root) if run.facts.get("Workspace") == own]
    return sorted(found, key=lambda run: run.number)


def run_that_made(root: Path, version: str) -> Run | None:
    """Return the run that registered ``NAME/NUMBER``, on this machine or another; None where none did."""
    try:
        top_of(root)
    except EspalierError:
        return None  # no repository, no recorded run
    fetch_others(root)
    return next((run for run in reversed(runs(root)) if run.facts.get("Version") == version), None)


def run_with_ref(root: Path, ref: str) -> Run | None:
    """Return the run recorded under a ref; None where it is not here."""
    try:
        return next((run for run in _all(root) if run.ref == ref), None)
    except EspalierError:
        return None  # no repository, no recorded run


def latest_run(root: Path) -> Run | None:
    """Return the workspace's last recorded compression."""
    return next((run for run in reversed(runs(root)) if "Kind" not in run.facts), None)


def snapshot(root: Path) -> str:
    """Return a commit of the repository's folder as it stands, HEAD itself where that is the same.

    Changed files are in it, and new ones of up to a megabyte, unless Git ignores them. Neither the index nor
    any branch is touched.

    Raises
    ------
    EspalierError
        Outside a Git repository.
    """
    top = top_of(root)
    head = _head(top)
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        index = Path(folder) / "index"
        own = Path(git(top, "rev-parse", "--path-format=absolute", "--git-path", "index").strip())
        if own.exists():
            shutil.copy2(own, index)  # it remembers which files are unchanged
        at = {"GIT_INDEX_FILE": str(index)}
        git(top, "add", "--update", **at)
        new = git(top, "ls-files", "-z", "--others", "--exclude-standard", **at).split("\0")
        small = [name for name in new if name and _is_small(top / name)]
        if small:
            git(top, "add", "--pathspec-from-file=-", "--pathspec-file-nul", text="\0".join(small), **at)
        tree = git(top, "write-tree", **at).strip()
    if head and git(top, "rev-parse", f"{head}^{{tree}}").strip() == tree:
        return head
    return _commit(top, tree, [head] if head else [], "The folder as a scheduled run found it")


def record_run(root: Path, worktree: Path, subject: str, facts: Mapping[str, str]) -> Run:
    """Record what the run made in its worktree as the next `refs/espalier/runs/N`; once for each flow run.

    Parameters
    ----------
    root : Path
        Workspace.
    worktree : Path
        The same workspace in the worktree.
    subject : str
    facts : mapping
        Told in the commit's message, a line each.
    """
    flow = facts.get("Flow-run")
    known = next((run for run in reversed(runs(root)) if flow and run.facts.get("Flow-run") == flow), None)
    if known:
        return known
    made = [name for name in _RUN_MADE if (worktree / name).exists()]
    git(worktree, "add", "--force", "--", *made)
    tree = git(worktree, "write-tree").strip()
    begun = git(worktree, "rev-parse", "HEAD").strip()
    told = {"Workspace": _inside(root) or ".", **{name: value for name, value in facts.items() if value}}
    message = f"{subject}\n\n" + "\n".join(f"{name}: {value}" for name, value in told.items())
    commit = _commit(worktree, tree, [begun], message)
    for _ in range(_ATTEMPTS):
        run = Run(1 + max((run.number for run in _all(root)), default=0), commit, told)
        if _named(root, run):
            return run
    raise EspalierError(f"{root.name}: the run could not be recorded under {REFS}; see `git fsck`")


def _named(root: Path, run: Run) -> bool:
    """Give a run its number, here and where runs are shared; False when another run took it."""
    try:
        git(root, "update-ref", run.ref, run.commit, "0" * len(run.commit))
    except EspalierError:
        return False  # another workspace's run
    kept = False
    try:
        kept = passed_on(root, run.commit, run.ref)
    finally:
        if not kept:
            git(root, "update-ref", "-d", run.ref, run.commit)
    if not kept:
        fetch_others(root)
    return kept


def fetch_others(root: Path) -> None:
    """Bring the runs that other machines recorded, where ESPALIER_RUNS_REMOTE says that they are shared.

    Raises
    ------
    EspalierError
        When the remote cannot be read.
    """
    fetch_runs(root, REFS, {run.ref: run.commit for run in _all(root)})


def _all(root: Path) -> list[Run]:
    text = git(root, "for-each-ref", f"--format={_FIELDS}", REFS)
    found = []
    for record in text.split("\x1e"):
        ref, _, rest = record.strip().partition("\x1f")
        commit, _, trailers = rest.partition("\x1f")
        number = ref.rpartition("/")[2]
        if number.isdigit():
            lines = (line.partition(": ") for line in trailers.strip().splitlines())
            found.append(Run(int(number), commit, {name: value for name, _, value in lines}))
    return found


def _inside(root: Path) -> str:
    """Return where the workspace is in its repository: '' or a path that ends with a slash."""
    return git(root, "rev-parse", "--show-prefix").strip()


def _head(top: Path) -> str:
    try:
        return git(top, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    except EspalierError:
        return ""  # no commit yet


def _commit(folder: Path, tree: str, parents: list[str], message: str) -> str:
    before = [word for parent in parents for word in ("-p", parent)]
    return git(folder, "commit-tree", tree, *before, text=message).strip()


def _is_small(path: Path) -> bool:
    return path.is_symlink() or (path.is_file() and path.stat().st_size <= _LARGEST)
