"""One way from a client to the worker: through a proxy, or past it."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from .messages import BODY, CHAT, ROUTE, ROUTE_BODY, request, wrapped

__all__ = ["Way"]


@dataclass(frozen=True)
class Way:
    """Where a client's requests go, and the process whose time and memory that takes (with its children), if it's known.

    ``is_direct``: a client that does without a proxy asks for the assignment itself, then sends the worker its envelope.
    """

    host: str
    port: int
    pid: int | None
    is_direct: bool = False

    @property
    def address(self) -> str:
        """The host and the port."""
        return f"{self.host}:{self.port}"

    def body(self, body: bytes) -> bytes:
        """The body as it has to be on this way."""
        return wrapped(body) if self.is_direct else body

    def chat(self, *, closes: bool = False) -> list[bytes]:
        """The exchanges that make up one short request, as bytes. ``closes``: the last one says that the connection ends."""
        last = request("POST", CHAT, self.address, self.body(BODY), closes=closes)
        return [request("POST", ROUTE, self.address, ROUTE_BODY), last] if self.is_direct else [last]

    def dial(self) -> socket.socket:
        """A connection that is being made: it can be written to when it is there."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect_ex((self.host, self.port))
        return sock
