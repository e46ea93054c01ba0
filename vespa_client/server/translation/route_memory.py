"""What is remembered of routes that a worker doesn't have."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["NO_SUCH_ROUTE", "RouteMemory"]

NO_SUCH_ROUTE = frozenset({404, 405, 501})
"""A worker's answers on a route that it may not have."""

# Workers of one endpoint are alike, and may be replaced by others that have the route.
_REMEMBERED_SECONDS = 3600.0


class RouteMemory:
    """The routes that one endpoint's workers lack. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards the next one
        self._until: dict[str, float] = {}

    def has(self, path: str) -> bool:
        """Whether a worker said within the last hour that it has no such route."""
        with self._lock:
            return self._clock() < self._until.get(path, 0.0)

    def note(self, path: str) -> None:
        """A worker has said so. ``path`` is one of the few that are asked for, so that no bound is needed."""
        with self._lock:
            self._until[path] = self._clock() + _REMEMBERED_SECONDS

    def forget(self, path: str) -> None:
        """That may have meant something else: the model that was asked for, say."""
        with self._lock:
            self._until.pop(path, None)
