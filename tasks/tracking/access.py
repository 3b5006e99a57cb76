"""What an MLflow server asks of whoever comes: a name and a password, which the environment alone holds."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

from tasks.errors import EspalierError

__all__ = ["PASSWORD", "USER", "refused", "require_answer"]

USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
TOKEN = "MLFLOW_TRACKING_TOKEN"
TIMEOUT = 5.0
LOOK = "/api/2.0/mlflow/experiments/search?max_results=1"
NOT_LOST = "Nothing computed is lost:"


def require_answer(uri: str) -> None:
    """Ask a server for one experiment, as whoever the environment names.

    Raises
    ------
    EspalierError
        When it does not answer, or does not let us in.
    """
    if urlsplit(uri).username is not None:
        raise EspalierError(
            "MLFLOW_TRACKING_URI holds a name or a password, which would stand in every link to a run; "
            f"put them into {USER} and {PASSWORD}"
        )
    request = urllib.request.Request(uri.rstrip("/") + LOOK, headers=dict(_credentials()))
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            return
    except urllib.error.HTTPError as error:
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise EspalierError(refused(uri, error.code)) from error
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise EspalierError(
            f"MLflow at {uri} does not answer ({reason}). {NOT_LOST} start the server or unset "
            "MLFLOW_TRACKING_URI, then run again to record it"
        ) from error


def refused(uri: str, status: int) -> str:
    """Say what to do about a server's 401 or 403."""
    name = os.environ.get(USER)
    if status == HTTPStatus.FORBIDDEN:
        return (
            f"MLflow at {uri} does not allow {name or 'this user'} to do that; {NOT_LOST} ask whoever runs "
            "the server for the right (EDIT to register, MANAGE of the model to promote), then run again"
        )
    if name is None:
        return f"MLflow at {uri} asks who you are: set {USER} and {PASSWORD}. {NOT_LOST} run again then"
    return f"MLflow at {uri} refuses {name}: check {USER} and {PASSWORD}. {NOT_LOST} run again then"


def _credentials() -> Iterator[tuple[str, str]]:
    name, password, token = (os.environ.get(key) for key in (USER, PASSWORD, TOKEN))
    if name is not None:
        pair = b64encode(f"{name}:{password or ''}".encode()).decode("ascii")
        yield "Authorization", f"Basic {pair}"
    elif token:
        yield "Authorization", f"Bearer {token}"
