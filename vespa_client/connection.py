"""Connections to far hosts that write requests and read answers themselves; how to connect stays urllib3's.

http.client, which urllib3 builds on, would rewrite targets, add headers and parse leniently. Outbound proxies and TLS
are urllib3's; the request comes through requests as the headers argument.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssltransport import SSLTransport

from .body import AnswerBody
from .failures import AnswerBroken, AnswerLate, CertificateRefused, ConnectFailed, ConnectTimedOut, HungUp, reason_for
from .http1 import Fields, MessageError, ResponseHead, parse_response_head
from .lifeline import ClientGone, Lifeline
from .tcp import Counters, counters, dial, is_readable
from .timed_socket import TimedSocket
from .wire import SocketReader

__all__ = ["OutboundRequest", "OwnBytes", "SecureOwnBytes", "TLSSocket", "TimeLimits", "WireHeaders", "under_way"]

_SMALL_BODY = 64 * 1024
# For the answer of a far side that has stopped reading.
_LAST_WORD_SECONDS = 0.5
# Answers such as 103 Early Hints that come before the answer.
_MOST_INTERIM = 100


class TimeLimits(NamedTuple):
    """Seconds: to connect, to the answer's first byte, and of silence inside a message."""

    connect: float
    first_byte: float
    idle: float


class OutboundRequest(requests.PreparedRequest):
    """A request with its bytes as they are to be sent. ``url`` is where to connect to, ``target`` what is asked for.

    ``fields`` are the headers, ``Host`` and ``Content-Length`` excepted; ``pieces`` are the body, sent one after the
    other without being copied together, or None for a request without a body.
    """

    def __init__(
        self, method: str, url: str, target: str, fields: Fields, pieces: Sequence[bytes | bytearray] | None = None
    ) -> None:
        # PreparedRequest's own would make room for cookies and hooks that nobody here reads.
        self.method = method
        self.url = url
        self.target = target
        self.pieces = pieces
        self.body = None if pieces is None else b""
        self.headers = WireHeaders(self, fields)  # type: ignore[assignment]


class WireHeaders(dict[str, str]):
    """What urllib3 hands down to the connection as the headers: the request itself, and what a proxy log-in adds."""

    def __init__(self, request: OutboundRequest, fields: Fields) -> None:
        super().__init__()
        self.request = request
        self.fields = fields


class _UnderWay(threading.local):
    """What the connection has to know of the exchange that its thread is in; urllib3's calls have no place for it."""

    lifeline: Lifeline
    limits: TimeLimits


under_way = _UnderWay()


class OwnBytes(HTTPConnection):
    """A connection that writes requests and reads answers itself. What urllib3 keeps is how to connect."""

    _socket: TimedSocket
    _system_socket: socket.socket
    _reader: SocketReader
    was_kept = False
    """Whether it has been idle, so that it may have gone stale."""
    _has_answered = False
    _round_trip = 0.0
    _counted: Counters | None = None

    def _new_conn(self) -> socket.socket:
        started = time.monotonic()
        try:
            sock = dial(self._dns_host, self.port, under_way.limits.connect, under_way.lifeline)
        except OSError as problem:
            if self.proxy is None:
                raise
            raise ConnectFailed(f"the outbound proxy can't be reached: {reason_for(problem)}") from problem
        self._round_trip = time.monotonic() - started
        return sock

    def connect(self) -> None:
        self.was_kept = self._has_answered = False
        self._counted = None
        try:
            super().connect()
        except ssl.SSLCertVerificationError as problem:
            self.close()
            raise CertificateRefused(f"its certificate is not trusted: {problem.verify_message}") from problem
        except (OSError, urllib3.exceptions.HTTPError, ssl.CertificateError) as problem:
            self.close()
            kind = ConnectTimedOut if isinstance(problem, TimeoutError) else ConnectFailed
            raise kind(reason_for(problem)) from problem
        if isinstance(self.sock, ssl.SSLSocket):
            # An end without TLS's close_notify could be anybody's doing (RFC 9112, 9.8).
            self.sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        # TLS inside a proxy's TLS is an object of urllib3's around the socket.
        self._system_socket = self.sock.socket if isinstance(self.sock, SSLTransport) else self.sock
        self._socket = TimedSocket(self.sock)
        self._reader = SocketReader(self._socket, under_way.limits.first_byte)

    def is_usable(self) -> bool:
        """Whether a request may be sent on this kept connection: the far side hasn't ended it, or said what nobody asked."""
        if self.sock is None:
            return False
        # Counted before the look, so that an end that comes after it shows in the numbers: see _was_stale.
        self._counted = counted = counters(self._system_socket)
        if counted is not None and not isinstance(self._system_socket, ssl.SSLSocket):
            return counted.is_open and counted.received == self._reader.taken
        return not is_readable(self.sock)

    def has_ended(self) -> bool:
        """Whether the far side has ended this idle connection. For any thread: nothing is read from it."""
        if self.sock is None:
            return True
        counted = counters(self._system_socket)
        if counted is not None:
            return not counted.is_open
        # TLS's own messages, such as tickets, lie unread until the first answer.
        return self._has_answered and not self.is_connected

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **kwargs: Any) -> None:
        assert isinstance(headers, WireHeaders)
        request = headers.request
        under_way.lifeline.hold(self._system_socket)
        self._method = method
        self._sent = False
        self._send_problem: OSError | None = None
        self._sent_at = time.monotonic()
        head, pieces = self._wire(request, headers)
        self._socket.limit_writes(under_way.limits.idle)
        try:
            if sum(map(len, pieces)) <= _SMALL_BODY:
                self._socket.sendall(b"".join([head, *pieces]))
            else:
                # What is small goes with what comes before it, and nothing large is copied.
                waiting = head
                for piece in pieces:
                    if len(piece) > _SMALL_BODY:
                        self._socket.sendall(waiting)
                        self._socket.sendall(piece)
                        waiting = b""
                    else:
                        waiting += piece
                self._socket.sendall(waiting)
        except OSError as problem:
            # The far side may have answered before it had read everything: read that answer first.
            self._send_problem = problem
        else:
            self._sent = True

    def _wire(self, request: OutboundRequest, headers: WireHeaders) -> tuple[bytes, Sequence[bytes | bytearray]]:
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

    def getresponse(self) -> AnswerBody:  # type: ignore[override]
        problem = self._send_problem
        try:
            self._await_arrival()
            head = self._read_head()
        except MessageError as malformed:
            raise AnswerBroken(f"its answer is not HTTP: {malformed}") from malformed
        except TimeoutError as late:
            if problem:
                raise HungUp(f"it stopped taking the request: {reason_for(problem)}", sent=False, stale=False) from problem
            raise AnswerLate(f"no answer came within {under_way.limits.first_byte:g} s") from late
        except OSError as broken:
            raise HungUp(f"it hung up: {reason_for(problem or broken)}", sent=self._sent, stale=self._was_stale()) from broken
        if head is None:
            raise HungUp("it hung up without an answer", sent=self._sent, stale=self._was_stale())
        self._has_answered = True
        return AnswerBody(
            head,
            self._method,
            self._reader,
            self,
            reusable=self._sent,
            lifeline=under_way.lifeline,
            idle=under_way.limits.idle,
        )

    def _await_arrival(self) -> None:
        """Wait for the answer's first byte, and see meanwhile that the request arrives.

        A network that changed and a machine that slept leave connections on which nothing arrives, and nothing says so.
        Raises :class:`HungUp` where nothing has been acknowledged in the time that a new connection may take.
        """
        limits, before = under_way.limits, self._counted
        if self._send_problem:
            self._reader.limit(_LAST_WORD_SECONDS)
        elif before is None:
            self._reader.limit(limits.first_byte)
        else:
            self._reader.limit(min(limits.connect, limits.first_byte))
            try:
                self._reader.fill()
            except TimeoutError:
                now = counters(self._system_socket)
                if now is not None and now.acknowledged == before.acknowledged:
                    said = f"nothing arrived there within {limits.connect:g} s"
                    raise HungUp(said, sent=self._sent, stale=True, unheard=True) from None
                self._reader.limit(max(limits.first_byte - limits.connect, 0.001))
        self._reader.fill()
        # An interim answer may come long before the answer.
        self._reader.limit(limits.first_byte)

    def _was_stale(self) -> bool:
        """Whether the far side had ended this kept connection before the request came there, so that it can't have run.

        Its system acknowledges what arrives at an open connection. That alone doesn't tell: a reset right behind the
        request's arrival acknowledges nothing either. An end (FIN) does, so one that came without an acknowledgement was
        sent before. Where this can't be asked for: what ends sooner than a message can go there and back was ended before.
        """
        if not self.was_kept:
            return False
        before, now = self._counted, counters(self._system_socket)
        if before is None or now is None:
            return time.monotonic() - self._sent_at < self._round_trip
        return now.acknowledged == before.acknowledged and (before.has_ended or now.received > before.received)

    def _read_head(self) -> ResponseHead | None:
        for _ in range(_MOST_INTERIM):
            block = self._reader.read_head(under_way.limits.first_byte)
            if block is None:
                return None
            head = parse_response_head(block)
            if head.status == 101:
                raise MessageError("it switched protocols without being asked")
            if head.status >= 200:
                return head
        raise MessageError("it sent interim answers without end")


class TLSSocket(ssl.SSLSocket):
    """A socket whose handshake a leaving client ends too: it takes the place of the one that was held till then."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            under_way.lifeline.hold(self)
        except ClientGone:
            self.close()
            raise
        super().do_handshake(block)


class SecureOwnBytes(OwnBytes, HTTPSConnection):
    """The same inside TLS."""
