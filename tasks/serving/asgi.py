"""Requests and answers as servers and apps hand them to each other: ASGI 3.0."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from tasks.serving.refusal import Refusal

__all__ = [
    "App",
    "Budget",
    "DisconnectedError",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "call",
    "headers_of",
    "read_body",
    "replayed",
    "respond",
]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 60
DRAINED = 8
"""Times the limit of a body that is read and thrown away, so that its sender reads the answer."""


class DisconnectedError(Exception):
    """The client has gone."""


class Budget:
    """Bytes of bodies that are held at once.

    Parameters
    ----------
    body : int
        Most bytes of one.
    """

    def __init__(self, body: int) -> None:
        self.body, self._left = body, 16 * body

    def take(self, size: int) -> bool:
        """Take bytes, where there are as many."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """Return bytes that were taken."""
        self._left += size


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers of a request by their names in small letters."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def read_body(headers: Mapping[str, str], receive: Receive, budget: Budget) -> bytes:
    """Return the body of a request; its bytes are taken from the budget.

    Raises
    ------
    Refusal
        When it is too large, takes too long, or others' bodies fill the memory.
    DisconnectedError
    """
    said = headers.get("content-length", "")
    if said.isdigit() and int(said) > budget.body and "expect" in headers:
        raise _too_large(budget)  # the client waits for leave to send it
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive, budget)
    except TimeoutError:
        raise Refusal(
            f"the body did not come within {BODY_SECONDS} seconds", HTTPStatus.REQUEST_TIMEOUT
        ) from None


async def _read(receive: Receive, budget: Budget) -> bytes:
    parts: list[bytes] = []
    size = held = 0
    more, room = True, True
    try:
        while more and size <= DRAINED * budget.body:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if room and size <= budget.body and (room := budget.take(len(part))):
                parts.append(part)
                held += len(part)
        if size > budget.body:
            raise _too_large(budget)
        if not room:
            raise Refusal(
                "too many large requests at once: try again in a second", HTTPStatus.SERVICE_UNAVAILABLE
            )
    except BaseException:
        budget.give_back(held)
        raise
    return b"".join(parts)


def _too_large(budget: Budget) -> Refusal:
    return Refusal(
        f"the body has more than {budget.body:,} bytes: send fewer rows at once",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what hands out a body that was read already, and then what else comes."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


async def respond(
    send: Send, status: int, body: bytes, headers: Mapping[str, str], kind: str = "application/json"
) -> None:
    """Send an answer."""
    named = {"content-type": kind, "content-length": str(len(body)), **headers}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def call(app: App, path: str, body: bytes) -> tuple[int, bytes]:
    """Put a JSON body to an app in this process; return the status and what it answered."""
    status, parts = 0, bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.extend(message.get("body", b""))

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    await app(scope, replayed(body, receive), send)
    return status, bytes(parts)
