"""The sockets that clients connect to."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import socketserver
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..errors import ConfigurationError, PortTaken
from ..journal.log import log
from ..net.forks import close_in_children
from ..net.own_ports import is_held_here
from .threads import ConnectionThreads

__all__ = ["Listener", "listen"]

# socketserver's own 5 has bursts reset.
_BACKLOG = 1024
_LOCALHOST = ("127.0.0.1", "localhost")
_PORT_TRIES = 8
# Without a free file, accept() fails at once for as long as a connection waits: pause instead of spinning.
_OUT_OF_FILES_PAUSE = 0.2
_OUT_OF_FILES_LOG = 10.0
# How often the serving loop looks whether it is to end, where it can't be woken for that.
_POLL_SECONDS = 0.5


class Listener(ThreadingHTTPServer):
    """One listening socket. Each connection has a handler of its own, in a thread that it has for itself."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = _BACKLOG
    # Windows would let two programs share the port.
    allow_reuse_address = os.name != "nt"

    def __init__(
        self,
        address: tuple[str, int],
        family: socket.AddressFamily,
        handler: type[BaseHTTPRequestHandler],
        service: Any,
        threads: ConnectionThreads,
    ) -> None:
        """``service`` is for the handlers, which find it here."""
        self.address_family = family
        self.service = service
        self._threads_of_connections = threads
        self._told_out_of_files = -_OUT_OF_FILES_LOG
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), name="vespa-accept", daemon=True)
        super().__init__(address, handler)
        close_in_children(self.socket)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self) -> None:
        """Accept no more."""
        if self._thread.is_alive():
            with contextlib.suppress(OSError):
                # Wakes the serving loop; on systems where it doesn't, that looks by itself.
                self.socket.shutdown(socket.SHUT_RDWR)
            self.shutdown()
            self._thread.join()
        self.server_close()

    def server_bind(self) -> None:
        if os.name == "nt":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        if self.address_family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self.server_address[0] != "::")
        # Past HTTPServer.server_bind, which looks its own name up: up to 35 s where DNS is slow.
        socketserver.TCPServer.server_bind(self)

    def get_request(self) -> tuple[Any, Any]:
        try:
            sock, address = super().get_request()
        except OSError as problem:
            if problem.errno in (errno.EMFILE, errno.ENFILE):
                self._wait_for_files()
            raise
        close_in_children(sock)
        return sock, address

    def process_request(self, request: Any, client_address: Any) -> None:
        # In place of the new thread that socketserver would start.
        try:
            self._threads_of_connections.run(partial(self.process_request_thread, request, client_address))
        except RuntimeError:
            log.warning("No thread could be started for a new connection; it is refused.")
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        # Without the orderly shutdown of socketserver: an answer that broke off may have to end in a reset.
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.exception("A connection's thread failed; please report this.")

    def _wait_for_files(self) -> None:
        now = time.monotonic()
        if now - self._told_out_of_files >= _OUT_OF_FILES_LOG:
            self._told_out_of_files = now
            raising = "" if os.name == "nt" else " Raise the limit with: ulimit -n 65536"
            log.warning("Out of open files; new connections wait.%s", raising)
        time.sleep(_OUT_OF_FILES_PAUSE)


def listen(
    host: str, port: int, handler: type[BaseHTTPRequestHandler], service: Any, threads: ConnectionThreads
) -> list[Listener]:
    """Listen on the host and port, 0 for any free one; the listeners accept when they are started.

    There are two listeners where ``localhost`` is meant: Node, browsers and Windows try ``::1`` first. Raises
    :class:`PortTaken`, :class:`ConfigurationError`.
    """

    def bind(name: str, number: int, family: socket.AddressFamily) -> Listener:
        try:
            return Listener((name, number), family, handler, service, threads)
        except OSError as problem:
            raise _refusal(problem, name, number) from None

    if host not in _LOCALHOST:
        return [bind(host.strip("[]"), port, socket.AF_INET6 if ":" in host else socket.AF_INET)]
    for tries_left in reversed(range(_PORT_TRIES)):
        first = bind("127.0.0.1", port, socket.AF_INET)
        if not _has_ipv6_loopback():
            return [first]
        try:
            return [first, bind("::1", first.server_address[1], socket.AF_INET6)]
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


def _refusal(problem: OSError, host: str, port: int) -> PortTaken | ConfigurationError:
    """Why the host and port can't be listened on."""
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if problem.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)):
        if is_held_here(host, port):
            return PortTaken(
                f"Port {port} is taken: this program itself listens on {shown}.",
                port=port,
                hint="An earlier VastClient may still run: stop() it first, or take port=0 for any free one.",
            )
        return PortTaken(
            f"Port {port} is taken: another program listens on {shown}.",
            port=port,
            hint="Take another port, or 0 for any free one.",
        )
    if problem.errno == errno.EACCES:
        hint = "Ports below 1024 are for privileged users on some systems: choose a higher --port."
        return ConfigurationError(f"Port {port} may not be used by this user.", hint=hint)
    return ConfigurationError(
        f"--host {host!r} can't be listened on: {problem.strerror or problem}.",
        hint="Use 127.0.0.1 for this machine alone, or 0.0.0.0 for all of its networks.",
    )
