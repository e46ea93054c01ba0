"""What became of each request, told by its client, the autoscaler and the workers. Times are of :func:`time.monotonic`."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .plan import Content, Plan

if TYPE_CHECKING:
    from .worker import Worker

__all__ = ["Entry", "Ledger", "Run", "Seen"]

End = Literal["", "turned away", "answered", "broken", "died", "left"]


@dataclass
class Run:
    """A request that has come to a worker as a whole. ``end`` is empty while it runs; "left" is the proxy's hanging up."""

    worker: Worker
    arrived_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    end: End = ""

    def finish(self, end: End) -> None:
        """The first call counts."""
        if not self.end:
            self.ended_at = time.monotonic()
            self.end = end


@dataclass
class Seen:
    """What a client that stayed saw. ``status`` is 0 where no head came."""

    status: int = 0
    is_whole: bool = False
    content: Content | None = None
    crossed: str = ""
    """What was another request's, where something was."""
    own_error: str = ""
    """The code of an answer that is the proxy's own."""
    has_error_event: bool = False
    problem: str = ""
    ended_at: float = 0.0


@dataclass
class Entry:
    """One request's story."""

    plan: Plan
    sent_at: float = 0.0
    left_at: float | None = None
    seen: Seen | None = None
    assigned: list[tuple[float, str]] = field(default_factory=list)
    """When, and to which worker's url."""
    runs: list[Run] = field(default_factory=list)


class Ledger:
    """The requests under way, by their numbers. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _entries
        self._entries: dict[int, Entry] = {}

    def open(self, plan: Plan) -> Entry:
        """The entry of a request that is about to be sent."""
        entry = Entry(plan)
        with self._lock:
            self._entries[plan.number] = entry
        return entry

    def entry(self, number: int) -> Entry | None:
        """The entry of that number, or None."""
        with self._lock:
            return self._entries.get(number)

    def take(self) -> list[Entry]:
        """All entries, which are forgotten with that."""
        with self._lock:
            entries, self._entries = self._entries, {}
        return list(entries.values())
