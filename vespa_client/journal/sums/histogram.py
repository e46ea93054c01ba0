"""How often a number of seconds was below each of a few bounds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import inf

__all__ = ["EVENT_BOUNDS", "SECONDS_BOUNDS", "Histogram"]

SECONDS_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""From a kept connection on this machine to a cold start of half an hour."""
EVENT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a burst to a model that has stalled."""


class Histogram:
    """Counts by bounds, the values' sum, the least and the most of them; the last count is of what is above all bounds."""

    __slots__ = ("bounds", "counts", "least", "most", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS_BOUNDS) -> None:
        """``bounds`` rise; a value that equals one is below it."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.least, self.most = inf, 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """The values' mean; None where there were none."""
        count = self.count
        return self.total / count if count else None

    def observe_all(self, values: Sequence[float]) -> None:
        """Count each of the values."""
        if not values:
            return
        counts, bounds = self.counts, self.bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.total += sum(values)
        self.least, self.most = min(self.least, *values), max(self.most, *values)

    def add(self, other: Histogram) -> None:
        """Count what the other one counted, by the same bounds."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.total += other.total
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)

    def copy(self) -> Histogram:
        """Another one with the same counts."""
        copied = Histogram(self.bounds)
        copied.counts, copied.total = list(self.counts), self.total
        copied.least, copied.most = self.least, self.most
        return copied

    def quantile(self, share: float) -> float | None:
        """About what so large a share of the values is below; None where there were none.

        As Prometheus reckons it, but that no value is thought to be below the least or above the most.
        """
        rank, below = share * self.count, 0
        for index, here in enumerate(self.counts):
            if here and below + here >= rank:
                low = max(self.bounds[index - 1] if index else 0.0, self.least)
                high = min(self.bounds[index], self.most) if index < len(self.bounds) else self.most
                return low + (high - low) * (rank - below) / here
            below += here
        return None
