"""An answer on the client's socket: framed once, and never made to look whole when it isn't."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from urllib3.util.wait import wait_for_write

from ..errors import VespaError
from ..http1.chunks import encode_chunk, last_chunk
from ..http1.codings import codings_of
from ..http1.fields import Fields, field_value
from ..http1.forwarding import ERROR_HEADER, describes_body
from ..net.lifeline import ClientGone
from ..net.timed_socket import TimedSocket
from .translation.voice import PLAIN, Voice

if TYPE_CHECKING:
    from .capture.captured import Captured

__all__ = ["AnswerWriter", "is_event_stream", "reason_of"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# A browser that shows an error as a page would ask for its icon, as a page of ours that may.
_NO_PAGE = ("Content-Security-Policy", "default-src 'none'")
# struct linger, "on" for 0 seconds.
_RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_LARGE = 16 * 1024
_MOST_ZEROS = 8
_ZERO_PAUSE = 5.0


class AnswerWriter:
    """The answer to one request.

    Its request's thread writes it; :meth:`probe` and :meth:`beat` are for other threads, and step back where that one is
    writing. Methods that write raise :class:`ClientGone` if the client has hung up or stopped reading.
    """

    def __init__(
        self, sock: TimedSocket, method: str = "GET", minor: int = 1, *, closes: bool = False, voice: Voice = PLAIN
    ) -> None:
        """``minor`` is the client's HTTP/1 minor version; ``closes`` whether its connection is to end with this answer."""
        self._socket = sock
        self.method = method
        self._minor = minor
        self.closes = closes
        self.must_close = False
        """Whether the connection can't go on after what was written."""
        self.started = False
        """Whether a head has gone: the answer's, or that of an event stream which a heartbeat has begun."""
        self.resets = False
        """Whether the connection is to end in a reset."""
        self.voice = voice
        """How the proxy speaks here by itself."""
        self.copy: Captured | None = None
        """Who keeps a copy of the answer."""
        self.added: Fields = []
        """What goes with every answer to this request, the worker's and ours."""
        self._writing = threading.Lock()  # guards the socket's sending half, and the fields below
        self._chunked = False
        self._has_body = True
        self._until_close = False
        self._takes_words = False
        self._tail = b"\n\n"
        self._zeros = 0
        self._next_zero = 0.0
        self._ended = False

    @property
    def takes_signs(self) -> bool:
        """Whether the client can be sent what :meth:`beat` sends: a body whose end isn't known needs chunks."""
        return self._minor >= 1

    def send_continue(self) -> None:
        """Tell a client that waits for leave to send its body to do so (RFC 9110, 10.1.1)."""
        with self._writing:
            self._send(_CONTINUE)

    def begin(self, status: int, reason: str, fields: Fields, length: int | None, first: bytes = b"") -> None:
        """Send the head, and the body's ``first`` bytes with it.

        ``length`` is the body's length where it is known; else the body is chunked, or ends with the connection for an
        HTTP/1.0 client (RFC 9112, 6.3 and 7).
        """
        with self._writing:
            self._begin(status, reason, fields, length, first)

    def write(self, data: bytes) -> None:
        """Send the body's next bytes."""
        if not self._has_body or not data:
            return
        with self._writing:
            self._note(data)
            if not self._chunked:
                self._send(data)
            elif len(data) < _LARGE:
                self._send(encode_chunk(data))
            else:
                # Not copied together with its frame.
                self._send(b"%x\r\n" % len(data))
                self._send(data)
                self._send(b"\r\n")

    def end(self) -> None:
        """The body is complete."""
        with self._writing:
            self._ended = True
            if self._chunked:
                self._send(last_chunk)

    def fail(self, problem: VespaError) -> int:
        """Answer with an error of the proxy's own; where the answer has begun, have the client see that it breaks off.

        On an event stream one last event says why, in the shape on which SDKs raise. Returns the bytes of body that went.
        """
        if not self.started:
            return self.error(problem)
        sent = 0
        if self._takes_words:
            with contextlib.suppress(ClientGone):
                words = self.voice.failure(problem, self._tail)
                self.write(words)
                sent = len(words)
        self.must_close = True
        with self._writing:
            if self._zeros:
                # Some take a zero in front of the connection's end for the last chunk: let it be that of one with a byte.
                with contextlib.suppress(ClientGone):
                    self._send(b"1\r\n")
            self._ended = True
        if self._until_close:
            # An orderly close would be this body's end; a reset is not.
            self.resets = True
            self._socket.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return sent

    def error(self, problem: VespaError) -> int:
        """Answer with an error of the proxy's own. Returns the bytes of its body."""
        fields = [("Allow", ", ".join(problem.allow))] if problem.allow else []
        if problem.status == 401:
            fields.append(("WWW-Authenticate", "Bearer"))
        if problem.status == 426:
            fields.append(("Upgrade", "HTTP/1.1"))
        return self.begin_error(problem, problem.status, reason_of(problem.status), fields)

    def begin_error(self, problem: VespaError, status: int, reason: str, fields: Fields) -> int:
        """Our error body under a head that may be somebody else's. Returns how many bytes of it went."""
        body = self.voice.error(problem)
        # What a worker said of its own body doesn't hold for ours.
        kept = [(name, value) for name, value in fields if not describes_body(name)]
        own: Fields = [*kept, ("Content-Type", "application/json"), (ERROR_HEADER, problem.code), _NO_PAGE]
        if problem.retry_after is not None:
            own.append(("Retry-After", str(problem.retry_after)))
        if problem.retried or problem.is_final:
            own.append(("x-should-retry", "false"))
        sent = b"" if self.method == "HEAD" else body
        self.begin(status, reason, own, len(body), sent)
        return len(sent)

    def beat(self) -> None:
        """A sign of life while the answer is still to come, under the head of a stream, or inside one that is translated."""
        if not self._writing.acquire(blocking=False):
            return
        try:
            if self._ended or not self._has_room() or not (ping := self.voice.ping()):
                return
            if not self.started and self._minor >= 1:
                head = [("Content-Type", self.voice.stream_type), ("Cache-Control", "no-cache")]
                self._begin(200, "OK", head, None, ping)
            elif self._takes_words:
                self._socket.sock.send(self._framed(ping))
            # A comment's line is no part of an event that has begun.
            self._tail = b"\n\n"
        except (ClientGone, OSError):
            self.must_close = True
        finally:
            self._writing.release()

    def probe(self) -> bool | None:
        """Send what changes nothing for a client and is answered with a reset by the system of one that has gone.

        Returns False where it can't be sent. Returns None while something else is being sent, which may have gone before the
        client did, and where every byte would be one of the answer's.
        """
        if not self._writing.acquire(blocking=False):
            return None
        try:
            if self._ended:
                return None
            if self.started:
                return self._send_zero() if self._chunked else None
            if self._minor == 0:
                return None  # it knows no interim answers (RFC 9110, 15.2)
            self._send_if_room(_CONTINUE)
        except OSError:
            return False
        finally:
            self._writing.release()
        return True

    def _send_zero(self) -> bool | None:
        """A zero between two chunks, which is a leading one of the next chunk's size, whichever that will be (RFC 9112, 7.1).

        Many readers take 16 digits of it, so that there are few in one silence, with ever longer pauses.
        """
        now = time.monotonic()
        if self._zeros >= _MOST_ZEROS:
            return None
        if self._zeros and now < self._next_zero:
            return True
        if self._has_room():
            self._socket.sock.send(b"0")
            self._next_zero = now + _ZERO_PAUSE * 2**self._zeros
            self._zeros += 1
        return True

    def _begin(self, status: int, reason: str, fields: Fields, length: int | None, first: bytes) -> None:
        if self.copy is not None:
            self.copy.begin_answer(status, reason, [*fields, *self.added])
        self._has_body = self.method != "HEAD" and status not in (204, 304)
        self._chunked = self._has_body and length is None and self._minor >= 1
        self._until_close = self._has_body and length is None and not self._chunked
        is_plain_stream = self._has_body and length is None and not codings_of(fields)
        self._takes_words = is_plain_stream and _media_type(fields) == self.voice.stream_type
        if self._until_close:
            self.must_close = True
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in (*fields, *self.added)]
        if length is not None and status != 204:
            lines.append(f"Content-Length: {length}")
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        options = ["close"] if self.closes or self.must_close else ["keep-alive"] if self._minor == 0 else []
        if status == 426 and field_value(fields, "upgrade"):
            # RFC 9110, 7.8: it belongs to this connection.
            options.append("Upgrade")
        if options:
            lines.append(f"Connection: {', '.join(options)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.started = True
        self._send(head + self._framed(first))

    def _framed(self, data: bytes) -> bytes:
        if not data:
            return b""
        self._note(data)
        return encode_chunk(data) if self._chunked else data

    def _note(self, data: bytes) -> None:
        """Keep of what goes out what the next bytes have to fit to."""
        self._tail = data[-4:] if len(data) > 3 else (self._tail + data)[-4:]
        if self.copy is not None:
            self.copy.take_answer(data)
        self._zeros = 0

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as problem:
            self.must_close = self._ended = True
            raise ClientGone from problem

    def _send_if_room(self, data: bytes) -> None:
        # One that takes none is probed by what fills it.
        if self._has_room():
            self._socket.sock.send(data)

    def _has_room(self) -> bool:
        """Whether a few bytes go at once: a socket that takes any takes these few whole."""
        return bool(wait_for_write(self._socket.sock, 0))


def is_event_stream(fields: Fields) -> bool:
    """Whether a body of this type is one of server-sent events."""
    return _media_type(fields) == "text/event-stream"


def _media_type(fields: Fields) -> str:
    return field_value(fields, "content-type").partition(";")[0].strip(" \t").lower()


def reason_of(status: int) -> str:
    """The standard words for a status."""
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
