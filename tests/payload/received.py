"""A server on loopback that keeps what it was sent, for programs to send their own sort of multipart to."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

__all__ = ["Received", "received"]

_ANSWER = b'{"text": "Hello", "data": [], "created": 1}'


class Received:
    """The last request's path, its body's type, and its body, of a server at ``url``."""

    def __init__(self) -> None:
        received = self
        self.path, self.content_type, self.body = "", "", b""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.path, received.content_type = self.path, self.headers["Content-Type"]
                received.body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(_ANSWER)))
                self.end_headers()
                self.wfile.write(_ANSWER)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="received", daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def received() -> Iterator[Received]:
    """A server that keeps what it is sent."""
    server = Received()
    yield server
    server.close()
