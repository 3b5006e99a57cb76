"""The `espalier` command."""

from __future__ import annotations

import atexit
import errno
import logging
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.embedded import EmbeddedServer, answers
from flows.environment import enter, leave
from tasks.errors import EspalierError

if TYPE_CHECKING:
    from flows.compress import Compressed
    from tasks.config import Params

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Reduce the data and prune the network as one tracked, versioned job.",
)

Folder = Annotated[Path, typer.Option("-C", metavar="DIR", help="Workspace to work in.", show_default=False)]


@app.command(short_help="Raw rows to a registered compressed model; only what changed.")
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
    if dry_run:
        _dry_run(root, settings or [])
        return
    from tasks.config import load_params

    params = load_params(root, settings or [])
    _log_to_terminal()
    try:
        with _prefect(root) as server:
            result = _compress(root, settings or [], server)
    except KeyboardInterrupt:
        raise _StoppedError from None
    from tasks.result import result_text

    typer.echo(f"\n{result_text(root)}\n")
    typer.echo(f"Report      {os.path.relpath(root / 'reports' / 'report.html', started_in)}")
    known = " (already recorded)" if result.recorded.existing else ""
    typer.echo(f"MLflow      run {result.recorded.run_id}{known}")
    typer.echo(f"Model       {_version(result)}")
    suggested = _next(params, result, os.path.relpath(root, started_in))
    typer.echo("Next        " + f"\n{'':12}".join(suggested))


class _StoppedError(EspalierError):
    """Ctrl-C."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped; finished stages and epochs are kept, run again to go on")


def _compress(root: Path, settings: list[str], server: EmbeddedServer | None) -> Compressed:
    """Import what the flow needs while the server comes up, then write the settings and run it."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.compress import compress
    from tasks import pipeline
    from tasks.config import apply_overrides

    _quiet_dvc()
    with pipeline.alone(root):  # stages of another run read params.yaml too
        apply_overrides(root, settings)
    if server:
        server.wait()
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return compress(root)


def _prefect(root: Path) -> AbstractContextManager[EmbeddedServer | None]:
    """Use the Prefect server that is set or that `espalier ui` started, else start one."""
    api_url = os.environ.get("PREFECT_API_URL")
    if api_url and not os.environ.get("PREFECT_API_KEY") and not answers(api_url, 10.0):
        raise EspalierError(
            f"PREFECT_API_URL: no Prefect server answers at {api_url}; start it, or unset the variable "
            "for an embedded one"
        )
    if api_url:
        return nullcontext()
    server = EmbeddedServer(Path(os.environ["PREFECT_HOME"]))
    os.environ["PREFECT_API_URL"] = server.api_url
    return server


def _version(result: Compressed) -> str:
    registered = result.registered
    return f"{registered.name} version {registered.version}" if registered else "not registered"


def _next(params: Params, result: Compressed, folder: str) -> list[str]:
    """Suggest commands: to look, and to register, to compare with the version before, or to try more."""
    where = "" if folder == "." else f" -C {folder}"
    registered = result.registered
    if registered is None:
        return [f"espalier ui{where}", f"espalier run{where} --set registry.register=true"]
    if int(registered.version) > 1:
        name, version = registered.name, int(registered.version)
        return [f"espalier ui{where}", f"espalier compare{where} {name}/{version - 1} {name}/{version}"]
    tried = "prune.method=structured" if params.prune.method == "none" else "prune.amount=0.9"
    return [f"espalier ui{where}", f"espalier run{where} --set {tried}"]


def _dry_run(root: Path, settings: list[str]) -> None:
    from ruamel.yaml import YAML

    from tasks import versioning
    from tasks.config import resolve

    text, params = resolve(root, settings)
    resolved = params.model_dump(mode="json", by_alias=True)
    YAML().dump(resolved, sys.stdout)
    typer.echo("")
    source = versioning.source_changed(root, params)
    raw = YAML(typ="safe").load(text)
    for name, reasons in versioning.plan(root, raw, source_changes=source).items():
        typer.echo(f"{name:10} " + (f"would run: {'; '.join(reasons)}" if reasons else "up to date"))


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

    _quiet_dvc()
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
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path("compressed"),
    folder: Folder = Path(),
) -> None:
    """Compress a trained network within a budget: no workspace, no server, nothing recorded."""
    from flows.compress_model import Request, run

    request = Request(model, weights, data, valid, target, budget or [], out)
    run(request, folder.resolve(), typer.echo)


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


class _Lines(logging.Formatter):
    """Stage results as they are, what a stage has to say indented below."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.name == "espalier.stage" else f"    {text}"


def _log_to_terminal() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Lines("%(message)s"))
    logger = logging.getLogger("espalier")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False


def _quiet_dvc() -> None:
    """Hush what DVC reports of its own files; importing it has set its loggers up."""
    logging.getLogger("dvc").setLevel(logging.WARNING)
    logging.getLogger("dvc.rwlock").setLevel(logging.ERROR)  # it takes over what a killed run had locked


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
