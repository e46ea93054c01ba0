"""Who wants to know which exchanges change, and which have since they last looked."""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar

__all__ = ["Changes", "Reader", "Readers"]

# More than any reader that still reads leaves between two looks.
_MOST = 20_000


class _Numbered(Protocol):
    number: int


_Exchange = TypeVar("_Exchange", bound=_Numbered)
_Noted = TypeVar("_Noted", bound=_Numbered, contravariant=True)


class Reader(Protocol[_Noted]):
    """Whoever wants to know."""

    def note(self, exchange: _Noted, /) -> None:
        """It has begun, changed or ended. Called by its own thread, which waits for it, and raises nothing."""


class Changes(Generic[_Exchange]):
    """One reader's. An exchange that changes often is noted once, so that a request never waits and memory stays bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the fields below
        self._exchanges: dict[int, _Exchange] = {}
        self.overflowed = False
        """Whether the reader is so slow that some were dropped."""

    def note(self, exchange: _Exchange) -> None:
        """It has changed. For any thread."""
        with self._lock:
            if len(self._exchanges) < _MOST:
                self._exchanges[exchange.number] = exchange
            else:
                self.overflowed = True

    def take(self) -> list[_Exchange]:
        """Those that have changed since the last call, in the order in which they first did."""
        with self._lock:
            exchanges, self._exchanges = self._exchanges, {}
        return list(exchanges.values())


class Readers(Generic[_Exchange]):
    """Those who want to know. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards that one thread changes the next
        self.all: tuple[Reader[_Exchange], ...] = ()

    def add(self, reader: Reader[_Exchange]) -> None:
        """A further one."""
        with self._lock:
            self.all = (*self.all, reader)

    def remove(self, reader: Reader[_Exchange]) -> None:
        """It reads no more."""
        with self._lock:
            self.all = tuple(other for other in self.all if other is not reader)
