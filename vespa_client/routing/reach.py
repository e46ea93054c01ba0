"""Whether the autoscaler was reached when it was last asked, and since when that is so."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

__all__ = ["Reach", "Reached"]


class Reached(NamedTuple):
    """What is known. ``ok`` is None before the first try; ``since`` is in seconds since 1970; ``trouble`` says why not."""

    ok: bool | None
    since: float
    trouble: str = ""


class Reach:
    """The state of the way to the autoscaler. Safe to share between threads: each writes what it has seen, in one step."""

    def __init__(self) -> None:
        self.now = Reached(None, time.time())
        self._heard = -math.inf

    def succeeded(self) -> None:
        """It answered, or took a connection."""
        self._heard = time.monotonic()
        if self.now.ok is not True:
            self.now = Reached(True, time.time())

    def is_certain(self, seconds: float) -> bool:
        """Whether it was heard of within so many seconds, and had no trouble since."""
        return self.now.ok is True and time.monotonic() - self._heard < seconds

    def failed(self, trouble: str) -> None:
        """It did not."""
        before = self.now
        self.now = Reached(False, before.since if before.ok is False else time.time(), trouble)
