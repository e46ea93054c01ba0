"""The client's side: sockets, threads, framing.

The thread model. One thread accepts on all listeners. Each connection has a thread of its own, which reads a request,
carries it out and answers it, then reads the next one; so a slow client or a slow worker costs a thread and holds nobody
else up. One further thread watches the sockets of requests in progress for clients that leave (:mod:`.hangup`). Threads
are daemons: a program that forgets to stop the proxy still ends. :meth:`ProxyServer.stop` ends them all, in bounded time.

Not attempted: HTTP/2, TLS towards the client, upgrades.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import selectors
import socket
import socketserver
import threading
import time
from http.server import ThreadingHTTPServer
from typing import Any, Protocol

from .errors import BadRequest, ConfigurationError, PortTaken, ShuttingDown, VespaError
from .hangup import HangupWatcher
from .headers import field_value
from .http1 import (
    NO_BODY,
    ChunkedDecoder,
    Framing,
    MessageError,
    RequestHead,
    keeps_alive,
    parse_request_head,
    request_framing,
)
from .lifeline import ClientGone, Lifeline
from .record import Record
from .reply import Reply
from .request import METHODS, ClientRequest, check_head, too_large
from .wire import SocketReader

__all__ = ["ProxyServer", "Runner"]

_log = logging.getLogger("vespa_client")

_BACKLOG = 1024
# Longer than the pause between two requests of a person's app; shorter than that of what forgot to close.
_IDLE_SECONDS = 75.0
_HEAD_SECONDS = 20.0
_BODY_SECONDS = 60.0
_SEND_SECONDS = 300.0
# What a client still sends after an answer that came early is read for this long, so that it sees the answer, not a reset.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 16 * 2**20
_JOIN_SECONDS = 2.0


class Runner(Protocol):
    """What carries a request out: :class:`Exchange`, seen from here."""

    def run(self, request: ClientRequest, reply: Reply, record: Record, lifeline: Lifeline) -> None: ...


class ProxyServer:
    """The proxy's listeners and connections."""

    def __init__(self, host: str, port: int, runner: Runner, *, max_body: int) -> None:
        """Listen at once. ``max_body`` is in bytes. Raises :class:`PortTaken`, :class:`VespaError`."""
        self.runner = runner
        self.max_body = max_body
        self.watcher = HangupWatcher()
        self.numbers = itertools.count(1)
        self.stopping = False
        self._connections: set[_Connection] = set()
        self._lock = threading.Condition()  # guards _connections; told when one ends
        self._listeners = _listen(host, port, self)
        self.port: int = self._listeners[0].server_address[1]
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="vespa-accept", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self.watcher.start()
        self._thread.start()

    def stop(self, seconds: float = 0.0) -> int:
        """Accept no more, let what runs go on for ``seconds``, then cut it. Returns how many requests were cut."""
        self.stopping = True
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join()
        for listener in self._listeners:
            listener.server_close()
        self._woken.close()
        deadline = time.monotonic() + seconds
        with self._lock:
            for connection in self._connections:
                connection.close_if_idle()
            self._lock.wait_for(lambda: not self._connections, max(deadline - time.monotonic(), 0.0))
            cut = [connection for connection in self._connections if connection.cut()]
            ended = self._lock.wait_for(lambda: not self._connections, _JOIN_SECONDS)
        if not ended:
            _log.warning("%d connections were still open at the end.", len(self._connections))
        self.watcher.stop()
        return len(cut)

    def add(self, connection: _Connection) -> None:
        """A connection begins."""
        with self._lock:
            self._connections.add(connection)

    def remove(self, connection: _Connection) -> None:
        """A connection has ended."""
        with self._lock:
            self._connections.discard(connection)
            self._lock.notify_all()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            for listener in self._listeners:
                selector.register(listener, selectors.EVENT_READ)
            while not self.stopping:
                for key, _ in selector.select():
                    if isinstance(key.fileobj, _Listener):
                        self._accept_one(key.fileobj)

    def _accept_one(self, listener: _Listener) -> None:
        try:
            sock, address = listener.get_request()
        except OSError as problem:
            if problem.errno in (errno.EMFILE, errno.ENFILE):
                _log.warning("Out of open files; new connections wait. Raise the limit with: ulimit -n 65536")
                time.sleep(0.2)
            return
        try:
            listener.process_request(sock, address)
        except RuntimeError:
            _log.warning("No thread could be started for a new connection; it is refused.")
            listener.shutdown_request(sock)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = _BACKLOG
    # Windows would let two programs share the port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, address: tuple[str, int], family: socket.AddressFamily, proxy: ProxyServer) -> None:
        self.address_family = family
        self.proxy = proxy
        super().__init__(address, _Connection)

    def server_bind(self) -> None:
        if os.name == "nt":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        if self.address_family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self.server_address[0] != "::")
        # Past HTTPServer.server_bind, which looks its own name up: up to 35 s where DNS is slow.
        socketserver.TCPServer.server_bind(self)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        threading.current_thread().name = "vespa-connection"
        super().process_request_thread(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        # Without the orderly shutdown of socketserver: an answer that broke off may have to end in a reset.
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.exception("A connection's thread failed; please report this.")


class _Connection(socketserver.BaseRequestHandler):
    """One client's connection, from its first request to its last."""

    request: socket.socket
    server: _Listener

    def setup(self) -> None:
        self._proxy = self.server.proxy
        self._busy = False
        self._lifeline: Lifeline | None = None
        self._reader = SocketReader(self.request)
        with contextlib.suppress(OSError):
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._proxy.add(self)

    def finish(self) -> None:
        self._proxy.remove(self)

    def handle(self) -> None:
        with contextlib.suppress(ClientGone, OSError):
            while self._serve_one() and not self._proxy.stopping:
                pass

    def close_if_idle(self) -> None:
        """End the connection if no request is in progress on it. Called from another thread."""
        if not self._busy:
            with contextlib.suppress(OSError):
                self.request.shutdown(socket.SHUT_RD)

    def cut(self) -> bool:
        """End the connection now. Returns whether a request was in progress. Called from another thread."""
        busy, lifeline = self._busy, self._lifeline
        if lifeline is not None:
            lifeline.cut()
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_RD)
        return busy

    def _serve_one(self) -> bool:
        """Read one request and answer it. Returns whether another one may follow."""
        try:
            self.request.settimeout(_IDLE_SECONDS)
            block = self._reader.read_head(_HEAD_SECONDS)
            if block is None:
                return False
            head = parse_request_head(block)
            framing = request_framing(head)
        except TimeoutError:
            return False
        except MessageError as malformed:
            self._refuse(BadRequest(str(malformed), status=malformed.status), Record(0, "-", "-"), Reply(self.request))
            return False
        record = Record(next(self._proxy.numbers), head.method, head.target.partition("?")[0])
        keep_alive = keeps_alive(head.minor, head.fields) and not self._proxy.stopping
        reply = Reply(self.request, head.method, head.minor, keep_alive=keep_alive)
        self._busy = True
        try:
            return self._answer(head, framing, reply, record)
        finally:
            self._busy = False
            _log.info("%s", record.line())

    def _answer(self, head: RequestHead, framing: Framing, reply: Reply, record: Record) -> bool:
        body_is_read = framing == NO_BODY
        try:
            cost = check_head(head, framing, self._proxy.max_body)
            if self._proxy.stopping:
                raise ShuttingDown("The proxy is stopping.", retry_after=5)
            if head.method == "OPTIONS":
                self._allow(reply, record)
                return reply.keep_alive and body_is_read
            body = self._read_body(head, framing, reply)
            body_is_read = True
            record.request_bytes = len(body)
            self._carry_out(ClientRequest.read(head, cost, body), reply, record)
        except ClientGone:
            record.outcome = "left"
            return False
        except VespaError as problem:
            if reply.started:
                record.outcome, record.detail = "broken", problem.message
                return False
            reply.keep_alive = reply.keep_alive and body_is_read
            self._refuse(problem, record, reply)
        return reply.keep_alive

    def _carry_out(self, request: ClientRequest, reply: Reply, record: Record) -> None:
        self.request.settimeout(_SEND_SECONDS)
        self._lifeline = lifeline = Lifeline()
        try:
            with self._proxy.watcher.watching(self.request, lifeline):
                self._proxy.runner.run(request, reply, record, lifeline)
        except ClientGone:
            if not self._proxy.stopping:
                raise
            if reply.started:
                reply.break_off()
                raise
            raise ShuttingDown("The proxy was stopped before the answer came.", retry_after=5) from None
        finally:
            self._lifeline = None

    def _read_body(self, head: RequestHead, framing: Framing, reply: Reply) -> bytearray:
        body = bytearray()
        if framing == NO_BODY:
            return body
        expectation = field_value(head.fields, "expect")
        if expectation and expectation.lower() != "100-continue":
            raise BadRequest(f"The expectation {expectation!r} can't be met.", status=417)
        if expectation and head.minor >= 1 and not self._reader.buffered:
            reply.send_continue()
        self.request.settimeout(_BODY_SECONDS)
        try:
            if framing.kind == "chunked":
                self._read_chunks(body)
            else:
                while len(body) < framing.length:
                    body += self._some(framing.length - len(body))
        except TimeoutError:
            reply.keep_alive = False
            raise BadRequest(f"The body stopped coming for {_BODY_SECONDS:g} s.", status=408) from None
        except MessageError as malformed:
            raise BadRequest(f"The chunked body is malformed: {malformed}.") from None
        return body

    def _read_chunks(self, body: bytearray) -> None:
        decoder = ChunkedDecoder()
        while not decoder.done:
            body += decoder.feed(self._some(256 * 1024))
            if len(body) > self._proxy.max_body:
                raise too_large(self._proxy.max_body)
        self._reader.buffered = decoder.rest

    def _some(self, limit: int) -> bytes:
        data = self._reader.read_some(min(limit, 256 * 1024))
        if not data:
            raise ClientGone
        return data

    def _allow(self, reply: Reply, record: Record) -> None:
        record.begin(204)
        reply.begin(204, "No Content", [("Allow", ", ".join(METHODS))], None)

    def _refuse(self, problem: VespaError, record: Record, reply: Reply) -> None:
        record.outcome, record.detail = "refused", f"{problem.code}: {problem.message}"
        record.begin(problem.status)
        if record.number == 0:
            _log.info("A request was refused: %s", problem.message)
        reply.error(problem, [("Allow", ", ".join(METHODS))] if problem.status == 405 else None)
        if not reply.keep_alive:
            self._linger()

    def _linger(self) -> None:
        """Read what the client still sends: closing on unread bytes resets the connection, and the answer with it."""
        deadline, taken = time.monotonic() + _LINGER_SECONDS, 0
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_WR)
            while taken < _LINGER_BYTES and (left := deadline - time.monotonic()) > 0:
                self.request.settimeout(left)
                data = self.request.recv(256 * 1024)
                if not data:
                    return
                taken += len(data)


def _listen(host: str, port: int, proxy: ProxyServer) -> list[_Listener]:
    """One listener, or two where ``localhost`` is meant: Node, browsers and Windows try ``::1`` first."""
    if host not in ("127.0.0.1", "localhost"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [_bind(host.strip("[]"), port, family, proxy)]
    for attempts_left in reversed(range(8)):
        first = _bind("127.0.0.1", port, socket.AF_INET, proxy)
        if not _has_ipv6_loopback():
            return [first]
        try:
            return [first, _bind("::1", first.server_address[1], socket.AF_INET6, proxy)]
        except PortTaken:
            first.server_close()
            # A free port of one family may be taken in the other.
            if port or not attempts_left:
                raise
    raise AssertionError("unreachable")


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _bind(host: str, port: int, family: socket.AddressFamily, proxy: ProxyServer) -> _Listener:
    try:
        return _Listener((host, port), family, proxy)
    except OSError as problem:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if problem.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)):
            raise PortTaken(f"Port {port} is taken: another program listens on {shown}.", port=port) from None
        if problem.errno == errno.EACCES:
            raise PortTaken(f"Port {port} may not be used by this user.", port=port) from None
        raise ConfigurationError(
            f"--host {host!r} can't be listened on: {problem.strerror or problem}.",
            hint="Use 127.0.0.1 for this machine alone, or 0.0.0.0 for all of its networks.",
        ) from None
