"""Commands that say where a model comes from, and hand it on: explain, reproduce, card, export-bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.shared import Folder, Json, commands, workspace

__all__ = ["app"]

app = commands()

Version = Annotated[
    str, typer.Argument(metavar="VERSION", help="champion, challenger, previous, or a number.")
]


@app.command(short_help="Where a model comes from, and whether that still holds.")
def explain(
    asked: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="champion, challenger, previous, a version's number, or a run."),
    ],
    folder: Folder = Path(),
    as_json: Json = False,
) -> None:
    """Follow a model back: raw rows, stages, settings, commit, flow run, MLflow run, version, decisions.

    What does not hold any more is listed as a contradiction; the exit code is 0 all the same.
    """
    root = workspace(folder)
    from flows import explain_command

    explain_command.explain(root, asked, typer.echo, as_json=as_json)


@app.command(short_help="Make a version again, and compare it to the bit.")
def reproduce(
    asked: Version,
    folder: Folder = Path(),
    cached: Annotated[
        bool, typer.Option("--cached", help="Take stages from the run-cache: quick, and proves little.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the clone it was made in.")] = False,
    as_json: Json = False,
) -> None:
    """Make a version again in a clone, from Git, DVC and its settings; exit code 3 where something differs.

    Nothing but the clone is written.
    """
    root = workspace(folder)
    from flows import reproduce_command

    if not reproduce_command.reproduce(root, asked, typer.echo, cached=cached, keep=keep, as_json=as_json):
        raise typer.Exit(reproduce_command.DIFFERS)


@app.command(short_help="A version's model card, as Markdown.")
def card(
    asked: Version,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Write it there instead.")] = None,
    folder: Folder = Path(),
) -> None:
    """Print what a version was made from, how, what it can do and what not."""
    place = to.resolve() if to else None
    root = workspace(folder)
    from flows import handover_command

    handover_command.card(root, asked, place, typer.echo)


@app.command(short_help="Write a version for somebody without MLflow.")
def export_bundle(
    asked: Version,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="New folder.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the files of an earlier one there.")
    ] = False,
    folder: Folder = Path(),
    as_json: Json = False,
) -> None:
    """Write a version with all that it takes to use it: a CSV in, a CSV out, by three packages."""
    started_in, place = Path.cwd(), to.resolve()
    root = workspace(folder)
    from flows import handover_command

    handover_command.export_bundle(root, asked, place, started_in, typer.echo, force=force, as_json=as_json)
