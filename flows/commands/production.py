"""Commands of a model's life: promote, rollback, history, predict, serve-model, monitor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.shared import Folder, Json, Why, commands, workspace
from tasks.errors import EspalierError

__all__ = ["app"]

app = commands()

DRIFT = 3
"""Exit code of `monitor` where there is drift."""

STORE = {"MLFLOW_TRACKING_URI"}


@app.command(short_help="Make the challenger the champion, if it has earned it.")
def promote(
    folder: Folder = Path(),
    approve: Annotated[
        bool, typer.Option("--approve", help="A person's yes, where the policy asks for one.")
    ] = False,
    decline: Annotated[bool, typer.Option("--decline", help="A person's no.")] = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Hold the challenger against the champion by section `promote`; exit code 4 where it stays.

    Nothing but the aliases moves, and every decision stands in the ledger: `espalier history`.
    """
    root = workspace(folder)
    from flows import promote_command
    from tasks.gate.approval import Approval
    from tasks.tracking.store import user

    if approve and decline:
        raise EspalierError("--approve, --decline: one of them")
    if (approve or decline) and not why.strip():
        raise EspalierError("--why: say why; it stands in the ledger")
    approval = Approval(approve, user(), why) if approve or decline else None
    if not promote_command.promote(root, approval, typer.echo, as_json=as_json):
        raise typer.Exit(promote_command.NOT_PROMOTED)


@app.command(short_help="Make an earlier version the champion again.")
def rollback(
    why: Why,
    folder: Folder = Path(),
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="By default the previous champion.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an earlier version the champion again, once it has loaded and answered."""
    root = workspace(folder)
    from flows import promote_command

    promote_command.rollback(root, to, why, typer.echo, as_json=as_json)


@app.command(short_help="Every decision and every move of an alias.")
def history(folder: Folder = Path(), as_json: Json = False) -> None:
    """Print the ledger of promotions, and where the registry contradicts it."""
    root = workspace(folder)
    from flows import promote_command

    promote_command.history(root, typer.echo, as_json=as_json)


@app.command(short_help="Score a file or a query in chunks.")
def predict(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="CSV or Parquet file, or SQLAlchemy URL.")],
    to: Annotated[str, typer.Option(metavar="OUT", help="Parquet file, or SQLAlchemy URL.")],
    model: Annotated[
        str, typer.Option(metavar="M", help="champion, challenger, previous, or a version.")
    ] = "champion",
    query: Annotated[str | None, typer.Option(metavar="SQL", help="What to read from a database.")] = None,
    table: Annotated[str | None, typer.Option(metavar="NAME", help="Table to add to in a database.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="COL", help="Column to carry over; repeatable.")
    ] = None,
    quarantine: Annotated[
        str | None, typer.Option(metavar="FILE", help="For rows that cannot be scored.")
    ] = None,
    chunk: Annotated[int | None, typer.Option(metavar="N", help="Rows scored at once.")] = None,
    shadow: Annotated[
        str | None, typer.Option(metavar="M", help="Version that scores beside; logged only.")
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Replace what is there.")] = False,
    folder: Folder = Path(),
) -> None:
    """Score rows; killed, the same command goes on."""
    from flows import predict_command

    started_in = Path.cwd()
    predict_command.predict(
        workspace(folder),
        source,
        to,
        model,
        started_in,
        typer.echo,
        query=query,
        table=table,
        keep=tuple(keep or ()),
        quarantine=quarantine,
        chunk=chunk,
        anew=anew,
        shadow=shadow,
    )


@app.command(short_help="Answer requests by the champion until Ctrl-C.")
def serve_model(
    folder: Folder = Path(),
    model: Annotated[
        str, typer.Option(metavar="M", help="champion, challenger, previous, or a version.")
    ] = "champion",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="0: a free one.")] = 5001,
    host: Annotated[str, typer.Option(metavar="ADDR", help="Anyone who reaches it may ask.")] = "127.0.0.1",
    poll: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="Seconds between two looks at the alias.")
    ] = 2.0,
    max_mb: Annotated[
        float, typer.Option("--max-mb", min=0.001, metavar="MB", help="Largest body of a request.")
    ] = 16.0,
    shadow: Annotated[
        str | None, typer.Option(metavar="M", help="Version that answers beside; logged only.")
    ] = None,
) -> None:
    """Serve MLflow's scoring app; a new champion takes over without a failed request."""
    own = {name: value for name in STORE if (value := os.environ.get(name))}
    root = workspace(folder)
    for name in STORE - own.keys():  # servers of `espalier up` end with it, this one does not
        os.environ.pop(name, None)
    from flows.serve_model import Options, serve_model

    serve_model(root, Options(model, host, port, poll, max_mb, shadow), typer.echo)


@app.command(short_help="Hold new rows against those the model was made from.")
def monitor(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="File, package:NAME or SQLAlchemy URL; labels may be there."),
    ],
    model: Annotated[
        str, typer.Option(metavar="M", help="champion, challenger, previous, or a version.")
    ] = "champion",
    query: Annotated[str | None, typer.Option(metavar="SQL", help="What to read from a database.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead.")] = False,
    folder: Folder = Path(),
) -> None:
    """Look for drift; exit code 3 where there is some. Section `monitor` says what counts."""
    from flows import monitor_command

    started_in = Path.cwd()
    root = workspace(folder)
    if monitor_command.monitor(root, source, model, started_in, typer.echo, query=query, as_json=as_json):
        raise typer.Exit(DRIFT)
