"""A client's side of one connection: it sends its pieces when they are due, and reads all the time."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from .seen import StreamEnd

__all__ = ["Leaving", "Piece", "Seen", "converse"]

_RECEIVE = 1 << 17
_PATIENT = 0.1
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
Leaving = Literal["end of sending", "close", "reset"]


class Piece(NamedTuple):
    """Bytes to send ``pause`` seconds after the piece before; ``waits``: not before something was answered to that one."""

    data: bytes
    pause: float = 0.0
    waits: bool = False


class Seen(NamedTuple):
    """What came, and how it ended: ``end`` in good order, by a ``reset``, or, in ``late``, not in the time given."""

    data: bytes
    end: StreamEnd
    seconds: float


def converse(
    port: int, pieces: list[Piece], ends: Callable[[bytes], bool], seconds: float, leaves: Leaving | None = None
) -> Seen:
    """Send all of it and read to the end of the connection.

    When all is sent, ``ends`` is asked with what came, whether the client ends its sending now; it may never do so. With
    ``leaves`` it goes when all is sent.
    """
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), seconds) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        data, end = _Conversation(sock, pieces, ends, leaves).run(started + seconds)
    return Seen(data, end, time.monotonic() - started)


class _Conversation:
    def __init__(self, sock: socket.socket, pieces: list[Piece], ends: Callable[[bytes], bool], leaves: Leaving | None) -> None:
        self._sock = sock
        self._pieces = pieces
        self._ends = ends if leaves is None else lambda got: True
        self._leaves = leaves
        self._has_ended = False
        self._got = bytearray()
        self._next = 0
        self._sent = 0
        self._due = time.monotonic()
        self._got_before = 0
        self._poll = select.poll()

    def run(self, deadline: float) -> tuple[bytes, StreamEnd]:
        self._prepare()
        while True:
            now = time.monotonic()
            if now >= deadline:
                return bytes(self._got), "late"
            if self._has_ended and self._leaves in ("close", "reset"):
                if self._leaves == "reset":
                    self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                return bytes(self._got), "end"
            wants = self._wants(now)
            self._poll.register(self._sock, select.POLLIN | (select.POLLOUT if wants else 0))
            wait = deadline - now if self._next >= len(self._pieces) or wants else min(self._due, deadline) - now
            for _, event in self._poll.poll(max(wait, 0.0) * 1000 + 0.5):
                if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    try:
                        data = self._sock.recv(_RECEIVE)
                    except BlockingIOError:
                        continue
                    except ConnectionError:
                        return bytes(self._got), "reset"
                    if not data:
                        return bytes(self._got), "end"
                    self._got += data
                    self._end_sending()
                elif event & select.POLLOUT:
                    self._send()

    def _wants(self, now: float) -> bool:
        """Whether there is something to send now."""
        if self._next >= len(self._pieces):
            return False
        if self._pieces[self._next].waits and len(self._got) > self._got_before:
            return True
        return now >= self._due

    def _prepare(self) -> None:
        if self._next < len(self._pieces):
            piece = self._pieces[self._next]
            self._due = time.monotonic() + (_PATIENT if piece.waits else piece.pause)
            self._got_before = len(self._got)
            self._sent = 0
        else:
            self._end_sending()

    def _end_sending(self) -> None:
        if self._next >= len(self._pieces) and not self._has_ended and self._ends(bytes(self._got)):
            self._has_ended = True
            if self._leaves in ("close", "reset"):
                return
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def _send(self) -> None:
        piece = self._pieces[self._next]
        try:
            self._sent += self._sock.send(piece.data[self._sent :])
        except BlockingIOError:
            return
        except OSError:
            # The other side takes no more; what it has said is still to be read.
            self._next = len(self._pieces)
            return
        if self._sent >= len(piece.data):
            self._next += 1
            self._prepare()
