from __future__ import annotations

import http.server
import threading

import pytest

from benchmarks.installed import closure, installed_bytes
from benchmarks.serving import page
from benchmarks.serving_load import body_of, loaded

PACE = {"per_second": 100.0, "p50": 1.0, "p95": 2.0, "p99": 3.0}
FOUND = {
    "sizes": {"a": {"packages": 3, "bytes": 2_000_000, "model": 1000}},
    "starts": {"a": {"seconds": [1.0, 2.0, 3.0], "mb": [100.0, 101.0, 102.0]}},
    "requests": {
        "first": {"one": 1.0, "other": 2.0},
        "loads": [{"rows": 1, "clients": 8, "rounds": {"one": [PACE, PACE], "other": [PACE]}}],
    },
    "rollback": {"command": [6.0, 7.0, 12.0], "answering": [5.0, 6.0, 11.0]},
}


def told(*names):
    return page({name: {"machine": "a machine", "figures": FOUND[name]} for name in names})


def test_every_row_of_a_table_has_a_cell_a_column():
    for block in told(*FOUND).split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1


def test_what_was_not_measured_is_not_told():
    assert "## Requests" not in told("sizes", "starts")
    assert "2.00 (1.00 to 3.00)" in told("starts")


@pytest.mark.parametrize(("command", "word"), [([9.9, 9.9], "reached"), ([10.1, 10.1], "**missed**")])
def test_a_rollback_is_held_against_its_target(command, word):
    figures = {"command": command, "answering": [1.0]}
    assert f"| {word} |" in page({"rollback": {"machine": "", "figures": figures}})


def test_rounds_beyond_a_target_that_the_median_keeps_are_counted():
    assert "| 7.0 (6.0 to 12.0) s (missed in 1 of 3 rounds) |" in told("rollback")
    figures = {"command": [6.0, 7.0], "answering": [1.0]}
    assert "missed in" not in page({"rollback": {"machine": "", "figures": figures}})


def test_the_packages_of_the_served_model_do_not_hold_torch():
    bare, dense = closure(["numpy", "onnxruntime", "pandas"]), closure(["numpy", "pandas", "torch"])
    assert {"numpy", "onnxruntime", "pandas"} <= bare
    assert "torch" not in bare
    assert 1e7 < installed_bytes(bare) < installed_bytes(dense)


def test_what_only_an_extra_or_another_system_needs_is_not_counted():
    assert "pytest" not in closure(["pandas"])
    assert closure(["there-is-no-such-package"]) == set()


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def test_every_client_asks_its_share_of_the_requests():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.bodies = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        body = body_of([{"a": 1}])
        found = loaded(server.server_port, body, clients=4, requests=20)
    finally:
        server.shutdown()
        server.server_close()
    assert server.bodies == [body] * 20
    assert found["per_second"] > 0
    assert found["p50"] <= found["p95"] <= found["p99"]
