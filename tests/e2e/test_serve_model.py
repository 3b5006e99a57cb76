"""A process that serves the champion, under load, while the champion changes."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pandas as pd
import pytest

from tests.e2e.conftest import copied
from tests.e2e.test_promote import HALF, WIDE, judged

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(600)]

SECONDS = 120
MOVE = (
    "import sys; from pathlib import Path; from tasks.tracking.store import open_client; "
    "open_client(Path.cwd()).set_registered_model_alias('espalier-digits', 'champion', sys.argv[1])"
)
FETCH = (
    "import sys; from pathlib import Path; from tasks.tracking.fetch import fetch_version; "
    "fetch_version(Path.cwd(), 'espalier-digits', sys.argv[1])"
)
COMMAND = [sys.executable, "-c", "from flows.cli import main; main()", "serve-model"]


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory, prefect_url):
    """A project with a champion, version 1, and a challenger, version 2, that the gate lets pass."""
    project = copied(finished, tmp_path_factory.mktemp("served") / "project", prefect_url)
    project.command(sys.executable, "-c", MOVE, "1")
    project.run(*WIDE, *HALF)
    return project


class Serving:
    """A server under test: where it is, and what it said."""

    def __init__(self, process, log):
        self.process, self.log = process, log

    def said(self):
        return self.log.read_text()

    @property
    def port(self):
        return int(self.said().partition("http://127.0.0.1:")[2].partition("/")[0])

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["x-espalier-model"], answer.read()
        finally:
            connection.close()

    def until(self, wanted):
        ends = time.monotonic() + SECONDS
        while not wanted():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < ends, self.said()
            time.sleep(0.05)


@contextmanager
def serving(project, folder, *words):
    log = folder / "serving.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*COMMAND, "--port", "0", *words],
            cwd=project.root,
            env=project.environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    held = Serving(process, log)
    try:
        held.until(lambda: "Ctrl-C stops." in held.said())
        yield held
    finally:
        process.terminate()
        process.wait(60)


class Load(threading.Thread):
    """A client that asks the same again and again over one connection, and keeps who answered what."""

    def __init__(self, port, body):
        super().__init__()
        self.port, self.body, self.answers, self.failed = port, body, Counter(), []
        self.going = True

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        while self.going:
            try:
                connection.request("POST", "/invocations", self.body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    self.failed.append(text)
                self.answers[answer.headers["x-espalier-model"], text] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
        connection.close()


def rows(project, count):
    frame = pd.read_parquet(project.root / "data" / "raw.parquet").head(count)
    return json.dumps({"dataframe_records": json.loads(frame.to_json(orient="records"))}).encode()


def test_no_request_fails_while_a_promotion_and_a_rollback_change_the_version_that_answers(served, tmp_path):
    with serving(served, tmp_path) as server:
        clients = [Load(server.port, rows(served, 1 + i % 3)) for i in range(8)]
        for client in clients:
            client.start()
        try:
            server.until(lambda: all(client.answers for client in clients))
            promoted = judged(served)
            assert promoted["champion"] == "2"
            assert [each["version"] for each in promoted["answering"]] == ["2"]
            assert server.ask("GET", "/ping")[:2] == (200, "espalier-digits/2")
            back = served.espalier("rollback", "--why", "a test")
            assert server.ask("GET", "/ping")[:2] == (200, "espalier-digits/1")
            assert f"Answering   version 1 at http://127.0.0.1:{server.port}" in back.stdout
        finally:
            for client in clients:
                client.going = False
            for client in clients:
                client.join(SECONDS)
        assert [failed for client in clients for failed in client.failed] == []
        for client in clients:  # one answer from each version, whenever it was asked
            assert {label for label, _ in client.answers} == {"espalier-digits/1", "espalier-digits/2"}
            assert len(client.answers) == 2
        said = server.said()
        assert "version 2 answers (before: 1)" in said
        assert "version 1 answers (before: 2)" in said
        assert "Traceback" not in said
    assert server.process.returncode == 0
    assert server.said().endswith("stopped\n")


def test_a_hundred_clients_at_once_are_answered_and_the_unreadable_ones_refused(served, tmp_path):
    with serving(served, tmp_path) as server:
        good, bad = rows(served, 5), b'{"dataframe_records": [{}]}'
        answers = []

        def ask(body):
            answers.append(
                (body, server.ask("POST", "/invocations", body, **{"Content-Type": "application/json"}))
            )

        clients = [threading.Thread(target=ask, args=(bad if i % 4 == 3 else good,)) for i in range(100)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(SECONDS)
        assert Counter((body == good, status) for body, (status, _, _) in answers) == {
            (True, 200): 75,
            (False, 400): 25,
        }
        assert len({told for body, (_, _, told) in answers if body == good}) == 1


def test_a_version_that_does_not_load_leaves_the_old_one_answering(served, tmp_path):
    project = copied(served, tmp_path / "project", served.environment["PREFECT_API_URL"])
    with serving(project, tmp_path) as server:
        before = json.loads(server.ask("GET", "/model")[2])["version"]
        other = {"1": "2", "2": "1"}[before]
        project.command(sys.executable, "-c", FETCH, other)
        for path in (project.root / ".espalier" / "versions").glob(f"*/{other}-*/artifacts/model.onnx"):
            path.write_bytes(b"none")
        project.command(sys.executable, "-c", MOVE, other)
        server.until(lambda: f"version {before} goes on answering" in server.said())
        state = json.loads(server.ask("GET", "/model")[2])
        assert (state["version"], state["refused"]) == (before, other)
        assert f"version {other} does not load" in state["trouble"]
        assert (
            server.ask("POST", "/invocations", rows(project, 2), **{"Content-Type": "application/json"})[0]
            == 200
        )


COUNT = (
    "from pathlib import Path; from tasks.tracking.store import open_client; "
    "from tasks.tracking.shadow import shadow_rows; "
    "print(shadow_rows(open_client(Path.cwd()), 'espalier-digits', '2', '1'))"
)


def test_a_version_in_the_shadow_answers_the_same_requests_and_is_never_returned(served, tmp_path):
    body, kind = rows(served, 4), {"Content-Type": "application/json"}
    before = int(served.command(sys.executable, "-c", COUNT).stdout)
    with serving(served, tmp_path, "--model", "1", "--shadow", "2") as server:
        labels = Counter(server.ask("POST", "/invocations", body, **kind)[1] for _ in range(25))
        assert server.ask("POST", "/invocations", b"{}", **kind)[0] == 400
        assert labels == {"espalier-digits/1": 25}
        assert json.loads(server.ask("GET", "/model")[2])["shadow"]["dropped"] == 0
    assert server.process.returncode == 0
    assert "version 2 answers in the shadow" in server.said()
    (note,) = (served.root / ".espalier" / "shadow").glob("requests-*.json")
    told = json.loads(note.read_text())
    assert (told["rows"], told["refused"], told["requests"]) == (100, 0, 25)
    assert int(served.command(sys.executable, "-c", COUNT).stdout) == before + 100


def test_it_ends_in_good_order_and_its_note_with_it(served, tmp_path):
    with serving(served, tmp_path) as server:
        notes = served.root / ".espalier" / "serving"
        assert len(list(notes.glob("*.json"))) == 1
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
        assert list(notes.glob("*.json")) == []
        assert "Traceback" not in server.said()


def test_without_a_champion_or_with_the_port_taken_it_is_one_line(finished, served, tmp_path):
    ended = finished.espalier("serve-model", "--port", "0", check=False)
    assert ended.returncode == 1
    assert "has no champion yet: `espalier promote` makes one" in ended.stderr
    with serving(served, tmp_path) as server:
        ended = served.espalier("serve-model", "--port", str(server.port), check=False)
    assert ended.returncode == 1
    assert "cannot be served at (Address already in use); `--port 0` takes a free port" in ended.stderr
