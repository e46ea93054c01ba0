"""An answer on the client's socket: framed once, and never made to look whole when it isn't."""

from __future__ import annotations

import socket
import struct
from http import HTTPStatus

from .errors import VespaError
from .headers import ERROR_HEADER
from .http1 import Fields, encode_chunk, last_chunk
from .lifeline import ClientGone

__all__ = ["Reply"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_SEND_SLICE = 256 * 1024
_LARGE = 16 * 1024


class Reply:
    """The answer to one request. Each method raises :class:`ClientGone` if the client has hung up or stopped reading."""

    def __init__(self, sock: socket.socket, method: str = "GET", minor: int = 1, *, keep_alive: bool = False) -> None:
        """``minor`` is the client's HTTP/1 minor version; ``keep_alive`` whether its connection is to go on."""
        self._socket = sock
        self._method = method
        self._minor = minor
        self.keep_alive = keep_alive
        self.started = False
        self._chunked = False
        self._has_body = True
        self._until_close = False

    def send_continue(self) -> None:
        """Tell a client that waits for leave to send its body to do so (RFC 9110, 10.1.1)."""
        self._send(_CONTINUE)

    def begin(self, status: int, reason: str, fields: Fields, length: int | None, first: bytes = b"") -> None:
        """Send the head, and the body's ``first`` bytes with it.

        ``length`` is the body's length where it is known; else the body is chunked, or ends with the connection for an
        HTTP/1.0 client (RFC 9112, 6.3 and 7).
        """
        self._has_body = self._method != "HEAD" and status not in (204, 304)
        self._chunked = self._has_body and length is None and self._minor >= 1
        self._until_close = self._has_body and length is None and not self._chunked
        if self._until_close:
            self.keep_alive = False
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in fields]
        if length is not None and status != 204:
            lines.append(f"Content-Length: {length}")
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        if not self.keep_alive:
            lines.append("Connection: close")
        elif self._minor == 0:
            lines.append("Connection: keep-alive")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.started = True
        self._send(head + self._framed(first))

    def write(self, data: bytes) -> None:
        """Send the body's next bytes."""
        if not self._has_body or not data:
            return
        if len(data) < _LARGE:
            self._send(self._framed(data))
            return
        if self._chunked:
            self._send(b"%x\r\n" % len(data))
        view = memoryview(data)
        # In slices, since a socket's time limit counts for a whole sendall, and a slow reader is not a silent one.
        for start in range(0, len(data), _SEND_SLICE):
            self._send(view[start : start + _SEND_SLICE])
        if self._chunked:
            self._send(b"\r\n")

    def end(self) -> None:
        """The body is complete."""
        if self._chunked:
            self._send(last_chunk)

    def break_off(self) -> None:
        """The body will not be complete: have the client see that, whichever way the body is framed."""
        self.keep_alive = False
        if self._until_close:
            # An orderly close would be this body's end; a reset is not.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def error(self, problem: VespaError, fields: Fields | None = None) -> None:
        """Answer with an error of the proxy's own."""
        self.begin_error(problem, problem.status, reason_of(problem.status), fields or [])
        self.end()

    def begin_error(self, problem: VespaError, status: int, reason: str, fields: Fields) -> None:
        """Our error body under a head that may be somebody else's."""
        body = problem.body()
        own: Fields = [*fields, ("Content-Type", "application/json"), (ERROR_HEADER, problem.code)]
        if problem.retry_after is not None:
            own.append(("Retry-After", str(problem.retry_after)))
        if problem.retried:
            own.append(("x-should-retry", "false"))
        self.begin(status, reason, own, len(body), b"" if self._method == "HEAD" else body)

    def _framed(self, data: bytes) -> bytes:
        return encode_chunk(data) if data and self._chunked else data

    def _send(self, data: bytes | memoryview) -> None:
        try:
            self._socket.sendall(data)
        except OSError as problem:
            self.keep_alive = False
            raise ClientGone from problem


def reason_of(status: int) -> str:
    """The standard words for a status."""
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
