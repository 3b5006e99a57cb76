import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from flows.commands import production
from flows.serve_model import _listening, _url
from tasks.errors import EspalierError

SLOW = """
import asyncio, signal, sys
from pathlib import Path
from flows.serve_model import _listening, _run

async def app(scope, receive, send):
    Path("begun").touch()
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"whole"})

signal.signal(signal.SIGTERM, signal.default_int_handler)
with _listening("127.0.0.1", 0) as listener:
    print(listener.getsockname()[1], flush=True)
    try:
        _run(app, listener)
    except KeyboardInterrupt:
        print("ended", flush=True)
"""


def until(wanted):
    ends = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < ends
        time.sleep(0.01)


def refused(port):
    try:
        http.client.HTTPConnection("127.0.0.1", port, timeout=60).connect()
    except ConnectionRefusedError:
        return True
    return False


def test_a_request_under_way_is_answered_before_the_server_ends(tmp_path):
    server = subprocess.Popen([sys.executable, "-c", SLOW], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    port, answers = int(server.stdout.readline()), []

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/")
        answers.append(connection.getresponse().read())

    client = threading.Thread(target=ask)
    client.start()
    until((tmp_path / "begun").exists)
    server.send_signal(signal.SIGTERM)
    until(lambda: refused(port))
    assert server.poll() is None
    (tmp_path / "go").touch()
    client.join(60)
    assert answers == [b"whole"]
    assert server.communicate(timeout=60)[0] == "ended\n"


@pytest.mark.parametrize("own", [None, "http://127.0.0.1:1"])
def test_the_registry_is_asked_without_the_server_of_espalier_up_unless_the_user_names_one(monkeypatch, own):
    asked = []
    if own:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", own)

    def entered(folder):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", own or "http://127.0.0.1:5000")
        return folder

    monkeypatch.setattr(production, "workspace", entered)
    monkeypatch.setattr(
        "flows.serve_model.serve_model", lambda *_: asked.append(os.environ.get("MLFLOW_TRACKING_URI"))
    )
    production.serve_model()
    assert asked == [own]


def test_answers_leave_without_waiting_for_the_client_to_acknowledge():
    async def delayed():
        sent = asyncio.get_running_loop().create_future()

        def accepted(_reader, writer):
            connection = writer.get_extra_info("socket")
            sent.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0)
            writer.close()

        with _listening("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(accepted, sock=listener):
                _, client = await asyncio.open_connection(*listener.getsockname())
                found = await sent
                client.close()
                return found

    assert not asyncio.run(delayed())


def test_an_address_that_is_taken_is_told_with_what_to_do():
    with _listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        wanted = rf"127\.0\.0\.1:{port} cannot be served at \(Address already in use\); `--port 0` takes"
        with pytest.raises(EspalierError, match=wanted), _listening("127.0.0.1", port):
            pass


def test_a_host_that_is_not_there_is_told():
    with pytest.raises(EspalierError, match=r"no\.such\.host\.invalid:5001 cannot be served at \("):
        _listening("no.such.host.invalid", 5001).__enter__()


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")])
def test_this_machine_is_told_where_it_reaches_the_server(host, shown):
    with _listening(host, 0) as listener:
        assert _url(host, listener) == f"http://{shown}:{listener.getsockname()[1]}"
