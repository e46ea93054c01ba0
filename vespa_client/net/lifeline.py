"""The tie between a client and what is done for it: cut when the client leaves."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

__all__ = ["TICK", "ClientGone", "Lifeline", "SecondHandle"]

TICK = 0.05
"""How often somebody looks who can't be told, in seconds: a leaving client is to be heard within 100 ms."""


class ClientGone(Exception):
    """The client has left, or the proxy is ending: nobody waits for this work any more."""


class Lifeline:
    """Whether anybody still waits for the answer of one exchange, and the upstream socket that works for it.

    The exchange's thread holds sockets on it and waits on it; any other thread may :meth:`cut` it, which ends a wait at
    once and shuts the held socket down, so that a blocking call on it returns.
    """

    __slots__ = ("_lock", "_pause", "_socket", "is_cut", "was_cancelled")

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the fields below, so that no socket is cut that was let go of
        self._socket: socket.socket | None = None
        # Made by the first pause, which most requests never come to.
        self._pause: threading.Event | None = None
        self.is_cut = False
        """Whether the work is no longer wanted."""
        self.was_cancelled = False
        """Whether that is by somebody's decision, whose client may still listen."""

    def check(self) -> None:
        """Raises :class:`ClientGone` if the work is no longer wanted."""
        if self.is_cut:
            raise ClientGone

    def wait(self, seconds: float) -> None:
        """Pause, until :meth:`wake` at most. Raises :class:`ClientGone` as soon as the work is no longer wanted."""
        with self._lock:
            self.check()
            pause = self._pause = self._pause or threading.Event()
        if pause.wait(seconds):
            with self._lock:
                self.check()
                pause.clear()

    def wake(self) -> None:
        """End a pause early, or the one that is about to begin: what is waited for may have come. For any thread."""
        with self._lock:
            self._pause = self._pause or threading.Event()
            self._pause.set()

    def hold(self, sock: socket.socket) -> None:
        """From now on a cut ends this socket too. Raises :class:`ClientGone` if it has come already."""
        with self._lock:
            self.check()
            self._socket = sock

    def let_go(self, sock: socket.socket | None = None) -> None:
        """The socket works for somebody else from now on. One that is named is let go of if it is the one held."""
        with self._lock:
            if sock is None or sock is self._socket:
                self._socket = None

    def cancel(self) -> None:
        """Cut it for a client that may still listen."""
        self.was_cancelled = True
        self.cut()

    def cut(self) -> None:
        """The work is no longer wanted. Harmless when repeated."""
        with self._lock:
            self.is_cut = True
            if self._pause is not None:
                self._pause.set()
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Past ssl.SSLSocket.shutdown, which would turn the socket to plain text under its reader.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class SecondHandle:
    """A block in which a connection is made, and TLS's handshake done, that a cut ends too.

    TLS takes the socket over, and its own is out of reach until the handshake is done. So the lifeline holds a second handle of
    the same connection until then.
    """

    def __init__(self, lifeline: Lifeline) -> None:
        self._lifeline = lifeline
        self._handle: socket.socket | None = None

    def __enter__(self) -> SecondHandle:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        if self._handle is not None:
            self._lifeline.let_go(self._handle)
            self._handle.close()

    def hold(self, sock: socket.socket) -> socket.socket:
        """The socket itself, which TLS may now take over. Closes it and raises :class:`ClientGone` after a cut."""
        self._handle = sock.dup()
        try:
            self._lifeline.hold(self._handle)
        except ClientGone:
            sock.close()
            raise
        return sock
