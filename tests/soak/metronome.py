"""How late this machine is: a thread that asks to be woken at fixed times and notes when it was."""

from __future__ import annotations

import threading
import time
from collections import deque

__all__ = ["Metronome"]

_BEAT = 0.02
_KEPT = 20_000


class Metronome(threading.Thread):
    """Measures the lateness that whatever else runs here causes, for those who bound a time."""

    def __init__(self) -> None:
        super().__init__(name="soak-metronome")
        self.latest = 0.0
        """The worst so far, in seconds."""
        self._beats: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._over = threading.Event()

    def run(self) -> None:
        due = time.monotonic() + _BEAT
        while not self._over.wait(max(0.0, due - time.monotonic())):
            now = time.monotonic()
            self._beats.append((due, now))
            self.latest = max(self.latest, now - due)
            due = now + _BEAT

    def end(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()

    def lateness(self, begin: float, end: float) -> float:
        """For how many seconds between the two moments nothing that was due ran."""
        return sum(max(0.0, min(ran, end) - max(due, begin)) for due, ran in list(self._beats))
