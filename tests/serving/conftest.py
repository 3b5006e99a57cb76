"""Versions as MLflow keeps them, tiny and of mixed columns, behind the app that serves them."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass

import pytest

from tasks.layout import Layout
from tasks.serving.answering import load
from tasks.serving.gateway import Gateway
from tasks.tracking.fetch import Fetched
from tasks.tracking.model import package
from tests.scoring.conftest import PLAN, small_onnx

ROW = {"height": 1.7, "children": 2, "income": 3000.5, "born": "1980-05-01", "city": "Ulm"}


def packaged(folder, version, seed=0, imputes=True, **plan):
    """Write a version, and return it as fetched."""
    told = PLAN | plan
    layout = Layout(folder / f"made-{version}")
    layout.export("compressed").mkdir(parents=True)
    inputs = sum(len(entry["outputs"]) for entry in told["encoding"]["columns"])
    outputs = 1 if told["task"] == "regression" else len(told["labels"])
    small_onnx(layout.onnx("compressed"), inputs, outputs, seed, imputes)
    layout.serving("compressed").write_text(json.dumps(told))
    stored = folder / f"version-{version}"
    package(layout, stored)
    shutil.rmtree(layout.root)
    return Fetched("people", version, "", stored)


@pytest.fixture(scope="session")
def versions(tmp_path_factory):
    """Versions that load: 1 and 2, of other weights."""
    folder = tmp_path_factory.mktemp("versions")
    return [packaged(folder, str(number), seed=number) for number in (1, 2)]


@pytest.fixture(scope="session")
def loaded(versions):
    return [load(version) for version in versions]


@pytest.fixture
def gateway(loaded):
    return Gateway(loaded[0], 100_000, dict, lambda: None)


@dataclass
class Answer:
    status_code: int
    headers: dict
    content: bytes

    @property
    def text(self):
        return self.content.decode()

    def json(self):
        return json.loads(self.content)


class Client:
    """Puts requests to an app in this process."""

    def __init__(self, app):
        self.app = app

    def request(self, method, path, content=b"", headers=None, then=None):
        """Ask; after the parts of the body may come another message, or None: nothing more."""
        parts = [content] if isinstance(content, bytes) else list(content)
        waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        if then is None:
            waiting[-1]["more_body"] = False
        else:
            waiting += then
        named = [(name.lower().encode(), text.encode()) for name, text in (headers or {}).items()]
        scope = {"type": "http", "method": method, "path": path, "headers": named, "query_string": b""}
        sent = []

        async def receive():
            return waiting.pop(0) if waiting else await asyncio.Event().wait()

        async def send(message):
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        if not sent:
            return None
        told = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
        return Answer(sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent))

    def get(self, path):
        return self.request("GET", path)


@pytest.fixture
def client(gateway):
    return Client(gateway)


def ask(client, body, kind="application/json", **headers):
    content = (
        body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    )
    named = {"Content-Type": kind} if kind else {}
    return client.request("POST", "/invocations", content, named | headers)
