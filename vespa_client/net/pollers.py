"""How a thread hears of sockets whose peers leave, by what the system has for it."""

from __future__ import annotations

import select
import selectors
import socket
import sys
import time
from typing import Protocol

from urllib3.util.wait import wait_for_read

from .lifeline import TICK
from .tcp import peer_has_ended

__all__ = ["EndPoller", "Poller", "ReadPoller", "make_poller"]


class Poller(Protocol):
    """Hears of sockets, by their numbers, while there is something in progress on them.

    :meth:`wait` is for one thread; the others are for any, and for one at a time.
    """

    def open(self, number: int) -> None:
        """There is a socket of this number."""

    def begin(self, number: int) -> bool:
        """Something is in progress on it. Returns whether its peer is known to have ended already."""

    def end(self, number: int) -> None:
        """That is over."""

    def close(self, number: int) -> None:
        """The socket is about to be closed."""

    def wait(self, seconds: float | None) -> set[int]:
        """Which of them are to be looked at; waits for so long while there is none, without an end where it is None."""

    def confirm(self, sock: socket.socket) -> bool:
        """Whether what was heard of this socket is so still: then it isn't heard of again before the next :meth:`begin`."""

    def stop(self) -> None:
        """Give back what the system has lent."""


class ReadPoller:
    """By reading, which every system has: a socket is heard of when the peer has sent something, or has ended."""

    def __init__(self, bell: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(bell, selectors.EVENT_READ)
        # select() alone doesn't notice sockets that are added while it waits.
        self._ticks = isinstance(self._selector, selectors.SelectSelector)

    def open(self, number: int) -> None:
        """See :class:`Poller`."""

    def begin(self, number: int) -> bool:
        """See :class:`Poller`."""
        self._selector.register(number, selectors.EVENT_READ)
        return False

    def end(self, number: int) -> None:
        """See :class:`Poller`."""
        if number in self._selector.get_map():
            self._selector.unregister(number)

    def close(self, number: int) -> None:
        """See :class:`Poller`."""
        self.end(number)

    def wait(self, seconds: float | None) -> set[int]:
        """See :class:`Poller`."""
        try:
            return {key.fd for key, _ in self._selector.select(TICK if self._ticks else seconds)}
        except (OSError, ValueError):
            # Windows' select() takes 512 sockets. With more, a leaving client is noticed by what is sent to it.
            time.sleep(TICK)
            return set()

    def confirm(self, sock: socket.socket) -> bool:
        """See :class:`Poller`."""
        if not wait_for_read(sock, 0):
            return False
        self.end(sock.fileno())
        return True

    def stop(self) -> None:
        """See :class:`Poller`."""
        self._selector.close()


if sys.platform == "linux":

    class EndPoller:
        """By the peer's end of sending (EPOLLRDHUP of epoll_ctl(2)), so that a socket is added once for all its requests."""

        def __init__(self, bell: int) -> None:
            self._epoll = select.epoll()
            self._epoll.register(bell, select.EPOLLIN)
            self._registered: set[int] = set()
            self._ended: set[int] = set()

        def open(self, number: int) -> None:
            """See :class:`Poller`."""
            self._epoll.register(number, select.EPOLLRDHUP)
            self._registered.add(number)

        def begin(self, number: int) -> bool:
            """See :class:`Poller`."""
            return number in self._ended

        def end(self, number: int) -> None:
            """See :class:`Poller`."""

        def close(self, number: int) -> None:
            """See :class:`Poller`."""
            self._ended.discard(number)
            self._unregister(number)

        def wait(self, seconds: float | None) -> set[int]:
            """See :class:`Poller`."""
            return {number for number, _ in self._epoll.poll(seconds)}

        def confirm(self, sock: socket.socket) -> bool:
            """See :class:`Poller`."""
            number = sock.fileno()
            # The number may be another socket's since.
            if number not in self._ended and not peer_has_ended(sock):
                return False
            self._ended.add(number)
            self._unregister(number)
            return True

        def stop(self) -> None:
            """See :class:`Poller`."""
            self._epoll.close()

        def _unregister(self, number: int) -> None:
            if number in self._registered:
                self._registered.discard(number)
                self._epoll.unregister(number)


def make_poller(bell: int) -> Poller:
    """The best that this system has. ``bell`` is a socket that is heard, too, whenever it can be read."""
    if sys.platform == "linux":
        return EndPoller(bell)
    return ReadPoller(bell)
