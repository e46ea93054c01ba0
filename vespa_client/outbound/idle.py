"""Idle connections, kept for the next request to their host."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections import deque
from queue import Empty
from typing import Any, NamedTuple

__all__ = ["IdleConnections"]

# Below the 75 s after which aiohttp's servers, the official worker among them, close a kept connection.
_IDLE_SECONDS = 60.0
_SWEEP_SECONDS = 5.0


class IdleConnections:
    """Those of one transport, to all of its hosts. Safe to share between threads.

    Workers come and go by the thousand. A connection to one that is never asked again would stay for good, and with it
    what it holds; so :meth:`sweep` is for whoever uses any other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the fields below, and that one thread sweeps
        # Weak, since a queue goes with its pool, which urllib3 drops when it knows too many.
        self._queues: list[weakref.ref[_Queue]] = []
        self._next_sweep = 0.0

    def new_queue(self, maxsize: int = 0) -> _Queue:
        """The place for the idle connections of one urllib3 pool, in which there is no limit to their number."""
        queue = _Queue()
        with self._lock:
            self._queues.append(weakref.ref(queue))
        return queue

    def sweep(self) -> None:
        """Close what has been kept too long, and what the far side has ended. Does so every few seconds alone."""
        now = time.monotonic()
        if now < self._next_sweep or not self._lock.acquire(blocking=False):
            return
        try:
            self._next_sweep = now + _SWEEP_SECONDS
            queues = [queue for queue in (known() for known in self._queues) if queue is not None]
            self._queues = [weakref.ref(queue) for queue in queues]
        finally:
            self._lock.release()
        for queue in queues:
            queue.sweep()

    def forget(self) -> None:
        """Close all that is idle: one of them leads nowhere, so that the network may have changed under them all."""
        with self._lock:
            queues = [queue for queue in (known() for known in self._queues) if queue is not None]
        for queue in queues:
            queue.clear()


class _Idle(NamedTuple):
    """An idle connection, and since when it is one by either clock: the wall clock alone goes on while a laptop sleeps."""

    connection: Any
    since: float
    since_by_wall: float

    def age(self) -> float:
        return max(time.monotonic() - self.since, time.time() - self.since_by_wall)


class _Queue:
    """A pool's idle connections, newest first. Takes the place of urllib3's LifoQueue, which drops what is above its limit.

    No lock: each step on the deque is one of its own, and urllib3 empties a queue from wherever its pool is collected.
    """

    def __init__(self) -> None:
        self._idle: deque[_Idle] = deque()

    def put(self, connection: Any, block: bool = True, timeout: float | None = None) -> None:
        if connection is not None:
            self._idle.append(_Idle(connection, time.monotonic(), time.time()))

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            idle = self._idle.pop()
        except IndexError:
            raise Empty from None
        if idle.age() > _IDLE_SECONDS:
            idle.connection.close()
        return idle.connection

    def clear(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().connection.close()

    def sweep(self) -> None:
        for idle in self._idle.copy():
            age = idle.age()
            if age < _SWEEP_SECONDS:
                break  # in use a moment ago, as all behind it were
            if age > _IDLE_SECONDS or idle.connection.has_ended():
                # Whoever has taken it meanwhile has it.
                with contextlib.suppress(ValueError):
                    self._idle.remove(idle)
                    idle.connection.close()
