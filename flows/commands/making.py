"""Commands that make models: run, study, init, compare, compress-model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.shared import Folder, commands, workspace
from flows.environment import enter
from flows.session import ready, server, stoppable
from flows.terminal import log_to_terminal, quiet_dvc
from tasks.errors import EspalierError

if TYPE_CHECKING:
    from flows.embedded import EmbeddedServer
    from flows.study import Studied

__all__ = ["app"]

app = commands()

NOT_MET = 3
"""Exit code of `compress-model` where the budget is not met."""


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
    root = workspace(folder)
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
    root = workspace(folder)
    if clean:
        study_command.clean(root, typer.echo)
        return
    from tasks.config import load_params
    from tasks.study.checks import check_study

    check_study(load_params(root, wanted))
    log_to_terminal()
    with server() as embedded:
        found = _study(root, wanted, embedded)
    study_command.tell(root, found, started_in, typer.echo)


def _study(root: Path, settings: list[str], embedded: EmbeddedServer | None) -> Studied:
    from flows.study import study as studied

    with stoppable(), ready(root, settings, embedded):
        return studied(root)


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
    root = workspace(folder)
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


def _cell(value: float | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value[-22:]
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"
