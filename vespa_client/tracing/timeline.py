"""When each phase of an exchange began, which its record forgets: it has their sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..journal.record import Record

__all__ = ["Story", "Timeline", "Turn"]


class Turn(NamedTuple):
    """A phase that began at ``began``, of :func:`time.monotonic`, when ``retries`` workers had failed."""

    phase: str
    began: float
    retries: int


class Story(NamedTuple):
    """An exchange that is over. The last of its turns is ``done``."""

    record: Record
    turns: list[Turn]


class Timeline:
    """A reader of the changes of exchanges: see :meth:`.journal.totals.Totals.watch`."""

    def __init__(self, on_end: Callable[[Story], object]) -> None:
        """``on_end`` is called with each exchange that is over, by its own thread."""
        self._on_end = on_end
        # Each exchange's thread alone changes what stands under its number.
        self._turns: dict[int, list[Turn]] = {}

    def note(self, record: Record) -> None:
        """Its phase has changed."""
        phase, began = record.now
        turns = self._turns.setdefault(record.number, [])
        turns.append(Turn(phase, began, len(record.retries)))
        if phase == "done":
            del self._turns[record.number]
            self._on_end(Story(record, turns))
