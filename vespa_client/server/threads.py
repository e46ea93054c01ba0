"""Threads that serve one connection after another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

__all__ = ["ConnectionThreads"]

# To start a thread takes about as long as to answer a small request, and its stack is new memory each time.
_MOST_IDLE = 64
_IDLE_SECONDS = 2.0

Work = Callable[[], None]


class ConnectionThreads:
    """As many threads as there is work, and a few that wait a while for more. Safe to share between threads."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()  # guards the fields below
        self._handed: SimpleQueue[Work | None] = SimpleQueue()
        self._idle = 0
        """How many threads wait, less those whose work lies in the queue already."""
        self._threads: set[threading.Thread] = set()
        self._closed = False

    def run(self, work: Work) -> None:
        """Have the work done by a thread of its own. Raises RuntimeError where none can be started."""
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._handed.put(work)
                return
            thread = threading.Thread(target=self._serve, args=(work,), name=self._name, daemon=True)
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._threads.discard(thread)
            raise

    def close(self, seconds: float) -> None:
        """End the threads that wait, and those that work when they have done; wait so long for all of them."""
        with self._lock:
            self._closed = True
            for _ in range(self._idle):
                self._handed.put(None)
            self._idle = 0
            threads = list(self._threads)
        deadline = time.monotonic() + seconds
        for thread in threads:
            # At the interpreter's end, one that was about to begin never does, and can't be joined.
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self, work: Work | None) -> None:
        try:
            while work is not None:
                work()
                work = self._next()
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _next(self) -> Work | None:
        with self._lock:
            if self._closed or self._idle >= _MOST_IDLE:
                return None
            self._idle += 1
        try:
            return self._handed.get(timeout=_IDLE_SECONDS)
        except Empty:
            pass
        with self._lock:
            if self._idle:
                self._idle -= 1
                return None
        # Work was handed over in this moment, or the end was.
        return self._handed.get()
