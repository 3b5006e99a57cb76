import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from tasks.serving.notes import NotServedError, answering, confirm, noted, servers


class Told(BaseHTTPRequestHandler):
    """Answers as a server whose states are given; the last one stays."""

    def do_GET(self):
        states = self.server.states
        body = json.dumps(states.pop(0) if len(states) > 1 else states[0]).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.server.asked.append(self.path)
        self.send_response(202)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    held = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    held.asked = []
    threading.Thread(target=held.serve_forever, daemon=True).start()
    yield held
    held.shutdown()
    held.server_close()


def url(server):
    return f"http://127.0.0.1:{server.server_port}"


def state(version, refused=None, trouble=""):
    return {"version": version, "refused": refused, "trouble": trouble}


def test_a_process_that_serves_is_known_as_long_as_it_does(tmp_path):
    with noted(tmp_path, "http://127.0.0.1:1", "people", "champion") as own:
        assert servers(tmp_path, "people", "champion") == [own]
        assert servers(tmp_path, "people", "challenger") == []
        assert servers(tmp_path, "trees", "champion") == []
        assert own.pid == os.getpid()
    assert servers(tmp_path, "people", "champion") == []


def test_the_note_of_a_killed_process_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    created = psutil.Process(ended.pid).create_time()
    ended.wait()
    with noted(tmp_path, "http://127.0.0.1:1", "people", "champion"):
        (path,) = (tmp_path / ".espalier" / "serving").glob("*.json")
        held = json.loads(path.read_text())
        path.write_text(json.dumps(held | {"pid": ended.pid, "created": created}))
        assert servers(tmp_path, "people", "champion") == []
        assert not path.exists()


def test_a_process_with_the_id_of_a_killed_one_is_a_stranger(tmp_path):
    with noted(tmp_path, "http://127.0.0.1:1", "people", "champion"):
        (path,) = (tmp_path / ".espalier" / "serving").glob("*.json")
        held = json.loads(path.read_text())
        path.write_text(json.dumps(held | {"created": held["created"] - 60}))
        assert servers(tmp_path, "people", "champion") == []


def test_notes_of_another_machine_are_left_alone(tmp_path):
    with noted(tmp_path, "http://127.0.0.1:1", "people", "champion"):
        (path,) = (tmp_path / ".espalier" / "serving").glob("*.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "elsewhere", "pid": 1}))
        assert servers(tmp_path, "people", "champion") == []
        assert path.exists()


def test_who_answers_with_which_version_is_told(tmp_path, server):
    server.states = [state("3")]
    with noted(tmp_path, url(server), "people", "champion"):
        assert answering(tmp_path, "people", "champion") == [(url(server), "3")]


def test_nobody_serving_is_nobody_to_wait_for(tmp_path):
    assert confirm(tmp_path, "people", "champion", "3") == 0


def test_it_is_confirmed_when_the_answering_version_has_changed(tmp_path, server):
    server.states = [state("3"), state("3"), state("2")]
    with noted(tmp_path, url(server), "people", "champion"):
        assert confirm(tmp_path, "people", "champion", "2") == 1
    assert server.asked == ["/follow"]


def test_a_server_that_refuses_the_version_is_told_at_once_with_its_reason(tmp_path, server):
    server.states = [state("3", "2", "people version 2 does not load: broken")]
    wanted = (
        r"version 2 is the champion now, but http://.* still answers with version 3: .* load: broken; restart"
    )
    with (
        noted(tmp_path, url(server), "people", "champion"),
        pytest.raises(NotServedError, match=wanted),
    ):
        confirm(tmp_path, "people", "champion", "2")


def test_a_server_that_stays_behind_is_told_after_the_time_is_up(tmp_path, server):
    server.states = [state("3")]
    with (
        noted(tmp_path, url(server), "people", "champion"),
        pytest.raises(NotServedError, match="still answers with version 3; restart"),
    ):
        confirm(tmp_path, "people", "champion", "2", seconds=0.2)


def test_a_server_that_does_not_answer_is_told_after_the_time_is_up(tmp_path):
    with (
        noted(tmp_path, "http://127.0.0.1:1", "people", "champion"),
        pytest.raises(NotServedError, match="does not answer; restart"),
    ):
        confirm(tmp_path, "people", "champion", "2", seconds=0.2)
