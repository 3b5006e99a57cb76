"""Where MLflow keeps runs: address, database, experiment, and errors a user can act on."""

from __future__ import annotations

import getpass
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tasks.artifacts import Layout
from tasks.errors import EspalierError, masked
from tasks.tracking.access import NOT_LOST, USER, refused, require_answer
from tasks.tracking.journal import end_log, start_log, written_ahead

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "end_server",
    "environment",
    "experiment_id",
    "many_writes",
    "open_client",
    "own_database",
    "prepare",
    "quiet",
    "recording",
    "reported",
    "require_usable",
    "server_stores",
    "shared",
    "tracking_uri",
    "user",
]

REQUESTS_AT_ONCE = 4
KIND = {"mlflow.experimentKind": "custom_model_development"}


def _folder(root: Path) -> Path:
    return Layout(root).state.resolve() / "mlflow"  # a scheduled run's worktree is led to the workspace's


def tracking_uri(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI where it is set, else the SQLite database of the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or own_database(root)


def own_database(root: Path) -> str:
    """Return the address of the SQLite database of the workspace."""
    return f"sqlite:///{_folder(root) / 'mlflow.db'}"


def prepare(root: Path, name: str | None = None) -> str:
    """Create what recording needs (database, experiment) and return the experiment's id.

    The experiment is called `name`, by default the workspace's registered model.

    A fresh database costs seconds of migrations, so call it early, in a thread. Two calls at once are safe.

    Raises
    ------
    EspalierError
        When MLflow cannot be reached or written.
    """
    with reported(root):
        return experiment_id(open_client(root), root, name or _registered_name(root))


def require_usable(root: Path) -> None:
    """Ask a server for little, look into a database: without MLflow, which would retry for minutes.

    Raises
    ------
    EspalierError
        When the server does not answer or lets us in no further, or the workspace's database is broken; that
        it is missing is fine.
    """
    uri = tracking_uri(root)
    if urlsplit(uri).scheme in ("http", "https"):
        require_answer(uri)
    elif uri == own_database(root):
        _require_database(_folder(root) / "mlflow.db")


def open_client(root: Path) -> MlflowClient:
    """Return a client bound to the workspace's store; a database is made where there is none."""
    from mlflow import MlflowClient

    uri = tracking_uri(root)
    require_usable(root)
    if uri == own_database(root) and not (_folder(root) / "mlflow.db").exists():
        _create_database(_folder(root) / "mlflow.db")
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def experiment_id(client: MlflowClient, root: Path, name: str) -> str:
    """Return the id of experiment `name`, created or restored where necessary."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        location = _beside(tracking_uri(root))
        try:
            return str(client.create_experiment(name, artifact_location=location, tags=KIND))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return experiment_id(client, root, name)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _beside(uri: str) -> str | None:
    """Return the folder for files beside a SQLite database, whoever's it is; a server has its own."""
    scheme, _, path = uri.partition(":///")
    return (Path(path).resolve().parent / "artifacts").as_uri() if scheme == "sqlite" else None


def _registered_name(root: Path) -> str:
    from tasks.config import load_params

    return load_params(root).registry.name


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for a block; MLflow takes some settings no other way."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def reported(root: Path) -> Iterator[None]:
    """Turn what an absent, full or read-only store raises into one line."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        uri = masked(tracking_uri(root))
        if (status := _status(error)) in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise EspalierError(refused(uri, status)) from error
        reason = masked((str(error).strip() or type(error).__name__).splitlines()[0])
        raise EspalierError(
            f"MLflow at {uri} failed: {reason}. {NOT_LOST} put that right, then run again to record it"
        ) from error


def _status(error: Exception) -> int:
    """Return the HTTP status that a failure came from; 0 where it came from none."""
    asked = getattr(error, "get_http_status_code", None)  # MLflow's own
    return int(asked() if asked else getattr(getattr(error, "response", None), "status_code", 0))


@contextmanager
def recording(root: Path) -> Iterator[None]:
    """`reported`, without the line that MLflow writes about each run it ends, whose address opens no view."""
    with reported(root), environment(MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true"):
        yield


@contextmanager
def many_writes(root: Path) -> Iterator[int]:
    """Prepare for hundreds of writes; yields how many to make at once.

    A server takes several at a time; the workspace's own database takes one, and need not wait for the disk
    before the last: what then follows the block is written after all that is in it.
    """
    uri = tracking_uri(root)
    if uri == own_database(root):
        with written_ahead(_folder(root) / "mlflow.db"):
            yield 1
    else:
        yield REQUESTS_AT_ONCE if urlsplit(uri).scheme in ("http", "https") else 1


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """Let the workspace's own database be read by a server while runs are written to it, for a block."""
    path = _folder(root) / "mlflow.db"
    if tracking_uri(root) != own_database(root) or not start_log(path):
        yield
        return
    try:
        yield
    finally:
        end_log(path)


def server_stores(root: Path) -> tuple[str, str]:
    """Return the addresses of the workspace's own database and of its folder for files, for a server.

    The database is made where there is none, and has a write-ahead log until `end_server`.
    """
    path = _folder(root) / "mlflow.db"
    _require_database(path)
    if not path.exists():
        with reported(root):
            _create_database(path)
    start_log(path)
    return own_database(root), (_folder(root) / "artifacts").as_uri()


def end_server(root: Path) -> None:
    """Put the log of the workspace's own database into it: no server serves it any more."""
    path = _folder(root) / "mlflow.db"
    if path.exists():
        end_log(path)


def user() -> str:
    """Return the name shown as 'created by': whom an MLflow server knows us as, else this machine's user."""
    if name := os.environ.get(USER):
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _require_database(path: Path) -> None:
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        raise EspalierError(
            f"{path}: not a usable database ({error}). Bring a backup back (`espalier restore FILE --force`) "
            "or move it away, with the runs in it; then run again"
        ) from error


def _create_database(path: Path) -> None:
    """Migrate a database beside `path` and link it there whole, so that a killed start leaves none."""
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with _hurried(temporary), quiet("mlflow.store.db.utils"):
            MlflowClient(f"sqlite:///{temporary}").search_experiments(max_results=1)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _hurried(path: Path) -> Iterator[None]:
    """Open `path` without a disk flush per migration: most of a fresh database's seconds go there."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def relax(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            opened = connection.execute("PRAGMA database_list").fetchone()[2]
            if Path(opened).name == path.name:
                connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Keep the informational lines of logger `name` to itself for a block."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
