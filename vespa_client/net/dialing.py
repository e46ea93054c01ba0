"""TCP connections to a host, made to whichever of its addresses answers first (RFC 8305)."""

from __future__ import annotations

import errno
import itertools
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from .keepalives import keep_alive
from .lifeline import TICK, Lifeline

__all__ = ["dial"]

# RFC 8305, 5: the "Connection Attempt Delay". An address that doesn't answer costs no more than this.
_HEAD_START = 0.25
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))
# What this machine says of a family that it hasn't got.
_NOT_FROM_HERE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

# Neither epoll nor kqueue, which would take one more file. Windows has no poll(), nor what eventlet has patched: such a
# program is to be told so, and not to fail here.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)

# family, kind, protocol, canonical name, address
_Address = tuple[Any, Any, int, str, Any]


def dial(host: str, port: int, seconds: float, lifeline: Lifeline) -> socket.socket:
    """A connected socket, held by the lifeline, without Nagle's delay and with keepalives.

    The next address of the host is tried when one has failed, or has been silent for a quarter of a second; all of them
    within ``seconds``, the look-up of the name excepted. Raises OSError, of which TimeoutError is for the end of the time,
    and :class:`ClientGone` when the lifeline is cut.
    """
    waiting = deque(_interleaved(_look_up(host, port)))
    deadline = time.monotonic() + seconds
    head_start = min(_HEAD_START, seconds / max(len(waiting), 1))
    next_start = 0.0
    with _Attempts() as attempts:
        while waiting or attempts.pending:
            lifeline.check()
            now = time.monotonic()
            if waiting and (attempts.has_failed or now >= next_start):
                attempts.begin(waiting.popleft())
                next_start = now + head_start
            if waiting and attempts.has_failed:
                continue
            until = min(now + TICK, deadline, next_start if waiting else deadline)
            sock = attempts.wait(max(until - now, 0.0))
            if sock is not None:
                sock.settimeout(max(deadline - time.monotonic(), 0.1))
                lifeline.hold(sock)
                return attempts.keep(sock)
            if attempts.pending and time.monotonic() >= deadline:
                raise TimeoutError(f"no connection within {seconds:g} s")
        raise attempts.problem or OSError("no address")


def _look_up(host: str, port: int) -> list[_Address]:
    try:
        return socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM)
    except UnicodeError:
        # A label that is empty, or longer than the DNS has room for.
        raise socket.gaierror(socket.EAI_NONAME, "no host name") from None


def _interleaved(addresses: list[_Address]) -> Iterator[_Address]:
    """One of each family in turn, so that a family that leads nowhere is left at the second try (RFC 8305, 4)."""
    families: dict[Any, list[_Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    for row in itertools.zip_longest(*families.values()):
        yield from filter(None, row)


class _Attempts:
    """Connections that are being made to one host. Those that nobody has kept are closed at the end of the block."""

    def __init__(self) -> None:
        self._selector = _Selector()
        self._connected: list[socket.socket] = []
        self.pending: set[socket.socket] = set()
        """Those that are under way."""
        self.has_failed = False
        """Whether one has failed since the latest was begun."""
        self.problem: OSError | None = None
        """Why one of them failed, rather one that got as far as the host."""

    def __enter__(self) -> _Attempts:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        for sock in (*self.pending, *self._connected):
            sock.close()
        self._selector.close()

    def begin(self, address: _Address) -> None:
        """Begin to connect to one more address."""
        family, kind, protocol, _, place = address
        self.has_failed = False
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as unsupported:
            self._note(unsupported)
            return
        self.pending.add(sock)
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_alive(sock)
            code = sock.connect_ex(place)
        except OSError as refused:
            self._drop(sock, refused)
            return
        if code in _UNDER_WAY:
            self._selector.register(sock, selectors.EVENT_WRITE)
        else:
            self._settle(sock, code)

    def wait(self, seconds: float) -> socket.socket | None:
        """The first that is connected, waited for so long while none is and none fails."""
        if not self._connected and self.pending:
            for key, _ in self._selector.select(seconds):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                self._selector.unregister(sock)
                self._settle(sock, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        return self._connected[0] if self._connected else None

    def keep(self, sock: socket.socket) -> socket.socket:
        """The socket, which belongs to the caller from now on."""
        self._connected.remove(sock)
        return sock

    def _settle(self, sock: socket.socket, code: int) -> None:
        if code:
            self._drop(sock, OSError(code, os.strerror(code)))
        else:
            self.pending.discard(sock)
            self._connected.append(sock)

    def _drop(self, sock: socket.socket, problem: OSError) -> None:
        self.pending.discard(sock)
        sock.close()
        self._note(problem)

    def _note(self, problem: OSError) -> None:
        if self.problem is None or self.problem.errno in _NOT_FROM_HERE:
            self.problem = problem
        self.has_failed = True
