"""Where hundreds of requests a second come, a line each would be nobody's to read: a line a minute sums them up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ...journal.log import log
from ...journal.record import Record

__all__ = ["Crowd"]

_CROWDED = 200
"""Requests within a second, from which on they are summed up."""
_CALM = 100
"""And below which each has its line again."""
_EVERY = 60.0


class Crowd:
    """Holds the lines that end a request back in a crowd. A sum is as loud as the loudest line that it stands for.

    Safe to share between threads.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """``clock`` tells the time of day."""
        self._clock = clock
        self._lock = threading.Lock()  # guards all below
        self._second = 0
        self._count = 0
        self._is_crowd = False
        self._held: dict[str, int] = {}
        self._loudest = 0
        self._since = 0.0

    def holds(self, record: Record, level: int) -> bool:
        """Whether the line of this exchange, which is over, is held back. See :attr:`Totals.holds_line`."""
        with self._lock:
            now = self._clock()
            self._note_second(int(now))
            self._count += 1
            said, loudest = "", self._loudest
            is_held = self._is_crowd or self._count > _CROWDED
            if self._held and (not is_held or now - self._since >= _EVERY):
                said = self._sum(now)
            if is_held:
                if not self._held:
                    self._since, self._loudest = now, 0
                self._loudest = max(self._loudest, level)
                outcome = f"{record.status or '-'} {record.outcome}"
                self._held[outcome] = self._held.get(outcome, 0) + 1
        if said:
            log.log(loudest, "%s", said)
        return is_held

    def close(self) -> None:
        """Say what is held back still."""
        with self._lock:
            said, level = self._sum(self._clock()) if self._held else "", self._loudest
        if said:
            log.log(level, "%s", said)

    def _note_second(self, second: int) -> None:
        if second == self._second:
            return
        before = self._count if second == self._second + 1 else 0
        self._is_crowd = before >= (_CALM if self._is_crowd or before > _CROWDED else _CROWDED)
        self._second, self._count = second, 0

    def _sum(self, now: float) -> str:
        held, self._held = self._held, {}
        each = ", ".join(f"{count} {outcome}" for outcome, count in sorted(held.items(), key=lambda item: -item[1]))
        return f"{sum(held.values())} requests in {max(now - self._since, 0.0):.0f} s: {each} (--debug shows each)"
