"""Commands of what runs in the background, and of its pages: doctor, ui, up, down, status, serve."""

from __future__ import annotations

from pathlib import Path

import typer

from flows.commands.shared import Folder, commands, workspace

__all__ = ["app"]

app = commands()


@app.command(short_help="Check the set-up, and say what to do.")
def doctor(folder: Folder = Path()) -> None:
    """Check versions, servers, ports, locks and remotes, and say what to do."""
    root = workspace(folder)
    from flows.doctor import examine

    found = list(examine(root))
    for check in found:
        typer.echo(str(check))
    if not all(check.ok for check in found):
        raise typer.Exit(1)


@app.command(short_help="Serve the MLflow and Prefect pages until Ctrl-C.")
def ui(folder: Folder = Path()) -> None:
    """Serve the MLflow and Prefect pages on loopback until Ctrl-C."""
    root = workspace(folder)
    from flows.ui import serve

    serve(root, typer.echo)


@app.command(short_help="Start servers, worker and schedules in the background.")
def up(folder: Folder = Path()) -> None:
    """Start Prefect, MLflow and a worker in the background, with the schedules of prefect.yaml."""
    root = workspace(folder)
    from flows import stack

    stack.up(root, typer.echo)


@app.command(short_help="Stop what `up` started.")
def down(folder: Folder = Path()) -> None:
    """Stop what `up` started; a run under way ends, and the next one goes on from there."""
    root = workspace(folder)
    from flows import stack

    stack.down(root, typer.echo)


@app.command(short_help="Say whether what `up` started is well.")
def status(folder: Folder = Path()) -> None:
    """Say of servers and worker whether each is well; exit code 1 where one is not."""
    root = workspace(folder)
    from flows import stack

    well, lines = stack.status(root)
    for line in lines:
        typer.echo(line)
    if not well:
        raise typer.Exit(1)


@app.command(short_help="Run the schedules in this process until Ctrl-C.")
def serve(folder: Folder = Path()) -> None:
    """Run the deployments of prefect.yaml in this process until Ctrl-C, which pauses their schedules."""
    root = workspace(folder)
    from flows.serve import serve as serve_all

    serve_all(root, typer.echo)
