"""How a thread hears from many sockets at once, by what the system has for it."""

from __future__ import annotations

import select
import selectors
import sys
import time
from typing import Protocol

from .lifeline import TICK

__all__ = ["Ears", "EndEars", "ReadEars", "make_ears"]


class Ears(Protocol):
    """Sockets by their numbers. :meth:`wait` is for one thread; the others are for any, and for one at a time."""

    hear_ends_alone: bool
    """Whether a socket is heard only when its peer ends; else, when it can be read."""

    def add(self, number: int) -> None:
        """Hear from this socket too."""

    def remove(self, number: int) -> None:
        """Hear from it no more."""

    def wait(self, seconds: float | None) -> set[int]:
        """Which of them are to be heard; waits for so long while there is none, without an end where it is None."""

    def close(self) -> None:
        """Give back what the system has lent."""


class ReadEars:
    """By reading: what every system has."""

    hear_ends_alone = False

    def __init__(self, bell: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(bell, selectors.EVENT_READ)
        # select() alone doesn't notice sockets that are added while it waits.
        self._ticks = isinstance(self._selector, selectors.SelectSelector)

    def add(self, number: int) -> None:
        """See :class:`Ears`."""
        self._selector.register(number, selectors.EVENT_READ)

    def remove(self, number: int) -> None:
        """See :class:`Ears`."""
        self._selector.unregister(number)

    def wait(self, seconds: float | None) -> set[int]:
        """See :class:`Ears`."""
        try:
            return {key.fd for key, _ in self._selector.select(TICK if self._ticks else seconds)}
        except (OSError, ValueError):
            # Windows' select() takes 512 sockets. With more, a leaving client is noticed by what is sent to it.
            time.sleep(TICK)
            return set()

    def close(self) -> None:
        """See :class:`Ears`."""
        self._selector.close()


if sys.platform == "linux":

    class EndEars:
        """By the peer's end of sending (EPOLLRDHUP of epoll_ctl(2)), so that a socket is added once for all its requests."""

        hear_ends_alone = True

        def __init__(self, bell: int) -> None:
            self._epoll = select.epoll()
            self._epoll.register(bell, select.EPOLLIN)

        def add(self, number: int) -> None:
            """See :class:`Ears`."""
            self._epoll.register(number, select.EPOLLRDHUP)

        def remove(self, number: int) -> None:
            """See :class:`Ears`."""
            self._epoll.unregister(number)

        def wait(self, seconds: float | None) -> set[int]:
            """See :class:`Ears`."""
            return {number for number, _ in self._epoll.poll(seconds)}

        def close(self) -> None:
            """See :class:`Ears`."""
            self._epoll.close()


def make_ears(bell: int) -> Ears:
    """The best that this system has. ``bell`` is a socket that is heard, too, whenever it can be read."""
    if sys.platform == "linux":
        return EndEars(bell)
    return ReadEars(bell)
