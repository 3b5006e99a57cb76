"""The code and the parameters a result was made with, and whether Git still has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tasks import versioning
from tasks.errors import EspalierError
from tasks.lineage.subject import Subject
from tasks.tracking.amend import COMMIT, DIRTY

__all__ = ["FETCH_RUNS", "Code", "Commit", "code_faults", "code_notes", "named", "other_outputs", "read_code"]

FETCH_RUNS = "git fetch origin '+refs/espalier/runs/*:refs/espalier/runs/*'"
_NAMED = 4


@dataclass(frozen=True)
class Commit:
    """A commit that a result names.

    Attributes
    ----------
    id : str
    ref : str
        `refs/espalier/runs/N` of a scheduled run; '' for the commit that was checked out.
    date, subject : str
        '' where this repository does not have it.
    lock : str
        The dvc.lock that goes with it.
    other : mapping
        What the stages read, by path, as far as it is not so there: changed or missing.
    """

    id: str
    ref: str
    date: str
    subject: str
    lock: str
    other: Mapping[str, str]

    @property
    def known(self) -> bool:
        """Whether this repository has it."""
        return bool(self.date)


@dataclass(frozen=True)
class Code:
    """Where the code of a result is: the commit that was checked out, and that of the scheduled run.

    Attributes
    ----------
    commit, run : Commit or None
    dirty : bool
        Whether tracked files differed from `commit`.
    ref_now : str
        Commit that the scheduled run's ref is here; '' where there is none.
    """

    commit: Commit | None
    run: Commit | None
    dirty: bool
    ref_now: str


def read_code(root: Path, subject: Subject) -> Code:
    """Look a result's code up in the workspace's repository."""
    tags, lock = subject.tags, subject.files.get("dvc.lock", "")
    commit, run = tags.get(COMMIT, ""), _run(root, subject)
    here = versioning.run_with_ref(root, run.ref) if run else None
    return Code(
        _commit(root, commit, "", lock) if commit else None,
        run,
        tags.get(DIRTY) == "true",
        here.commit if here else "",
    )


def _run(root: Path, subject: Subject) -> Commit | None:
    """Return what a scheduled run recorded: the commit MLflow names, else the one naming the version."""
    said, ref = subject.tags.get("espalier.run_commit", ""), subject.tags.get("espalier.run_ref", "")
    if said:
        if versioning.commit_facts(root, said) is None:
            with suppress(EspalierError):  # no repository, or no way to the others: it is not here then
                versioning.fetch_others(root)
        return _commit(root, said, ref, None)
    if subject.version is None:
        return None
    found = versioning.run_that_made(root, f"{subject.name}/{subject.version.version}")
    return _commit(root, found.commit, found.ref, None) if found else None


def _commit(root: Path, commit: str, ref: str, lock: str | None) -> Commit:
    """Look a commit up; without a `lock` its own dvc.lock goes with it."""
    facts = versioning.commit_facts(root, commit)
    if facts is None:
        return Commit(commit, ref, "", "", lock or "", {})
    lock = versioning.text_at(root, commit, "dvc.lock") if lock is None else lock
    return Commit(commit, ref, *facts, lock, versioning.code_at(root, commit, versioning.stages_of(lock)))


def named(paths: Mapping[str, str]) -> str:
    """Name a few paths and what is the matter with them.

    Examples
    --------
    >>> named({"nets/mine.py": "missing"})
    'nets/mine.py (missing)'
    """
    shown = [f"{path} ({state})" for path, state in list(paths.items())[:_NAMED]]
    more = [f"{len(paths) - _NAMED} more"] if len(paths) > _NAMED else []
    return ", ".join(shown + more)


def code_faults(code: Code) -> Iterator[str]:
    """Say what keeps the result from being made again, or contradicts what was recorded."""
    commit, run = code.commit, code.run
    if commit is None and run is None:
        yield "no git commit is recorded; commit, then `espalier run`: the same result takes that commit"
    if commit and not commit.known and not (run and run.known):
        yield (
            f"commit {commit.id[:10]} is not in this repository; `git fetch` it, or `espalier run`: the same "
            "result takes the clean commit that makes it"
        )
    if commit and commit.known and commit.other and not (run and run.known and not run.other):
        said = "with local changes that nobody recorded" if code.dirty else "without local changes"
        yield f"made {said}, but commit {commit.id[:10]} has other code: {named(commit.other)}"
    if run and not run.known:
        yield f"{run.ref}, commit {run.id[:10]}, is not in this repository; fetch it ({FETCH_RUNS})"
    if run and run.known and code.ref_now != run.id:
        here = f"is {code.ref_now[:10]}" if code.ref_now else "is gone"
        yield f"{run.ref} {here}, MLflow says {run.id[:10]}: nothing keeps Git from removing that commit"
    if run and run.known and run.other:
        yield f"{run.ref} has other code than its stages read: {named(run.other)}"


def code_notes(root: Path, code: Code) -> Iterator[str]:
    """Say what is worth knowing and no fault."""
    commit = code.commit
    if commit and commit.known and code.dirty and not commit.other:
        yield (
            f"there were local changes at commit {commit.id[:10]}, in no code that a stage reads; "
            "params.yaml is kept with the run"
        )
    if commit and commit.known and commit.lock:
        at = versioning.text_at(root, commit.id, "dvc.lock")
        if at != commit.lock and not any(other_outputs(commit.lock, at)):
            yield (
                f"dvc.lock at commit {commit.id[:10]} is of another result; the one that is meant is kept "
                "with the run"
            )


def other_outputs(recorded: str, at: str) -> Iterator[str]:
    """Name the stages that two dvc.lock files give the same inputs and other outputs."""
    before, now = versioning.stages_of(recorded), versioning.stages_of(at)
    for name in before.keys() & now.keys() - {"measure"}:
        one, other = before[name], now[name]
        if (one.cmd, one.deps, one.params) == (
            other.cmd,
            other.deps,
            other.params,
        ) and one.outs != other.outs:
            yield name
