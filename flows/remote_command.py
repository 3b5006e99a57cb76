"""What `espalier remote` says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flows.terminal import quiet_dvc
from tasks import versioning
from tasks.errors import EspalierError

__all__ = ["change", "fill", "show"]

Say = Callable[[str], object]


def show(root: Path, say: Say) -> None:
    """Say where the default remote is, and how much of the current result is there.

    Raises
    ------
    EspalierError
        Without one, or when it cannot be reached.
    """
    quiet_dvc()
    found = versioning.shown_remote(root)
    if found is None:
        raise EspalierError(f"{root.name}: no DVC remote is set; `espalier remote URL` sets one")
    _name(found, say)
    wanted, missing = versioning.presence(root)
    say(f"          {wanted - missing} of {wanted} files of the current result are there")
    if missing:
        say("Next      dvc push")


def change(
    root: Path, url: str, settings: Sequence[str], started_in: Path, say: Say, *, filled: bool = False
) -> None:
    """Set the default remote once it has kept a probe, and say what is left to do; `filled`: `fill` follows.

    Raises
    ------
    EspalierError
        When it cannot be used; nothing is changed then.
    """
    quiet_dvc()
    found = versioning.set_remote(root, url, dict(_pair(word) for word in settings), started_in)
    _name(found, say)
    say("          an object was written, read back and removed")
    say("Next      git add .dvc/config && git commit -m 'Shared DVC remote'")
    if not filled:
        say("          espalier remote --push                # what is here already goes there")


def fill(root: Path, say: Say) -> None:
    """Copy every result that Git leads to into the default remote, and say what is left to do.

    Raises
    ------
    EspalierError
        Without a remote, and when a file does not get there.
    """
    quiet_dvc()
    done = versioning.hand_over(root)
    say(f"Copied    {done.copied:,} files; {done.there:,} were there")
    if done.cut:
        say(f"          {done.cut:,} folders stay here: some of their files are in neither place")
    if _has_recorded_runs(root):
        say("Next      git push origin 'refs/espalier/*:refs/espalier/*'    # the runs")


def _has_recorded_runs(root: Path) -> bool:
    try:
        return bool(versioning.runs(root))
    except EspalierError:
        return False  # no repository


def _name(found: versioning.Remote, say: Say) -> None:
    say(f"{found.name:10}{found.url}")
    if found.place:
        say("          inside this workspace: no other clone reads it")


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise EspalierError(f"--set {word}: write KEY=VALUE")
    return key.strip().lower(), value.strip()
