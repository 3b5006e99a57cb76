"""The outer app: each request goes to the version that answers when it comes; errors are one sentence.

A version is exchanged by setting one attribute: requests under way end with the app they began with.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from tasks.serving.answering import Answering
from tasks.serving.asgi import (
    App,
    Budget,
    DisconnectedError,
    Message,
    Receive,
    Scope,
    Send,
    headers_of,
    read_body,
    replayed,
    respond,
)
from tasks.serving.bodies import check_body, media_type
from tasks.serving.refusal import Refusal, heard

__all__ = ["HEADER", "Gateway"]

HEADER = "x-espalier-model"
PLAIN = ("/ping", "/health", "/version")
PATHS = (*PLAIN, "/invocations", "/model")

_log = logging.getLogger("espalier.serving")

Answered = Callable[[Answering, str, bytes, bytes], object]


class Gateway:
    """An ASGI app in front of the apps of versions.

    Parameters
    ----------
    first : Answering
    most : int
        Bytes of the largest body.
    state : callable
        Returns what `/model` tells, as JSON.
    look : callable
        Has the registry looked at now.
    answered : callable, optional
        Is given the version, media type, body and answer of each request that was answered.
    """

    def __init__(
        self,
        first: Answering,
        most: int,
        state: Callable[[], Mapping[str, Any]],
        look: Callable[[], object],
        answered: Answered | None = None,
    ) -> None:
        self.current = first
        self.brought: frozenset[str] | None = None
        self._budget, self._state, self._look, self._answered = Budget(most), state, look, answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        answering, path, method = self.current, scope["path"], scope["method"]
        named = {HEADER: quote(answering.label, safe="/ ")}
        try:
            if path == "/model" and method == "GET":
                await respond(send, HTTPStatus.OK, json.dumps(self._state()).encode(), named)
            elif path == "/follow" and method == "POST":
                self._look()
                await respond(send, HTTPStatus.ACCEPTED, b"{}", named)
            elif path == "/invocations" and method == "POST":
                await self._invoke(answering, scope, receive, send, named)
            elif path in PLAIN:
                await _passed(answering.app, scope, receive, send, named)
            elif path in PATHS:
                raise Refusal(f"{method} {path}: not a method it has", HTTPStatus.METHOD_NOT_ALLOWED)
            else:
                raise Refusal(f"there is no {path}; there are {', '.join(PATHS)}", HTTPStatus.NOT_FOUND)
        except Refusal as refusal:
            await respond(send, refusal.status, refusal.body(), named)
        except DisconnectedError:
            return

    async def _invoke(
        self, answering: Answering, scope: Scope, receive: Receive, send: Send, named: Mapping[str, str]
    ) -> None:
        headers = headers_of(scope)
        kind = media_type(headers)
        body = await read_body(headers, receive, self._budget)
        try:
            checked = await asyncio.to_thread(check_body, body, kind, answering.required)
            again = replayed(checked.body, receive)
            answer = await _passed(answering.app, scope, again, send, named)
            self.brought = checked.names
        finally:
            self._budget.give_back(len(body))
        if answer is not None and self._answered:
            self._answered(answering, kind, body, answer)


async def _passed(
    app: App, scope: Scope, receive: Receive, send: Send, named: Mapping[str, str]
) -> bytes | None:
    """Have an app answer, with headers of ours; return what it answered, None where it did not.

    Raises
    ------
    Refusal
        In place of an error of the app.
    """
    status, parts = 0, []

    async def onward(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        if "body" in message:
            parts.append(message["body"])
        if status >= HTTPStatus.BAD_REQUEST:
            return
        if message["type"] == "http.response.start":
            own = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
            message["headers"] = [*message["headers"], *own]
        await send(message)

    with heard() as told:
        try:
            await app(scope, receive, onward)
        except Exception:
            if status and status < HTTPStatus.BAD_REQUEST:
                raise
            _log.exception("a request was not answered")
            status = HTTPStatus.INTERNAL_SERVER_ERROR
    if status < HTTPStatus.BAD_REQUEST:
        return b"".join(parts)
    raise told[0] if told else Refusal(_sentence(status, b"".join(parts)), status)


def _sentence(status: int, body: bytes) -> str:
    """Return the first line of what MLflow's app says of an error."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        late = status == HTTPStatus.GATEWAY_TIMEOUT
        return "the answer took too long" if late else "not answered; the server's log says why"
    try:
        told = json.loads(body)
        said = told.get("message") or told.get("detail")
    except (ValueError, AttributeError):
        said = body.decode(errors="replace")
    return (str(said).strip() or HTTPStatus(status).phrase).splitlines()[0]
