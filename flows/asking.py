"""Prefect's API asked without Prefect's client, whose import takes a second."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from tasks.errors import EspalierError

__all__ = ["AUTH", "SERVER_AUTH", "answers", "asked", "require_welcome"]

AUTH, SERVER_AUTH = "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"


def answers(api_url: str, seconds: float = 2.0) -> bool:
    """Say whether a Prefect API answers at `api_url`, to anybody."""
    try:
        with urllib.request.urlopen(f"{api_url.rstrip('/')}/health", timeout=seconds) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def asked(url: str, body: object | None = None, seconds: float = 5.0) -> Any:
    """Return what the API answers to a GET or, with a body, a POST.

    Raises
    ------
    urllib.error.URLError
        When it does not, or refuses.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(_headers()))
    with urllib.request.urlopen(request, timeout=seconds) as response:
        return json.load(response)


def require_welcome(api_url: str, seconds: float = 10.0) -> None:
    """Ask the API for what it tells only those whom it lets in.

    Raises
    ------
    EspalierError
        When it does not let this process in; that it does not answer is another question.
    """
    if urlsplit(api_url).username is not None:
        raise EspalierError(
            f"PREFECT_API_URL holds a name or a password, which would stand in logs; put them into {AUTH}"
        )
    try:
        asked(f"{api_url.rstrip('/')}/admin/version", seconds=seconds)
    except urllib.error.HTTPError as error:
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise EspalierError(_refused(api_url)) from error
    except (urllib.error.URLError, OSError, ValueError):
        return


def _refused(api_url: str) -> str:
    same = f"the NAME:PASSWORD that the server has in {SERVER_AUTH}"
    if os.environ.get(AUTH):
        return f"Prefect at {api_url} refuses what {AUTH} says: it has to be {same}"
    return f"Prefect at {api_url} asks who you are: set {AUTH} to {same}"


def _headers() -> Iterator[tuple[str, str]]:
    yield "Content-Type", "application/json"
    pair, key = os.environ.get(AUTH), os.environ.get("PREFECT_API_KEY")
    if pair:
        yield "Authorization", f"Basic {b64encode(pair.encode()).decode('ascii')}"
    elif key:
        yield "Authorization", f"Bearer {key}"
