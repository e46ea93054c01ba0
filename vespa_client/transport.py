"""One request to one host, over requests and urllib3, with the bytes in our hands.

Console, autoscaler and workers are all spoken to through :class:`Transport`: a ``requests`` adapter whose connections
write the head and the body themselves, since requests and urllib3 rewrite targets and add headers of their own, and
whose answers come as they arrive. Pools, proxies and TLS are urllib3's.

Failures say how far the request had come, which is what decides whether it may be sent again.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from queue import Empty
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError
from urllib3.util.wait import wait_for_write

from .http1 import (
    UNTIL_CLOSE,
    ChunkedDecoder,
    Fields,
    Framing,
    MessageError,
    keeps_alive,
    parse_response_head,
    response_framing,
)
from .lifeline import Lifeline
from .proxies import OutboundProxies
from .wire import RECEIVE_SIZE, SocketReader

__all__ = [
    "Answer",
    "AnswerBroken",
    "AnswerLate",
    "CertificateRefused",
    "ConnectFailed",
    "HungUp",
    "OutboundRequest",
    "TimeLimits",
    "Transport",
    "TransportError",
]

# Below the 75 s after which aiohttp's servers, the official worker among them, close a kept connection.
_KEPT_SECONDS = 60.0
# How often a connection attempt looks whether its client has left; a leaving client is to be heard within 100 ms.
_CONNECT_SLICE = 0.05
_SEND_SLICE = 256 * 1024
_SMALL_BODY = 64 * 1024


class TimeLimits(NamedTuple):
    """Seconds: to connect, to the answer's first byte, and of silence inside a message."""

    connect: float
    first_byte: float
    idle: float


class TransportError(Exception):
    """The request failed. ``str()`` is a reason for people; ``may_have_run`` says whether the far side had all of it."""

    may_have_run = False


class ConnectFailed(TransportError):
    """No connection came about: refused, unreachable, too slow, no such name, or an outbound proxy's refusal."""


class CertificateRefused(ConnectFailed):
    """The far side's certificate is not trusted, or not its own."""


class HungUp(TransportError):
    """The connection ended before the answer's head. ``stale``: a kept connection that had gone before it was used."""

    def __init__(self, reason: str, *, sent: bool, stale: bool) -> None:
        super().__init__(reason)
        self.stale = stale
        self.may_have_run = sent and not stale


class AnswerLate(TransportError):
    """Nothing came within the time limit."""

    may_have_run = True


class AnswerBroken(TransportError):
    """The answer isn't HTTP, or ended before it was whole."""

    may_have_run = True


class OutboundRequest(requests.PreparedRequest):
    """A request with its bytes as they are to be sent. ``url`` is where to connect to, ``target`` what is asked for.

    ``fields`` are the headers, ``Host`` and ``Content-Length`` excepted; ``pieces`` are the body, sent one after the
    other without being copied together, or None for a request without a body.
    """

    def __init__(
        self, method: str, url: str, target: str, fields: Fields, pieces: Sequence[bytes | bytearray] | None = None
    ) -> None:
        super().__init__()
        self.method = method
        self.url = url
        self.target = target
        self.pieces = pieces
        self.body = None if pieces is None else b""
        self.headers = _WireHeaders(self, fields)  # type: ignore[assignment]


class _WireHeaders(dict[str, str]):
    """What urllib3 hands down to the connection as the headers: the request itself, and what a proxy log-in adds."""

    def __init__(self, request: OutboundRequest, fields: Fields) -> None:
        super().__init__()
        self.request = request
        self.fields = fields

    def copy(self) -> _WireHeaders:
        return _WireHeaders(self.request, self.fields)


class Answer(requests.Response):
    """A far side's answer: its head, and its body as it arrives through ``iter_content(chunk_size=None)``."""

    raw: _BodyReader

    def __init__(self, body: _BodyReader) -> None:
        # requests.Response.__init__ would make a cookie jar and a header dictionary that nobody here reads.
        self._content = False  # type: ignore[assignment]
        self._content_consumed = False
        self._next = None
        self.history = []
        self.encoding = "utf-8"
        self.raw = body
        self.status_code = body.status
        self.reason = body.reason
        self.fields = body.fields
        self.framing = body.framing

    def field(self, name: str) -> str | None:
        """The first header of that name (in lower case), or None."""
        return next((value for field, value in self.fields if field.lower() == name), None)

    def read(self, limit: int) -> bytes:
        """The whole body; what is above ``limit`` bytes is cut off. Raises :class:`TransportError`."""
        data = bytearray()
        try:
            for piece in self.iter_content(chunk_size=None):
                data += piece
                if len(data) > limit:
                    break
        finally:
            self.close()
        return bytes(data[:limit])


class Transport(HTTPAdapter):
    """Kept connections to any number of hosts. Safe to share between threads."""

    def __init__(self, context: ssl.SSLContext, proxies: OutboundProxies) -> None:
        self._context = context
        self._proxies = proxies
        # urllib3 2 lets a pool that falls out of this many go on serving whoever holds it; 10 (the default) is too few
        # where each worker is a host.
        super().__init__(pool_connections=1024, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = urllib3.PoolManager(connections, maxsize=maxsize, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:
        if proxy not in self.proxy_manager:
            self.proxy_manager[proxy] = urllib3.ProxyManager(
                proxy,
                num_pools=1024,
                maxsize=1,
                ssl_context=self._context,
                proxy_ssl_context=self._context,
                proxy_headers=self.proxy_headers(proxy),
            )
            self.proxy_manager[proxy].pool_classes_by_scheme = _POOLS
        manager: urllib3.ProxyManager = self.proxy_manager[proxy]
        return manager

    def exchange(self, request: OutboundRequest, limits: TimeLimits, lifeline: Lifeline) -> Answer:
        """Send the request and return its answer's head, the body still to come.

        Raises :class:`TransportError`, and :class:`ClientGone` when the lifeline is cut.
        """
        _under_way.lifeline, _under_way.limits = lifeline, limits
        try:
            answer = self.send(request, stream=True, timeout=(limits.connect, limits.first_byte))
        except TransportError:
            lifeline.let_go()
            lifeline.check()
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError) as problem:
            lifeline.let_go()
            lifeline.check()
            raise ConnectFailed(_why(problem)) from problem
        assert isinstance(answer, Answer)
        return answer

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> urllib3.HTTPConnectionPool:
        assert request.url is not None
        parts = urlsplit(request.url)
        assert parts.hostname is not None
        proxy = self._proxies.for_host(parts.scheme, parts.hostname, parts.port)
        manager = self.proxy_manager_for(proxy) if proxy else self.poolmanager
        return manager.connection_from_host(parts.hostname, parts.port, parts.scheme)

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        # Never sent: the connection writes the target as it was given. Absolute for plain http, where urllib3 tells by
        # it whether an outbound proxy needs a tunnel.
        assert request.url is not None
        return request.url if request.url.startswith("http:") else "/"

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        # requests would load its own bundle into the context; ours holds all that is trusted already.
        conn.cert_reqs = "CERT_REQUIRED"

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> Answer:
        return Answer(resp)


class _UnderWay(threading.local):
    """What the connection has to know of the exchange that its thread is in; urllib3's calls have no place for it."""

    lifeline: Lifeline
    limits: TimeLimits


_under_way = _UnderWay()


class _KeptConnections:
    """A pool's idle connections, newest first, without a limit; those kept too long are closed.

    Takes the place of urllib3's LifoQueue, which holds as many places as its limit and drops what is above it.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._kept: deque[tuple[float, Any]] = deque()

    def put(self, connection: Any, block: bool = True, timeout: float | None = None) -> None:
        now = time.monotonic()
        if connection is not None:
            self._kept.append((now, connection))
        with contextlib.suppress(IndexError):
            while self._kept[0][0] < now - _KEPT_SECONDS:
                self._kept.popleft()[1].close()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            since, connection = self._kept.pop()
        except IndexError:
            raise Empty from None
        if since < time.monotonic() - _KEPT_SECONDS:
            connection.close()
        return connection


class _OwnBytes(HTTPConnection):
    """A connection that writes requests and reads answers itself. What urllib3 keeps is how to connect."""

    _reader: SocketReader
    _answered = 0

    def _new_conn(self) -> socket.socket:
        return _connect(self._dns_host, self.port, _under_way.limits.connect, _under_way.lifeline)

    def connect(self) -> None:
        self._answered = 0
        try:
            super().connect()
        except ssl.SSLCertVerificationError as problem:
            self.close()
            raise CertificateRefused(f"its certificate is not trusted: {problem.verify_message}") from problem
        except (OSError, urllib3.exceptions.HTTPError, ssl.CertificateError) as problem:
            self.close()
            raise ConnectFailed(_why(problem)) from problem
        if isinstance(self.sock, ssl.SSLSocket):
            # An end without TLS's close_notify could be anybody's doing (RFC 9112, 9.8).
            self.sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        self._reader = SocketReader(self.sock)

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **kwargs: Any) -> None:
        assert isinstance(headers, _WireHeaders)
        request = headers.request
        if self.sock is None:
            self.connect()
        _under_way.lifeline.hold(self.sock)
        self._sent = False
        self._send_problem: OSError | None = None
        head, pieces = self._wire(request, headers)
        self.sock.settimeout(_under_way.limits.idle)
        try:
            if sum(map(len, pieces)) <= _SMALL_BODY:
                self.sock.sendall(b"".join([head, *pieces]))
            else:
                self.sock.sendall(head)
                for piece in pieces:
                    self._send(memoryview(piece))
        except OSError as problem:
            # The far side may have answered before it had read everything: read that answer first.
            self._send_problem = problem
        else:
            self._sent = True
        self._method = method

    def _wire(self, request: OutboundRequest, headers: _WireHeaders) -> tuple[bytes, Sequence[bytes | bytearray]]:
        assert request.url is not None
        authority = urlsplit(request.url).netloc
        absolute = self.proxy is not None and not self.proxy_is_tunneling
        target = f"http://{authority}{request.target}" if absolute else request.target
        lines = [f"{request.method} {target} HTTP/1.1", f"Host: {authority}"]
        lines += [f"{name}: {value}" for name, value in (*headers.fields, *headers.items())]
        pieces = request.pieces
        if pieces is not None:
            lines.append(f"Content-Length: {sum(map(len, pieces))}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), pieces or ()

    def _send(self, data: memoryview) -> None:
        # In slices, since a socket's time limit counts for a whole sendall, and a long upload is not a silent one.
        for start in range(0, len(data), _SEND_SLICE):
            self.sock.sendall(data[start : start + _SEND_SLICE])

    def getresponse(self) -> _BodyReader:  # type: ignore[override]
        reused, problem = self._answered > 0, self._send_problem
        stale = reused and not isinstance(problem, TimeoutError)
        try:
            self.sock.settimeout(0.5 if problem else _under_way.limits.first_byte)
            head = self._read_head()
        except MessageError as malformed:
            raise AnswerBroken(f"its answer is not HTTP: {malformed}") from malformed
        except TimeoutError as late:
            if problem:
                raise HungUp(f"it stopped taking the request: {_why(problem)}", sent=False, stale=False) from problem
            raise AnswerLate(f"no answer came within {_under_way.limits.first_byte:g} s") from late
        except OSError as broken:
            raise HungUp(f"it hung up: {_why(problem or broken)}", sent=self._sent, stale=stale) from broken
        if head is None:
            raise HungUp("it hung up without an answer", sent=self._sent, stale=stale)
        self._answered += 1
        return _BodyReader(self, head, self._method, reusable=self._sent)

    def _read_head(self) -> Any:
        while True:
            block = self._reader.read_head(_under_way.limits.first_byte)
            if block is None:
                return None
            head = parse_response_head(block)
            if head.status == 101:
                raise MessageError("it switched protocols without being asked")
            if head.status >= 200:
                return head


class _SecureOwnBytes(_OwnBytes, HTTPSConnection):
    """The same inside TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _OwnBytes  # type: ignore[assignment]
    QueueCls = _KeptConnections  # type: ignore[assignment]


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureOwnBytes  # type: ignore[assignment]
    QueueCls = _KeptConnections  # type: ignore[assignment]


_POOLS: dict[str, type[urllib3.HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}


class _BodyReader:
    """An answer's body, as it arrives: what ``requests`` knows as ``raw``.

    The bytes are those that were sent: a ``Content-Encoding`` is not undone.
    """

    retries: Any = None
    _pool: Any = None
    _connection: Any = None

    def __init__(self, connection: _OwnBytes, head: Any, method: str, *, reusable: bool) -> None:
        self._sock, self._reader = connection.sock, connection._reader
        self._own_connection: _OwnBytes | None = connection
        self._lifeline, self._idle = _under_way.lifeline, _under_way.limits.idle
        self.status: int = head.status
        self.reason: str = head.reason
        self.fields: Fields = head.fields
        try:
            self.framing: Framing = response_framing(head, method)
        except MessageError as malformed:
            connection.close()
            raise AnswerBroken(f"its answer can't be read: {malformed}") from malformed
        self._reusable = reusable and self.framing != UNTIL_CLOSE and keeps_alive(head.minor, head.fields)
        self.version_string = f"HTTP/1.{head.minor}"
        self.length_remaining: int | None = None
        self._sock.settimeout(self._idle)

    @property
    def headers(self) -> Mapping[str, str]:
        """For urllib3, which looks for Retry-After here. Ours are in ``fields``."""
        return {}

    def arrived(self) -> bool:
        """Whether body bytes are here already, so that they can go out with the head."""
        return bool(self._reader.buffered)

    def stream(self, amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:
        """The body's bytes in the pieces that arrive. Raises :class:`AnswerBroken`, :class:`AnswerLate`."""
        if self._own_connection is None:
            return
        try:
            yield from self._pieces()
        except MessageError as malformed:
            self._abandon()
            raise AnswerBroken(f"its answer broke off: {malformed}") from malformed
        except TimeoutError as silent:
            self._abandon()
            raise AnswerLate(f"its answer fell silent for {self._idle:g} s") from silent
        except OSError as broken:
            self._abandon()
            raise AnswerBroken(f"its answer broke off: {_why(broken)}") from broken
        except AnswerBroken:
            self._abandon()
            raise
        except GeneratorExit:
            self._abandon()
            raise
        self._finish()

    def _pieces(self) -> Iterator[bytes]:
        if self.framing.kind == "chunked":
            yield from self._chunks()
        elif self.framing.kind == "close":
            while data := self._reader.read_some():
                yield data
        else:
            left = self.framing.length
            while left:
                data = self._reader.read_some(min(left, RECEIVE_SIZE * 4))
                if not data:
                    raise AnswerBroken(f"its answer broke off, {left} bytes short")
                left -= len(data)
                yield data

    def _chunks(self) -> Iterator[bytes]:
        decoder = ChunkedDecoder()
        while not decoder.done:
            data = self._reader.read_some()
            if not data:
                raise AnswerBroken("its answer broke off inside the chunked body")
            if piece := decoder.feed(data):
                yield piece
        self._reader.buffered = decoder.rest

    def _finish(self) -> None:
        if self._reader.buffered:
            self._reusable = False  # bytes nobody asked for: the next answer could not be told from them
        self.release_conn()

    def release_conn(self) -> None:
        """Give the connection back to its pool, or close it where it can't serve again."""
        connection, self._own_connection = self._own_connection, None
        if connection is None:
            return
        self._lifeline.let_go()
        if self._reusable and not self._lifeline.is_cut and self._pool is not None:
            self._pool._put_conn(connection)
        else:
            connection.close()

    def _abandon(self) -> None:
        self._reusable = False
        self.release_conn()

    def close(self) -> None:
        """Drop what is left of the body. The connection is kept only if the body had no bytes left to come."""
        if self.framing.kind == "length" and self.framing.length == 0:
            self._finish()
        else:
            self._abandon()


def _connect(host: str, port: int, seconds: float, lifeline: Lifeline) -> socket.socket:
    """A connected socket without Nagle's delay; each address of the host gets its share of the time."""
    deadline = time.monotonic() + seconds
    addresses = socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM)
    problem: OSError = OSError("no address")
    for count, (family, kind, protocol, _, address) in enumerate(addresses):
        share = (deadline - time.monotonic()) / (len(addresses) - count)
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as unsupported:
            problem = unsupported
            continue
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _finish_connect(sock, address, max(share, 0.0), lifeline)
        except OSError as failed:
            sock.close()
            problem = failed
        except BaseException:
            sock.close()
            raise
        else:
            sock.settimeout(max(deadline - time.monotonic(), 0.1))
            lifeline.hold(sock)
            return sock
    if isinstance(problem, TimeoutError):
        raise TimeoutError(f"no connection within {seconds:g} s")
    raise problem


def _finish_connect(sock: socket.socket, address: Any, seconds: float, lifeline: Lifeline) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code in (errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK)):
        deadline = time.monotonic() + seconds
        while not wait_for_write(sock, min(_CONNECT_SLICE, max(deadline - time.monotonic(), 0.0))):
            lifeline.check()
            if time.monotonic() >= deadline:
                raise TimeoutError
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, errno.errorcode.get(code, str(code)))


_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to it",
    errno.ENETUNREACH: "the network is unreachable",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection closed",
    errno.ETIMEDOUT: "the connection timed out",
}


def _why(problem: BaseException) -> str:
    """A reason for people, without the addresses and object names that exceptions carry."""
    reason = getattr(problem, "reason", None)
    if isinstance(problem, NameResolutionError | socket.gaierror):
        return "its name can't be resolved (no network, or a DNS problem)"
    if isinstance(problem, ssl.SSLError):
        return f"TLS failed: {problem.reason or 'the connection ended in the handshake'}"
    if isinstance(problem, OSError) and problem.errno in _REASONS:
        return _REASONS[problem.errno]
    if isinstance(problem, TimeoutError | urllib3.exceptions.TimeoutError):
        return str(problem) if problem.args and str(problem) != "timed out" else "it took too long"
    if isinstance(problem, OSError) and str(problem).startswith("Tunnel connection failed"):
        return f"the outbound proxy refused the way there ({str(problem).partition(': ')[2]})"
    if isinstance(reason, BaseException):
        return _why(reason)
    return type(problem).__name__ if not isinstance(problem, OSError) else (problem.strerror or str(problem))
