import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from prefect.states import Crashed, Failed

from flows.alerts import WEBHOOK, alert, failed, log_of


class Receiver(HTTPServer):
    """A server on loopback that keeps what it is sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.received, self.status = [], 200

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *words):
        pass


@pytest.fixture
def receiver():
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def kept(root):
    return [json.loads(line) for line in log_of(root).read_text().splitlines()]


def test_an_alert_is_kept_in_a_log_and_sent_to_the_webhook(tmp_path, receiver, monkeypatch):
    monkeypatch.setenv(WEBHOOK, f"{receiver.url}/hook")
    assert alert(tmp_path, "it failed", kind="failed")
    ((path, sent),) = receiver.received
    assert path == "/hook"
    assert (sent["text"], sent["kind"]) == ("it failed", "failed")
    assert kept(tmp_path) == [sent]


def test_without_a_webhook_alerts_are_kept_all_the_same(tmp_path, monkeypatch):
    monkeypatch.delenv(WEBHOOK, raising=False)
    assert not alert(tmp_path, "one")
    assert not alert(tmp_path, "two")
    assert [told["text"] for told in kept(tmp_path)] == ["one", "two"]


@pytest.mark.parametrize("status", [500, None])
def test_a_webhook_that_fails_is_told_without_its_address(tmp_path, receiver, monkeypatch, caplog, status):
    receiver.status = status or 200
    address = f"{receiver.url}/s3cret" if status else "http://127.0.0.1:1/s3cret"
    monkeypatch.setenv(WEBHOOK, address)
    monkeypatch.setattr(logging.getLogger("espalier"), "propagate", True)
    assert not alert(tmp_path, "it failed")
    assert "was not taken" in caplog.text
    assert "s3cret" not in caplog.text + log_of(tmp_path).read_text()
    assert kept(tmp_path)[0]["text"] == "it failed"


@pytest.mark.parametrize(
    ("state", "kind"), [(Failed(message="no rows\nhere"), "failed"), (Crashed(), "crashed")]
)
def test_a_failed_run_is_told_with_its_reason_and_its_page(tmp_path, monkeypatch, state, kind):
    monkeypatch.delenv(WEBHOOK, raising=False)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    run = SimpleNamespace(id="r1", name="quick-fox", parameters={"root": "."})
    failed(SimpleNamespace(name="scheduled compress"), run, state)
    (told,) = kept(tmp_path)
    assert told["text"].startswith(f"scheduled compress {kind}: quick-fox")
    assert told["text"].endswith("no rows here") == (kind == "failed")
    assert (told["kind"], told["page"]) == (kind, "http://127.0.0.1:4200/runs/flow-run/r1")
