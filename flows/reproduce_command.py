"""`espalier reproduce`: what it prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flows.terminal import quiet_dvc
from tasks.errors import EspalierError

if TYPE_CHECKING:
    from tasks.lineage.reproduce import Pair, Reproduced

__all__ = ["DIFFERS", "reproduce"]

DIFFERS = 3
"""Exit code of `espalier reproduce` where something differs."""


class StoppedError(EspalierError):
    """Ctrl-C."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped; nothing but the clone was written")


Say = Callable[[str], object]
_HASH = 12


def reproduce(root: Path, asked: str, say: Say, *, cached: bool, keep: bool, as_json: bool) -> bool:
    """Make a version again and say what is equal.

    Returns
    -------
    bool
        Whether everything is.
    """
    from tasks.config import load_params
    from tasks.lineage.reproduce import reproduce as again

    quiet_dvc()
    try:
        found = again(root, load_params(root), asked, cached=cached, keep=keep, say=_begun)
    except KeyboardInterrupt:
        raise StoppedError from None
    for line in [json.dumps(found.to_dict())] if as_json else _told(found):
        say(line)
    return found.same


def _begun(stage: str) -> None:
    """Say what is computed, beside what the command prints."""
    sys.stderr.write(f"computing {stage}\n")


def _told(found: Reproduced) -> Iterator[str]:
    yield f"\n{found.title}, made again from {found.ref or 'commit'} {found.commit[:_HASH]}"
    yield f"From DVC    {_listed(('fetch',))}"
    if found.cached:
        yield f"Run-cache   {_listed(found.cached)} (proves nothing)"
    if found.computed:
        yield f"Computed    {_listed(found.computed)}"
    if found.brought:
        yield f"From here   {_listed(found.brought)}: not in Git"
    yield from _pairs("Files", found.files, str)
    yield from _pairs("Metrics", found.metrics, lambda value: f"{value:.17g}")
    yield from _pairs("Model", (found.model,), str)
    if not found.same:
        for pair in found.machine:
            yield f"Machine     {pair.name}: {pair.recorded} then, {pair.made} now"
    if found.folder:
        yield f"Clone       {found.folder}"
    yield "\nEqual to the bit." if found.same else "\nNot equal."


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _pairs(title: str, pairs: Sequence[Pair], shown: Callable[[object], str]) -> Iterator[str]:
    equal = sum(pair.same for pair in pairs)
    yield f"{title:11} {equal} of {len(pairs)} equal"
    for pair in pairs:
        if not pair.same:
            yield f"{'':11}   {pair.name}"
            for word, value in (("recorded", pair.recorded), ("made", pair.made)):
                yield f"{'':11}     {word:9} {shown(value) if value not in ('', None) else 'none'}"
