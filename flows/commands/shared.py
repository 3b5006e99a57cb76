"""What the modules of commands share: where they work, and the options that several have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.environment import enter
from tasks.errors import EspalierError

__all__ = ["Folder", "Json", "Why", "commands", "workspace"]

Folder = Annotated[Path, typer.Option("-C", metavar="DIR", help="Workspace to work in.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; it stands in the ledger.")]


def commands() -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def workspace(folder: Path) -> Path:
    """Return the workspace, with the process set up to work in it.

    Raises
    ------
    EspalierError
        When there is no such folder.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise EspalierError(
            f"{folder}: no such folder; `espalier init {folder} --source FILE` makes a workspace"
        )
    enter(root)
    return root
