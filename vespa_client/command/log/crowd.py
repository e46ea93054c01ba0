"""Where hundreds of requests a second come, a line each would be nobody's to read: a line a minute sums them up."""

from __future__ import annotations

import logging
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


class Crowd(logging.Filter):
    """Holds back in a crowd what is said of single requests, as a filter of the logger too. All other lines pass.

    Of the lines that end a request there is a sum, as loud as the loudest of them; of the hints each is told once a sum.
    Safe to share between threads.
    """

    def __init__(self, clock: Callable[[], float] = time.time, every: float = _EVERY) -> None:
        """``clock`` tells the time of day; ``every`` is how many seconds a sum stands for at most."""
        super().__init__()
        self._clock = clock
        self._every = every
        self._lock = threading.Lock()  # guards all below
        self._second = 0
        self._count = 0
        self._is_crowd = False
        self._held: dict[str, int] = {}
        self._hints: set[str] = set()
        self._loudest = 0
        self._since = self._until = 0.0
        self._timer: threading.Timer | None = None

    def holds(self, record: Record, level: int) -> bool:
        """Whether the line of this exchange, which is over, is held back. See :attr:`Totals.holds_line`."""
        with self._lock:
            now = self._clock()
            self._note_second(int(now))
            self._count += 1
            said, loudest = "", self._loudest
            is_held = self._is_crowd or self._count > _CROWDED
            if self._held and (not is_held or now - self._since >= self._every):
                said = self._sum()
            if is_held:
                if not self._held:
                    self._begin(now)
                self._until = now
                self._loudest = max(self._loudest, level)
                outcome = f"{record.status or '-'} {record.outcome}"
                self._held[outcome] = self._held.get(outcome, 0) + 1
        if said:
            log.log(loudest, "%s", said)
        return is_held

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line that ends no request is to be shown."""
        if not _is_of_a_request(record):
            return True
        with self._lock:
            is_crowded = self._is_crowd or self._count > _CROWDED
            if not is_crowded or self._clock() - self._second >= 2:
                return True
            hint = record.getMessage().partition(" HINT: ")[2]
            is_new = bool(hint) and hint not in self._hints
            self._hints.add(hint)
            return is_new

    def close(self) -> None:
        """Say what is held back still, and leave no thread."""
        timer = self._timer
        self._speak()
        if timer is not None:
            timer.cancel()
            timer.join()

    def _speak(self) -> None:
        with self._lock:
            said, level = self._sum() if self._held else "", self._loudest
        if said:
            log.log(level, "%s", said)

    def _note_second(self, second: int) -> None:
        if second == self._second:
            return
        before = self._count if second == self._second + 1 else 0
        self._is_crowd = before >= (_CALM if self._is_crowd or before > _CROWDED else _CROWDED)
        self._second, self._count = second, 0

    def _begin(self, now: float) -> None:
        self._since, self._loudest = now, 0
        # The crowd's last ones are told of though nobody comes after them.
        self._timer = threading.Timer(self._every, self._speak)
        self._timer.name, self._timer.daemon = "vespa-log-sum", True
        self._timer.start()

    def _sum(self) -> str:
        held, self._held = self._held, {}
        self._hints.clear()
        if self._timer is not None:
            self._timer.cancel()
        each = ", ".join(f"{count} {outcome}" for outcome, count in sorted(held.items(), key=lambda item: -item[1]))
        # In whole seconds, of which a part counts.
        seconds = int(self._until) - int(self._since) + 1
        return f"{sum(held.values())} requests in {seconds} s: {each} (--debug shows each)"


def _is_of_a_request(record: logging.LogRecord) -> bool:
    """By how such lines of ours begin (see :attr:`.journal.record.Record.name`). A fault of the proxy's is more than that."""
    is_named = isinstance(record.args, tuple) and bool(record.args) and str(record.args[0]).startswith("#")
    return is_named and record.levelno < logging.ERROR
