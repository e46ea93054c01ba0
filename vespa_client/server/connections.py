"""The connections that are open: how many there may be, and how they end."""

from __future__ import annotations

import enum
import threading
from typing import Protocol

from ..journal.log import log

__all__ = ["Admission", "Connection", "Connections"]

_JOIN_SECONDS = 2.0
# Each is a thread for as long as its client takes to send a head and to read the answer: more are closed without one.
_MOST_TURNED_AWAY = 64
# Each is a thread for as long as its client takes to go, two seconds at most: more are closed at once.
_MOST_LEAVING = 256


class Admission(enum.Enum):
    """What becomes of a connection that has begun."""

    SERVED = enum.auto()
    TURNED_AWAY = enum.auto()
    """It is one too many, and its client is told."""
    DROPPED = enum.auto()
    """It is one of a crowd of those, and ends without a word."""


class Connection(Protocol):
    """What another thread can do to a connection."""

    was_cut: bool
    """Whether an answer was lost when it was ended. Said when its thread has left."""

    def close_if_idle(self) -> None:
        """End it if no request is in progress on it."""

    def cut(self) -> None:
        """End it now, visibly for whoever reads its answer."""

    def abandon(self) -> None:
        """End it, whatever its client has still to read."""


class Connections:
    """Those of one proxy. Safe to share between threads."""

    def __init__(self, most: int) -> None:
        """``most`` is how many may be served at a time."""
        self._most = most
        self._open: set[Connection] = set()
        # Those with nothing left to be served: they take no place, however long their clients take to go.
        self._leaving: set[Connection] = set()
        self._changed = threading.Condition()  # guards the two above; told when a connection ends

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def enter(self, connection: Connection) -> Admission:
        """A connection has begun."""
        with self._changed:
            self._open.add(connection)
            if len(self._open) - len(self._leaving) <= self._most:
                return Admission.SERVED
            is_one_of_a_crowd = len(self._leaving) >= _MOST_TURNED_AWAY
            self._leaving.add(connection)
            return Admission.DROPPED if is_one_of_a_crowd else Admission.TURNED_AWAY

    def may_linger(self, connection: Connection) -> bool:
        """All is answered on it: whether it may wait for its client to go."""
        with self._changed:
            if len(self._leaving) >= _MOST_LEAVING:
                return False
            self._leaving.add(connection)
            return True

    def leave(self, connection: Connection) -> None:
        """It has ended."""
        with self._changed:
            self._leaving.discard(connection)
            self._open.discard(connection)
            self._changed.notify_all()

    def end(self, seconds: float) -> tuple[int, bool]:
        """Let those in progress go on for ``seconds``, then cut them.

        Returns how many requests were cut, and whether all connections have ended.
        """
        with self._changed:
            for connection in self._open:
                connection.close_if_idle()
            self._changed.wait_for(lambda: not self._open, min(seconds, threading.TIMEOUT_MAX))
            late = list(self._open)
            for connection in late:
                connection.cut()
            ended = self._changed.wait_for(lambda: not self._open, _JOIN_SECONDS)
            if not ended:
                # Their clients don't read what says that their answers break off.
                for connection in self._open:
                    connection.abandon()
                ended = self._changed.wait_for(lambda: not self._open, _JOIN_SECONDS)
            if not ended:
                log.warning("%d connections were still open at the end.", len(self._open))
            # Asked when all is over: a client can have its whole answer before the thread that wrote it has noticed.
            return sum(connection.was_cut or connection in self._open for connection in late), ended
