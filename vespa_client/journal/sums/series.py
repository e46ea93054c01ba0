"""The last 15 minutes in steps, for charts."""

from __future__ import annotations

from collections import deque

from ..record import Record
from .histogram import Histogram

__all__ = ["SLOTS", "SLOT_SECONDS", "Series", "Slot"]

SLOT_SECONDS = 15
SLOTS = 60


class Slot:
    """What ended within one step of time. ``at`` is its beginning, in seconds since 1970."""

    __slots__ = ("at", "failures", "first_byte", "generating", "requests", "tokens_out")

    def __init__(self, at: int) -> None:
        self.at = at
        self.requests = 0
        self.failures = 0
        self.first_byte = Histogram()
        self.tokens_out = 0
        self.generating = 0.0
        """The seconds in which those tokens came, summed over exchanges."""


class Series:
    """The slots in which anything ended, the oldest first."""

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque(maxlen=SLOTS)

    def add(self, record: Record, ended_at: float, failed: bool) -> None:
        """An exchange has ended. ``ended_at`` is the time of day."""
        # A clock that was set back adds to the newest.
        if not self._slots or ended_at >= self._slots[-1].at + SLOT_SECONDS:
            self._slots.append(Slot(int(ended_at // SLOT_SECONDS) * SLOT_SECONDS))
        slot = self._slots[-1]
        slot.requests += 1
        if failed:
            slot.failures += 1
        if record.first_byte is not None and record.worker is not None:
            slot.first_byte.observe(record.first_byte)
        if record.tokens_out:
            slot.tokens_out += record.tokens_out
            slot.generating += record.generating

    def since(self, now: float) -> list[Slot]:
        """The slots of the last 15 minutes, the oldest first; those in which nothing ended are left out."""
        oldest = now - SLOT_SECONDS * SLOTS
        return [slot for slot in self._slots if slot.at > oldest]
