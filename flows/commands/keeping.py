"""Commands of keeping what is there for years: remote, backup, restore, gc."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.shared import Folder, commands, workspace

__all__ = ["app"]

app = commands()


@app.command(short_help="Show the shared DVC remote, or set and check it.")
def remote(
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="s3://..., gs://..., ssh://... or a path.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="endpointurl, region and such; repeatable."),
    ] = None,
    push: Annotated[
        bool, typer.Option("--push", help="Copy every result there that Git leads to, of recorded runs too.")
    ] = False,
    folder: Folder = Path(),
) -> None:
    """Show where all clones find data and models; with URL: write and read there, and make it that place."""
    started_in = Path.cwd()
    root = workspace(folder)
    from flows import remote_command

    if url is not None:
        remote_command.change(root, url, settings or [], started_in, typer.echo, filled=push)
    elif not push:
        remote_command.show(root, typer.echo)
    if push:
        remote_command.fill(root, typer.echo)


@app.command(short_help="Save what Git does not have, in one file.")
def backup(
    target: Annotated[
        Path, typer.Argument(metavar="FILE", help="NAME.tar, NAME.tar.gz, or a folder to name one in.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    folder: Folder = Path(),
) -> None:
    """Save runs, registered versions, their files, flow runs and recorded runs; nothing need be stopped."""
    started_in = Path.cwd()
    root = workspace(folder)
    from flows import keeping_command

    keeping_command.save(root, started_in / target, typer.echo, force=force)


@app.command(short_help="Bring back what `backup` saved.")
def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `espalier backup` made.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only look whether it is whole, and say what is in it.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace records that are here.")] = False,
    folder: Folder = Path(),
) -> None:
    """Bring a backup into this workspace, or another one; servers have to be stopped."""
    started_in = Path.cwd()
    root = workspace(folder)
    from flows import keeping_command

    if check:
        keeping_command.look(started_in / source, typer.echo)
    else:
        keeping_command.bring_back(root, started_in / source, typer.echo, force=force)


@app.command(short_help="Free the space of what nothing needs any more.")
def gc(
    older_than: Annotated[float, typer.Option(metavar="DAYS", min=0.0, help="What is younger stays.")] = 90.0,
    yes: Annotated[bool, typer.Option("--yes", help="Free it; by default it is only listed.")] = False,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Old recorded runs and versions that were never the champion, too."),
    ] = False,
    folder: Folder = Path(),
) -> None:
    """List the runs, files and left-overs that nothing needs, or free them.

    What an alias, the ledger, a recorded run, a commit or the folder as it stands needs is never freed.
    """
    root = workspace(folder)
    from flows import gc_command
    from flows.terminal import option_c

    words = ["espalier gc", f"--older-than {older_than:g}", "--forget" if forget else "", "--yes"]
    again = " ".join(filter(None, words)) + option_c(str(folder))
    gc_command.clean_up(root, older_than, typer.echo, yes=yes, forget=forget, again=again)
