"""The `espalier` command."""

from __future__ import annotations

import atexit
import errno
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.environment import enter
from flows.session import ready, server, stoppable
from flows.terminal import log_to_terminal, quiet_dvc
from tasks.errors import EspalierError
from tasks.process import leave

if TYPE_CHECKING:
    from flows.embedded import EmbeddedServer
    from flows.study import Studied

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

NOT_MET = 3
"""Exit code of `compress-model` where the budget is not met."""

DRIFT = 3
"""Exit code of `monitor` where there is drift."""

Folder = Annotated[Path, typer.Option("-C", metavar="DIR", help="Workspace to work in.", show_default=False)]


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


@app.command(short_help="Raw rows to a registered compressed model.")
def run(
    folder: Folder = Path(),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Write a setting into params.yaml; repeatable."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show settings and what would run; write nothing.")
    ] = False,
) -> None:
    """Bring everything up to date: raw rows to a registered compressed model."""
    started_in = Path.cwd()
    root = _workspace(folder)
    from flows import run as command

    if dry_run:
        command.dry_run(root, settings or [], typer.echo)
    else:
        command.run(root, settings or [], started_in, typer.echo)


@app.command(short_help="Try many variants side by side, and compare them.")
def study(
    folder: Folder = Path(),
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Write a setting into params.yaml; repeatable."),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(metavar="N", help="Most candidates: study.candidates.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(metavar="N", help="Trainings of each: study.seeds.")] = None,
    apply: Annotated[
        str | None,
        typer.Option(
            metavar="PICK",
            help="knee, smallest, fastest, best or an id of the last study: make it the recipe, and run.",
        ),
    ] = None,
    clean: Annotated[
        bool, typer.Option("--clean", help="Free the space of what no study from here on can use.")
    ] = False,
) -> None:
    """Try the candidates of section `study`, and compare them; or make one of them the recipe."""
    from flows import study_command

    started_in = Path.cwd()
    shortcuts = {"study.candidates": candidates, "study.seeds": seeds}
    wanted = [*(settings or []), *(f"{key}={value}" for key, value in shortcuts.items() if value is not None)]
    alone = "--clean" if clean else "--apply"
    if (clean or apply is not None) and (wanted or (clean and apply is not None)):
        raise EspalierError(f"{alone}: stands alone; leave out all options but -C")
    if apply is not None:
        run(folder, study_command.applied(folder.resolve(), apply))
        return
    root = _workspace(folder)
    if clean:
        study_command.clean(root, typer.echo)
        return
    from tasks.config import load_params

    load_params(root, wanted)
    log_to_terminal()
    with server() as embedded:
        found = _study(root, wanted, embedded)
    study_command.tell(root, found, started_in, typer.echo)


def _study(root: Path, settings: list[str], embedded: EmbeddedServer | None) -> Studied:
    from flows.study import study as studied

    with stoppable(), ready(root, settings, embedded):
        return studied(root)


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; it stands in the ledger.")]


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
    root = _workspace(folder)
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
    root = _workspace(folder)
    from flows import promote_command

    promote_command.rollback(root, to, why, typer.echo, as_json=as_json)


@app.command(short_help="Every decision and every move of an alias.")
def history(folder: Folder = Path(), as_json: Json = False) -> None:
    """Print the ledger of promotions, and where the registry contradicts it."""
    root = _workspace(folder)
    from flows import promote_command

    promote_command.history(root, typer.echo, as_json=as_json)


@app.command(short_help="Make a workspace for your own data.")
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="New folder inside the project.")],
    source: Annotated[str, typer.Option(help="File, package:NAME or SQLAlchemy URL.")],
    target: Annotated[str | None, typer.Option(help="Column to predict.")] = None,
    query: Annotated[str | None, typer.Option(help="SQL query, with an SQLAlchemy URL.")] = None,
) -> None:
    """Make a workspace for your own data: look at it, choose settings, say why."""
    enter(Path.cwd())
    from tasks.workspace import create

    quiet_dvc()
    for line in create(directory.resolve(), source, target, query=query):
        typer.echo(line)
    typer.echo(f"Next        espalier run -C {directory}")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Run id, NAME/VERSION or NAME@ALIAS.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Run id, NAME/VERSION or NAME@ALIAS.")],
    folder: Folder = Path(),
) -> None:
    """Print two runs or registered versions side by side."""
    root = _workspace(folder)
    from tasks import tracking

    found = tracking.compare(root, first, second)
    typer.echo(f"{'':32} {found.left:>22} {found.right:>22}")
    for row in found.rows:
        typer.echo(f"{row.name[:32]:32} {_cell(row.left):>22} {_cell(row.right):>22}")
    typer.echo(f"\n{found.url}")
    if found.opens:
        typer.echo(f"({found.opens})")


@app.command(short_help="Compress a trained network within a budget.")
def compress_model(
    model: Annotated[str, typer.Option(metavar="MODULE:FUNCTION", help="Builds the network, as in nets/.")],
    weights: Annotated[Path, typer.Option(metavar="FILE", help="Its trained state: .safetensors or .pth.")],
    data: Annotated[str, typer.Option(metavar="FILE", help="Rows as the network takes them.")],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="Column to predict.")],
    valid: Annotated[
        str | None, typer.Option(metavar="FILE", help="Rows it was not trained on; else part of --data.")
    ] = None,
    budget: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="max_bytes=20000 and such; repeatable.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write; a new folder.")] = Path(
        "compressed"
    ),
    force: Annotated[
        bool, typer.Option("--force", help="Replace the files of an earlier one there.")
    ] = False,
    task: Annotated[
        str, typer.Option(metavar="TASK", help="classification or regression; auto: as the target looks.")
    ] = "auto",
    seed: Annotated[int, typer.Option(metavar="N", help="Of what is drawn.")] = 0,
    folder: Annotated[
        Path,
        typer.Option("-C", metavar="DIR", help="Where --model's code is; other paths start here, not there."),
    ] = Path(),
) -> None:
    """Compress a trained network within a budget; exit code 3 where it is not met.

    The nearest model is written then. No workspace, no server, nothing recorded.
    """
    from flows.compress_model import Request, run

    request = Request(model, weights, data, valid, target, budget or [], out, force, task, seed)
    if not run(request, folder.resolve(), typer.echo).met:
        typer.echo(f"espalier: the budget is not met; the nearest model is in {out}", err=True)
        raise typer.Exit(NOT_MET)


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
        _workspace(folder),
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
    root = _workspace(folder)
    if monitor_command.monitor(root, source, model, started_in, typer.echo, query=query, as_json=as_json):
        raise typer.Exit(DRIFT)


@app.command(short_help="Check the set-up, and say what to do.")
def doctor(folder: Folder = Path()) -> None:
    """Check versions, servers, ports, locks and remotes, and say what to do."""
    root = _workspace(folder)
    from flows.doctor import examine

    found = list(examine(root))
    for check in found:
        typer.echo(str(check))
    if not all(check.ok for check in found):
        raise typer.Exit(1)


@app.command(short_help="Serve the MLflow and Prefect pages until Ctrl-C.")
def ui(folder: Folder = Path()) -> None:
    """Serve the MLflow and Prefect pages on loopback until Ctrl-C."""
    root = _workspace(folder)
    from flows.ui import serve

    serve(root, typer.echo)


@app.command(short_help="Start servers, worker and schedules in the background.")
def up(folder: Folder = Path()) -> None:
    """Start Prefect, MLflow and a worker in the background, with the schedules of prefect.yaml."""
    root = _workspace(folder)
    from flows import stack

    stack.up(root, typer.echo)


@app.command(short_help="Stop what `up` started.")
def down(folder: Folder = Path()) -> None:
    """Stop what `up` started; a run under way ends, and the next one goes on from there."""
    root = _workspace(folder)
    from flows import stack

    stack.down(root, typer.echo)


@app.command(short_help="Say whether what `up` started is well.")
def status(folder: Folder = Path()) -> None:
    """Say of servers and worker whether each is well; exit code 1 where one is not."""
    root = _workspace(folder)
    from flows import stack

    well, lines = stack.status(root)
    for line in lines:
        typer.echo(line)
    if not well:
        raise typer.Exit(1)


@app.command(short_help="Run the schedules in this process until Ctrl-C.")
def serve(folder: Folder = Path()) -> None:
    """Run the deployments of prefect.yaml in this process until Ctrl-C, which pauses their schedules."""
    root = _workspace(folder)
    from flows.serve import serve as serve_all

    serve_all(root, typer.echo)


def _cell(value: float | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value[-22:]
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"


def _workspace(folder: Path) -> Path:
    root = folder.resolve()
    if not root.is_dir():
        raise EspalierError(
            f"{folder}: no such folder; `espalier init {folder} --source FILE` makes a workspace"
        )
    enter(root)
    return root


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
