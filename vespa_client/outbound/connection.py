"""Connections to far hosts that write requests and read answers themselves; how to connect stays urllib3's.

http.client, which urllib3 builds on, would rewrite targets, add headers and parse leniently. Outbound proxies and TLS
are urllib3's; the request comes through requests as the headers argument.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssltransport import SSLTransport

from ..http1.heads import ResponseHead, parse_response_head
from ..http1.malformed import MessageError
from ..net.dialing import dial
from ..net.forks import close_in_children
from ..net.keepalives import GONE_AFTER
from ..net.lifeline import SecondHandle
from ..net.socket_reader import SocketReader
from ..net.tcp import Counters, counters, is_readable, seconds_unheard
from ..net.timed_socket import TimedSocket
from .answer import AnswerBody
from .call import Call, HeadersOfCall
from .failures import AnswerBroken, AnswerLate, CertificateRefused, ConnectFailed, ConnectTimedOut, HungUp, reason_for

__all__ = ["Connection", "SecureConnection"]

_SMALL_BODY = 64 * 1024
# What the buffer of a connection that was idle takes at once, on any system.
_TAKEN_AT_ONCE = 8 * 1024
# Should one not be taken all the same, the others go on without a turn.
_LONGEST_TURN = 5.0
# For the answer of a far side that has stopped reading.
_LAST_WORD_SECONDS = 0.5
# Answers such as 103 Early Hints that come before the answer.
_MOST_INTERIM = 100


class Connection(HTTPConnection):
    """A connection that writes requests and reads answers itself. What urllib3 keeps is how to connect."""

    call: Call
    """The call that it works for, which its pool sets."""
    _socket: TimedSocket
    _system_socket: socket.socket
    _reader: SocketReader
    was_idle = False
    """Whether it has been idle, so that it may have gone stale."""
    _has_answered = False
    _round_trip = 0.0
    _counted: Counters | None = None

    def _new_conn(self) -> socket.socket:
        started = time.monotonic()
        try:
            sock = dial(self._dns_host, self.port, self.call.limits.connect, self.call.lifeline)
        except OSError as problem:
            if self.proxy is None:
                raise
            raise ConnectFailed(f"the outbound proxy can't be reached: {reason_for(problem)}") from problem
        self._round_trip = time.monotonic() - started
        return sock

    def connect(self) -> None:
        self.was_idle = self._has_answered = False
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
        close_in_children(self._system_socket)
        self._socket = TimedSocket(self.sock)
        self._reader = SocketReader(self._socket, self.call.limits.first_byte)

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

    def send_request(self, headers: HeadersOfCall) -> None:
        """Write the request. What goes wrong is told by :meth:`read_answer`. Raises :class:`ClientGone`."""
        request = headers.request
        self.call.lifeline.hold(self._system_socket)
        self._method = request.method or ""
        self._sent = False
        self._send_problem: OSError | None = None
        self._sent_at = time.monotonic()
        head, pieces = self._head_and_pieces(headers)
        self._socket.limit_writes(self.call.limits.idle)
        try:
            if sum(map(len, pieces)) <= _SMALL_BODY:
                self._send_small(b"".join([head, *pieces]))
            else:
                # What is small goes with what comes before it, and nothing large is copied.
                waiting = head
                for piece in pieces:
                    if len(piece) > _SMALL_BODY:
                        self._socket.sendall(waiting)
                        self._send_large(piece)
                        waiting = b""
                    else:
                        waiting += piece
                self._socket.sendall(waiting)
        except OSError as problem:
            # The far side may have answered before it had read everything: read that answer first.
            self._send_problem = problem
        else:
            self._sent = True

    def _send_small(self, data: bytes) -> None:
        """Send it, in a crowd when it is this thread's turn.

        A thread that waits for the interpreter's lock wakes every 5 ms to ask for it. Where hundreds wait, that takes more than
        their requests do; so they wait for one another here, asleep, and few are left to wait for the interpreter.
        """
        is_its_turn = len(data) <= _TAKEN_AT_ONCE and self.call.turn.acquire(timeout=_LONGEST_TURN)
        try:
            self._socket.sendall(data)
        finally:
            if is_its_turn:
                self.call.turn.release()

    def _send_large(self, data: bytes | bytearray) -> None:
        """Send it, and see meanwhile that the far side is there: of one that has gone, the system says so in a quarter of an
        hour, and keepalives ask only where all that was sent has arrived."""
        left, patience = memoryview(data), self.call.limits.idle
        while left:
            step = min(patience, GONE_AFTER)
            self._socket.limit_writes(step)
            try:
                left = left[self._socket.send(left) :]
                patience = self.call.limits.idle
            except TimeoutError:
                patience -= step
                if seconds_unheard(self._system_socket) >= GONE_AFTER:
                    raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
                if patience <= 0:
                    raise
        self._socket.limit_writes(self.call.limits.idle)

    def _head_and_pieces(self, headers: HeadersOfCall) -> tuple[bytes, Sequence[bytes | bytearray]]:
        request = headers.request
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

    def read_answer(self, give_back: Callable[[HTTPConnection], None]) -> AnswerBody:
        """The answer's head, its body still to come. ``give_back`` gets the connection when it may serve again.

        Raises :class:`TransportError`.
        """
        problem = self._send_problem
        try:
            self._await_arrival()
            head = self._read_head()
        except MessageError as malformed:
            raise AnswerBroken(f"its answer is not HTTP: {malformed}") from malformed
        except TimeoutError as late:
            if problem:
                raise HungUp(f"it stopped taking the request: {reason_for(problem)}", sent=False, stale=False) from problem
            raise AnswerLate(f"no answer came within {self.call.limits.first_byte:g} s") from late
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
            give_back if self._sent else None,
            lifeline=self.call.lifeline,
            idle=self.call.limits.idle,
        )

    def _await_arrival(self) -> None:
        """Wait for the answer's first byte, and see meanwhile that the request arrives.

        A network that changed and a machine that slept leave connections on which nothing arrives, and nothing says so.
        Raises :class:`HungUp` where nothing has been acknowledged in the time that a new connection may take.
        """
        limits, before, waited = self.call.limits, self._counted, 0.0
        if before is not None and not self._send_problem:
            waited = min(limits.connect, limits.first_byte)
            if self._arrives_within(waited):
                # An interim answer may come long before the answer.
                self._reader.limit(limits.first_byte)
                return
            now = counters(self._system_socket)
            if now is not None and now.acknowledged == before.acknowledged:
                said = f"nothing arrived there within {limits.connect:g} s"
                raise HungUp(said, sent=self._sent, stale=True, unheard=True)
        patience = _LAST_WORD_SECONDS if self._send_problem else max(limits.first_byte - waited, 0.001)
        while not self._arrives_within(min(patience, GONE_AFTER)):
            patience -= GONE_AFTER
            if patience <= 0:
                raise TimeoutError
            # The system's keepalives ask on a connection alone on which all that was sent has arrived.
            if seconds_unheard(self._system_socket) >= GONE_AFTER:
                raise HungUp("its machine is heard of no more", sent=self._sent, stale=False)
        self._reader.limit(limits.first_byte)

    def _arrives_within(self, seconds: float) -> bool:
        """Whether the answer begins, or the connection ends, in that time."""
        self._reader.limit(seconds)
        try:
            self._reader.fill()
        except TimeoutError:
            return False
        return True

    def _was_stale(self) -> bool:
        """Whether the far side had ended this kept connection before the request came there, so that it can't have run.

        Its system acknowledges what arrives at an open connection. That alone doesn't tell: a reset right behind the
        request's arrival acknowledges nothing either. An end (FIN) does, so one that came without an acknowledgement was
        sent before. Where this can't be asked for: what ends sooner than a message can go there and back was ended before.
        """
        if not self.was_idle:
            return False
        before, now = self._counted, counters(self._system_socket)
        if before is None or now is None:
            return time.monotonic() - self._sent_at < self._round_trip
        return now.acknowledged == before.acknowledged and (before.has_ended or now.received > before.received)

    def _read_head(self) -> ResponseHead | None:
        for _ in range(_MOST_INTERIM):
            block = self._reader.read_head(self.call.limits.first_byte)
            if block is None:
                return None
            head = parse_response_head(block)
            if head.status == 101:
                raise MessageError("it switched protocols without being asked")
            if head.status >= 200:
                return head
        raise MessageError("it sent interim answers without end")


class SecureConnection(Connection, HTTPSConnection):
    """The same inside TLS."""

    _handle: SecondHandle

    def _new_conn(self) -> socket.socket:
        return self._handle.hold(super()._new_conn())

    def connect(self) -> None:
        with SecondHandle(self.call.lifeline) as self._handle:
            super().connect()
