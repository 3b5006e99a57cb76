"""`espalier card` and `export-bundle`: what they print."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

__all__ = ["card", "export_bundle"]

Say = Callable[[str], object]


def card(root: Path, asked: str, to: Path | None, say: Say) -> None:
    """Print a version's model card, or write it to a file."""
    from tasks.config import load_params
    from tasks.files import write_text
    from tasks.tracking.card import card_of

    text = card_of(root, load_params(root).registry.name, asked)
    if to is None:
        say(text.rstrip("\n"))
    else:
        write_text(to, text)
        say(f"Card        {to}")


def export_bundle(
    root: Path, asked: str, to: Path, started_in: Path, say: Say, *, force: bool, as_json: bool
) -> None:
    """Write a version for somebody without MLflow, and say what is in the folder."""
    from tasks.config import load_params
    from tasks.lineage.bundle import SUMS
    from tasks.lineage.bundle import export_bundle as export

    made = export(root, load_params(root), asked, to, force=force)
    shown = os.path.relpath(made.folder, started_in)
    if as_json:
        say(json.dumps({**asdict(made), "folder": str(made.folder)}))
        return
    say(f"Bundle      {shown}: {made.model} version {made.version}, {sum(made.files.values()):,} bytes")
    for name, size in made.files.items():
        say(f"            {name:18} {size:>12,}")
    for note in made.notes:
        say(f"note: {note}")
    say(f"Check       cd {shown} && sha256sum -c {SUMS}")
    say("Use         python predict.py ROWS.csv ANSWERS.csv [COLUMN_TO_KEEP ...]")
