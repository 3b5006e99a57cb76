"""The `espalier` command."""

from __future__ import annotations

import atexit
import errno
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from flows.commands import keeping, lineage, making, production, servers
from flows.commands.shared import commands
from tasks.errors import EspalierError
from tasks.process import leave

__all__ = ["app", "main"]

app = commands()


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"espalier {version('espalier')}")
        raise typer.Exit


@app.callback()
def espalier(
    _: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Reduce the data and prune the network as one tracked, versioned job."""


for group in (making, production, lineage, servers, keeping):
    app.registered_commands += group.app.registered_commands

_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}


def _guarded(command: Callable[[], None]) -> int:
    try:
        command()
    except EspalierError as error:
        typer.echo(f"espalier: {error}", err=True)
        return error.exit_code
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(
            f"espalier: {where}{error.strerror}; free space or fix permissions, then run again", err=True
        )
        return 1
    return 0


def main() -> None:
    """Run the command; an expected failure is one line and its exit code."""
    code = 1
    atexit.register(lambda: leave(code))  # called after all that the command registers
    try:
        sys.exit(_guarded(app))
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise


if __name__ == "__main__":
    main()
