"""The last 15 minutes in steps, for charts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..record import Record, worker_first_bytes
from .histogram import Histogram

__all__ = ["SLOTS", "SLOT_SECONDS", "Series", "Slot"]

SLOT_SECONDS = 15
SLOTS = 60


class Slot:
    """The exchanges that ended within one step of time. ``at`` is its beginning, in seconds since 1970."""

    __slots__ = ("at", "failures", "first_byte", "generating", "requests", "tokens_out")

    def __init__(self, at: int) -> None:
        self.at = at
        self.requests = 0
        self.failures = 0
        self.first_byte = Histogram()
        self.tokens_out = 0
        self.generating = 0.0
        """The seconds in which those tokens came, summed over exchanges."""

    def add(self, batch: Sequence[Record]) -> None:
        """These ended here."""
        self.requests += len(batch)
        self.failures += sum([record.is_failure for record in batch])
        self.first_byte.observe_all(worker_first_bytes(batch))
        for record in batch:
            if record.tokens_out:
                self.tokens_out += record.tokens_out
                self.generating += record.generating


class Series:
    """The slots in which anything ended, the oldest first."""

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque(maxlen=SLOTS)

    def add(self, batch: Sequence[Record]) -> None:
        """These exchanges have ended, in this order."""
        # A clock that was set back adds to the newest.
        if self._slots and batch[-1].ended_at < self._slots[-1].at + SLOT_SECONDS:
            self._slots[-1].add(batch)
            return
        for record in batch:
            if not self._slots or record.ended_at >= self._slots[-1].at + SLOT_SECONDS:
                self._slots.append(Slot(int(record.ended_at // SLOT_SECONDS) * SLOT_SECONDS))
            self._slots[-1].add([record])

    def since(self, now: float) -> list[Slot]:
        """The slots of the last 15 minutes, the oldest first; those in which nothing ended are left out."""
        oldest = now - SLOT_SECONDS * SLOTS
        return [slot for slot in self._slots if slot.at > oldest]
