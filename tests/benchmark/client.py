"""One client that asks for one thing after the other: over the standard library's HTTP, as an app does, or a bare socket."""

from __future__ import annotations

import http.client
import socket
import time

from .measured import Failed
from .messages import BODY, CHAT, ROUTE, ROUTE_BODY, framing_of
from .way import Way

__all__ = ["Client", "exchange"]

_PATIENCE = 60.0
_READ = 1 << 18


class Client:
    """Keeps its connection. Raises :class:`Failed` for all that isn't a whole 200."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._connection = http.client.HTTPConnection(way.host, way.port, timeout=_PATIENCE)

    def __enter__(self) -> Client:
        try:
            self._connection.connect()
        except OSError as problem:
            raise Failed(f"no connection: {problem}") from None
        assert self._connection.sock is not None
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def chat(self, body: bytes = BODY) -> float:
        """One request with that body, the assignment's on the direct way included. Returns the seconds it took."""
        sent = self._way.body(body)
        begin = time.perf_counter()
        if self._way.is_direct:
            self._ask("POST", ROUTE, ROUTE_BODY)
        self._ask("POST", CHAT, sent)
        return time.perf_counter() - begin

    def download(self, size: int) -> float:
        """Have so many bytes sent, and forget them. Returns the seconds it took."""
        begin = time.perf_counter()
        came = self._ask("GET", f"/bytes/{size}")
        if came != size:
            raise Failed(f"{came} of {size} bytes came")
        return time.perf_counter() - begin

    def _ask(self, method: str, target: str, body: bytes | None = None) -> int:
        """Returns the size of the answer's body."""
        try:
            self._connection.request(method, target, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            size = 0
            while piece := answer.read(_READ):
                size += len(piece)
                if answer.status != 200:
                    raise Failed(f"HTTP {answer.status}: {piece[:200]!r}")
        except (OSError, http.client.HTTPException) as problem:
            raise Failed(f"{type(problem).__name__}: {problem}") from None
        if answer.status != 200:
            raise Failed(f"HTTP {answer.status}")
        return size


def exchange(sock: socket.socket, data: bytes) -> None:
    """Send that, and read the answer, which has to be a 200. Raises :class:`Failed`, OSError."""
    sock.sendall(data)
    came = b""
    while True:
        piece = sock.recv(_READ)
        if not piece:
            raise Failed("hung up instead of answering")
        came += piece
        head, found, body = came.partition(b"\r\n\r\n")
        if not found:
            continue
        try:
            framing = framing_of(head)
        except ValueError as problem:
            raise Failed(str(problem)) from None
        if framing.ends(body):
            if framing.status != 200:
                raise Failed(f"HTTP {framing.status}: {body[:200]!r}")
            return
