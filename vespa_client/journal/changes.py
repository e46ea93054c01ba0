"""Which exchanges have changed since a reader last looked."""

from __future__ import annotations

import threading

from .record import Record

__all__ = ["Changes"]

# More than any reader that still reads leaves between two looks.
_MOST = 20_000


class Changes:
    """One reader's. An exchange that changes often is noted once, so that a request never waits and memory stays bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the fields below
        self._records: dict[int, Record] = {}
        self.overflowed = False
        """Whether the reader is so slow that some were dropped."""

    def note(self, record: Record) -> None:
        """It has changed. For any thread."""
        with self._lock:
            if len(self._records) < _MOST:
                self._records[record.number] = record
            else:
                self.overflowed = True

    def take(self) -> list[Record]:
        """Those that have changed since the last call, in the order in which they first did."""
        with self._lock:
            records, self._records = self._records, {}
        return list(records.values())
