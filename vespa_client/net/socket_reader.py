"""Bytes of one socket, as they arrive."""

from __future__ import annotations

import re
import threading
import time

from ..http1.heads import MAX_HEAD
from ..http1.malformed import MessageError
from .timed_socket import TimedSocket

__all__ = ["SocketReader"]

# How much one system call takes. The buffer is there for as long as the call waits, and most that wait get little: it
# grows where it is filled.
_SMALLEST, _LARGEST = 4 * 1024, 256 * 1024

_BARE_LF = re.compile(rb"(?:^|[^\r])\n")
_EMPTY_LINES = re.compile(rb"(?:\r\n)*")
_EMPTY_LINES_ONE_OF_LF = re.compile(rb"(?:\r\n)*(\n(?:\r\n)*)?")
_TLS_HANDSHAKE = b"\x16\x03"


def _without_empty_lines(data: bytes, forgives_lf: bool) -> tuple[bytes, bool]:
    """What is behind the empty lines that ``data`` begins with, and whether one of LF alone is still forgiven."""
    match = (_EMPTY_LINES_ONE_OF_LF if forgives_lf else _EMPTY_LINES).match(data)
    assert match is not None
    return data[match.end() :], forgives_lf and not match[1]


class _Scratch(threading.local):
    """What small reads are read into: with a buffer for each, of which most is given back, memory would be full of holes."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(_SMALLEST))


_scratch = _Scratch()


class SocketReader:
    """Reads heads and body bytes from a socket; what came with a head stays in ``buffered`` for the next read."""

    __slots__ = ("_limit", "_size", "_socket", "buffered", "taken")

    def __init__(self, sock: TimedSocket, seconds: float) -> None:
        """``seconds`` is how long a read may wait, as in :meth:`limit`."""
        self._socket = sock
        self._limit = seconds
        self._size = _SMALLEST
        self.buffered = b""
        self.taken = 0
        """How many bytes have been taken from the socket."""

    def limit(self, seconds: float) -> None:
        """How long a read may wait for its first byte; then it raises :class:`TimeoutError`."""
        # Told to the socket by the read that may have to wait: most of what is read has come already.
        self._limit = seconds

    def read_some(self, limit: int = _LARGEST) -> bytes:
        """What has arrived, ``limit`` bytes at most; waits only while there is nothing. Empty at the end.

        Raises :class:`OSError`, :class:`TimeoutError` after the time limit.
        """
        if self.buffered:
            data, self.buffered = self.buffered[:limit], self.buffered[limit:]
            return data
        return self._receive(limit)

    def read_into(self, buffer: memoryview) -> int:
        """As :meth:`read_some`, into the buffer. Returns how many bytes have come; 0 at the end."""
        if self.buffered:
            data = self.read_some(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        self._socket.limit_reads(self._limit)
        count = self._socket.recv_into(buffer)
        self.taken += count
        return count

    def fill(self) -> bool:
        """Wait until there is something in ``buffered``. Returns False at the end. Raises as :meth:`read_some`."""
        if not self.buffered:
            self.buffered = self._receive(_LARGEST)
        return bool(self.buffered)

    def read_head(self, seconds: float | None = None, *, forgives_lf: bool = False) -> bytes | None:
        """All bytes up to the empty line, without it; None where the connection ends before the first byte.

        Empty lines before it are passed over (RFC 9112, 2.2), and with ``forgives_lf`` one of LF alone, as ``echo`` leaves
        one behind a body. ``seconds`` bounds the time from the first byte to the last; the time limit may be another one
        afterwards. Raises :class:`MessageError` for a head that is too long, has a line that ends in LF alone, or stops
        half way; :class:`OSError`, and :class:`TimeoutError` when the time is over: ``buffered`` is what has come by then.
        """
        if not self.buffered:
            self._size = _SMALLEST  # the pause before a head can be long
        waits_until = time.monotonic() + self._limit
        data = self.buffered or self._receive(_LARGEST)
        if not data:
            return None
        if (whole := data.find(b"\r\n\r\n", 0, MAX_HEAD)) > 0 and data[0] not in b"\r\n":
            self.buffered = data[whole + 4 :]
            return data[:whole]
        deadline = None
        start = 0
        while True:
            if data.startswith((b"\r\n", b"\n")):
                data, forgives_lf = _without_empty_lines(data, forgives_lf)
            if deadline is None and seconds is not None:
                # An empty line behind a body is no head that has begun: the pause before the next one goes on.
                deadline = time.monotonic() + seconds if data else None
            end = data.find(b"\r\n\r\n", start)
            if 0 <= end <= MAX_HEAD:
                self.buffered = data[end + 4 :]
                return data[:end]
            if data.startswith(_TLS_HANDSHAKE):
                # Its sender waits for an answer to it: no empty line will come. The parser says what it is.
                self.buffered = b""
                return data
            self.buffered = data
            # Three bytes of what ends a head may be here already.
            if len(data) > MAX_HEAD + 3:
                # RFC 6585, 5, and where it is the target alone, RFC 9112, 3.
                raise MessageError(f"the head is longer than {MAX_HEAD} bytes", 431 if b"\r\n" in data[:MAX_HEAD] else 414)
            if _BARE_LF.search(data, max(0, start - 1)):
                raise MessageError("a line of the head ends in LF alone; lines end in CRLF")
            start = max(0, len(data) - 3)
            if deadline is not None or not data:
                left = (waits_until if deadline is None else deadline) - time.monotonic()
                if left <= 0:
                    raise TimeoutError("the head did not arrive in time")
                self.limit(left)
            more = self._receive(_LARGEST)
            if not more:
                if not data:
                    return None
                raise MessageError("the connection ended inside the head")
            data += more

    def _receive(self, limit: int) -> bytes:
        size, timed = self._size, self._socket
        timed.limit_reads(self._limit)
        if size == _SMALLEST:
            buffer = _scratch.buffer
            data = buffer[: timed.recv_into(buffer if size <= limit else buffer[:limit])].tobytes()
        else:
            data = timed.recv(size if size < limit else limit)
        self.taken += len(data)
        if len(data) == size:
            self._size = min(size * 8, _LARGEST)
        elif size > _SMALLEST and len(data) * 16 < size:
            # By little steps: what drips between bursts is no reason to take those in drops.
            self._size = max(size - size // 8, _SMALLEST)
        return data
