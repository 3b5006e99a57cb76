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
        str | None, typer.Argument(metavar="[URL]", help="s3://, gs://, azure://, ssh://, a path, ...")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="endpointurl, region and such; repeatable."),
    ] = None,
    folder: Folder = Path(),
) -> None:
    """Show where all clones find data and models; with URL: write and read there, and make it that place."""
    started_in = Path.cwd()
    root = workspace(folder)
    from flows import remote_command

    if url is None:
        remote_command.show(root, typer.echo)
    else:
        remote_command.change(root, url, settings or [], started_in, typer.echo)
