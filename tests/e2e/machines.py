"""What deploy/compose.yaml starts, started by hand on loopback: PostgreSQL, S3, MLflow, Prefect, workers."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.composed import DEPLOY, composed, environment, example
from tests.tracking.servers import free_port

SECRETS = {
    "PGPASSWORD": "secret-of-the-database",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-store",
    "MLFLOW_AUTH_ADMIN_PASSWORD": "secret-of-the-admin",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret-of-the-forms",
    "PREFECT_API_AUTH_STRING": "espalier:secret-of-prefect",
    "MLFLOW_TRACKING_PASSWORD": "secret-of-ada",
}
BOB = {"MLFLOW_TRACKING_USERNAME": "bob", "MLFLOW_TRACKING_PASSWORD": "secret-of-bob"}
KNOWN = {**example(), **SECRETS, "MLFLOW_TRACKING_USERNAME": "ada"}
ADMIN = {
    "MLFLOW_TRACKING_USERNAME": KNOWN["MLFLOW_AUTH_ADMIN_USERNAME"],
    "MLFLOW_TRACKING_PASSWORD": KNOWN["MLFLOW_AUTH_ADMIN_PASSWORD"],
}
PATIENCE = 180.0


def until(said, seconds=PATIENCE):
    """What `said` returns as soon as it returns something."""
    ends = time.monotonic() + seconds
    while not (found := said()):
        assert time.monotonic() < ends, "nothing came"
        time.sleep(0.2)
    return found


def basic(pair: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def status(url: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> int:
    """HTTP status that a server answers with."""
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def answers(url: str) -> bool:
    with suppress(OSError):
        return status(url) == 200
    return False


@contextmanager
def running(
    command: list[str], folder: Path, given: dict[str, str], log: Path, *, gently: bool = True
) -> Iterator[subprocess.Popen]:
    """A process that leads a group of its own, ended with the block."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=given, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        for request in (signal.SIGTERM, signal.SIGKILL) if gently else (signal.SIGKILL,):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, request)
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)


def binaries() -> Path:
    """Where PostgreSQL's server programs are; the test is skipped where they are not."""
    found = shutil.which("postgres")
    if found is None:
        pytest.skip("PostgreSQL is not installed")
    return Path(found).resolve().parent


@contextmanager
def postgres(log: Path) -> Iterator[int]:
    """A cluster of its own on a free port; PostgreSQL refuses to be root."""
    programs, port = binaries(), free_port()
    owner = pwd.getpwnam("nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)
    own = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="espalier-postgres-"))  # what pytest makes, nobody may enter
    password = folder / "password"
    password.write_text(SECRETS["PGPASSWORD"])
    try:
        for path in (folder, password):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        made = [f"--username={KNOWN['PGUSER']}", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync"]
        data = str(folder / "data")
        initdb = [programs / "initdb", "-D", data, *made]
        subprocess.run(initdb, cwd=folder, check=True, capture_output=True, timeout=PATIENCE, **own)
        password.unlink()
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", f"port={port}"]
        words = [word for setting in settings for word in ("-c", setting)]
        with log.open("ab") as out:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *words], cwd=folder, stdout=out, stderr=out, **own
            )
        try:
            access = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": KNOWN["PGUSER"]}
            access["PGPASSWORD"] = SECRETS["PGPASSWORD"]
            ready = [programs / "pg_isready", "--dbname=postgres"]
            until(lambda: subprocess.run(ready, env=access, capture_output=True, check=False).returncode == 0)
            script = ["psql", "--dbname=postgres", "--quiet", f"--file={DEPLOY / 'databases.sql'}"]
            subprocess.run([programs / script[0], *script[1:]], env=access, check=True, timeout=PATIENCE)
            yield port
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            server.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Machines:
    """Servers that run, and folders that stand for machines: these and a Git repository are all they share.

    Attributes
    ----------
    folder : Path
        All that the servers and machines write, logs too.
    hosts : dict
        Addresses by the names that compose.yaml has for them.
    postgres : dict
        Where PostgreSQL is, for its own programs.
    """

    folder: Path
    hosts: dict[str, str] = field(default_factory=dict)
    postgres: dict[str, str] = field(default_factory=dict)

    @property
    def hub(self) -> Path:
        return self.folder / "hub.git"

    def given(self, service: str, machine: str, **more: str) -> dict[str, str]:
        """Environment of a service on a machine: compose.yaml's, but for hosts and ports."""
        known = {**KNOWN, "ESPALIER_REPOSITORY": self.hub.as_uri()}
        stated = environment(service, known)
        for name, address in self.hosts.items():
            stated = {key: value.replace(name, address) for key, value in stated.items()}
        home = self.folder / machine
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        own = {
            "HOME": str(home),
            "PREFECT_HOME": str(home / "prefect"),
            "DVC_SITE_CACHE_DIR": str(home / "dvc"),
            "TMPDIR": str(home / "tmp"),
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {key: value for key, value in os.environ.items() if key not in KNOWN}
        ports = self.postgres if "PGHOST" in stated else {}
        return {**kept, **own, "PATH": path, "COLUMNS": "80", **stated, **ports, **more}

    def command(self, service: str) -> list[str]:
        """Command of a service, by this installation."""
        first, *rest = composed()["services"][service]["command"]
        return [sys.executable, *rest] if first == "python" else [sys.executable, "-m", first, *rest]

    @contextmanager
    def service(
        self, service: str, machine: str, *, gently: bool = True, **more: str
    ) -> Iterator[subprocess.Popen]:
        """Run a service of compose.yaml as long as the block."""
        given = self.given(service, machine, **more)
        home = self.folder / machine
        if not (home / "deploy").exists():
            (home / "deploy").symlink_to(DEPLOY)
        log = self.folder / f"{machine}.log"
        with running(self.command(service), home, given, log, gently=gently) as process:
            yield process

    def user(self, name: str, password: str, *models: str) -> None:
        """Add a user to MLflow, who may promote these models."""
        words = [sys.executable, str(DEPLOY / "user.py"), name, *models]
        given = self.machine("admin", NEW_PASSWORD=password, **ADMIN)
        subprocess.run(words, env=given, check=True, timeout=PATIENCE, cwd=self.folder)

    def dumped(self, database: str) -> bytes:
        """All that a database holds, as text."""
        access = {
            **os.environ,
            **self.postgres,
            "PGUSER": KNOWN["PGUSER"],
            "PGPASSWORD": SECRETS["PGPASSWORD"],
        }
        return subprocess.run(
            [binaries() / "pg_dump", database], env=access, capture_output=True, check=True
        ).stdout

    def machine(self, name: str, **more: str) -> dict[str, str]:
        """Environment of a person's or a worker's machine."""
        return self.given("worker", name, **more)


@contextmanager
def machines(folder: Path) -> Iterator[Machines]:
    """Start the servers, make buckets and a user; all ends with the block."""
    found = Machines(folder)
    places = {name: free_port() for name in ("store", "mlflow", "prefect")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in places.items()}
    found.hosts = {"http://store:8333": urls["store"], "http://prefect:4200": urls["prefect"]}
    found.hosts["http://mlflow:5000"] = urls["mlflow"]
    with ExitStack() as stack:
        database = stack.enter_context(postgres(folder / "postgres.log"))
        found.postgres = {"PGHOST": "127.0.0.1", "PGPORT": str(database)}
        moto = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(places["store"])]
        stack.enter_context(running(moto, folder, dict(os.environ), folder / "store.log", gently=False))
        own = {"MLFLOW_HOST": "127.0.0.1", "MLFLOW_PORT": str(places["mlflow"]), "MLFLOW_WORKERS": "1"}
        own["MLFLOW_SERVER_ALLOWED_HOSTS"] = f"127.0.0.1:{places['mlflow']}"
        stack.enter_context(found.service("mlflow", "mlflow", gently=False, **own))
        own = {"PREFECT_SERVER_API_HOST": "127.0.0.1", "PREFECT_SERVER_API_PORT": str(places["prefect"])}
        stack.enter_context(found.service("prefect", "prefect", gently=False, **own))
        until(lambda: answers(urls["store"]))
        with found.service("buckets", "buckets") as process:
            assert process.wait(PATIENCE) == 0
        until(lambda: answers(f"{urls['mlflow']}/health"))
        found.user(KNOWN["MLFLOW_TRACKING_USERNAME"], SECRETS["MLFLOW_TRACKING_PASSWORD"])
        until(lambda: answers(f"{urls['prefect']}/api/health"))
        yield found
