"""How tests wait: for events, and within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["LONG", "SHORT", "wait_until"]

SHORT = 0.2
"""Seconds: long enough for loopback, short enough to wait for in vain."""
LONG = 10.0
"""Seconds: a bound on what happens at once unless something is wrong."""


def wait_until(is_so: Callable[[], bool], seconds: float = LONG) -> None:
    """Look until it is so, for what tells nobody. Fails the test if it doesn't come to that within so long."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it didn't come to that"
        time.sleep(0.005)
