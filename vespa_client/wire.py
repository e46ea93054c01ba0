"""Bytes of one socket, as they arrive."""

from __future__ import annotations

import re
import socket
import time

from .http1 import MAX_HEAD, MessageError

__all__ = ["RECEIVE_SIZE", "SocketReader"]

RECEIVE_SIZE = 64 * 1024
"""How much one system call takes from a socket, in bytes."""

_BARE_LF = re.compile(rb"(?:^|[^\r])\n")
_EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")
_TLS_HANDSHAKE = b"\x16\x03"


class SocketReader:
    """Reads heads and body bytes from a socket; what came with a head stays in ``buffered`` for the next read."""

    __slots__ = ("_socket", "buffered")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.buffered = b""

    def read_some(self, limit: int = RECEIVE_SIZE) -> bytes:
        """What has arrived, ``limit`` bytes at most; waits only while there is nothing. Empty at the end.

        Raises :class:`OSError`, :class:`TimeoutError` after the socket's own time limit.
        """
        if self.buffered:
            data, self.buffered = self.buffered[:limit], self.buffered[limit:]
            return data
        return self._socket.recv(limit)

    def read_head(self, seconds: float | None = None) -> bytes | None:
        """All bytes up to the empty line, without it; None where the connection ends before the first byte.

        ``seconds`` bounds the time from the first byte to the last. Raises :class:`MessageError` for a head that is too
        long, has a line that ends in LF alone, or stops half way; :class:`OSError`, and :class:`TimeoutError` when the
        time is over: ``buffered`` is what has come by then.
        """
        data = self.buffered or self._socket.recv(RECEIVE_SIZE)
        if not data:
            return None
        deadline = None if seconds is None else time.monotonic() + seconds
        start = 0
        while True:
            # Empty lines before the start line are forgiven (RFC 9112, 2.2).
            if data.startswith(b"\r\n"):
                data = _EMPTY_LINES.sub(b"", data)
            end = data.find(b"\r\n\r\n", start)
            if 0 <= end <= MAX_HEAD:
                self.buffered = data[end + 4 :]
                return data[:end]
            if data.startswith(_TLS_HANDSHAKE):
                # Its sender waits for an answer to it: no empty line will come. The parser says what it is.
                self.buffered = b""
                return data
            # Three bytes of what ends a head may be here already.
            if len(data) > MAX_HEAD + 3:
                # RFC 6585, 5, and where it is the target alone, RFC 9112, 3.
                raise MessageError(f"The head is longer than {MAX_HEAD} bytes.", 431 if b"\r\n" in data[:MAX_HEAD] else 414)
            if _BARE_LF.search(data, max(0, start - 1)):
                raise MessageError("A line of the head ends in LF alone; lines end in CRLF.")
            start = max(0, len(data) - 3)
            self.buffered = data
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("the head did not arrive in time")
                self._socket.settimeout(left)
            more = self._socket.recv(RECEIVE_SIZE)
            if not more:
                if not data:
                    return None
                raise MessageError("The connection ended inside the head.")
            data += more
