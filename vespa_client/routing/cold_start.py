"""What the log says while requests wait for a worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..journal.log import log
from ..journal.record import Record

__all__ = ["ColdStart"]

_EVERY_SECONDS = 30.0
# A terminal shows it while it lasts, and not these lines.
_LIVE = {"is_shown_live": True}


class ColdStart:
    """One endpoint's. Each request says that it waits; how that goes on, one says for all. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards the fields below
        self._waiting: dict[int, float] = {}
        """Since when they wait, by the requests' numbers, in the order in which they began."""
        self._said = ""
        self._said_at = 0.0

    def begin(self, record: Record, said: str) -> None:
        """The request has to wait. ``said`` is why, in the autoscaler's words."""
        with self._lock:
            self._waiting[record.number] = self._clock()
            if len(self._waiting) == 1:
                self._said, self._said_at = said, self._clock()
        log.info("%s Waiting for a worker: %s", record.name, said, extra=_LIVE)

    def go_on(self, record: Record, said: str) -> None:
        """It still waits."""
        with self._lock:
            now = self._clock()
            # Not each of them: the words may hold a place in the queue, which is another one for each.
            speaks = next(iter(self._waiting), None) == record.number
            if not speaks or (said == self._said and now - self._said_at < _EVERY_SECONDS):
                return
            self._said, self._said_at = said, now
            waited, others = now - self._waiting[record.number], len(self._waiting) - 1
        more = f" (and {others} more)" if others else ""
        log.info("%s Still waiting for a worker%s, for %.0f s now: %s", record.name, more, waited, said, extra=_LIVE)

    def end(self, record: Record, worker: str | None = None) -> None:
        """It waits no more: there is a worker, or it has given up."""
        with self._lock:
            since = self._waiting.pop(record.number, None)
            waited = self._clock() - since if since is not None else 0.0
        if worker is not None and since is not None:
            log.info("%s A worker is ready after %.0f s: %s", record.name, waited, worker)
