"""The requests that wait for a worker: what the log says of them, and who hears that there is one."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

from ..journal.log import log
from ..journal.record import Record
from ..net.lifeline import Lifeline

__all__ = ["ColdStart"]

_EVERY_SECONDS = 30.0
# A terminal shows it while it lasts, and not these lines.
_LIVE = {"is_shown_live": True}
# How many ask again at once when one was given a worker, and how often that may be: all at once would be too many for Vast.ai.
_MOST_WOKEN, _WAKE_SECONDS = 32, 1.0
_NEWS_SECONDS = 1.0


class ColdStart:
    """One endpoint's. Each request says that it waits; how that goes on, one says for all. Safe to share between threads.

    Each asks for itself, with pauses of seconds. When one is given a worker, others needn't wait for the end of theirs.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards the fields below
        self._waiting: dict[int, tuple[float, Lifeline]] = {}
        """Since when they wait, and on what, by the requests' numbers, in the order in which they began."""
        self._next_wake = self._next_news = 0.0
        self._said = ""
        self._said_at = 0.0

    def begin(self, record: Record, said: str, lifeline: Lifeline) -> None:
        """The request has to wait, on ``lifeline``. ``said`` is why, in the autoscaler's words."""
        with self._lock:
            self._waiting[record.number] = (self._clock(), lifeline)
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
            waited, others = now - self._waiting[record.number][0], len(self._waiting) - 1
        more = f" (and {others} more)" if others else ""
        log.info("%s Still waiting for a worker%s, for %.0f s now: %s", record.name, more, waited, said, extra=_LIVE)

    def end(self, record: Record, worker: str | None = None) -> None:
        """It waits no more: there is a worker, or it has given up."""
        with self._lock:
            mine = self._waiting.pop(record.number, None)
            woken = self._to_be_woken() if worker is not None and self._waiting else []
        for lifeline in woken:
            lifeline.wake()
        if worker is not None and mine is not None:
            # Of many at once a terminal shows the first: each will have a line that says how long it waited.
            how = None if self._is_news() else _LIVE
            log.info("%s A worker is ready after %.1f s: %s", record.name, self._clock() - mine[0], worker, extra=how)

    def _is_news(self) -> bool:
        """Whether nobody has been given a worker a moment ago."""
        with self._lock:
            now = self._clock()
            if now < self._next_news:
                return False
            self._next_news = now + _NEWS_SECONDS
            return True

    def _to_be_woken(self) -> list[Lifeline]:
        now = self._clock()
        if now < self._next_wake:
            return []
        self._next_wake = now + _WAKE_SECONDS
        return [lifeline for _, lifeline in itertools.islice(self._waiting.values(), _MOST_WOKEN)]
