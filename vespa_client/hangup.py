"""Hears clients leave: one thread that watches the sockets of all requests in progress."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

from .lifeline import Lifeline

__all__ = ["HangupWatcher"]

# A client that has sent more bytes already can't be watched for its end behind them; it is looked at this often.
_TICK = 0.05


class HangupWatcher:
    """Cuts the lifeline of a request whose client has hung up, within 100 ms.

    A socket is readable when its peer has closed it, and also when the peer has sent the next request already; a peek
    tells the two apart and takes nothing from the handler's thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the selector's map, _watched and _parked
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, tuple[socket.socket, Lifeline]] = {}
        self._parked: set[int] = set()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken.fileno(), selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="vespa-hangup", daemon=True)
        self._ending = False

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its sockets."""
        self._ending = True
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._selector.close()
        self._woken.close()

    @contextlib.contextmanager
    def watching(self, client: socket.socket, lifeline: Lifeline) -> Iterator[None]:
        """For as long as the block runs, the client's hang-up cuts the lifeline. The socket must stay open in it."""
        number = client.fileno()
        with self._lock:
            self._watched[number] = client, lifeline
            self._selector.register(number, selectors.EVENT_READ)
        try:
            yield
        finally:
            with self._lock:
                del self._watched[number]
                if number in self._parked:
                    self._parked.discard(number)
                else:
                    self._selector.unregister(number)

    def _run(self) -> None:
        # select() alone doesn't notice sockets that are added while it waits.
        ticks_always = isinstance(self._selector, selectors.SelectSelector)
        while not self._ending:
            ready = self._selector.select(_TICK if ticks_always or self._parked else None)
            with self._lock:
                for number in {key.fd for key, _ in ready} | self._parked:
                    self._look(number)

    def _look(self, number: int) -> None:
        """Peek at a socket that is readable, or was."""
        sock, lifeline = self._watched.get(number, (None, None))
        if sock is None or lifeline is None:
            return  # its request ended between select() and here
        left = _has_left(sock)
        if left is None:
            return
        if left:
            lifeline.cut()
        if number not in self._parked:
            # It would stay readable: look at it now and then instead of always.
            self._selector.unregister(number)
            self._parked.add(number)


def _has_left(sock: socket.socket) -> bool | None:
    """True: the peer has closed. False: it has sent more. None: neither."""
    try:
        return not sock.recv(1, socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0))
    except (BlockingIOError, TimeoutError):
        return None
    except OSError:
        return True
