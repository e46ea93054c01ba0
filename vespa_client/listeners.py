"""The sockets that clients connect to."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import socketserver
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .connection_threads import ConnectionThreads
from .errors import ConfigurationError, PortTaken
from .log import log

__all__ = ["Listener", "listen"]

# socketserver's own 5 has bursts reset.
_BACKLOG = 1024
_LOCALHOST = ("127.0.0.1", "localhost")
_PORT_TRIES = 8

Serve = Callable[[socket.socket], None]


class Listener(ThreadingHTTPServer):
    """One listening socket. Each connection is handed to ``serve`` in a thread that it has for itself."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = _BACKLOG
    # Windows would let two programs share the port.
    allow_reuse_address = os.name != "nt"

    def __init__(
        self, address: tuple[str, int], family: socket.AddressFamily, serve: Serve, threads: ConnectionThreads
    ) -> None:
        self.address_family = family
        self._serve = serve
        self._connection_threads = threads
        super().__init__(address, BaseHTTPRequestHandler)

    def server_bind(self) -> None:
        if os.name == "nt":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        if self.address_family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self.server_address[0] != "::")
        # Past HTTPServer.server_bind, which looks its own name up: up to 35 s where DNS is slow.
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        # In place of the new thread that socketserver would start.
        self._connection_threads.run(partial(self.process_request_thread, request, client_address))

    def finish_request(self, request: Any, client_address: Any) -> None:
        self._serve(request)

    def shutdown_request(self, request: Any) -> None:
        # Without the orderly shutdown of socketserver: an answer that broke off may have to end in a reset.
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.exception("A connection's thread failed; please report this.")


def listen(host: str, port: int, serve: Serve, threads: ConnectionThreads) -> list[Listener]:
    """Listen on the host and port, 0 for any free one. ``serve`` is called in one of the threads.

    There are two listeners where ``localhost`` is meant: Node, browsers and Windows try ``::1`` first. Raises
    :class:`PortTaken`, :class:`ConfigurationError`.
    """
    if host not in _LOCALHOST:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [_bind(host.strip("[]"), port, family, serve, threads)]
    for tries_left in reversed(range(_PORT_TRIES)):
        first = _bind("127.0.0.1", port, socket.AF_INET, serve, threads)
        if not _has_ipv6_loopback():
            return [first]
        try:
            return [first, _bind("::1", first.server_address[1], socket.AF_INET6, serve, threads)]
        except PortTaken:
            first.server_close()
            # A port that is free in one family may be taken in the other.
            if port or not tries_left:
                raise
    raise AssertionError("unreachable")


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _bind(host: str, port: int, family: socket.AddressFamily, serve: Serve, threads: ConnectionThreads) -> Listener:
    try:
        return Listener((host, port), family, serve, threads)
    except OSError as problem:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if problem.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)):
            raise PortTaken(f"Port {port} is taken: another program listens on {shown}.", port=port) from None
        if problem.errno == errno.EACCES:
            hint = "Ports below 1024 are for privileged users on some systems: choose a higher --port."
            raise ConfigurationError(f"Port {port} may not be used by this user.", hint=hint) from None
        raise ConfigurationError(
            f"--host {host!r} can't be listened on: {problem.strerror or problem}.",
            hint="Use 127.0.0.1 for this machine alone, or 0.0.0.0 for all of its networks.",
        ) from None
