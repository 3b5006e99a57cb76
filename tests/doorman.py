"""A server on loopback that answers `{}` to whoever says the right words, for tests of credentials."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def doorman(pair: str, refusal: int = 401) -> Iterator[str]:
    """Yield the address of a server that lets in `pair` (NAME:PASSWORD), and anybody to its health."""
    wanted = f"Basic {b64encode(pair.encode()).decode()}"

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            welcome = "health" in self.path or self.headers.get("Authorization") == wanted
            self.send_response(200 if welcome else refusal)
            self.end_headers()
            self.wfile.write(b"{}" if welcome else b"Permission denied")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
